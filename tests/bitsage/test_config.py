"""The configuration: precedence, sources, and one sentence for everything that is wrong."""

import dataclasses
import json
from pathlib import Path

import pytest

from bitsage.config import ENVIRONMENT, load
from bitsage.errors import ConfigError
from bitsage.parameters import MEANINGS
from bitsage.schemas.parameters import SAGE, Parameters


def write(text: str) -> Path:
    Path("bitsage.toml").write_text(text, encoding="utf-8")
    return Path("bitsage.toml")


def test_defaults_are_the_networks_own() -> None:
    assert load(environment={}).config.parameters() == Parameters()


def test_every_parameter_has_a_meaning() -> None:
    assert set(MEANINGS) == {field.name for field in dataclasses.fields(Parameters)}


def test_flags_over_environment_over_file_over_defaults() -> None:
    write('chain_id = "file"\nhome = "file"\n[kafka]\nbootstrap = "file:1"\n[log]\nlevel = "debug"\n')
    found = load({"kafka.bootstrap": "flag:1"}, environment={"KAFKA_BOOTSTRAP": "env:1", "SAGE_HOME": "env"})
    config = found.config
    assert (config.kafka.bootstrap, str(config.home), config.chain_id, config.log.level) == (
        "flag:1",
        "env",
        "file",
        "debug",
    )
    sources = {setting.key: setting.source for setting in found.settings()}
    assert (sources["kafka.bootstrap"], sources["home"], sources["chain_id"]) == ("flag", "env", "file")
    assert sources["log.format"] == "default"


def test_a_named_file_is_read_instead_of_the_one_here(tmp_path: Path) -> None:
    write('chain_id = "here"')
    other = tmp_path / "other.toml"
    other.write_text('chain_id = "there"', encoding="utf-8")
    assert load(file=other, environment={}).config.chain_id == "there"
    assert load(environment={"SAGE_CONFIG": str(other)}).config.chain_id == "there"


def test_parameters_from_file_and_environment() -> None:
    write(
        '[network.parameters]\nfaucet_sage = "5 SAGE"\nattempts = 2\n[network.parameters.minimum_stake]\nconsumer = 7\n'
    )
    environment = {
        "SAGE_NETWORK__PARAMETERS__REPUTATION_CHANGE__SLASH": "-7",
        "SAGE_NETWORK__PARAMETERS__ATTEMPTS": "4",
    }
    parameters = load(environment=environment).config.parameters()
    assert (parameters.faucet_sage, parameters.attempts) == (5 * SAGE, 4)
    assert parameters.minimum_stake == Parameters().minimum_stake | {"consumer": 7}
    assert parameters.reputation_change["slash"] == -7


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("hmoe = 'x'", "unknown_key", "did you mean home?"),
        ("[kafka]\nbootstap = 'x:1'", "unknown_key", "kafka.bootstrap"),
        ("[netwrok.parameters]\nattempts = 1", "unknown_key", "netwrok"),
        ("[network.parameters]\nfauct_sage = 1", "unknown_key", "faucet_sage"),
        ("zzzzzz = 1", "unknown_key", "sage config show"),
        ("[network.parameters]\nattempts = 'many'", "bad_value", "attempts"),
        ("[network.parameters]\nattempts = -1", "bad_value", "negative"),
        ("[network.parameters]\nattempts = 1.5", "bad_value", "whole number"),
        ("[network.parameters]\nworker_percent = 101", "bad_value", "100 percent"),
        ("[network.parameters]\nfee_burnt_percent = 90", "bad_value", "together"),
        ("[network.parameters]\nworker_percent = 0", "bad_value", "worker_percent must be at least 1"),
        ("[network.parameters]\nconsensus_timeout_ms = 0", "bad_value", "consensus_timeout_ms must be at least 1"),
        ("[network.parameters]\nvalidators_max = 1000", "bad_value", "at most 256 follow-ups"),
        ("[network.parameters.slash_percent]\nequivocation = 0", "bad_value", "costs nothing"),
        ("[network.parameters]\nfaucet_sage = '1 GAS'", "bad_value", "SAGE"),
        ("[network.parameters]\nfaucet_sage = 'x SAGE'", "bad_value", "amount"),
        ("[network.parameters]\nminimum_stake = 4", "bad_value", "rows"),
        ("[network.parameters.minimum_stake]\nfast = 4", "bad_value", "no row fast"),
        ("network = 4", "bad_value", "network"),
        ("[log]\nlevel = 'loud'", "bad_value", "log.level"),
        ("name = '../x'", "bad_value", "name"),
        ("home = [", "config_malformed", "TOML"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(text: str, code: str, words: str) -> None:
    write(text)
    with pytest.raises(ConfigError) as caught:
        load(environment={})
    assert caught.value.code == code
    assert words in str(caught.value)
    assert "bitsage.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_place_of_a_bad_value_is_named() -> None:
    with pytest.raises(ConfigError, match=r"SAGE_LOG_LEVEL sets log\.level"):
        load(environment={"SAGE_LOG_LEVEL": "loud"})
    with pytest.raises(ConfigError, match=r"a flag sets log\.level"):
        load({"log.level": "loud"}, environment={})


def test_a_missing_or_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(file=tmp_path / "none.toml", environment={})
    assert caught.value.code == "config_missing"
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError) as caught:
        load(file=tmp_path / "bytes.toml", environment={})
    assert caught.value.code == "config_unreadable"


def test_config_show_lists_every_key_with_source_and_no_secret(sh) -> None:
    write('chain_id = "file"')
    document = sh("sage --log-level debug config show --json").json
    assert document["file"] == "bitsage.toml"
    settings = document["settings"]
    assert set(ENVIRONMENT.values()) < set(settings)
    assert all(entry["meaning"] for entry in settings.values())
    assert (settings["chain_id"]["source"], settings["log.level"]["source"], settings["home"]["source"]) == (
        "file",
        "flag",
        "env",
    )
    assert "a test's password" not in json.dumps(document)
    assert "chain_id" in sh("sage config show").stdout


def test_an_unknown_key_stops_every_command_with_exit_2(sh) -> None:
    write("hmoe = 'x'")
    assert sh("sage-worker balance --json", code=2).json["error"]["code"] == "unknown_key"

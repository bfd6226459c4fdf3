"""`sage projection`: what it prints, in which form, and with which exit code."""

import csv
import io
import json

import pytest
from typer.testing import CliRunner

from bitsage.cli import projection as cli
from bitsage.cli import sage as root
from bitsage.projections import MODELS, Projection
from bitsage.streams.errors import BrokerUnreachable


@pytest.fixture
def sage(kit, tmp_path, monkeypatch):
    """Runs `sage projection ...` over a log that holds the story."""
    log = kit.HeldLog(kit.life().records)
    monkeypatch.setenv("SAGE_HOME", str(tmp_path))
    monkeypatch.setattr(cli, "open_log", lambda: log)

    def run(*words, code=0):
        result = CliRunner().invoke(root.app, ["projection", *map(str, words)])
        assert result.exit_code == code, (result.output, result.exception)
        return result

    run.log = log
    return run


def test_list(sage) -> None:
    sage("rebuild", "--all")
    rows = json.loads(sage("list", "--json").stdout)
    assert [row["model"] for row in rows] == [model.name for model in MODELS]
    assert all(row["records"] > 0 and row["rows"] > 0 for row in rows)
    assert "Escrows" in sage("list").stdout


@pytest.mark.parametrize("model", [model.name for model in MODELS])
def test_show_every_model_in_every_form(sage, model) -> None:
    rows = json.loads(sage("show", model, "--json").stdout)
    assert rows
    found = list(csv.DictReader(io.StringIO(sage("show", model, "--csv").stdout)))
    assert [list(row) for row in found] == [list(row) for row in rows]
    assert f"{len(rows)} row" in sage("show", model).stdout


def test_show_filters_and_limits(sage) -> None:
    assert [row["state"] for row in json.loads(sage("show", "jobs", "--where", "state=paid", "--json").stdout)] == [
        "paid"
    ]
    words = ("--where", "registered=1", "--where", "tier=consumer")
    assert len(json.loads(sage("show", "workers", *words, "--json").stdout)) == 1
    assert len(json.loads(sage("show", "balances", "--limit", 2, "--json").stdout)) == 2
    assert json.loads(sage("show", "stakes", "--table", "slashes", "--json").stdout)[0]["reason"] == "invalid_proof"
    assert sage("show", "jobs", "--where", "state=none", "--csv").stdout.startswith("job_id,state")


def test_the_table_speaks_of_sage_and_json_of_base_units(sage, kit) -> None:
    text = sage("show", "stakes", "--where", "tier=consumer", "--table", "stakes").stdout
    assert "900" in text
    rows = json.loads(sage("show", "stakes", "--json").stdout)
    assert str(900 * kit.SAGE) in {row["amount"] for row in rows}


def test_show_as_of(sage) -> None:
    assert json.loads(sage("show", "jobs", "--as-of", "0", "--json").stdout) == []
    assert json.loads(sage("show", "jobs", "--as-of", "1970-01-01", "--json").stdout) == []
    assert len(json.loads(sage("show", "jobs", "--as-of", "2100-01-01T00:00:00Z", "--json").stdout)) == 3


def test_query_and_hash(sage, tmp_path) -> None:
    rows = json.loads(sage("query", "jobs", "select count(*) as n from jobs", "--json").stdout)
    assert rows == [{"n": 3}]
    [state] = json.loads(sage("hash", "jobs", "--json").stdout)
    with Projection("jobs", tmp_path / "projections") as model:
        assert model.state_hash() == state["hash"]
    [past] = json.loads(sage("show", "jobs", "--as-of", state["as_of"], "--limit", 1, "--json").stdout)
    assert past["job_id"]
    [again] = json.loads(sage("rebuild", "jobs", "--json").stdout)
    assert again["hash"] == state["hash"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("show", "nonsense"), "unknown_model"),
        (("hash", "nonsense"), "unknown_model"),
        (("rebuild", "nonsense"), "unknown_model"),
        (("query", "nonsense", "select 1"), "unknown_model"),
        (("show", "jobs", "--where", "nonsense=1"), "unknown_column"),
        (("show", "jobs", "--where", "nonsense"), "bad_argument"),
        (("show", "jobs", "--table", 'x" union select'), "unknown_table"),
        (("show", "jobs", "--as-of", "yesterday"), "bad_as_of"),
        (("show", "jobs", "--json", "--csv"), "bad_argument"),
        (("query", "jobs", "delete from job_facts"), "query_refused"),
        (("query", "jobs", "nonsense"), "query_refused"),
        (("query", "jobs", "attach ':memory:' as x"), "query_refused"),
        (("rebuild",), "bad_argument"),
        (("rebuild", "jobs", "--all"), "bad_argument"),
    ],
)
def test_bad_input_is_exit_code_2(sage, words, reason) -> None:
    result = sage(*words, code=2)
    assert result.stderr.startswith("error: ")
    assert result.stderr.endswith(f"[{reason}]\n")
    if "--json" in words:
        assert json.loads(result.stdout)["error"]["code"] == reason
    else:
        assert result.stdout == ""


def test_a_slow_query_is_refused(sage) -> None:
    sql = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
    assert "query_timeout" in sage("query", "jobs", sql, "--seconds", "0.1", code=1).stderr


def test_another_log_is_refused_until_it_is_rebuilt(sage, kit) -> None:
    sage("hash", "balances")
    sage.log.records = [kit.replace(record, timestamp=1) for record in sage.log.records]
    assert "log_mismatch" in sage("hash", "balances", code=1).stderr
    sage("rebuild", "balances")
    sage("hash", "balances")


@pytest.mark.parametrize(
    "words", [("show", "jobs"), ("hash", "jobs"), ("rebuild", "--all"), ("query", "jobs", "select 1")]
)
def test_no_broker_is_exit_code_3(sage, monkeypatch, words) -> None:
    def nobody():
        raise BrokerUnreachable("no broker answered")

    sage("show", "jobs")
    monkeypatch.setattr(cli, "open_log", nobody)
    assert "broker_unreachable" in sage(*words, code=3).stderr
    assert json.loads(sage("show", "jobs", "--offline", "--json").stdout)
    sage("list")


def test_a_damaged_file_is_named_and_replaced(sage, tmp_path) -> None:
    folder = tmp_path / "projections"
    folder.mkdir()
    (folder / "jobs@1.db").write_bytes(b"damaged" * 1000)
    result = sage("show", "jobs", "--json")
    assert "jobs@1.db.unusable" in result.stderr
    assert len(json.loads(result.stdout)) == 3


def test_texts_of_others_cannot_write_to_the_terminal(sage, kit) -> None:
    from bitsage.schemas import events as e

    chain = kit.Chain()
    chain.event(kit.name("c"), e.JobRejected(job_id=bytes(16), reason="\x1b[31m[bold]x", details=""))
    sage.log.records = chain.records
    text = sage("show", "jobs").stdout
    assert "\x1b" not in text
    assert "?[31m[bold]x" in text.replace("\n", "")

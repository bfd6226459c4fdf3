"""The one configuration: flags over environment over `bitsage.toml` over defaults.

Every key has one description here; `sage config show` and docs/configuration.md are made from it. Passwords are no
configuration: they come from a prompt, SAGE_PASSWORD or --password-file and are never shown.
"""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bitsage.schemas.parameters import Parameters

from .errors import ConfigError
from .parameters import ParametersTable

FILE_NAME = "bitsage.toml"
#: Environment variables and the keys that they set; parameters are SAGE_NETWORK__PARAMETERS__<NAME>.
ENVIRONMENT: dict[str, str] = {
    "SAGE_HOME": "home",
    "SAGE_KEYSTORES": "keystores",
    "SAGE_NAME": "name",
    "SAGE_CHAIN_ID": "chain_id",
    "SAGE_DEVICE": "device",
    "SAGE_BENCHMARK": "benchmark",
    "KAFKA_BOOTSTRAP": "kafka.bootstrap",
    "KAFKA_CONFIG": "kafka.config",
    "SAGE_LOG_LEVEL": "log.level",
    "SAGE_LOG_FORMAT": "log.format",
}
_PARAMETER_PREFIX = "SAGE_NETWORK__PARAMETERS__"
Source = Literal["default", "file", "env", "flag"]
_STRICT = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Kafka(BaseModel):
    """Where the log is."""

    model_config = _STRICT
    bootstrap: str | None = Field(None, description="host:port[,...] of the cluster; none: the local broker of home")
    config: Path | None = Field(None, description="file of further client settings (TLS, SASL): properties or TOML")


class Logging(BaseModel):
    """What processes say about their work, on standard error."""

    model_config = _STRICT
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is written")
    format: Literal["auto", "console", "json"] = Field(
        "auto", description="console or JSON lines; auto: console on a terminal, else JSON lines"
    )


class WorkerSettings(BaseModel):
    """What a worker bids for; it counts from its next registration on, `max_rows` from its next start."""

    model_config = _STRICT
    min_price: str = Field("0", description="least price per proven row in SAGE; for single types: 0.001,vm=0.002")
    job_types: list[str] = Field(default_factory=list, description="job types that it does; none: every installed one")
    clients: list[str] = Field(default_factory=list, description="accounts it works for, 8 at most; none: for anybody")
    least_tier: str = Field("", description="least GPU tier that a job has to ask for; none: any")
    slots: int = Field(1, description="jobs at once, 1 to 4")
    max_collateral: str = Field("0", description="most stake that it pledges for one job, SAGE")
    max_rows: int | None = Field(
        None,
        ge=1 << 20,
        description="most rows of a job that it proves, 2^20 at least; others are declined; none: 2^20 without a GPU, any with",
    )


class NetworkSettings(BaseModel):
    """What a new network is made with."""

    model_config = _STRICT
    auditor_key: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{128}$",
        description="payment key of an auditor who can read every hidden amount that is moved; none: there is no such key",
    )
    parameters: ParametersTable = Field(default_factory=ParametersTable)


class Config(BaseSettings):
    """Every setting. Paths may start with ~; a relative home is taken from the working folder."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)
    home: Path = Field(Path(".sage"), description="folder of keystores, network file, read models and local broker")
    keystores: Path | None = Field(None, description="folder of keystores; none: keystores in home")
    name: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="name of the wallet; none: worker, validator, client or coordinator, after the command",
    )
    chain_id: str | None = Field(
        None, min_length=1, max_length=64, description="chain id of a new network; none: a random one of its own"
    )
    device: str | None = Field(
        None, min_length=1, description="what proofs are made on, as `sage devices` lists it; none: the best there is"
    )
    benchmark: bool = Field(False, description="whether `sage-worker register` measures the device and signs its speed")
    kafka: Kafka = Field(default_factory=Kafka)
    log: Logging = Field(default_factory=Logging)
    worker: WorkerSettings = Field(default_factory=WorkerSettings)
    network: NetworkSettings = Field(default_factory=NetworkSettings)

    @field_validator("home", "keystores")
    @classmethod
    def _expand(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """All values come in one mapping: `load` merges the sources, because it also reports them."""
        return (init_settings,)

    @property
    def network_file(self) -> Path:
        """The trust anchor of the network."""
        return self.home / "network.json"

    @property
    def projections(self) -> Path:
        """Where the live read models are."""
        return self.home / "projections"

    def keystore(self, name: str) -> Path:
        """The keystore of a wallet name."""
        return (self.keystores or self.home / "keystores") / f"{name}.json"

    def node_folder(self, name: str) -> Path:
        """What a process of that name keeps between starts."""
        return self.home / "nodes" / name

    def parameters(self) -> Parameters:
        """The numbers of a new network."""
        return self.network.parameters.parameters()


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of the configuration, as it is in force."""

    key: str
    value: Any
    source: Source
    meaning: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, the file that it was read from, and the source of every key that is not a default."""

    config: Config
    file: Path | None
    sources: Mapping[str, Source]

    def settings(self) -> Iterator[Setting]:
        """Every key in order."""
        for key, value, meaning in _leaves(self.config):
            yield Setting(key, value, self.sources.get(key, "default"), meaning)


def load(
    flags: Mapping[str, Any] | None = None, file: Path | None = None, environment: Mapping[str, str] | None = None
) -> Loaded:
    """The configuration from all sources.

    Args:
        flags: dotted keys and values; None values do not count.
        file: the file to read; None: SAGE_CONFIG, else bitsage.toml in the working folder where there is one.
        environment: os.environ unless given.

    Raises:
        ConfigError: the file is missing or malformed, a key is unknown, or a value is not of its kind.
    """
    env = os.environ if environment is None else environment
    found = _file(file, env)
    layers: list[tuple[Source, dict[str, Any]]] = [
        ("file", {} if found is None else _read(found)),
        ("env", _from_environment(env)),
        ("flag", _nested({key: value for key, value in (flags or {}).items() if value is not None})),
    ]
    merged: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    for source, values in layers:
        _merge(merged, values)
        sources |= dict.fromkeys(_keys(values), source)
    try:
        return Loaded(Config(**merged), found, sources)
    except ValidationError as error:
        raise _sentence(error, sources, found, env) from None


def _file(file: Path | None, env: Mapping[str, str]) -> Path | None:
    named = file or (Path(env["SAGE_CONFIG"]) if env.get("SAGE_CONFIG") else None)
    if named is not None:
        return named
    return Path(FILE_NAME) if Path(FILE_NAME).is_file() else None


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError("config_missing", f"there is no configuration file {file}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("config_unreadable", f"{file} cannot be read: {type(error).__name__}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("config_malformed", f"{file} is not valid TOML: {error}") from None


def _from_environment(env: Mapping[str, str]) -> dict[str, Any]:
    found = {key: env[name] for name, key in ENVIRONMENT.items() if env.get(name)}
    for name, value in env.items():
        if name.startswith(_PARAMETER_PREFIX):
            found["network.parameters." + name.removeprefix(_PARAMETER_PREFIX).lower().replace("__", ".")] = value
    return _nested(found)


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        *folders, last = key.split(".")
        node = tree
        for folder in folders:
            node = node.setdefault(folder, {})
        node[last] = value
    return tree


def _merge(under: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, Mapping):
            if not isinstance(under.get(key), dict):
                under[key] = {}
            _merge(under[key], value)
        else:
            under[key] = value


def _keys(tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _keys(value, f"{prefix}{key}.")
        else:
            yield prefix + key


def _leaves(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    for name, field in type(model).model_fields.items():
        value, meaning = getattr(model, name), field.description or ""
        if isinstance(value, BaseModel):
            yield from _leaves(value, f"{prefix}{name}.")
        elif isinstance(value, dict):
            for key, entry in value.items():
                yield f"{prefix}{name}.{key}", entry, f"{meaning}: {key}"
        else:
            yield prefix + name, value, meaning


def known_keys() -> list[str]:
    """Every key, dotted."""
    return [key for key, _, _ in _leaves(Config())]


def _sentence(
    error: ValidationError, sources: Mapping[str, Source], file: Path | None, env: Mapping[str, str]
) -> ConfigError:
    """The first thing that is wrong, where it stands, and what may be meant."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    where = _where(key, sources, file, env)
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(key, [*known_keys(), *_sections()], n=1, cutoff=0.6)
        hint = f"did you mean {close[0]}?" if close else "sage config show lists the keys"
        return ConfigError("unknown_key", f"{where} sets {key}, which is no key; {hint}")
    reason = first["msg"].removeprefix("Value error, ")
    return ConfigError("bad_value", f"{where} sets {key} to something that does not fit: {reason}")


def _sections() -> set[str]:
    return {key.rsplit(".", 1)[0] for key in known_keys() if "." in key}


def _where(key: str, sources: Mapping[str, Source], file: Path | None, env: Mapping[str, str]) -> str:
    source = sources.get(key) or next((s for k, s in sources.items() if k.startswith(key + ".")), "file")
    if source == "env":
        names = [n for n, k in ENVIRONMENT.items() if k == key and n in env]
        return names[0] if names else _PARAMETER_PREFIX + key.removeprefix("network.parameters.").upper()
    if source == "flag":
        return "a flag"
    return str(file or FILE_NAME)

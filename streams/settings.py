"""Client settings: where the cluster is, and whatever else librdkafka takes (TLS, SASL), from a file.

The file is either Java-style properties (`key=value` a line) or TOML, whose tables join with dots:
`[ssl] ca.location = "ca.pem"` and `"ssl.ca.location" = "ca.pem"` say the same. Keys go to librdkafka as they are.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .errors import BadSettings

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})")
_SECRET = re.compile(r"password|secret|key\.pem|jaas|token|oauthbearer\.config", re.IGNORECASE)


class ClientSettings(dict[str, Any]):
    """Settings of librdkafka whose repr hides passwords and keys."""

    def __repr__(self) -> str:
        shown = {key: "<hidden>" if _SECRET.search(key) else value for key, value in self.items()}
        return f"ClientSettings({shown})"

    __str__ = __repr__

    @property
    def bootstrap(self) -> str:
        """The servers to ask first: `host:port` with commas between."""
        return str(self["bootstrap.servers"])


def _check_bootstrap(value: object) -> str:
    servers = [part.strip() for part in str(value).split(",")]
    for server in servers:
        match = _ADDRESS.fullmatch(server)
        if match is None or not 0 < int(match[2]) < 65_536:
            raise BadSettings(f"'{server}' is not a Kafka address of the form host:port")
    return ",".join(servers)


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        name = prefix + key
        if isinstance(value, Mapping):
            yield from _flatten(value, name + ".")
        elif isinstance(value, bool):
            yield name, "true" if value else "false"
        elif isinstance(value, str | int | float):
            yield name, str(value)
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            yield name, ",".join(value)
        else:
            raise BadSettings(f"the Kafka setting '{name}' is neither text, number nor true or false")


def _toml(text: str, file: Path) -> dict[str, str]:
    try:
        return dict(_flatten(tomllib.loads(text)))
    # The parser's own text may quote a line, and a line may hold a password.
    except tomllib.TOMLDecodeError:
        raise BadSettings(f"{file.name} is not valid TOML") from None


def _properties(text: str, file: Path) -> dict[str, str]:
    found = {}
    joined = re.sub(r"\\\r?\n[ \t]*", "", text)
    for number, raw in enumerate(joined.splitlines(), 1):
        line = raw.strip()
        if not line or line[0] in "#!":
            continue
        key, equals, value = line.partition("=")
        if not equals or not key.strip():
            raise BadSettings(f"{file.name}: entry {number} is not of the form key=value")
        found[key.strip()] = value.strip()
    return found


def client_settings(bootstrap: str | None, file: Path | None = None) -> ClientSettings:
    """Settings for every client of one cluster.

    Args:
        bootstrap: `host:port[,host:port]`; None takes `bootstrap.servers` from the file.
        file: `.toml`, else properties; its other keys are passed to librdkafka unchanged.

    Raises:
        BadSettings: no address, a malformed address, or a file that is unreadable or malformed.
    """
    found: dict[str, str] = {}
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadSettings(f"the Kafka settings in {file} cannot be read: {type(error).__name__}") from None
        found = (_toml if file.suffix == ".toml" else _properties)(text, file)
    servers = bootstrap or found.get("bootstrap.servers")
    if not servers:
        raise BadSettings("no Kafka address was given: neither an argument nor bootstrap.servers in the settings file")
    return ClientSettings(found | {"bootstrap.servers": _check_bootstrap(servers)})


__all__ = ["ClientSettings", "client_settings"]

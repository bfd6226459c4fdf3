"""Errors of the schemas room.

SchemaError
|-- SchemaUnknown   a record names a fingerprint that the registry does not hold
`-- SchemaDrift     a checked-in .avsc and its dataclass disagree
"""


class SchemaError(Exception):
    """Anything wrong with a schema."""

    code = "schema_error"


class SchemaUnknown(SchemaError):
    """A record names a fingerprint that the registry does not hold."""

    code = "schema_unknown"

    def __init__(self, fingerprint: bytes) -> None:
        super().__init__(f"no schema in the registry has the fingerprint {fingerprint.hex()}")


class SchemaDrift(SchemaError):
    """A checked-in .avsc and its dataclass disagree."""

    code = "schema_drift"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name}.avsc does not agree with its dataclass; run python -m bitsage.schemas.registry --write"
        )

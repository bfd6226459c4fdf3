"""The attestation room."""

__all__: list[str] = []

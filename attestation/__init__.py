"""TEE quotes: their parsing, the vendors' signature chains, and the versioned allow-list of enclaves.

Nothing of it is built in this version, so the room has no names: a registration with a quote and a job that asks for TEE
are refused with `attestation_unavailable`.
"""

__all__: list[str] = []

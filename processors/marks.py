"""Short digests of what may happen once only; a state keeps them instead of the whole facts."""

import hashlib


def mark(*parts: str | bytes | int) -> bytes:
    """16 bytes that stand for `parts`; each part is typed and length-prefixed, so no two lists run together."""
    hasher = hashlib.sha256(b"bitsage mark")
    for part in parts:
        if isinstance(part, str):
            kind, data = b"s", part.encode()
        elif isinstance(part, bytes):
            kind, data = b"b", part
        else:
            kind, data = b"i", str(part).encode()
        hasher.update(kind + len(data).to_bytes(4, "big") + data)
    return hasher.digest()[:16]

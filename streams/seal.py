"""The seal: the coordinator's Ed25519 signature (RFC 8032) over every event it writes.

The broker is trusted for order and liveness, not for integrity. Whoever acts on an event, or folds it into state that
others rely on, checks that the network's coordinator wrote it; a record without a good seal is not an event.
"""

from collections.abc import Iterable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HEADER = "bitsage-seal"


def _message(topic: str, value: bytes) -> bytes:
    return b"bitsage seal v1\0" + topic.encode() + b"\0" + value


class Sealer:
    """Seals events with a 32-byte secret; the secret never shows in a repr."""

    def __init__(self, secret: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(secret)
        self.public_key: bytes = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def seal(self, topic: str, value: bytes) -> bytes:
        """64 signature bytes for the header `bitsage-seal`."""
        return self._key.sign(_message(topic, value))


class SealCheck:
    """Whether a record is the coordinator's: a callable over (topic, value, headers)."""

    def __init__(self, public_keys: Iterable[bytes]) -> None:
        self._keys = tuple(Ed25519PublicKey.from_public_bytes(key) for key in public_keys)

    def __call__(self, topic: str, value: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> bool:
        """True when exactly one seal header is there and one of the known keys made it."""
        seals = [content for name, content in headers if name == HEADER]
        if value is None or len(seals) != 1 or seals[0] is None:
            return False
        return self.signed(topic, value, seals[0])

    def signed(self, topic: str, value: bytes, seal: bytes) -> bool:
        """Whether one of the known keys made this seal."""
        for key in self._keys:
            try:
                key.verify(seal, _message(topic, value))
            except InvalidSignature:
                continue
            return True
        return False

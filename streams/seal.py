"""The seal: the coordinator's Ed25519 signature (RFC 8032) over every event it writes.

The broker is trusted for order and liveness, not for integrity. Whoever acts on an event, or folds it into state that
others rely on, checks that the network's coordinator wrote it; a record without a good seal is not an event.

    message = "bitsage seal v2" || 0x00 || len(chain id) || chain id || len(topic) || topic || value     (lengths: u16 BE)

The chain id is in it because one wallet may coordinate several networks, and an event of one is nothing in another. Key
and partition are not: whoever reads compares them with the event's own subject.
"""

from collections.abc import Iterable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HEADER = "bitsage-seal"
_DOMAIN = b"bitsage seal v2\0"


def _message(chain_id: str, topic: str, value: bytes) -> bytes:
    texts = (text.encode() for text in (chain_id, topic))
    return _DOMAIN + b"".join(len(text).to_bytes(2, "big") + text for text in texts) + value


def seal_key(secret: bytes) -> bytes:
    """The 32-byte public key of a 32-byte seal secret; the same on every chain."""
    return Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


class Sealer:
    """Seals events of one chain with a 32-byte secret; the secret never shows in a repr."""

    def __init__(self, secret: bytes, chain_id: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(secret)
        self._chain_id = chain_id
        self.public_key: bytes = seal_key(secret)

    def seal(self, topic: str, value: bytes) -> bytes:
        """64 signature bytes for the header `bitsage-seal`."""
        return self._key.sign(_message(self._chain_id, topic, value))

    def check(self) -> "SealCheck":
        """The check that accepts this sealer's seals, and no others."""
        return SealCheck([self.public_key], self._chain_id)


class SealCheck:
    """Whether a record is the coordinator's on this chain: a callable over (topic, value, headers)."""

    def __init__(self, public_keys: Iterable[bytes], chain_id: str) -> None:
        self._keys = tuple(Ed25519PublicKey.from_public_bytes(key) for key in public_keys)
        self._chain_id = chain_id

    def __call__(self, topic: str, value: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> bool:
        """True when exactly one seal header is there and one of the known keys made it."""
        seals = [content for name, content in headers if name == HEADER]
        if value is None or len(seals) != 1 or seals[0] is None:
            return False
        return self.signed(topic, value, seals[0])

    def signed(self, topic: str, value: bytes, seal: bytes) -> bool:
        """Whether one of the known keys made this seal."""
        message = _message(self._chain_id, topic, value)
        for key in self._keys:
            try:
                key.verify(seal, message)
            except InvalidSignature:
                continue
            return True
        return False

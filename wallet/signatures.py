"""Signatures of commands: ECDSA on the STARK curve over a Poseidon hash of everything that the command means.

    digest(label, text) = blake3(label || 0x00 || text) cut to its first 31 bytes, as a field element
    hash = Poseidon(digest("domain", "bitsage command v1"), digest("chain", chain id), digest("type", type),
                    digest("subject", subject), nonce, upper 16 bytes of the payload hash, lower 16 bytes) mod 2^250

Every element has a fixed place and the texts are hashed, so no two commands share a message. Nonces of the signature are
those of RFC 6979. A signature (r, s) can be turned into (r, n - s) by anybody: a command is known by its nonce, never by
its signature.
"""

from functools import lru_cache

import blake3
import fast_stark_crypto
from poseidon_py.c_bindings import hades_permutation

from .curve import ECDSA_BOUND, MESSAGE_BITS, ORDER, is_public_key
from .errors import MessageInvalid
from .keys import Key

_DOMAIN = "bitsage command v1"
_MAX_NONCE = 2**64
SIGNATURE_BYTES = 64


def sign_command(key: Key, chain_id: str, command_type: str, subject: str, payload_hash: bytes, nonce: int) -> bytes:
    """r || s, 64 bytes. `payload_hash` is 32 bytes, `nonce` in [0, 2^64); MessageInvalid otherwise."""
    message = command_hash(chain_id, command_type, subject, payload_hash, nonce)
    r, s = fast_stark_crypto.sign(key.secret, message)
    return int(r).to_bytes(32, "big") + int(s).to_bytes(32, "big")


def verify_command(
    public_key: bytes,
    chain_id: str,
    command_type: str,
    subject: str,
    payload_hash: bytes,
    nonce: int,
    signature: bytes,
) -> bool:
    """Whether the signature is the key's for exactly this command. Never raises: hostile values give False."""
    if len(public_key) != 32 or len(signature) != SIGNATURE_BYTES:
        return False
    x = int.from_bytes(public_key, "big")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    # The library panics, with a trace on stderr, on every value that these checks keep from it.
    if not (0 < r < ECDSA_BOUND and 0 < s < ECDSA_BOUND and pow(s, -1, ORDER) < ECDSA_BOUND and is_public_key(x)):
        return False
    try:
        message = command_hash(chain_id, command_type, subject, payload_hash, nonce)
    except MessageInvalid:
        return False
    return _verify(x, message, r, s)


def command_hash(chain_id: str, command_type: str, subject: str, payload_hash: bytes, nonce: int) -> int:
    """The 250-bit number that is signed; MessageInvalid when a part does not have its form."""
    if len(payload_hash) != 32:
        raise MessageInvalid("the payload hash is not 32 bytes long")
    if not 0 <= nonce < _MAX_NONCE:
        raise MessageInvalid("the nonce is not between 0 and 2^64 - 1")
    try:
        first, second, third = _chain_state(chain_id)
        kind, about = _type_digest(command_type), _digest("subject", subject)
    except UnicodeEncodeError as error:
        raise MessageInvalid("a text is not valid Unicode") from error
    high, low = int.from_bytes(payload_hash[:16], "big"), int.from_bytes(payload_hash[16:], "big")
    # The sponge of Poseidon over a sequence: rate 2, a one after the last element.
    for left, right in ((kind, about), (nonce, high), (low, 1)):
        first, second, third = hades_permutation([first + left, second + right, third])
    message: int = first % 2**MESSAGE_BITS
    return message


@lru_cache(maxsize=64)
def _chain_state(chain_id: str) -> tuple[int, int, int]:
    first, second, third = hades_permutation([_digest("domain", _DOMAIN), _digest("chain", chain_id), 0])
    return first, second, third


@lru_cache(maxsize=1024)
def _type_digest(command_type: str) -> int:
    return _digest("type", command_type)


def _digest(label: str, text: str) -> int:
    return int.from_bytes(blake3.blake3(f"{label}\0{text}".encode()).digest()[:31], "big")


def _verify(x: int, message: int, r: int, s: int) -> bool:
    try:
        return bool(fast_stark_crypto.verify(x, message, r, s))
    except BaseException as error:
        # A Rust panic arrives as an exception that is not an Exception; anything else that stops a program goes on.
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            return False
        raise

"""Which nonces of a signer a subject has seen: what keeps a signed command from being told twice.

Per signer and lane one number rises. A command whose time was refused has one that may lie far ahead (its signer's clock
does): that number alone is spent, so that the command cannot be told again when its time has come, and its signer goes
on below it as soon as the clock is right.
"""

_LANE_SHIFT = 56
#: Numbers spent ahead, per signer and lane; with more of them the lane goes on behind the lowest.
SPENT_MAX = 64

#: signer and lane -> the highest number used, then the ones above it that are spent, rising.
Nonces = dict[str, list[int]]


def nonce_key(actor: bytes, nonce: int) -> tuple[str, int]:
    """(signer and lane, number within the lane)."""
    lane, number = nonce >> _LANE_SHIFT, nonce & ((1 << _LANE_SHIFT) - 1)
    return f"{actor.hex()}/{lane}", number


def is_used(nonces: Nonces, actor: bytes, nonce: int) -> bool:
    """Whether a command with this nonce has been answered, or comes after one that was signed later."""
    if nonce < 0:
        return True
    key, number = nonce_key(actor, nonce)
    known = nonces.get(key)
    return known is not None and (number <= known[0] or number in known[1:])


def with_used(nonces: Nonces, actor: bytes, nonce: int) -> Nonces:
    """The nonces after a command that used this one and everything below it up."""
    key, number = nonce_key(actor, nonce)
    known = nonces.get(key, [-1])
    if number <= known[0]:
        return nonces
    return {**nonces, key: [number, *(n for n in known[1:] if n > number)]}


def with_spent(nonces: Nonces, actor: bytes, nonce: int) -> Nonces:
    """The nonces after a command that was refused for its time: this number is gone, those below it are not."""
    key, number = nonce_key(actor, nonce)
    highest, *spent = nonces.get(key, [-1])
    if number <= highest or number in spent:
        return nonces
    rising = sorted([*spent, number])
    return {**nonces, key: rising if len(rising) > SPENT_MAX else [highest, *rising]}

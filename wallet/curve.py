"""Constants of the STARK curve and the cheap checks that come before native code.

y^2 = x^3 + x + BETA over the prime FIELD; a public key is the x coordinate of secret * G.
Source: the Starknet documentation, "STARK curve".
"""

from functools import lru_cache

FIELD = 2**251 + 17 * 2**192 + 1
ORDER = 0x800000000000010FFFFFFFFFFFFFFFFB781126DCAE7B2321E66A241ADC64D2F
BETA = 0x6F21413EFBE40DE150E596D72F7A8C5609AD26C15C915C1F4CDFCB99CEE9E89

#: What the curve's ECDSA signs is shorter than its order.
MESSAGE_BITS = 250
#: The ECDSA of the curve takes r, s and the inverse of s below this bound only.
ECDSA_BOUND = 2**251


@lru_cache(maxsize=65536)
def is_public_key(x: int) -> bool:
    """Whether `x` is the x coordinate of a point of the curve (Euler's criterion)."""
    if not 0 < x < FIELD:
        return False
    square = (x * x * x + x + BETA) % FIELD
    return pow(square, (FIELD - 1) // 2, FIELD) == 1

"""BLAKE2s-256 (RFC 7693) on many messages at once, as NumPy uint32 lanes.

Word-major layout: a state is an array (8, N) and a message block an array (16, N), column j belonging to
message j.  The four column mixes of a half round run as one operation on (4, N) arrays.
"""

from __future__ import annotations

import numpy as np

from .vectors import U32

_IV = np.array(
    [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19],
    dtype=np.uint32,
)
_PARAMETER_WORD = np.uint32(0x01010020)  # digest length 32, no key, fanout 1, depth 1
_SIGMA = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
    (14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3),
    (11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4),
    (7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8),
    (9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13),
    (2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9),
    (12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11),
    (13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10),
    (6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5),
    (10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0),
)
# Message words of the four column mixes and of the four diagonal mixes, first and second operand.
_SCHEDULE = tuple(tuple(np.array(s[start : start + 8 : 2], dtype=np.intp) for start in (0, 1, 8, 9)) for s in _SIGMA)
_LEFT1, _LEFT2, _LEFT3 = (np.array(r, dtype=np.intp) for r in ((1, 2, 3, 0), (2, 3, 0, 1), (3, 0, 1, 2)))
_LANES = 8192  # messages a pass; measured fastest of 512..16384

_R = {r: (np.uint32(r), np.uint32(32 - r)) for r in (16, 12, 8, 7)}


def initial_state(lanes: int) -> U32:
    """The state (8, lanes) before the first block."""
    state = np.repeat(_IV[:, None], lanes, axis=1)
    state[0] ^= _PARAMETER_WORD
    return state


def _rotate(x: U32, amount: int, scratch: U32) -> None:
    right, left = _R[amount]
    np.left_shift(x, left, out=scratch)
    np.right_shift(x, right, out=x)
    np.bitwise_or(x, scratch, out=x)


def _mix(a: U32, b: U32, c: U32, d: U32, x: U32, y: U32, scratch: U32) -> None:
    """The function G of RFC 7693 section 3.1 on four columns at once, in place."""
    for word, first, second in ((x, 16, 12), (y, 8, 7)):
        a += b
        a += word
        d ^= a
        _rotate(d, first, scratch)
        c += d
        b ^= c
        _rotate(b, second, scratch)


def _compress_pass(state: U32, block: U32, length: int, final: bool) -> U32:
    lanes = block.shape[1]
    a, b = state[:4].copy(), state[4:].copy()
    c = np.repeat(_IV[:4, None], lanes, axis=1)
    d = np.repeat(_IV[4:, None], lanes, axis=1)
    d[0] ^= np.uint32(length & 0xFFFFFFFF)
    d[1] ^= np.uint32(length >> 32)
    if final:
        d[2] = ~d[2]
    scratch = np.empty_like(a)
    x, y = np.empty_like(a), np.empty_like(a)
    rolled = [np.empty_like(a) for _ in range(3)]
    for x0, y0, x1, y1 in _SCHEDULE:
        np.take(block, x0, axis=0, out=x, mode="clip")
        np.take(block, y0, axis=0, out=y, mode="clip")
        _mix(a, b, c, d, x, y, scratch)
        np.take(block, x1, axis=0, out=x, mode="clip")
        np.take(block, y1, axis=0, out=y, mode="clip")
        for source, order, target in zip((b, c, d), (_LEFT1, _LEFT2, _LEFT3), rolled, strict=True):
            np.take(source, order, axis=0, out=target, mode="clip")
        _mix(a, rolled[0], rolled[1], rolled[2], x, y, scratch)
        for source, order, target in zip(rolled, (_LEFT3, _LEFT2, _LEFT1), (b, c, d), strict=True):
            np.take(source, order, axis=0, out=target, mode="clip")
    a ^= c
    b ^= d
    result = np.concatenate([a, b])
    result ^= state
    return result


def compress(state: U32, block: U32, length: int, final: bool) -> U32:
    """Next state (8, N) after the block (16, N).

    `length` is the number of message bytes up to the end of this block, `final` marks the last block.
    """
    total = block.shape[1]
    if total <= _LANES:
        return _compress_pass(state, block, length, final)
    result = np.empty((8, total), dtype=np.uint32)
    for start in range(0, total, _LANES):
        part = slice(start, start + _LANES)
        result[:, part] = _compress_pass(state[:, part], np.ascontiguousarray(block[:, part]), length, final)
    return result


def hash_words(words: U32) -> U32:
    """Digests (8, N) of N messages given as little-endian words (W, N)."""
    count, lanes = words.shape
    state = initial_state(lanes)
    blocks = max(1, -(-count // 16))
    for k in range(blocks):
        part = words[16 * k : 16 * k + 16]
        if len(part) < 16:
            padded = np.zeros((16, lanes), dtype=np.uint32)
            padded[: len(part)] = part
            part = padded
        state = compress(state, part, min(4 * count, 64 * (k + 1)), k == blocks - 1)
    return state


def digest_bytes(state: U32, lane: int) -> bytes:
    """The 32 digest bytes of one lane."""
    return state[:, lane].astype("<u4").tobytes()

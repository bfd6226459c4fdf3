// BLAKE2s-256 (RFC 7693, unkeyed) on LANES messages at once, word by word.
#include "m31.cl"

#define IV0 0x6a09e667u
#define IV1 0xbb67ae85u
#define IV2 0x3c6ef372u
#define IV3 0xa54ff53au
#define IV4 0x510e527fu
#define IV5 0x9b05688cu
#define IV6 0x1f83d9abu
#define IV7 0x5be0cd19u
#define PARAMETERS 0x01010020u  // digest of 32 bytes, no key, fanout 1, depth 1

// rotate() turns to the left; BLAKE2s turns to the right by 16, 12, 8 and 7.
#define MIX(a, b, c, d, x, y) \
    a += b + (x); d = rotate(d ^ a, (vec)(16)); c += d; b = rotate(b ^ c, (vec)(20)); \
    a += b + (y); d = rotate(d ^ a, (vec)(24)); c += d; b = rotate(b ^ c, (vec)(25));
#define ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, sa, sb, sc, sd, se, sf) \
    MIX(v0, v4, v8, vc, m[s0], m[s1]) MIX(v1, v5, v9, vd, m[s2], m[s3]) \
    MIX(v2, v6, va, ve, m[s4], m[s5]) MIX(v3, v7, vb, vf, m[s6], m[s7]) \
    MIX(v0, v5, va, vf, m[s8], m[s9]) MIX(v1, v6, vb, vc, m[sa], m[sb]) \
    MIX(v2, v7, v8, vd, m[sc], m[sd]) MIX(v3, v4, v9, ve, m[se], m[sf])

static inline void start_state(vec h[8]) {
    h[0] = IV0 ^ PARAMETERS; h[1] = IV1; h[2] = IV2; h[3] = IV3; h[4] = IV4; h[5] = IV5; h[6] = IV6; h[7] = IV7;
}

// One block; `length` counts the message's bytes up to the end of this block.
static inline void compress(vec h[8], const vec m[16], ulong length, bool last) {
    vec v0 = h[0], v1 = h[1], v2 = h[2], v3 = h[3], v4 = h[4], v5 = h[5], v6 = h[6], v7 = h[7];
    vec v8 = IV0, v9 = IV1, va = IV2, vb = IV3, vc = IV4 ^ (uint)length, vd = IV5 ^ (uint)(length >> 32);
    vec ve = last ? ~IV6 : IV6, vf = IV7;
    ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)
    ROUND(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4)
    ROUND(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8)
    ROUND(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13)
    ROUND(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9)
    ROUND(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11)
    ROUND(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10)
    ROUND(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5)
    ROUND(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0)
    h[0] ^= v0 ^ v8; h[1] ^= v1 ^ v9; h[2] ^= v2 ^ va; h[3] ^= v3 ^ vb;
    h[4] ^= v4 ^ vc; h[5] ^= v5 ^ vd; h[6] ^= v6 ^ ve; h[7] ^= v7 ^ vf;
}

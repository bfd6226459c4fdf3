/* Arithmetic in M31 = Z/(2^31 - 1), CM31 = M31[i] and QM31 = CM31[u], u^2 = 2 + i, in OpenCL C 1.2.
 * Every M31 value is canonical (0..p-1).  min(x, x - p) in wrapping arithmetic is x mod p for x < 2p. */

#define P31 0x7fffffffu
#define P31L 0x7fffffffUL

typedef struct { uint a, b; } cm31;
typedef struct { uint a, b, c, d; } qm31;

inline uint m31_add(uint x, uint y) { uint s = x + y; return min(s, s - P31); }
inline uint m31_sub(uint x, uint y) { uint d = x - y; return min(d, d + P31); }
inline uint m31_neg(uint x) { return m31_sub(0u, x); }

/* x mod p for x <= (p-1)^2 + 2p, i.e. one product and a little. */
inline uint m31_reduce_product(ulong x) {
    uint s = ((uint)x & P31) + (uint)(x >> 31);
    return min(s, s - P31);
}

/* A representative below 2^34 of any 64-bit x. */
inline ulong m31_fold(ulong x) { return (x & P31L) + (x >> 31); }

/* x mod p for any 64-bit x. */
inline uint m31_reduce(ulong x) { return m31_reduce_product(m31_fold(x)); }

/* The high word of x * 2y is x * y / 2^31, so no shift joins the halves of the product. */
inline uint m31_mul(uint x, uint y) {
    uint t = y << 1, s = mul_hi(x, t) + ((x * t) >> 1);
    return min(s, s - P31);
}

/* x^(2^count). */
inline uint m31_squares(uint x, int count) {
    for (int k = 0; k < count; k++) x = m31_mul(x, x);
    return x;
}

/* x^(p-2); 0 gives 0. */
inline uint m31_inverse(uint x) {
    uint x2 = m31_mul(m31_squares(x, 1), x);      /* 2 ones */
    uint x4 = m31_mul(m31_squares(x2, 2), x2);    /* 4 ones */
    uint x8 = m31_mul(m31_squares(x4, 4), x4);    /* 8 ones */
    uint x16 = m31_mul(m31_squares(x8, 8), x8);   /* 16 ones */
    uint x24 = m31_mul(m31_squares(x16, 8), x8);
    uint x28 = m31_mul(m31_squares(x24, 4), x4);
    uint x29 = m31_mul(m31_squares(x28, 1), x);   /* 29 ones */
    return m31_mul(m31_squares(x29, 2), x);       /* 2^31 - 3 = 29 ones, 0, 1 */
}

inline cm31 cm31_mul(cm31 x, cm31 y) {
    ulong nb = P31 - x.b;
    cm31 r;
    r.a = m31_reduce((ulong)x.a * y.a + nb * y.b);
    r.b = m31_reduce((ulong)x.a * y.b + (ulong)x.b * y.a);
    return r;
}

inline qm31 q_make(uint a, uint b, uint c, uint d) { qm31 r; r.a = a; r.b = b; r.c = c; r.d = d; return r; }
inline qm31 q_base(uint x) { return q_make(x, 0u, 0u, 0u); }

inline qm31 q_add(qm31 x, qm31 y) {
    return q_make(m31_add(x.a, y.a), m31_add(x.b, y.b), m31_add(x.c, y.c), m31_add(x.d, y.d));
}
inline qm31 q_sub(qm31 x, qm31 y) {
    return q_make(m31_sub(x.a, y.a), m31_sub(x.b, y.b), m31_sub(x.c, y.c), m31_sub(x.d, y.d));
}
inline qm31 q_neg(qm31 x) { return q_make(m31_neg(x.a), m31_neg(x.b), m31_neg(x.c), m31_neg(x.d)); }
inline qm31 q_add_base(qm31 x, uint y) { x.a = m31_add(x.a, y); return x; }
inline qm31 q_sub_base(qm31 x, uint y) { x.a = m31_sub(x.a, y); return x; }
inline qm31 q_mul_base(qm31 x, uint y) {
    return q_make(m31_mul(x.a, y), m31_mul(x.b, y), m31_mul(x.c, y), m31_mul(x.d, y));
}

/* (A + Bu)(C + Du) = (AC + (2 + i)BD) + (AD + BC)u; at most four products are summed before a reduction. */
inline qm31 q_mul(qm31 x, qm31 y) {
    ulong na = P31 - x.b, nb = P31 - x.d;
    ulong s = m31_fold((ulong)x.c * y.c + nb * y.d);
    ulong t = m31_fold((ulong)x.c * y.d + (ulong)x.d * y.c);
    ulong r0 = m31_fold((ulong)x.a * y.a + na * y.b) + s + s + ((P31L << 4) - t);
    ulong r1 = m31_fold((ulong)x.a * y.b + (ulong)x.b * y.a) + s + t + t;
    ulong r2 = (ulong)x.a * y.c + na * y.d + (ulong)x.c * y.a + nb * y.b;
    ulong r3 = (ulong)x.a * y.d + (ulong)x.b * y.c + (ulong)x.c * y.b + (ulong)x.d * y.a;
    return q_make(m31_reduce_product(r0), m31_reduce_product(r1), m31_reduce(r2), m31_reduce(r3));
}

inline qm31 q_mul_cm31(qm31 x, cm31 y) {
    ulong n = P31 - y.b;
    return q_make(
        m31_reduce((ulong)x.a * y.a + x.b * n), m31_reduce((ulong)x.a * y.b + (ulong)x.b * y.a),
        m31_reduce((ulong)x.c * y.a + x.d * n), m31_reduce((ulong)x.c * y.b + (ulong)x.d * y.a));
}

/* A^2 - (2 + i)B^2: the norm of A + Bu over CM31. */
inline cm31 q_norm(qm31 x) {
    uint s0 = m31_sub(m31_mul(x.c, x.c), m31_mul(x.d, x.d));
    uint s1 = m31_mul(x.c, x.d);
    s1 = m31_add(s1, s1);
    uint t = m31_mul(x.a, x.b);
    cm31 r;
    r.a = m31_add(m31_sub(m31_sub(m31_mul(x.a, x.a), m31_mul(x.b, x.b)), m31_add(s0, s0)), s1);
    r.b = m31_sub(m31_sub(m31_add(t, t), s0), m31_add(s1, s1));
    return r;
}

inline uint cm31_norm(cm31 x) { return m31_reduce((ulong)x.a * x.a + (ulong)x.b * x.b); }

/* 1 / x for x != 0, given the inverse of cm31_norm(q_norm(x)). */
inline qm31 q_inverse_by_norm(qm31 x, uint inverse_norm) {
    cm31 n = q_norm(x);
    cm31 inverse;
    inverse.a = m31_mul(n.a, inverse_norm);
    inverse.b = m31_mul(m31_neg(n.b), inverse_norm);
    return q_mul_cm31(q_make(x.a, x.b, m31_neg(x.c), m31_neg(x.d)), inverse);
}

/* The lowest `bits` bits of x in reverse order, 1 <= bits <= 32. */
inline uint bit_reverse(uint x, uint bits) {
    x = ((x >> 1) & 0x55555555u) | ((x & 0x55555555u) << 1);
    x = ((x >> 2) & 0x33333333u) | ((x & 0x33333333u) << 2);
    x = ((x >> 4) & 0x0f0f0f0fu) | ((x & 0x0f0f0f0fu) << 4);
    x = ((x >> 8) & 0x00ff00ffu) | ((x & 0x00ff00ffu) << 8);
    return ((x >> 16) | (x << 16)) >> (32u - bits);
}

/* Row r of the ROWS rows of a work-item that inverts several values at once: groups own runs of rows, so that
 * neither neighbours nor caches meet strides of a power of two. */
#define OWN_ROW(r) ((uint)get_group_id(0) * (uint)get_local_size(0) * ROWS + (r) * (uint)get_local_size(0) + (uint)get_local_id(0))

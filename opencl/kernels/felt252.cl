// The field of the STARK curve, p = 2^251 + 17 * 2^192 + 1, on LANES values at once.
//
// In memory a value has eight 32-bit words, least significant first. In registers it has nine limbs of 28 bits in
// 64-bit lanes: products of limbs add up without a carry (9 * 2^56 < 2^64), and since p = 1 mod 2^28 the factor of a
// Montgomery step (Montgomery, 1985) is the negated limb and its product with p three shifts. R = 2^252.
#define M28 0xffffffful
#if LANES == 1
typedef ulong lanes;
typedef uint lanes32;
#define TRUE_LANES(c) ((c) ? ~0ul : 0ul)
#define WIDE(x) ((ulong)(x))
#define NARROW(x) ((uint)(x))
#else
#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)
typedef PASTE(ulong, LANES) lanes;
typedef PASTE(uint, LANES) lanes32;
#define TRUE_LANES(c) PASTE(as_ulong, LANES)(c)
#define WIDE(x) PASTE(convert_ulong, LANES)(x)
#define NARROW(x) PASTE(convert_uint, LANES)(x)
#endif

typedef struct { lanes l[9]; } felt;

inline felt f_of_words(const lanes *w) {
    felt r;
    r.l[0] = w[0] & M28;
    r.l[1] = (w[0] >> 28 | w[1] << 4) & M28;
    r.l[2] = (w[1] >> 24 | w[2] << 8) & M28;
    r.l[3] = (w[2] >> 20 | w[3] << 12) & M28;
    r.l[4] = (w[3] >> 16 | w[4] << 16) & M28;
    r.l[5] = (w[4] >> 12 | w[5] << 20) & M28;
    r.l[6] = (w[5] >> 8 | w[6] << 24) & M28;
    r.l[7] = w[6] >> 4;
    r.l[8] = w[7] & M28;
    return r;
}

inline void f_to_words(felt a, lanes *w) {
    w[0] = a.l[0] | a.l[1] << 28;
    w[1] = a.l[1] >> 4 | a.l[2] << 24;
    w[2] = a.l[2] >> 8 | a.l[3] << 20;
    w[3] = a.l[3] >> 12 | a.l[4] << 16;
    w[4] = a.l[4] >> 16 | a.l[5] << 12;
    w[5] = a.l[5] >> 20 | a.l[6] << 8;
    w[6] = a.l[6] >> 24 | a.l[7] << 4;
    w[7] = a.l[8];
}

// a or b by the mask of each lane.
inline felt f_select(felt a, felt b, lanes take_b) {
    felt r;
#pragma unroll
    for (int k = 0; k < 9; k++) r.l[k] = (a.l[k] & ~take_b) | (b.l[k] & take_b);
    return r;
}

// r - p where that is not negative, else r; r < 2p with limbs of 28 bits.
inline felt f_reduce(felt r) {
    felt d;
    lanes borrow = 0;
#pragma unroll
    for (int k = 0; k < 9; k++) {
        const ulong p_k = k == 0 || k == 7 ? 1ul : k == 6 ? 1ul << 24 : k == 8 ? 1ul << 27 : 0ul;
        lanes x = r.l[k] - p_k - borrow;
        borrow = x >> 63;
        d.l[k] = x & M28;
    }
    return f_select(d, r, (lanes)(0) - borrow);
}

inline felt f_carried(lanes *t) {
    felt r;
    lanes carry = 0;
#pragma unroll
    for (int k = 0; k < 9; k++) {
        lanes x = t[k] + carry;
        r.l[k] = x & M28;
        carry = x >> 28;
    }
    return f_reduce(r);
}

inline felt f_montgomery(lanes *t) {
#pragma unroll
    for (int i = 0; i < 9; i++) {
        lanes m = ((lanes)(0) - t[i]) & M28;
        t[i + 1] += (t[i] + m) >> 28;
        t[i + 6] += m << 24;
        t[i + 7] += m;
        t[i + 8] += m << 27;
    }
    return f_carried(t + 9);
}

// a * b / R.
inline felt f_mul(felt a, felt b) {
    lanes t[18];
#pragma unroll
    for (int k = 0; k < 18; k++) t[k] = 0;
#pragma unroll
    for (int i = 0; i < 9; i++) {
#pragma unroll
        for (int j = 0; j < 9; j++) t[i + j] += (a.l[i] & M28) * (b.l[j] & M28);
    }
    return f_montgomery(t);
}

inline felt f_square(felt a) {
    lanes t[18];
#pragma unroll
    for (int k = 0; k < 18; k++) t[k] = 0;
#pragma unroll
    for (int i = 0; i < 9; i++) {
        lanes twice = (a.l[i] << 1) & 0x1ffffffful;
        t[2 * i] += (a.l[i] & M28) * (a.l[i] & M28);
#pragma unroll
        for (int j = i + 1; j < 9; j++) t[i + j] += twice * (a.l[j] & M28);
    }
    return f_montgomery(t);
}

// (a - b) mod p: a - b + p, reduced once.
inline felt f_sub(felt a, felt b) {
    lanes t[9];
    lanes borrow = 0;
    felt d;
#pragma unroll
    for (int k = 0; k < 9; k++) {
        lanes x = a.l[k] - b.l[k] - borrow;
        borrow = x >> 63;
        d.l[k] = x & M28;
    }
    // Where it went below zero the limbs stand for a - b + 2^252; p added, without the 2^252, is right again.
    lanes below = (lanes)(0) - borrow, carry = 0;
#pragma unroll
    for (int k = 0; k < 9; k++) {
        const ulong p_k = k == 0 || k == 7 ? 1ul : k == 6 ? 1ul << 24 : k == 8 ? 1ul << 27 : 0ul;
        lanes x = d.l[k] + (below & p_k) + carry;
        d.l[k] = x & M28;
        carry = x >> 28;
    }
    return d;
}

inline felt f_add(felt a, felt b) {
    lanes t[9];
#pragma unroll
    for (int k = 0; k < 9; k++) t[k] = a.l[k] + b.l[k];
    return f_carried(t);
}

inline lanes f_is_zero(felt a) {
    lanes any = 0;
#pragma unroll
    for (int k = 0; k < 9; k++) any |= a.l[k];
    return TRUE_LANES(any == 0);
}

// Values in columns: word w of value i is at [w * n + i], so that lanes and neighbouring work-items read side by side.
inline felt f_column(__global const uint *restrict a, uint n, uint i) {
    lanes w[8];
#pragma unroll
    for (int k = 0; k < 8; k++) w[k] = WIDE(*(__global const lanes32 *)(a + k * n + i));
    return f_of_words(w);
}

inline void f_put_column(felt v, __global uint *restrict a, uint n, uint i) {
    lanes w[8];
    f_to_words(v, w);
#pragma unroll
    for (int k = 0; k < 8; k++) *(__global lanes32 *)(a + k * n + i) = NARROW(w[k]);
}

// out = a * b / R, value by value; n is a multiple of LANES.
__kernel void felt_mul(__global const uint *restrict a, __global const uint *restrict b, __global uint *restrict out,
                       uint n) {
    uint i = get_global_id(0) * LANES;
    f_put_column(f_mul(f_column(a, n, i), f_column(b, n, i)), out, n, i);
}

// out = a * c / R for one constant c of eight words.
__kernel void felt_scale(__global const uint *restrict a, __constant uint *c, __global uint *restrict out, uint n) {
    uint i = get_global_id(0) * LANES;
    lanes w[8];
#pragma unroll
    for (int k = 0; k < 8; k++) w[k] = (lanes)(c[k]);
    f_put_column(f_mul(f_column(a, n, i), f_of_words(w)), out, n, i);
}

inline felt f_squares(felt a, int count) {
    for (int k = 0; k < count; k++) a = f_square(a);
    return a;
}

// a^(p - 2), where p - 2 = (2^59 + 16) * 2^192 + (2^192 - 1); 0 gives 0.
inline felt f_inverse(felt a) {
    felt e2 = f_mul(f_square(a), a);          // a^(2^2 - 1)
    felt e3 = f_mul(f_square(e2), a);         // a^(2^3 - 1)
    felt e6 = f_mul(f_squares(e3, 3), e3);    // and so on
    felt e12 = f_mul(f_squares(e6, 6), e6);
    felt e24 = f_mul(f_squares(e12, 12), e12);
    felt r = f_squares(f_mul(f_squares(a, 55), a), 4);
    for (int k = 0; k < 8; k++) r = f_mul(f_squares(r, 24), e24);
    return r;
}

// R mod p: the Montgomery form of 1.
inline felt f_one(void) {
    felt r;
    r.l[0] = (lanes)(0xffffffful);
    r.l[1] = r.l[2] = r.l[3] = r.l[4] = r.l[5] = r.l[0];
    r.l[6] = (lanes)(0xefffffful);
    r.l[7] = (lanes)(0xffffffeul);
    r.l[8] = (lanes)(0x7fffffful);
    return r;
}

// out = 1 / a in Montgomery form, 0 for 0. A work-item inverts `rows` values per lane with one inversion (Montgomery's
// trick); `out` holds the products so far in between. n = LANES * rows * work-items.
__kernel void felt_invert(__global const uint *restrict a, __global uint *restrict out, uint n, uint rows) {
    uint stride = get_global_size(0) * LANES, first = get_global_id(0) * LANES;
    felt running = f_one();
    for (uint r = 0; r < rows; r++) {
        uint i = first + r * stride;
        felt value = f_column(a, n, i);
        f_put_column(running, out, n, i);
        running = f_mul(running, f_select(value, f_one(), f_is_zero(value)));
    }
    running = f_inverse(running);
    for (uint r = rows; r-- > 0;) {
        uint i = first + r * stride;
        felt value = f_column(a, n, i), before = f_column(out, n, i), zero;
        lanes none = f_is_zero(value);
        for (int k = 0; k < 9; k++) zero.l[k] = (lanes)(0);
        f_put_column(f_select(f_mul(running, before), zero, none), out, n, i);
        running = f_mul(running, f_select(value, f_one(), none));
    }
}

// Points of the STARK curve y^2 = x^3 + x + b: sums of pairs, and the search among baby steps.
//
// A point has sixteen words: x and y in Montgomery form. (0, 0), which lies on no such curve as b is not 0, is infinity.
#include "felt252.cl"

typedef struct { felt x, y; } point;

#if LANES == 1
#define AT(p, offsets, w) ((lanes)((p)[(offsets) + (w)]))
#define PUT(p, offsets, w, v) ((p)[(offsets) + (w)] = (uint)(v))
#define INDICES(p, i) ((p)[i])
#define PLACES(first, by) ((first) * (by))
#elif LANES == 4
#define AT(p, o, w) ((lanes)((p)[o.s0 + (w)], (p)[o.s1 + (w)], (p)[o.s2 + (w)], (p)[o.s3 + (w)]))
#define PUT(p, o, w, v) ((p)[o.s0 + (w)] = (uint)v.s0, (p)[o.s1 + (w)] = (uint)v.s1, \
                         (p)[o.s2 + (w)] = (uint)v.s2, (p)[o.s3 + (w)] = (uint)v.s3)
#define INDICES(p, i) (*(__global const lanes32 *)((p) + (i)))
#define PLACES(first, by) (((first) + (lanes32)(0, 1, 2, 3)) * (by))
#else
#define AT(p, o, w) ((lanes)((p)[o.s0 + (w)], (p)[o.s1 + (w)], (p)[o.s2 + (w)], (p)[o.s3 + (w)], \
                             (p)[o.s4 + (w)], (p)[o.s5 + (w)], (p)[o.s6 + (w)], (p)[o.s7 + (w)]))
#define PUT(p, o, w, v) ((p)[o.s0 + (w)] = (uint)v.s0, (p)[o.s1 + (w)] = (uint)v.s1, \
                         (p)[o.s2 + (w)] = (uint)v.s2, (p)[o.s3 + (w)] = (uint)v.s3, \
                         (p)[o.s4 + (w)] = (uint)v.s4, (p)[o.s5 + (w)] = (uint)v.s5, \
                         (p)[o.s6 + (w)] = (uint)v.s6, (p)[o.s7 + (w)] = (uint)v.s7)
#define INDICES(p, i) (*(__global const lanes32 *)((p) + (i)))
#define PLACES(first, by) (((first) + (lanes32)(0, 1, 2, 3, 4, 5, 6, 7)) * (by))
#endif

inline felt gather(__global const uint *restrict p, lanes32 offsets) {
    lanes w[8];
#pragma unroll
    for (int k = 0; k < 8; k++) w[k] = AT(p, offsets, k);
    return f_of_words(w);
}

inline void scatter(felt v, __global uint *restrict p, lanes32 offsets) {
    lanes w[8];
    f_to_words(v, w);
#pragma unroll
    for (int k = 0; k < 8; k++) PUT(p, offsets, k, w[k]);
}

inline point point_at(__global const uint *restrict points, lanes32 index) {
    point r;
    r.x = gather(points, index * 16u);
    r.y = gather(points, index * 16u + 8u);
    return r;
}

inline lanes is_infinity(point p) { return f_is_zero(p.x) & f_is_zero(p.y); }

// What the slope of p + q is divided by: 1 where no slope is needed, as a sum or a summand is infinity.
typedef struct { felt by; lanes same_x, p_out, q_out, gone; } divisor;

inline divisor divisor_of(point p, point q) {
    divisor d;
    felt dx = f_sub(q.x, p.x);
    d.same_x = f_is_zero(dx);
    d.p_out = is_infinity(p);
    d.q_out = is_infinity(q);
    d.gone = d.same_x & ~f_is_zero(f_sub(q.y, p.y)) & ~d.p_out & ~d.q_out;
    d.by = f_select(dx, f_add(p.y, p.y), d.same_x);
    d.by = f_select(d.by, f_one(), d.p_out | d.q_out | d.gone);
    return d;
}

inline point sum_of(point p, point q, divisor d, felt inverse) {
    felt xx = f_square(p.x);
    felt tangent = f_add(f_add(f_add(xx, xx), xx), f_one());  // 3 x^2 + a, a = 1
    felt slope = f_mul(f_select(f_sub(q.y, p.y), tangent, d.same_x), inverse);
    point r;
    r.x = f_sub(f_sub(f_square(slope), p.x), q.x);
    r.y = f_sub(f_mul(slope, f_sub(p.x, r.x)), p.y);
    r.x = f_select(f_select(r.x, q.x, d.p_out), p.x, d.q_out & ~d.p_out);
    r.y = f_select(f_select(r.y, q.y, d.p_out), p.y, d.q_out & ~d.p_out);
#pragma unroll
    for (int k = 0; k < 9; k++) {
        r.x.l[k] &= ~d.gone;
        r.y.l[k] &= ~d.gone;
    }
    return r;
}

// out[i] = p[at_p[i]] + q[at_q[i]], complete: equal, opposite and infinite summands are no exception. A work-item adds
// `rows` pairs per lane with one inversion; `products` (8 words a pair) is scratch. n = LANES * rows * work-items.
__kernel void curve_add(__global const uint *restrict p, __global const uint *restrict at_p,
                        __global const uint *restrict q, __global const uint *restrict at_q,
                        __global uint *restrict out, __global uint *restrict products, uint n, uint rows) {
    uint stride = get_global_size(0) * LANES, first = get_global_id(0) * LANES;
    felt running = f_one();
    for (uint r = 0; r < rows; r++) {
        uint i = first + r * stride;
        divisor d = divisor_of(point_at(p, INDICES(at_p, i)), point_at(q, INDICES(at_q, i)));
        f_put_column(running, products, n, i);
        running = f_mul(running, d.by);
    }
    running = f_inverse(running);
    for (uint r = rows; r-- > 0;) {
        uint i = first + r * stride;
        point a = point_at(p, INDICES(at_p, i)), b = point_at(q, INDICES(at_q, i));
        divisor d = divisor_of(a, b);
        point sum = sum_of(a, b, d, f_mul(running, f_column(products, n, i)));
        scatter(sum.x, out, PLACES((lanes32)(i), 16u));
        scatter(sum.y, out, PLACES((lanes32)(i), 16u) + 8u);
        running = f_mul(running, d.by);
    }
}

// The low 64 bits of the plain x of every point.
__kernel void curve_keys(__global const uint *restrict points, __global uint *restrict keys, uint n) {
    uint i = get_global_id(0) * LANES;
    felt unit;
    lanes w[8];
#pragma unroll
    for (int k = 0; k < 9; k++) unit.l[k] = (lanes)(k == 0);
    f_to_words(f_mul(gather(points, PLACES((lanes32)(i), 16u)), unit), w);
    PUT(keys, PLACES((lanes32)(i), 2u), 0, w[0]);
    PUT(keys, PLACES((lanes32)(i), 2u), 1, w[1]);
}

// Looks every key up among the sorted `table` of 64-bit keys. starts[h] is the first place whose high `bits` bits are h or
// more. Writes (key number, place) pairs behind the count in hits[0], as far as `room` goes; the count goes on.
__kernel void find_keys(__global const ulong *restrict keys, __global const ulong *restrict table,
                        __global const uint *restrict starts, volatile __global uint *restrict hits, uint bits, uint room,
                        uint n) {
    uint i = get_global_id(0);
    if (i >= n) return;
    ulong key = keys[i];
    uint h = (uint)(key >> (64 - bits));
    for (uint at = starts[h], end = starts[h + 1]; at < end; at++) {
        if (table[at] == key) {
            uint slot = atomic_inc(hits);
            if (slot < room) {
                hits[1 + 2 * slot] = i;
                hits[2 + 2 * slot] = at;
            }
        }
    }
}

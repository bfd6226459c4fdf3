// DEEP quotients (spec stark.md section 10).
#include "points.cl"

// out[4 * g + k][i] (+)= sum over `count` columns of weight * value; `terms` lists the columns' rows and then
// their weights, four words each.
__kernel void weighted_sum(__global const uint *restrict columns, __global const uint *restrict terms,
                           __global uint *restrict out, uint count, uint log_size, uint first_row, uint add) {
    uint i = get_global_id(0);
    ulong a = 0, b = 0, c = 0, d = 0;
    for (uint k = 0; k < count; k++) {
        ulong value = columns[((size_t)terms[k] << log_size) + i];
        __global const uint *weight = terms + count + 4 * k;
        a += m31_fold(value * weight[0]);
        b += m31_fold(value * weight[1]);
        c += m31_fold(value * weight[2]);
        d += m31_fold(value * weight[3]);
    }
    size_t o = ((size_t)first_row << log_size) + i, size = (size_t)1 << log_size;
    if (add) {
        a += out[o];
        b += out[o + size];
        c += out[o + 2 * size];
        d += out[o + 3 * size];
    }
    out[o] = m31_reduce(a);
    out[o + size] = m31_reduce(b);
    out[o + 2 * size] = m31_reduce(c);
    out[o + 3 * size] = m31_reduce(d);
}

// Sum over the groups of (numerator - a y - b) / denominator.  A group has 14 words: a, b, and the constant,
// the x-factor and the y-factor of its denominator, each in CM31.  A work-item divides ROWS rows at once.
#ifndef ROWS
#define ROWS 1
#endif
__kernel void divide(__global const uint *restrict numerators, __global uint *restrict out,
                     __global const uint *restrict tables, __constant uint *restrict groups, uint count,
                     uint log_size, uint log_high, uint log_low) {
    uint x[ROWS], y[ROWS], norm[ROWS], before[ROWS];
    cm31 below[ROWS];
    qm31 total[ROWS];
    size_t size = (size_t)1 << log_size;
    for (uint g = 0; g < count; g++) {
        __constant uint *own = groups + 14 * g;
        uint product = 1;
        for (uint r = 0; r < ROWS; r++) {
            uint i = OWN_ROW(r);
            if (g == 0) {
                cm31 p = half_coset_point(tables, i >> 1, log_high, log_low);
                x[r] = p.a;
                y[r] = i & 1 ? m31_neg(p.b) : p.b;
            }
            below[r].a = m31_reduce(own[8] + (ulong)x[r] * own[10] + (ulong)y[r] * own[12]);
            below[r].b = m31_reduce(own[9] + (ulong)x[r] * own[11] + (ulong)y[r] * own[13]);
            norm[r] = cm31_norm(below[r]);
            before[r] = product;
            product = m31_mul(product, norm[r]);
        }
        uint inverse = m31_inverse(product);
        for (uint r = ROWS; r-- > 0;) {
            uint i = OWN_ROW(r);
            uint own_inverse = m31_mul(inverse, before[r]);
            inverse = m31_mul(inverse, norm[r]);
            cm31 factor;
            factor.a = m31_mul(below[r].a, own_inverse);
            factor.b = m31_mul(m31_neg(below[r].b), own_inverse);
            __global const uint *top = numerators + ((size_t)(4 * g) << log_size) + i;
            ulong minus_y = P31 - y[r];
            qm31 value;
            value.a = m31_reduce(top[0] + minus_y * own[0] + own[4]);
            value.b = m31_reduce(top[size] + minus_y * own[1] + own[5]);
            value.c = m31_reduce(top[2 * size] + minus_y * own[2] + own[6]);
            value.d = m31_reduce(top[3 * size] + minus_y * own[3] + own[7]);
            value = q_mul_cm31(value, factor);
            total[r] = g ? q_add(total[r], value) : value;
        }
    }
    for (uint r = 0; r < ROWS; r++) {
        uint i = OWN_ROW(r);
        out[i] = total[r].a;
        out[size + i] = total[r].b;
        out[2 * size + i] = total[r].c;
        out[3 * size + i] = total[r].d;
    }
}

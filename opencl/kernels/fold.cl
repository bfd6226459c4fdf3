// FRI folds of QM31 functions given by four rows of coordinates (spec stark.md section 11).
#include "field.cl"
#ifndef STEP
#define STEP 1
#endif

// STEP folds at once: 2^STEP neighbouring values become one.  Level k of `twiddles` (the inverses of y, x,
// pi(x), ... of the left point of every pair) starts at word starts[k]; alphas holds alpha, alpha^2, ...
__kernel void fold(__global const uint *restrict in, __global uint *restrict out, __global const uint *restrict twiddles,
                   __constant uint *restrict starts, __constant uint *restrict alphas, uint log_out) {
    uint i = get_global_id(0);
    size_t size = (size_t)1 << (log_out + STEP);
    qm31 values[1 << STEP];
    for (uint k = 0; k < (1u << STEP); k++) {
        size_t p = ((size_t)i << STEP) + k;
        values[k] = q_make(in[p], in[size + p], in[2 * size + p], in[3 * size + p]);
    }
    for (uint level = 0; level < STEP; level++) {
        uint count = 1u << (STEP - 1 - level);
        qm31 alpha = q_make(alphas[4 * level], alphas[4 * level + 1], alphas[4 * level + 2], alphas[4 * level + 3]);
        for (uint k = 0; k < count; k++) {
            uint twiddle = twiddles[starts[level] + (i << (STEP - 1 - level)) + k];
            qm31 odd = q_mul_base(q_sub(values[2 * k], values[2 * k + 1]), twiddle);
            values[k] = q_add(q_add(values[2 * k], values[2 * k + 1]), q_mul(odd, alpha));
        }
    }
    size_t half_size = (size_t)1 << log_out;
    out[i] = values[0].a;
    out[half_size + i] = values[0].b;
    out[2 * half_size + i] = values[0].c;
    out[3 * half_size + i] = values[0].d;
}

// Rows of `in` at some positions: out[4 * n + row].
__kernel void gather_rows(__global const uint *restrict in, __global uint *restrict out,
                          __global const uint *restrict positions, uint log_size) {
    uint n = get_global_id(0);
    for (uint row = 0; row < 4; row++) out[4 * n + row] = in[((size_t)row << log_size) + positions[n]];
}

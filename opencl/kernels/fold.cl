// FRI folds of QM31 functions given by four rows of coordinates (spec stark.md section 11).
#include "field.cl"
#ifndef STEP
#define STEP 1
#endif

// Inverse twiddle h of a fold from a domain of 2^log_size.  The tower (twiddles.cl) holds 2/x of line domains; 1/y of the
// left points of a circle domain follows from the next layer: consecutive values (x, y) yield y, -y, -x, x.
inline uint inverse_twiddle(__global const uint *restrict tower, uint log_size, uint h, uint circle) {
    if (!circle) return tower[(1u << (log_size - 1)) + h] >> 1;
    uint place = h & 3, value = tower[(1u << (log_size - 2)) + 2 * (h >> 2) + (place < 2)] >> 1;
    return place == 1 || place == 2 ? m31_neg(value) : value;
}

// STEP folds at once: 2^STEP neighbouring values become one; alphas holds alpha, alpha^2, ...
__kernel void fold(__global const uint *restrict in, __global uint *restrict out, __global const uint *restrict tower,
                   __constant uint *restrict alphas, uint log_out, uint circle) {
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
            uint h = (i << (STEP - 1 - level)) + k;
            uint twiddle = inverse_twiddle(tower, log_out + STEP - level, h, circle && level == 0);
            qm31 odd = q_mul_base(q_sub(values[2 * k], values[2 * k + 1]), twiddle);
            values[k] = q_add(q_add(values[2 * k], values[2 * k + 1]), q_mul(odd, alpha));
        }
    }
    size_t rows = (size_t)1 << log_out;
    out[i] = values[0].a;
    out[rows + i] = values[0].b;
    out[2 * rows + i] = values[0].c;
    out[3 * rows + i] = values[0].d;
}

// Rows of `in` at some positions: out[4 * n + row].
__kernel void gather_rows(__global const uint *restrict in, __global uint *restrict out,
                          __global const uint *restrict positions, uint log_size) {
    uint n = get_global_id(0);
    for (uint row = 0; row < 4; row++) out[4 * n + row] = in[((size_t)row << log_size) + positions[n]];
}

// Putting constraint sums of components of different sizes together (spec stark.md sections 4 and 9).
#include "field.cl"

// Rows of `in` from first_in on, lifted from 2^log_in to 2^log_out values, are written to the rows of `out` from
// first_out on, or added to them; the global size is 2^log_out x rows.
__kernel void lift_rows(__global uint *restrict out, __global const uint *restrict in, uint first_out, uint first_in,
                        uint log_out, uint log_in, uint add) {
    size_t row = get_global_id(1);
    uint i = get_global_id(0), d = log_out - log_in;
    uint value = in[((row + first_in) << log_in) + (i >> (d + 1) << 1 | (i & 1))];
    size_t o = ((row + first_out) << log_out) + i;
    out[o] = add ? m31_add(out[o], value) : value;
}

// Rows of 2^(log_half + 1) coefficients to lower halves first, then upper halves.
__kernel void split_halves(__global uint *restrict out, __global const uint *restrict in, uint log_half) {
    size_t row = get_global_id(1), i = get_global_id(0);
    size_t size = (size_t)1 << log_half;
    out[row * size + i] = in[2 * row * size + i];
    out[(row + 4) * size + i] = in[(2 * row + 1) * size + i];
}

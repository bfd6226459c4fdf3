// Twiddle towers (spec stark.md section 3), one value per work-item.
#include "m31.cl"

// x-coordinates of left[i] + right[j] at position (i << right_log) | j, not doubled.
__kernel void top_layer(__global uint *tower, uint start, uint right_log, __global const uint *left_x,
                        __global const uint *left_y, __global const uint *right_x, __global const uint *right_y) {
    const uint k = get_global_id(0), i = k >> right_log, j = k & ((1u << right_log) - 1);
    tower[start + k] = s_sub(s_mul(left_x[i], right_x[j]), s_mul(left_y[i], right_y[j]));
}

// The layer of `size` values from the one of 2 * size: x -> 2x^2 - 1 on every second value.
__kernel void next_layer(__global uint *tower, uint size) {
    const uint k = get_global_id(0), x = tower[2 * size + 2 * k], square = s_mul(x, x);
    tower[size + k] = s_sub(s_add(square, square), 1);
}

static inline uint squared(uint x, uint times) {
    for (uint k = 0; k < times; k++) x = s_mul(x, x);
    return x;
}

// 1/x = x^(2^31 - 3): the exponent is 29 ones, a zero and a one.
static inline uint inverse(uint x) {
    const uint ones2 = s_mul(squared(x, 1), x), ones4 = s_mul(squared(ones2, 2), ones2);
    const uint ones8 = s_mul(squared(ones4, 4), ones4), ones16 = s_mul(squared(ones8, 8), ones8);
    const uint ones24 = s_mul(squared(ones16, 8), ones8), ones28 = s_mul(squared(ones24, 4), ones4);
    const uint ones29 = s_mul(squared(ones28, 1), x);
    return s_mul(squared(ones29, 2), x);
}

// Doubled values, or doubled inverses.
__kernel void finish_tower(__global const uint *tower, __global uint *result, uint inverted) {
    const uint k = get_global_id(0), x = tower[k];
    result[k] = (inverted ? inverse(x) : x) << 1;
}

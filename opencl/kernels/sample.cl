// Polynomials at a secure point, from their coefficients (spec stark.md section 3).
#include "field.cl"

// Sums over the middle bits of the coefficient's index, weighted by the basis in those bits: the item (n, c)
// writes the four words of out[c][n], n made of the bits above and the log_low bits below the middle ones.
__kernel void sum_middle(__global const uint *restrict columns, __global const uint *restrict rows,
                         __global const uint *restrict basis, __global uint *restrict out, uint log_size, uint log_middle,
                         uint log_low) {
    uint n = get_global_id(0), low = n & ((1u << log_low) - 1);
    __global const uint *own = columns + ((size_t)rows[get_global_id(1)] << log_size)
                               + ((n >> log_low) << (log_middle + log_low)) + low;
    ulong a = 0, b = 0, c = 0, d = 0;
    for (uint k = 0; k < (1u << log_middle); k++) {
        ulong value = own[k << log_low];
        a += m31_fold(value * basis[4 * k]);
        b += m31_fold(value * basis[4 * k + 1]);
        c += m31_fold(value * basis[4 * k + 2]);
        d += m31_fold(value * basis[4 * k + 3]);
    }
    uint rest = log_size - log_middle;
    __global uint *sums = out + ((size_t)get_global_id(1) << (rest + 2)) + n;
    sums[0] = m31_reduce(a);
    sums[1u << rest] = m31_reduce(b);
    sums[2u << rest] = m31_reduce(c);
    sums[3u << rest] = m31_reduce(d);
}

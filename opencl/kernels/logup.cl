// Shifted prefix sums of the last LogUp batch in coset row order (spec stark.md section 8).
//
// 2^log_chunks work-items own consecutive runs of rows.  Work-item g owns chunk bitrev(g): its even row
// 2j lies at position bitrev(t) | g << 1, j's low bits t, and the odd row after it at the complement of
// that position, so neighbouring work-items read neighbouring words.
#include "field.cl"

inline uint even_position(uint g, uint t, uint log_rows, uint log_chunks) {
    uint bits = log_rows - 1 - log_chunks;
    uint top = bits ? bit_reverse(t, bits) << (log_chunks + 1) : 0;
    return top | g << 1;
}

// sums[k << log_chunks | chunk] = sum over the chunk's rows of coordinate k.
__kernel void chunk_sums(__global const uint *restrict values, __global uint *restrict sums, uint first_row,
                         uint log_rows, uint log_chunks) {
    uint g = get_global_id(0), last = (1u << log_rows) - 1;
    uint pairs = 1u << (log_rows - 1 - log_chunks);
    uint chunk = log_chunks ? bit_reverse(g, log_chunks) : 0;
    ulong a = 0, b = 0, c = 0, d = 0;
    size_t size = (size_t)1 << log_rows;
    values += first_row * size;
    for (uint t = 0; t < pairs; t++) {
        uint p = even_position(g, t, log_rows, log_chunks), q = last ^ p;
        a += (ulong)values[p] + values[q];
        b += (ulong)values[size + p] + values[size + q];
        c += (ulong)values[2 * size + p] + values[2 * size + q];
        d += (ulong)values[3 * size + p] + values[3 * size + q];
    }
    sums[chunk] = m31_reduce(a);
    sums[(1u << log_chunks) + chunk] = m31_reduce(b);
    sums[(2u << log_chunks) + chunk] = m31_reduce(c);
    sums[(3u << log_chunks) + chunk] = m31_reduce(d);
}

// In place: every value becomes the sum of all values up to its row, each less the shift;
// starts[k << log_chunks | chunk] is that sum before the chunk, negative_shift minus the shift.
__kernel void prefix_sums(__global uint *restrict values, __global const uint *restrict starts,
                          __constant uint *restrict negative_shift, uint first_row, uint log_rows,
                          uint log_chunks) {
    uint g = get_global_id(0), k = get_global_id(1), last = (1u << log_rows) - 1;
    uint pairs = 1u << (log_rows - 1 - log_chunks);
    uint chunk = log_chunks ? bit_reverse(g, log_chunks) : 0;
    __global uint *own = values + ((size_t)(first_row + k) << log_rows);
    uint sum = starts[(k << log_chunks) + chunk], shift = negative_shift[k];
    for (uint t = 0; t < pairs; t++) {
        uint p = even_position(g, t, log_rows, log_chunks), q = last ^ p;
        sum = m31_add(sum, m31_add(own[p], shift));
        own[p] = sum;
        sum = m31_add(sum, m31_add(own[q], shift));
        own[q] = sum;
    }
}

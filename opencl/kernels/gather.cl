// Picking single values: lifted columns, openings and digests.  One value per work-item.

// A row of 2^from_log values from word `from_start` on, lifted to 2^log values (spec stark.md section 4).
__kernel void lift(__global const uint *from, ulong from_start, uint from_log, __global uint *to, ulong to_start, uint log) {
    const uint p = get_global_id(0), d = log - from_log;
    to[to_start + p] = from[from_start + (d == 0 ? p : ((p >> (d + 1) << 1) | (p & 1)))];
}

// result[r][q] = matrix[rows[r]][places[q]]
__kernel void pick(__global const uint *matrix, uint log, __global const uint *rows, __global const uint *places,
                   __global uint *result) {
    const size_t q = get_global_id(0), r = get_global_id(1);
    result[r * get_global_size(0) + q] = matrix[((size_t)rows[r] << log) + places[q]];
}

// result[k][w] = word w of digest places[k] of the layer of 2^layers[k] digests of a tree.
__kernel void digests(__global const uint *tree, uint height, __global const uint *layers, __global const uint *places,
                      __global uint *result) {
    const size_t w = get_global_id(0), k = get_global_id(1);
    const uint h = layers[k];
    result[8 * k + w] = tree[(size_t)8 * ((2u << height) - (2u << h)) + (w << h) + places[k]];
}

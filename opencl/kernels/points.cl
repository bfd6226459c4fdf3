// Points of the half coset of a circle domain in storage order (spec stark.md section 2).
//
// `tables` holds x and y of 2^log_high points in bit-reversed order and then of 2^log_low points; point h
// of the half coset is the sum of high point h >> log_low and low point h & (2^log_low - 1).
#include "field.cl"

inline cm31 half_coset_point(__global const uint *restrict tables, uint h, uint log_high, uint log_low) {
    uint high = h >> log_low, low = (2u << log_high) + (h & ((1u << log_low) - 1));
    cm31 p, q;  // (x1, y1) + (x2, y2) = (x1 x2 - y1 y2, x1 y2 + y1 x2) is the product of x + iy
    p.a = tables[high];
    p.b = tables[high + (1u << log_high)];
    q.a = tables[low];
    q.b = tables[low + (1u << log_low)];
    return cm31_mul(p, q);
}

// Search for the nonce of the proof of work (spec stark.md section 6).
#include "blake2s.cl"

// Tries `rounds` * LANES numbers per work-item; number i is the nonce (i >> 20) << 32 | (i & (2^20 - 1)).
// `found` keeps the smallest i - start that succeeds.
__kernel void grind(__global const uint *prefix, uint start_high, uint start_low, uint rounds, uint low_mask,
                    uint high_mask, __global uint *found) {
    const uint first = (uint)get_global_id(0) * rounds * LANES;
    for (uint k = 0; k < rounds; k++) {
        const uint offset = first + k * LANES;
        if (*(volatile __global uint *)found < offset) return;
        vec state[8], m[16];
        for (uint w = 0; w < 8; w++) m[w] = prefix[w];
        for (uint w = 10; w < 16; w++) m[w] = 0;
        m[8] = ((start_low + offset) & 0xfffff) + IOTA;
        m[9] = start_high + ((start_low + offset) >> 20);
        start_state(state);
        compress(state, m, 40, true);
        const vec misses = (state[0] & low_mask) | (state[1] & high_mask);
#if LANES == 1
        if (misses == 0) atomic_min(found, offset);
#else
        if (any(misses == 0)) {
            uint lane[LANES];
            *(vec *)lane = misses;
            for (uint l = 0; l < LANES; l++)
                if (lane[l] == 0) { atomic_min(found, offset + l); return; }
        }
#endif
    }
}

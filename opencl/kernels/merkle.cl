// BLAKE2s Merkle trees (spec stark.md section 5).
//
// A tree of 2^height leaves lies in one buffer; the layer of 2^h digests is word-major, (8, 2^h), and starts at
// word START(h).  A work-group hashes 2^BLOCK_LOG leaves and climbs on from them while they are in the cache.
// -D: LANES, GROUP (work-items of a group), BLOCK_LOG.
#include "blake2s.cl"

#if GROUP == 1
#define SYNC
#define LID 0u
#else
#define SYNC barrier(CLK_GLOBAL_MEM_FENCE)
#define LID ((uint)get_local_id(0))
#endif
#define KERNEL __kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
#define START(h) ((size_t)8 * ((2u << height) - (2u << (h))))
#define UNROLL _Pragma("unroll")

#if LANES == 1
#define PAIR(e_, o_, p, i) { e_ = (p)[i]; o_ = (p)[(i) + 1]; }
#else
#define PAIR(e_, o_, p, i) { const vec a_ = LOAD(p, i), b_ = LOAD(p, (i) + LANES); \
    e_ = (vec)(a_.even, b_.even); o_ = (vec)(a_.odd, b_.odd); }
#endif

// Place of position p of a domain d doublings larger (section 4).
static inline uint lifted(uint p, uint d) { return (p >> (d + 1) << 1) | (p & 1); }

// `count` layers above the 2^log digests that start at digest `first` of the layer of 2^h.
static inline void climb(__global uint *tree, uint height, uint h, uint first, uint log, uint count) {
    for (uint k = 0; k < count; k++) {
        __global const uint *below = tree + START(h);
        const size_t below_size = (size_t)1 << h;
        h--, log--, first >>= 1;
        __global uint *above = tree + START(h);
        for (uint i = LANES * LID; i < 1u << log; i += LANES * GROUP) {
            const size_t j = first + i;
            vec state[8], m[16];
            UNROLL for (uint w = 0; w < 8; w++) PAIR(m[w], m[w + 8], below + w * below_size, 2 * j)
            start_state(state);
            compress(state, m, 64, true);
            UNROLL for (uint w = 0; w < 8; w++) STORE(state[w], above + ((size_t)w << h), j);
        }
        SYNC;
    }
}

// The layers h-1..h-count of a tree from the layer of 2^h digests.
KERNEL void nodes(__global uint *tree, uint height, uint h, uint log, uint count) {
    climb(tree, height, h, (uint)get_group_id(0) << log, log, count);
}

// Absorb `words` rows of a matrix of columns of 2^log values into states of one per row, in blocks of 16.
//
// Row k of the run is column rows[k].  The states come from `from`, (8, 2^from_log), lifted, or are fresh ones
// when `before`, the number of words absorbed so far, is 0.  They go to `to`, (8, 2^log), from word `to_start`
// on.  The last run of a full-sized tree climbs `count` layers on from its leaves.
KERNEL void absorb(__global const uint *matrix, __global const uint *rows, uint words, uint log,
                   __global const uint *from, uint from_log, uint before, __global uint *to, uint to_start,
                   uint last, uint block_log, uint count) {
    const uint first = (uint)get_group_id(0) << block_log;
    for (uint i = LANES * LID; i < 1u << block_log; i += LANES * GROUP) {
        const uint p = first + i;
        vec state[8], m[16];
        if (before == 0) start_state(state);
        else for (uint w = 0; w < 8; w++) {
            __global const uint *row = from + ((size_t)w << from_log);
#if LANES == 1
            state[w] = row[lifted(p, log - from_log)];
#else
            if (log == from_log) state[w] = LOAD(row, p);
            else {
                uint lane[LANES];
                UNROLL for (uint l = 0; l < LANES; l++) lane[l] = row[lifted(p + l, log - from_log)];
                state[w] = *(vec *)lane;
            }
#endif
        }
        for (uint done = 0; done < words; done += 16) {
            const uint left = words - done;
            if (left >= 16) {
                UNROLL for (uint w = 0; w < 16; w++) m[w] = LOAD(matrix + ((size_t)rows[done + w] << log), p);
            } else {
                UNROLL for (uint w = 0; w < 16; w++) {
                    m[w] = 0;
                    if (w < left) m[w] = LOAD(matrix + ((size_t)rows[done + w] << log), p);
                }
            }
            compress(state, m, 4 * ((ulong)before + done + min(left, 16u)), last && left <= 16);
        }
        UNROLL for (uint w = 0; w < 8; w++) STORE(state[w], to + to_start + ((size_t)w << log), p);
    }
    SYNC;
    climb(to, log, log, first, block_log, count);
}

// Leaves of four consecutive QM31 values of a matrix (4, 2^(log + 2)): the packed leaves of section 11.
KERNEL void packed_leaves(__global const uint *values, __global uint *tree, uint log, uint block_log, uint count) {
    const uint first = (uint)get_group_id(0) << block_log;
    for (uint i = LANES * LID; i < 1u << block_log; i += LANES * GROUP) {
        const size_t p = first + i;
        vec state[8], m[16];
        UNROLL for (uint c = 0; c < 4; c++) {
            __global const uint *row = values + ((size_t)c << (log + 2));
            vec even0, odd0, even1, odd1;
            PAIR(even0, odd0, row, 4 * p)
            PAIR(even1, odd1, row, 4 * p + 2 * LANES)
#if LANES == 1
            m[c] = even0, m[4 + c] = odd0, m[8 + c] = even1, m[12 + c] = odd1;
#else
            m[c] = (vec)(even0.even, even1.even), m[8 + c] = (vec)(even0.odd, even1.odd);
            m[4 + c] = (vec)(odd0.even, odd1.even), m[12 + c] = (vec)(odd0.odd, odd1.odd);
#endif
        }
        start_state(state);
        compress(state, m, 64, true);
        UNROLL for (uint w = 0; w < 8; w++) STORE(state[w], tree + ((size_t)w << log), p);
    }
    SYNC;
    climb(tree, log, log, first, block_log, count);
}

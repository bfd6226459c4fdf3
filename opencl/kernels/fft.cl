// The circle FFT (spec stark.md section 3): several layers in one pass over memory.
//
// A pass handles the layers lo..hi-1.  It cuts a column into blocks of 2^hi values and a block, seen as a matrix
// of 2^(hi-lo) rows of 2^lo values, into slices of 2^LW vectors; one work-group takes a slice as a tile through
// all the layers, three at a time in registers.  The low pass (lo = 0) takes whole contiguous blocks.
//
// -D: LANES, LANES_LOG, GROUP (work-items of a group), TILE_LOG (log2 of the words of the largest tile).
// Twiddles are doubled; those of layer L >= 1 of a domain of log size n start at tower[2^(n-1-L)], and those of
// layer 0 follow from layer 1: consecutive (x, y) yield y, -y, -x, x.
#include "m31.cl"

#if GROUP == 1
#define SYNC
#define LID 0u
#else
#define SYNC barrier(CLK_LOCAL_MEM_FENCE)
#define LID ((uint)get_local_id(0))
#endif
#define KERNEL __kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
#define TILE_VECTORS (1u << (TILE_LOG - LANES_LOG))
#define NO_SHIFT 31u

typedef __global const uint *table;

#define INVERSE(a, b, t) { vec d_ = m_sub(a, b); a = m_add(a, b); b = m_mul2(d_, (vec)(t)); }
#define FORWARD(a, b, t) { vec m_ = m_mul2(b, (vec)(t)); b = m_sub(a, m_); a = m_add(a, m_); }

// Three, two or one layers on 8, 4 or 2 values; a, b, c give twiddle k of the first, second and third layer.
#define INVERSE8(x, a, b, c) \
    INVERSE(x[0], x[1], a(0)) INVERSE(x[2], x[3], a(1)) INVERSE(x[4], x[5], a(2)) INVERSE(x[6], x[7], a(3)) \
    INVERSE(x[0], x[2], b(0)) INVERSE(x[1], x[3], b(0)) INVERSE(x[4], x[6], b(1)) INVERSE(x[5], x[7], b(1)) \
    INVERSE(x[0], x[4], c(0)) INVERSE(x[1], x[5], c(0)) INVERSE(x[2], x[6], c(0)) INVERSE(x[3], x[7], c(0))
#define INVERSE4(x, a, b, c) \
    INVERSE(x[0], x[1], a(0)) INVERSE(x[2], x[3], a(1)) INVERSE(x[0], x[2], b(0)) INVERSE(x[1], x[3], b(0))
#define INVERSE2(x, a, b, c) INVERSE(x[0], x[1], a(0))
#define FORWARD8(x, a, b, c) \
    FORWARD(x[0], x[4], c(0)) FORWARD(x[1], x[5], c(0)) FORWARD(x[2], x[6], c(0)) FORWARD(x[3], x[7], c(0)) \
    FORWARD(x[0], x[2], b(0)) FORWARD(x[1], x[3], b(0)) FORWARD(x[4], x[6], b(1)) FORWARD(x[5], x[7], b(1)) \
    FORWARD(x[0], x[1], a(0)) FORWARD(x[2], x[3], a(1)) FORWARD(x[4], x[5], a(2)) FORWARD(x[6], x[7], a(3))
#define FORWARD4(x, a, b, c) \
    FORWARD(x[0], x[2], b(0)) FORWARD(x[1], x[3], b(0)) FORWARD(x[0], x[1], a(0)) FORWARD(x[2], x[3], a(1))
#define FORWARD2(x, a, b, c) FORWARD(x[0], x[1], a(0))

#define TWIDDLE_A(k) t0_[(u_ << (r_ - 1)) + k]
#define TWIDDLE_B(k) t1_[(u_ << r_ >> 2) + k]
#define TWIDDLE_C(k) t2_[(u_ << r_ >> 3) + k]
#define TWIDDLE_Y(k) circle_twiddle(t1_, (u_ << (r_ - 1)) + k)
#define LAYER(l) (tower + (1u << (n - 1 - (l))) + (block << (hi - 1 - (l))))

// Layers L..L+R-1 on the tile; SRC(j) and DST(j, value) read and write vector j of the tile.
#define STAGE(R, BODY, FIRST, L, SRC, DST) { \
    const uint r_ = R, s_ = (L) - lo + slice_log; \
    table t0_ = LAYER(L), t1_ = LAYER((L) + (R > 1 || (L) == 0)), t2_ = LAYER((L) + (R > 2 ? 2 : 0)); \
    for (uint i_ = LID; i_ < vectors >> R; i_ += GROUP) { \
        const uint u_ = i_ >> s_, e_ = (u_ << (s_ + R)) | (i_ & ((1u << s_) - 1)); \
        vec x_[1 << R]; \
        _Pragma("unroll") for (uint k = 0; k < (1 << R); k++) x_[k] = SRC(e_ + (k << s_)); \
        BODY(x_, FIRST, TWIDDLE_B, TWIDDLE_C) \
        _Pragma("unroll") for (uint k = 0; k < (1 << R); k++) DST(e_ + (k << s_), x_[k]); \
    } \
    SYNC; \
}

#define TILE_GET(j) tile[j]
#define TILE_PUT(j, v) tile[j] = (v)
#define SLICE_WORD(j) ((((j) >> slice_log) << lo) + (((j) & ((1u << slice_log) - 1)) << LANES_LOG))
#define SOURCE_GET(j) LOAD(source, SLICE_WORD(j))
#define TARGET_PUT(j, v) STORE(v, target, SLICE_WORD(j))
#define TARGET_SHIFT(j, v) STORE(m_shift(v, shift), target, SLICE_WORD(j))

static inline uint circle_twiddle(table next, uint h) {
    const uint c = h & 3, v = next[2 * (h >> 2) + (c < 2)];
    return (c == 1 || c == 2) ? v ^ (2 * P) : v;
}

// Interpolation, layers lo..hi-1 with lo >= LANES_LOG and hi - lo >= 4.  Group (slice + block * slices, column).
KERNEL void inverse_high(__global const uint *from, __global uint *to, table tower, uint n, uint lo, uint hi,
                         uint slice_log, uint column0, uint shift) {
    __local vec tile[TILE_VECTORS];
    const uint slices_log = lo - LANES_LOG - slice_log, id = get_group_id(0);
    const uint slice = id & ((1u << slices_log) - 1), block = id >> slices_log;
    const uint vectors = 1u << (hi - lo + slice_log);
    const size_t start = ((size_t)(column0 + get_group_id(1)) << n) + ((size_t)block << hi)
                       + ((size_t)slice << (slice_log + LANES_LOG));
    __global const uint *source = from + start;
    __global uint *target = to + start;
    uint layer = lo;
    switch ((hi - lo) % 3) {
        case 1: STAGE(1, INVERSE2, TWIDDLE_A, layer, SOURCE_GET, TILE_PUT) layer += 1; break;
        case 2: STAGE(2, INVERSE4, TWIDDLE_A, layer, SOURCE_GET, TILE_PUT) layer += 2; break;
        default: STAGE(3, INVERSE8, TWIDDLE_A, layer, SOURCE_GET, TILE_PUT) layer += 3;
    }
    for (; layer + 3 < hi; layer += 3) STAGE(3, INVERSE8, TWIDDLE_A, layer, TILE_GET, TILE_PUT)
    STAGE(3, INVERSE8, TWIDDLE_A, layer, TILE_GET, TARGET_SHIFT)
}

// Evaluation, layers hi-1..lo.  In the first pass every block reads the coefficients themselves: block_step = 0.
KERNEL void forward_high(__global const uint *from, __global uint *to, table tower, uint n, uint lo, uint hi,
                         uint slice_log, uint column0, uint from_log, uint block_step, uint block0) {
    __local vec tile[TILE_VECTORS];
    const uint slices_log = lo - LANES_LOG - slice_log, id = get_group_id(0);
    const uint slice = id & ((1u << slices_log) - 1), block = block0 + (id >> slices_log);
    const uint vectors = 1u << (hi - lo + slice_log), column = column0 + get_group_id(1);
    const size_t start = (size_t)slice << (slice_log + LANES_LOG);
    __global const uint *source = from + ((size_t)column << from_log) + (size_t)block * block_step + start;
    __global uint *target = to + ((size_t)column << n) + ((size_t)block << hi) + start;
    uint layer = hi - 3;
    STAGE(3, FORWARD8, TWIDDLE_A, layer, SOURCE_GET, TILE_PUT)
    for (; layer >= lo + 4; ) { layer -= 3; STAGE(3, FORWARD8, TWIDDLE_A, layer, TILE_GET, TILE_PUT) }
    switch (layer - lo) {
        case 1: STAGE(1, FORWARD2, TWIDDLE_A, lo, TILE_GET, TARGET_PUT) break;
        case 2: STAGE(2, FORWARD4, TWIDDLE_A, lo, TILE_GET, TARGET_PUT) break;
        case 3: STAGE(3, FORWARD8, TWIDDLE_A, lo, TILE_GET, TARGET_PUT) break;
    }
}

#if LANES == 16
// Twiddles of layer 0 of 32 values, from eight of layer 1.
static inline vec circle_twiddles(table next, uint pair) {
    const uint8 t = vload8(pair, next);
    const vec both = (vec)(t.s1, t.s1, t.s0, t.s0, t.s3, t.s3, t.s2, t.s2, t.s5, t.s5, t.s4, t.s4, t.s7, t.s7, t.s6, t.s6);
    const uint m = 2 * P;
    return both ^ (vec)(0, m, m, 0, 0, m, m, 0, 0, m, m, 0, 0, m, m, 0);
}
static inline vec repeat8(uint8 t) { return (vec)(t, t); }
static inline vec repeat4(uint4 t) { return (vec)(t, t, t, t); }
static inline vec repeat2(uint2 t) { return (vec)(t, t, t, t, t, t, t, t); }
#define APART(a, b) { const vec e_ = (vec)(a.even, b.even), o_ = (vec)(a.odd, b.odd); a = e_; b = o_; }
#define JOIN(a, b) { \
    const vec l_ = (vec)(a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3, a.s4, b.s4, a.s5, b.s5, a.s6, b.s6, a.s7, b.s7); \
    const vec h_ = (vec)(a.s8, b.s8, a.s9, b.s9, a.sa, b.sa, a.sb, b.sb, a.sc, b.sc, a.sd, b.sd, a.se, b.se, a.sf, b.sf); \
    a = l_; b = h_; }
#define LOW_LAYERS 5u

// Layers 0..4 inside two vectors: pulling even and odd places apart rotates the five bits of an index, so that
// every layer pairs the two vectors lane by lane and five rounds restore the order.
#define INVERSE_PAIR(a, b, p) { \
    APART(a, b) INVERSE(a, b, circle_twiddles(LAYER(1), p)) \
    APART(a, b) INVERSE(a, b, repeat8(vload8(p, LAYER(1)))) \
    APART(a, b) INVERSE(a, b, repeat4(vload4(p, LAYER(2)))) \
    APART(a, b) INVERSE(a, b, repeat2(vload2(p, LAYER(3)))) \
    APART(a, b) INVERSE(a, b, LAYER(4)[p]) }
#define FORWARD_PAIR(a, b, p) { \
    FORWARD(a, b, LAYER(4)[p]) JOIN(a, b) \
    FORWARD(a, b, repeat2(vload2(p, LAYER(3)))) JOIN(a, b) \
    FORWARD(a, b, repeat4(vload4(p, LAYER(2)))) JOIN(a, b) \
    FORWARD(a, b, repeat8(vload8(p, LAYER(1)))) JOIN(a, b) \
    FORWARD(a, b, circle_twiddles(LAYER(1), p)) JOIN(a, b) }
#else
#define LOW_LAYERS 0u
#endif

// Interpolation, layers 0..hi-1 of contiguous blocks, hi >= 5.  Group (block, column).
KERNEL void inverse_low(__global const uint *from, __global uint *to, table tower, uint n, uint hi, uint column0,
                        uint shift) {
    __local vec tile[TILE_VECTORS];
    const uint block = get_group_id(0), lo = LANES_LOG, slice_log = 0, vectors = 1u << (hi - LANES_LOG);
    const size_t start = ((size_t)(column0 + get_group_id(1)) << n) + ((size_t)block << hi);
    __global const uint *source = from + start;
    __global uint *target = to + start;
    uint layer = LOW_LAYERS;
#if LANES == 16
    for (uint p = LID; p < vectors / 2; p += GROUP) {
        vec a = LOAD(source, 32 * p), b = LOAD(source, 32 * p + 16);
        INVERSE_PAIR(a, b, p)
        tile[2 * p] = a;
        tile[2 * p + 1] = b;
    }
    SYNC;
    switch ((hi - layer) % 3) {
        case 1: STAGE(1, INVERSE2, TWIDDLE_A, layer, TILE_GET, TILE_PUT) layer += 1; break;
        case 2: STAGE(2, INVERSE4, TWIDDLE_A, layer, TILE_GET, TILE_PUT) layer += 2; break;
    }
#else
    for (uint i = LID; i < vectors; i += GROUP) tile[i] = source[i];
    SYNC;
    switch (hi % 3) {
        case 1: STAGE(1, INVERSE2, TWIDDLE_Y, 0, TILE_GET, TILE_PUT) layer = 1; break;
        case 2: STAGE(2, INVERSE4, TWIDDLE_Y, 0, TILE_GET, TILE_PUT) layer = 2; break;
        default: STAGE(3, INVERSE8, TWIDDLE_Y, 0, TILE_GET, TILE_PUT) layer = 3;
    }
#endif
    for (; layer < hi; layer += 3) STAGE(3, INVERSE8, TWIDDLE_A, layer, TILE_GET, TILE_PUT)
    for (uint i = LID; i < vectors; i += GROUP) STORE(m_shift(tile[i], shift), target, i << LANES_LOG);
}

// Evaluation, layers hi-1..0; block_step and from_log as in forward_high.
KERNEL void forward_low(__global const uint *from, __global uint *to, table tower, uint n, uint hi, uint column0,
                        uint from_log, uint block_step, uint block0) {
    __local vec tile[TILE_VECTORS];
    const uint block = block0 + get_group_id(0), lo = LANES_LOG, slice_log = 0, vectors = 1u << (hi - LANES_LOG);
    const uint column = column0 + get_group_id(1);
    __global const uint *source = from + ((size_t)column << from_log) + (size_t)block * block_step;
    __global uint *target = to + ((size_t)column << n) + ((size_t)block << hi);
    uint layer = hi;
    for (uint i = LID; i < vectors; i += GROUP) tile[i] = LOAD(source, i << LANES_LOG);
    SYNC;
    while (layer >= LOW_LAYERS + 3 + (LANES == 1)) { layer -= 3; STAGE(3, FORWARD8, TWIDDLE_A, layer, TILE_GET, TILE_PUT) }
#if LANES == 16
    switch (layer - LOW_LAYERS) {
        case 1: STAGE(1, FORWARD2, TWIDDLE_A, 5, TILE_GET, TILE_PUT) break;
        case 2: STAGE(2, FORWARD4, TWIDDLE_A, 5, TILE_GET, TILE_PUT) break;
    }
    for (uint p = LID; p < vectors / 2; p += GROUP) {
        vec a = tile[2 * p], b = tile[2 * p + 1];
        FORWARD_PAIR(a, b, p)
        STORE(a, target, 32 * p);
        STORE(b, target, 32 * p + 16);
    }
#else
    switch (layer) {
        case 1: STAGE(1, FORWARD2, TWIDDLE_Y, 0, TILE_GET, TILE_PUT) break;
        case 2: STAGE(2, FORWARD4, TWIDDLE_Y, 0, TILE_GET, TILE_PUT) break;
        case 3: STAGE(3, FORWARD8, TWIDDLE_Y, 0, TILE_GET, TILE_PUT) break;
    }
    for (uint i = LID; i < vectors; i += GROUP) target[i] = tile[i];
#endif
}

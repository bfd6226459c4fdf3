// The field M31, p = 2^31 - 1, on vectors of LANES canonical values (spec stark.md section 1).
// LANES is 16 on CPU devices, where one work-item fills a vector register, and 1 on GPUs.
#define P 0x7fffffffu
#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)
#if LANES == 1
typedef uint vec;
#define LOAD(p, i) ((p)[i])
#define STORE(v, p, i) ((p)[i] = (v))
#define IOTA 0u
#else
typedef PASTE(uint, LANES) vec;
// i counts words; the compiler may assume that a vector starts at a multiple of its size.
#define LOAD(p, i) (*(__global const vec *)((p) + (i)))
#define STORE(v, p, i) (*(__global vec *)((p) + (i)) = (v))
#if LANES == 16
#define IOTA ((vec)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
#elif LANES == 8
#define IOTA ((vec)(0, 1, 2, 3, 4, 5, 6, 7))
#else
#define IOTA ((vec)(0, 1, 2, 3))
#endif
#endif

// x mod p for x < 2p.
static inline vec m_reduce(vec x) { return min(x, x - P); }
static inline vec m_add(vec a, vec b) { return m_reduce(a + b); }
static inline vec m_sub(vec a, vec b) { vec d = a - b; return min(d, d + P); }
static inline vec m_neg(vec a) { return m_sub((vec)(0), a); }
// a * t where t2 = 2t as a plain integer: the high word of a * 2t is a * t / 2^31, so no shift joins the halves.
static inline vec m_mul2(vec a, vec t2) { return m_reduce(mul_hi(a, t2) + ((a * t2) >> 1)); }
static inline vec m_mul(vec a, vec b) { return m_mul2(a, b << 1); }
// a * 2^k for k < 31: a rotation of 31 bits.
static inline vec m_shift(vec a, uint k) { return ((a << k) & P) | (a >> (31 - k)); }

// The same on single values.
static inline uint s_reduce(uint x) { return min(x, x - P); }
static inline uint s_add(uint a, uint b) { return s_reduce(a + b); }
static inline uint s_sub(uint a, uint b) { uint d = a - b; return min(d, d + P); }
static inline uint s_mul(uint a, uint b) { uint t = b << 1; return s_reduce(mul_hi(a, t) + ((a * t) >> 1)); }

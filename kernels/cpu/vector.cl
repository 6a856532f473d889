/* Vectors, class cpu. No kernels: the host joins this file in front of those of the convolutions
 * ("cpu/vector+cpu/conv2d_depthwise").
 *
 * Macros
 *   VW 16  floats per vector: 4, 8 or 16
 */
#ifndef VW
#define VW 16
#endif

#define JOIN_(name, width) name##width
#define JOIN(name, width) JOIN_(name, width)
#define WIDE(name) JOIN(name, VW) /* the type or function for VW numbers: float -> float16 */
#define INLINE static inline __attribute__((always_inline))

typedef WIDE(float) vec;
#define LOAD(p) WIDE(vload)(0, p)
#define STORE(v, p) WIDE(vstore)(v, 0, p)

/* Copies by vload and vstore become four moves on PoCL, these one. */
typedef vec __attribute__((aligned(4))) uvec;
#define LOAD_GLOBAL(p) (*(const __global uvec *)(p))
#define STORE_GLOBAL(v, p) (*(__global uvec *)(p) = (v))
#define STORE_LOCAL(v, p) (*(__local uvec *)(p) = (v))

/* The standard's prefetch() is empty on PoCL. */
#if defined(__has_builtin)
#if __has_builtin(__builtin_prefetch)
#define PREFETCH(p) __builtin_prefetch((const void *)(size_t)(p), 0, 2)
#endif
#endif
#ifndef PREFETCH
#define PREFETCH(p) prefetch(p, VW)
#endif

/* The first n < 4 numbers at p, then zeros; and the store of the first n lanes. Then the same for n < 8 and n < 16. */
INLINE float4 load_few4(const __global float *p, int n)
{
    return (float4)(n > 0 ? p[0] : 0.0f, n > 1 ? p[1] : 0.0f, n > 2 ? p[2] : 0.0f, 0.0f);
}

INLINE void store_few4(float4 v, __global float *p, int n)
{
    if (n > 0) p[0] = v.x;
    if (n > 1) p[1] = v.y;
    if (n > 2) p[2] = v.z;
}

#define DEFINE_FEW(wide, half)                                                                            \
    INLINE float##wide load_few##wide(const __global float *p, int n)                                     \
    {                                                                                                     \
        const bool whole = n >= half;                                                                     \
        const float##half rest = load_few##half(whole ? p + half : p, whole ? n - half : n);              \
        return whole ? (float##wide)(vload##half(0, p), rest) : (float##wide)(rest, (float##half)(0.0f)); \
    }                                                                                                     \
    INLINE void store_few##wide(float##wide v, __global float *p, int n)                                  \
    {                                                                                                     \
        if (n >= half) vstore##half(v.lo, 0, p);                                                          \
        if (n >= half) store_few##half(v.hi, p + half, n - half);                                         \
        else store_few##half(v.lo, p, n);                                                                 \
    }
DEFINE_FEW(8, 4)
DEFINE_FEW(16, 8)

/* All lanes, or the first n of them. */
INLINE vec load_lanes(const __global float *p, int n)
{
    return n >= VW ? LOAD(p) : WIDE(load_few)(p, n);
}

INLINE void store_lanes(vec v, __global float *p, int n)
{
    if (n >= VW) STORE_GLOBAL(v, p);
    else WIDE(store_few)(v, p, n);
}

INLINE int div_up(int a, int b)
{
    return (a + b - 1) / b;
}

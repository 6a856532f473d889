/* float32 to the nearest number of a narrower type, ties to even, kept as float32. TYPE: 0 float32, 1 tf32 (10 bits of fraction),
 * 2 float16 (IEEE 754 binary16), 3 bfloat16. By integers and exact products alone, so that no extension is asked for.
 *
 * One work-item takes CHUNK vectors of WIDTH elements. Tensors are aligned to a vector; the last vector may be cut off. */

#ifndef TYPE
#define TYPE 2
#endif
#ifndef WIDTH
#define WIDTH 1 /* 1, 4, 8 or 16 */
#endif
#ifndef CHUNK
#define CHUNK 1
#endif

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#if WIDTH == 1
#define LOAD(p, i) (p)[i]
#define STORE(v, p, i) (p)[i] = (v)
#else
#define LOAD(p, i) JOIN(vload, WIDTH)(i, p)
#define STORE(v, p, i) JOIN(vstore, WIDTH)(v, i, p)
#endif

#define SIZE 0x7fffffffu     /* all bits but the sign */
#define INFINITE 0x7f800000u /* beyond lie the NaNs */

/* The lowest `bits` bits go; a carry into the exponent is right. */
#define CUT(x, bits) (((x) + ((1u << ((bits)-1)) - 1u) + (((x) >> (bits)) & 1u)) & ~((1u << (bits)) - 1u))

/* A float16's fraction has tf32's length; what rounds to 2^16 is infinite, and below 2^-14 numbers are 2^-24 apart. */
#define DEFINE_ROUNDED(name, real, word, as_real, as_word)                                                             \
    real name(real x) {                                                                                                \
        word bits = as_word(x), size = bits & SIZE, y = size;                                                          \
        if (TYPE == 1 || TYPE == 2)                                                                                    \
            y = CUT(size, 13);                                                                                         \
        if (TYPE == 2) {                                                                                               \
            y = select(y, (word)INFINITE, y >= 0x47800000u);                                                           \
            y = select(y, as_word(rint(as_real(size) * 0x1p24f) * 0x1p-24f), size < 0x38800000u);                      \
        }                                                                                                              \
        if (TYPE == 3)                                                                                                 \
            y = CUT(size, 16);                                                                                         \
        return as_real(select(y, size, size > INFINITE) | (bits & ~SIZE));                                             \
    }

DEFINE_ROUNDED(rounded1, float, uint, as_float, as_uint)
#if WIDTH > 1
DEFINE_ROUNDED(JOIN(rounded, WIDTH), JOIN(float, WIDTH), JOIN(uint, WIDTH), JOIN(as_float, WIDTH), JOIN(as_uint, WIDTH))
#endif

__kernel void round_to(__global const float *x, __global float *y, int count) {
    int first = (int)get_global_id(0) * CHUNK, end = min(first + CHUNK, count / WIDTH);
    bool last = first <= count / WIDTH && count / WIDTH < first + CHUNK;
    for (int i = first; i < end; i++)
        STORE(JOIN(rounded, WIDTH)(LOAD(x, i)), y, i);
    for (int i = count / WIDTH * WIDTH; last && i < count; i++)
        y[i] = rounded1(x[i]);
}

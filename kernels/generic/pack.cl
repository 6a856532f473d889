/* float32 to 16 bits, to the nearest, ties to even, and back. float16 by the core's vload_half and vstore_half, which need no extension;
 * bfloat16, the upper half of float32, by integers.
 *
 * One work-item takes CHUNK vectors of WIDTH elements. Tensors are aligned to a vector; the last vector may be cut off. */

#ifndef WIDTH
#define WIDTH 1 /* 1, 4, 8 or 16 */
#endif
#ifndef CHUNK
#define CHUNK 1
#endif

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#if WIDTH == 1
typedef uint word;
#define LOAD(p, i) (p)[i]
#define STORE(v, p, i) (p)[i] = (v)
#define TO_REAL as_float
#define TO_WORD as_uint
#define NARROW convert_ushort
#define WIDEN convert_uint
#define LOAD_HALF(p, i) vload_half(i, p)
#define STORE_HALF(v, p, i) vstore_half_rte(v, i, p)
#else
typedef JOIN(uint, WIDTH) word;
#define LOAD(p, i) JOIN(vload, WIDTH)(i, p)
#define STORE(v, p, i) JOIN(vstore, WIDTH)(v, i, p)
#define TO_REAL JOIN(as_float, WIDTH)
#define TO_WORD JOIN(as_uint, WIDTH)
#define NARROW JOIN(convert_ushort, WIDTH)
#define WIDEN JOIN(convert_uint, WIDTH)
#define LOAD_HALF(p, i) JOIN(vload_half, WIDTH)(i, p)
#define STORE_HALF(v, p, i) JOIN(JOIN(vstore_half, WIDTH), _rte)(v, i, p)
#endif

/* A NaN whose payload lies below stays one. */
#define BFLOAT_OF(bits)                                                                                                \
    (((bits)&0x7fffffffu) > 0x7f800000u ? (bits) >> 16 | 0x40u : ((bits) + 0x7fffu + ((bits) >> 16 & 1u)) >> 16)

/* Vectors first to end of this work-item, whole; the numbers behind the last whole one belong to its finder, one by one. */
#define VECTORS_OF_ITEM(first, end)                                                                                    \
    int first = (int)get_global_id(0) * CHUNK, end = min(first + CHUNK, count / WIDTH);                                \
    bool last = first <= count / WIDTH && count / WIDTH < first + CHUNK

__kernel void pack_float16(__global const float *x, __global half *y, int count) {
    VECTORS_OF_ITEM(first, end);
    for (int i = first; i < end; i++)
        STORE_HALF(LOAD(x, i), y, i);
    for (int i = count / WIDTH * WIDTH; last && i < count; i++)
        vstore_half_rte(x[i], i, y);
}

__kernel void unpack_float16(__global const half *x, __global float *y, int count) {
    VECTORS_OF_ITEM(first, end);
    for (int i = first; i < end; i++)
        STORE(LOAD_HALF(x, i), y, i);
    for (int i = count / WIDTH * WIDTH; last && i < count; i++)
        y[i] = vload_half(i, x);
}

__kernel void pack_bfloat16(__global const float *x, __global ushort *y, int count) {
    VECTORS_OF_ITEM(first, end);
    for (int i = first; i < end; i++) {
        word bits = TO_WORD(LOAD(x, i));
        STORE(NARROW(BFLOAT_OF(bits)), y, i);
    }
    for (int i = count / WIDTH * WIDTH; last && i < count; i++) {
        uint bits = as_uint(x[i]);
        y[i] = (ushort)(BFLOAT_OF(bits));
    }
}

__kernel void unpack_bfloat16(__global const ushort *x, __global float *y, int count) {
    VECTORS_OF_ITEM(first, end);
    for (int i = first; i < end; i++)
        STORE(TO_REAL(WIDEN(LOAD(x, i)) << 16), y, i);
    for (int i = count / WIDTH * WIDTH; last && i < count; i++)
        y[i] = as_float((uint)x[i] << 16);
}

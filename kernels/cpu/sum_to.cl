/* generic/sum_to.cl in whole vectors. A pair is one block of one `outer`; a work-item, which is a work-group, takes `each` of
 * the `pairs`. A block is short enough for one accumulator a lane. */

#ifndef VW
#define VW 16 /* 4, 8 or 16 */
#endif

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
typedef JOIN(float, VW) real;
#define LOAD JOIN(vload, VW)
#define STORE JOIN(vstore, VW)

static float lanes_sum(real v) {
#if VW == 16
    float8 half_ = v.lo + v.hi;
    float4 quarter = half_.lo + half_.hi;
#elif VW == 8
    float4 quarter = v.lo + v.hi;
#else
    float4 quarter = v;
#endif
    return (quarter.x + quarter.y) + (quarter.z + quarter.w);
}

/* 4 * VW columns at x. */
static void wide(__global const float *x, __global float *y, int rows, int inner) {
    real s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;
    for (int r = 0; r < rows; r++) {
        __global const float *p = x + (size_t)r * inner;
        s0 += LOAD(0, p), s1 += LOAD(1, p), s2 += LOAD(2, p), s3 += LOAD(3, p);
    }
    STORE(s0, 0, y);
    STORE(s1, 1, y);
    STORE(s2, 2, y);
    STORE(s3, 3, y);
}

/* VW columns at x, four rows at a time. */
static void narrow(__global const float *x, __global float *y, int rows, int inner) {
    real s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;
    int r = 0;
    for (; r + 4 <= rows; r += 4) {
        __global const float *p = x + (size_t)r * inner;
        s0 += LOAD(0, p);
        s1 += LOAD(0, p + inner);
        s2 += LOAD(0, p + 2 * inner);
        s3 += LOAD(0, p + 3 * inner);
    }
    for (; r < rows; r++)
        s0 += LOAD(0, x + (size_t)r * inner);
    STORE((s0 + s1) + (s2 + s3), 0, y);
}

/* inner >= VW. The second dimension of the range splits the columns: `span` >= VW each, the last one the rest too. The last
 * vector of a row may overlap the one before it. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void columns(__global const float *x, __global float *y,
                                                                     int rows, int inner, int block, int blocks,
                                                                     int pairs, int each, int span) {
    int first = (int)get_group_id(0) * each, last = min(first + each, pairs), part = (int)get_group_id(1);
    int begin = part * span, end = part + 1 == (int)get_num_groups(1) ? inner : begin + span;
    for (int p = first; p < last; p++) {
        int start = p % blocks * block, count = min(block, rows - start), c = begin;
        __global const float *source = x + ((size_t)(p / blocks) * rows + start) * inner;
        __global float *target = y + (size_t)p * inner;
        for (; c + 4 * VW <= end; c += 4 * VW)
            wide(source + c, target + c, count, inner);
        for (; c < end; c += VW) {
            int at = min(c, end - VW);
            narrow(source + at, target + at, count, inner);
        }
    }
}

/* inner = 1: a block is `block` numbers in a row. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void line(__global const float *x, __global float *y, int rows,
                                                                  int block, int blocks, int pairs, int each) {
    int first = (int)get_group_id(0) * each, last = min(first + each, pairs);
    for (int p = first; p < last; p++) {
        int start = p % blocks * block, count = min(block, rows - start), i = 0;
        __global const float *source = x + (size_t)(p / blocks) * rows + start;
        real s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;
        for (; i + 4 * VW <= count; i += 4 * VW) {
            s0 += LOAD(0, source + i), s1 += LOAD(1, source + i);
            s2 += LOAD(2, source + i), s3 += LOAD(3, source + i);
        }
        for (; i + VW <= count; i += VW)
            s0 += LOAD(0, source + i);
        float rest = 0.0f;
        for (; i < count; i++)
            rest += source[i];
        y[p] = lanes_sum((s0 + s1) + (s2 + s3)) + rest;
    }
}

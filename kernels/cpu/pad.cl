/* generic/pad.cl, class cpu: one work-item per work-group takes pieces of rows of y, VW numbers at a time. Local size (1,1,1), global
 * size (large0 / piece, rows / each), rounded up; rows: the product of the sizes of y but large0. Macro: VW 16, floats per
 * vector: 4, 8 or 16. */
#ifndef VW
#define VW 16
#endif

#if VW == 16
typedef float16 vec;
#define LOAD(p) vload16(0, p)
#define STORE(v, p) vstore16(v, 0, p)
#elif VW == 8
typedef float8 vec;
#define LOAD(p) vload8(0, p)
#define STORE(v, p) vstore8(v, 0, p)
#else
typedef float4 vec;
#define LOAD(p) vload4(0, p)
#define STORE(v, p) vstore4(v, 0, p)
#endif

static void fill(__global float *restrict y, int first, int last, float value) {
    for (; first + VW <= last; first += VW)
        STORE((vec)(value), y + first);
    for (; first < last; first++)
        y[first] = value;
}

/* y[first..last) = x[first - shift..] */
static void move(__global const float *restrict x, __global float *restrict y, int first, int last, int shift) {
    for (; first + VW <= last; first += VW)
        STORE(LOAD(x + (first - shift)), y + first);
    for (; first < last; first++)
        y[first] = x[first - shift];
}

#define DIMENSION(d)                                                                                                   \
    {                                                                                                                  \
        int k = i % large##d - first##d;                                                                               \
        i /= large##d;                                                                                                 \
        inside = inside && k >= 0 && k % step##d == 0 && k / step##d < small##d;                                       \
        from += k / step##d * stride;                                                                                  \
        stride *= small##d;                                                                                            \
    }

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
pad(__global const float *restrict x, __global float *restrict y, float value, int rows, int piece, int each, int small0,
    int large0, int first0, int step0, int small1, int large1, int first1, int step1, int small2, int large2, int first2,
    int step2, int small3, int large3, int first3, int step3, int small4, int large4, int first4, int step4, int small5,
    int large5, int first5, int step5) {
    int start = (int)get_global_id(0) * piece, end = min(start + piece, large0);
    int row = (int)get_global_id(1) * each, last_row = min(row + each, rows);
    for (; row < last_row; row++) {
        __global float *target = y + (size_t)row * large0;
        int i = row, from = 0, stride = small0;
        bool inside = true;
        DIMENSION(1)
        DIMENSION(2)
        DIMENSION(3)
        DIMENSION(4)
        DIMENSION(5)
        __global const float *source = x + from;
        if (inside && step0 == 1) {
            int open = clamp(first0, start, end), close = clamp(first0 + small0, start, end);
            fill(target, start, open, value);
            move(source, target, open, close, first0);
            fill(target, close, end, value);
            continue;
        }
        fill(target, start, end, value);
        for (int k = 0; inside && k < small0; k++)
            if (first0 + k * step0 >= start && first0 + k * step0 < end)
                target[first0 + k * step0] = source[k];
    }
}

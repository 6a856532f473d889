/* generic/softmax.cl for CPUs: explicit vectors along the row. One work-item per work-group takes `each` rows. Lanes behind a
 * row's end hold a fill that does not count. Macro: VW 16, floats per vector: 4, 8 or 16. */
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

/* p[k, k + VW) of p[length]. */
static vec load(__global const float *p, int k, int length, float fill) {
    if (k + VW <= length)
        return LOAD(p + k);
    float lane[VW];
    for (int i = 0; i < VW; i++)
        lane[i] = k + i < length ? p[k + i] : fill;
    return LOAD(lane);
}

static void store(vec v, __global float *p, int k, int length) {
    if (k + VW <= length) {
        STORE(v, p + k);
        return;
    }
    float lane[VW];
    STORE(v, lane);
    for (int i = 0; k + i < length; i++)
        p[k + i] = lane[i];
}

static float total(vec v) {
    float lane[VW], sum = 0.0f;
    STORE(v, lane);
    for (int i = 0; i < VW; i++)
        sum += lane[i];
    return sum;
}

static float row_maximum(__global const float *x, int length) {
    vec tops = -INFINITY;
    float lane[VW], top;
    for (int k = 0; k < length; k += VW)
        tops = fmax(tops, load(x, k, length, -INFINITY));
    STORE(tops, lane);
    top = lane[0];
    for (int i = 1; i < VW; i++)
        top = fmax(top, lane[i]);
    return top;
}

static float row_exponentials(__global const float *x, int length, float shift) {
    vec sums = 0.0f;
    for (int k = 0; k < length; k += VW)
        sums += exp(load(x, k, length, -INFINITY) - shift);
    return total(sums);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
softmax(__global const float *x, __global float *y, int rows, int length, int each) {
    int first = (int)get_group_id(0) * each;
    for (int row = first; row < min(first + each, rows); row++) {
        __global const float *in = x + (size_t)row * length;
        __global float *out = y + (size_t)row * length;
        float top = row_maximum(in, length);
        vec sums = 0.0f;
        for (int k = 0; k < length; k += VW) {
            vec e = exp(load(in, k, length, -INFINITY) - top);
            store(e, out, k, length);
            sums += e;
        }
        float inverse = 1.0f / total(sums);
        for (int k = 0; k < length; k += VW)
            store(load(out, k, length, 0.0f) * inverse, out, k, length);
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
log_softmax(__global const float *x, __global float *y, int rows, int length, int each) {
    int first = (int)get_group_id(0) * each;
    for (int row = first; row < min(first + each, rows); row++) {
        __global const float *in = x + (size_t)row * length;
        float top = row_maximum(in, length), shift = isinf(top) ? 0.0f : top;
        float rest = log(row_exponentials(in, length, shift));
        for (int k = 0; k < length; k += VW)
            store((load(in, k, length, 0.0f) - shift) - rest, y + (size_t)row * length, k, length);
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
logsumexp(__global const float *x, __global float *y, int rows, int length, int each) {
    int first = (int)get_group_id(0) * each;
    for (int row = first; row < min(first + each, rows); row++) {
        __global const float *in = x + (size_t)row * length;
        float top = row_maximum(in, length), shift = isinf(top) ? 0.0f : top;
        y[row] = shift + log(row_exponentials(in, length, shift));
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
softmax_backward(__global const float *dy, __global const float *y, __global float *dx, int rows, int length,
                 int each) {
    int first = (int)get_group_id(0) * each;
    for (int row = first; row < min(first + each, rows); row++) {
        size_t start = (size_t)row * length;
        vec dots = 0.0f;
        for (int k = 0; k < length; k += VW)
            dots += load(dy + start, k, length, 0.0f) * load(y + start, k, length, 0.0f);
        float dot = total(dots);
        for (int k = 0; k < length; k += VW)
            store(load(y + start, k, length, 0.0f) * (load(dy + start, k, length, 0.0f) - dot), dx + start, k, length);
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
log_softmax_backward(__global const float *dy, __global const float *y, __global float *dx, int rows, int length,
                     int each) {
    int first = (int)get_group_id(0) * each;
    for (int row = first; row < min(first + each, rows); row++) {
        size_t start = (size_t)row * length;
        vec sums = 0.0f;
        for (int k = 0; k < length; k += VW)
            sums += load(dy + start, k, length, 0.0f);
        float sum = total(sums);
        for (int k = 0; k < length; k += VW)
            store(load(dy + start, k, length, 0.0f) - exp(load(y + start, k, length, 0.0f)) * sum, dx + start, k,
                  length);
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
logsumexp_backward(__global const float *dy, __global const float *x, __global const float *y, __global float *dx,
                   int rows, int length, int each) {
    int first = (int)get_group_id(0) * each;
    for (int row = first; row < min(first + each, rows); row++) {
        size_t start = (size_t)row * length;
        for (int k = 0; k < length; k += VW)
            store(dy[row] * exp(load(x + start, k, length, 0.0f) - y[row]), dx + start, k, length);
    }
}

/* generic/l2_normalize.cl for CPUs: explicit vectors along length where inner is 1, else along inner. One work-item per
 * work-group, for each of outer * ceil(inner / width). Macro: VW 16, floats per vector: 4, 8 or 16. */
#ifndef VW
#define VW 16
#endif

#if VW == 16
typedef float16 vec;
typedef int16 ivec;
#define LOAD(p) vload16(0, p)
#define STORE(v, p) vstore16(v, 0, p)
#elif VW == 8
typedef float8 vec;
typedef int8 ivec;
#define LOAD(p) vload8(0, p)
#define STORE(v, p) vstore8(v, 0, p)
#else
typedef float4 vec;
typedef int4 ivec;
#define LOAD(p) vload4(0, p)
#define STORE(v, p) vstore4(v, 0, p)
#endif

static float lanes_total(vec v) {
    float lane[VW], sum = 0.0f;
    STORE(v, lane);
    for (int i = 0; i < VW; i++)
        sum += lane[i];
    return sum;
}

/* sum_k a_k b_k of a row. */
static float row_dot(__global const float *a, __global const float *b, int n) {
    vec sums = 0.0f;
    int k = 0;
    for (; k + VW <= n; k += VW)
        sums += LOAD(a + k) * LOAD(b + k);
    float sum = lanes_total(sums);
    for (; k < n; k++)
        sum += a[k] * b[k];
    return sum;
}

/* The same of VW columns, and of one, whose elements lie `pitch` apart; in runs of 32. */
static vec columns_dot(__global const float *a, __global const float *b, int n, int pitch) {
    vec total = 0.0f;
    for (int start = 0; start < n; start += 32) {
        vec run = 0.0f;
        for (int k = start; k < min(start + 32, n); k++)
            run += LOAD(a + (size_t)k * pitch) * LOAD(b + (size_t)k * pitch);
        total += run;
    }
    return total;
}

static float column_dot(__global const float *a, __global const float *b, int n, int pitch) {
    float total = 0.0f;
    for (int start = 0; start < n; start += 32) {
        float run = 0.0f;
        for (int k = start; k < min(start + 32, n); k++)
            run += a[(size_t)k * pitch] * b[(size_t)k * pitch];
        total += run;
    }
    return total;
}

static void row_normalize(__global const float *x, __global float *y, __global float *norm, float eps, int n) {
    float size = sqrt(row_dot(x, x, n)), divisor = fmax(size, eps);
    int k = 0;
    *norm = size;
    for (; k + VW <= n; k += VW)
        STORE(LOAD(x + k) / divisor, y + k);
    for (; k < n; k++)
        y[k] = x[k] / divisor;
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
l2_normalize(__global const float *x, __global float *y, __global float *norm, float eps, int length, int inner,
             int width) {
    int g = (int)get_group_id(0), tiles = (inner + width - 1) / width, i = g % tiles * width;
    int end = min(i + width, inner);
    size_t slice = g / tiles, at = slice * length * inner;
    if (inner == 1) {
        row_normalize(x + at, y + at, norm + slice, eps, length);
        return;
    }
    for (; i + VW <= end; i += VW) {
        vec size = sqrt(columns_dot(x + at + i, x + at + i, length, inner)), divisor = fmax(size, eps);
        STORE(size, norm + slice * inner + i);
        for (int k = 0; k < length; k++)
            STORE(LOAD(x + at + (size_t)k * inner + i) / divisor, y + at + (size_t)k * inner + i);
    }
    for (; i < end; i++) {
        float size = sqrt(column_dot(x + at + i, x + at + i, length, inner)), divisor = fmax(size, eps);
        norm[slice * inner + i] = size;
        for (int k = 0; k < length; k++)
            y[at + (size_t)k * inner + i] = x[at + (size_t)k * inner + i] / divisor;
    }
}

static void row_backward(__global const float *dy, __global const float *y, __global float *dx, float size, float eps,
                         int n) {
    float dot = size >= eps ? row_dot(dy, y, n) : 0.0f, divisor = fmax(size, eps);
    int k = 0;
    for (; k + VW <= n; k += VW)
        STORE((LOAD(dy + k) - LOAD(y + k) * dot) / divisor, dx + k);
    for (; k < n; k++)
        dx[k] = (dy[k] - y[k] * dot) / divisor;
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
l2_normalize_backward(__global const float *dy, __global const float *y, __global const float *norm,
                      __global float *dx, float eps, int length, int inner, int width) {
    int g = (int)get_group_id(0), tiles = (inner + width - 1) / width, i = g % tiles * width;
    int end = min(i + width, inner);
    size_t slice = g / tiles, at = slice * length * inner;
    if (inner == 1) {
        row_backward(dy + at, y + at, dx + at, norm[slice], eps, length);
        return;
    }
    for (; i + VW <= end; i += VW) {
        vec size = LOAD(norm + slice * inner + i), divisor = fmax(size, eps);
        vec dot = select((vec)(0.0f), columns_dot(dy + at + i, y + at + i, length, inner), (ivec)(size >= eps));
        for (int k = 0; k < length; k++) {
            size_t j = at + (size_t)k * inner + i;
            STORE((LOAD(dy + j) - LOAD(y + j) * dot) / divisor, dx + j);
        }
    }
    for (; i < end; i++) {
        float size = norm[slice * inner + i], divisor = fmax(size, eps);
        float dot = size >= eps ? column_dot(dy + at + i, y + at + i, length, inner) : 0.0f;
        for (int k = 0; k < length; k++) {
            size_t j = at + (size_t)k * inner + i;
            dx[j] = (dy[j] - y[j] * dot) / divisor;
        }
    }
}

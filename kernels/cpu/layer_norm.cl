/* generic/layer_norm.cl for CPUs: explicit vectors along the row, one work-item per work-group. The derivative with respect to
 * x and the sums over rows are found in one pass; finish is generic. Macro: VW 16, floats per vector: 4, 8 or 16. */
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

static float total(vec v) {
    float lane[VW], sum = 0.0f;
    STORE(v, lane);
    for (int i = 0; i < VW; i++)
        sum += lane[i];
    return sum;
}

static float row_mean(__global const float *x, int length) {
    vec sums = 0.0f;
    int k = 0;
    for (; k + VW <= length; k += VW)
        sums += LOAD(x + k);
    float sum = total(sums);
    for (; k < length; k++)
        sum += x[k];
    return sum / (float)length;
}

/* Means of d and d * d, d = x - about. */
static void row_deviations(__global const float *x, int length, float about, float *rest, float *square) {
    vec rests = 0.0f, squares = 0.0f;
    int k = 0;
    for (; k + VW <= length; k += VW) {
        vec d = LOAD(x + k) - about;
        rests += d;
        squares += d * d;
    }
    float r = total(rests), q = total(squares);
    for (; k < length; k++) {
        float d = x[k] - about;
        r += d;
        q += d * d;
    }
    *rest = r / (float)length;
    *square = q / (float)length;
}

static void row_apply(__global const float *x, __global const float *weight, __global const float *bias,
                      __global float *y, int length, int affine, float about, float rest, float scale) {
    int k = 0;
    for (; k + VW <= length; k += VW) {
        vec v = ((LOAD(x + k) - about) - rest) * scale;
        if (affine > 0)
            v *= LOAD(weight + k);
        if (affine > 1)
            v += LOAD(bias + k);
        STORE(v, y + k);
    }
    for (; k < length; k++) {
        float v = ((x[k] - about) - rest) * scale;
        if (affine > 0)
            v *= weight[k];
        if (affine > 1)
            v += bias[k];
        y[k] = v;
    }
}

/* A work-item takes `each` rows. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
layer_norm(__global const float *x, __global const float *weight, __global const float *bias, __global float *y,
           __global float *mean, __global float *rstd, int affine, float eps, int rows, int length, int each) {
    int first = (int)get_group_id(0) * each;
    for (int row = first; row < min(first + each, rows); row++) {
        size_t start = (size_t)row * length;
        float about = row_mean(x + start, length), rest, square;
        row_deviations(x + start, length, about, &rest, &square);
        float scale = 1.0f / sqrt(fmax(square - rest * rest, 0.0f) + eps);
        mean[row] = about + rest;
        rstd[row] = scale;
        row_apply(x + start, weight, bias, y + start, length, affine, about, rest, scale);
    }
}

/* Means over the row of g and g * x^. */
static void row_sums(__global const float *dy, __global const float *x, __global const float *weight, int length,
                     int weighted, float middle, float scale, float *sum, float *dot) {
    vec sums = 0.0f, dots = 0.0f;
    int k = 0;
    for (; k + VW <= length; k += VW) {
        vec g = LOAD(dy + k);
        if (weighted)
            g *= LOAD(weight + k);
        sums += g;
        dots += g * ((LOAD(x + k) - middle) * scale);
    }
    float s = total(sums), q = total(dots);
    for (; k < length; k++) {
        float g = weighted ? dy[k] * weight[k] : dy[k];
        s += g;
        q += g * ((x[k] - middle) * scale);
    }
    *sum = s / (float)length;
    *dot = q / (float)length;
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
backward_rows(__global const float *dy, __global const float *x, __global const float *mean,
              __global const float *rstd, __global const float *weight, __global float *dx, int weighted, int rows,
              int length, int each) {
    int first = (int)get_group_id(0) * each;
    for (int row = first; row < min(first + each, rows); row++) {
        size_t start = (size_t)row * length;
        float middle = mean[row], scale = rstd[row], sum, dot;
        row_sums(dy + start, x + start, weight, length, weighted, middle, scale, &sum, &dot);
        int k = 0;
        for (; k + VW <= length; k += VW) {
            vec g = LOAD(dy + start + k), x_hat = (LOAD(x + start + k) - middle) * scale;
            if (weighted)
                g *= LOAD(weight + k);
            STORE(scale * (g - sum - x_hat * dot), dx + start + k);
        }
        for (; k < length; k++) {
            float g = weighted ? dy[start + k] * weight[k] : dy[start + k];
            dx[start + k] = scale * (g - sum - (x[start + k] - middle) * scale * dot);
        }
    }
}

/* dx of one row; adds dy * x^ to dots and dy to sums. */
static void row_backward(__global const float *dy, __global const float *x, __global const float *weight,
                         __global float *dx, __global float *dots, __global float *sums, int length, float middle,
                         float scale) {
    float sum, dot;
    int k = 0;
    row_sums(dy, x, weight, length, 1, middle, scale, &sum, &dot);
    for (; k + VW <= length; k += VW) {
        vec d = LOAD(dy + k), x_hat = (LOAD(x + k) - middle) * scale;
        STORE(LOAD(dots + k) + d * x_hat, dots + k);
        STORE(LOAD(sums + k) + d, sums + k);
        STORE(scale * (d * LOAD(weight + k) - sum - x_hat * dot), dx + k);
    }
    for (; k < length; k++) {
        float d = dy[k], x_hat = (x[k] - middle) * scale;
        dots[k] += d * x_hat;
        sums[k] += d;
        dx[k] = scale * (d * weight[k] - sum - x_hat * dot);
    }
}

/* A work-item takes a block of `full` rows, whose sums are in its rows of partial[2][blocks][length]. dx may be dy. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
backward_blocks(__global const float *dy, __global const float *x, __global const float *mean,
                __global const float *rstd, __global const float *weight, __global float *dx, __global float *partial,
                int rows, int length, int full, int blocks) {
    int block = (int)get_group_id(0), first = block * full;
    __global float *dots = partial + (size_t)block * length, *sums = partial + (size_t)(blocks + block) * length;
    for (int k = 0; k < length; k++)
        dots[k] = sums[k] = 0.0f;
    for (int row = first; row < min(first + full, rows); row++) {
        size_t start = (size_t)row * length;
        row_backward(dy + start, x + start, weight, dx + start, dots, sums, length, mean[row], rstd[row]);
    }
}

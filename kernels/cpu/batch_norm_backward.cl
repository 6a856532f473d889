/* Derivative of batch normalisation for CPUs: as generic/batch_norm_backward.cl, over [supers, lanes] as in
 * cpu/batch_norm.cl. One work-item per work-group and block. */

#define TILE 32 /* lanes handled at once: two float16, each with two accumulators and three table entries */
/* More lanes than NARROW are summed STREAMS super-rows at a time, or every row of a tile would lie in another page. */
#define NARROW 128
#define STREAMS 4

#define PLAIN 0
#define RELU 1     /* sign of the output from x */
#define ADD_RELU 2 /* sign from y; g is also written out */
#define Y_RELU 3   /* sign from y */

static float16 gradient(__global const float *dy, __global const float *y, float16 d, float16 scale, float16 bias,
                        int mode) {
    float16 g = vload16(0, dy);
    if (mode == RELU)
        g = select((float16)(0.0f), g, fma(d, scale, bias) > 0.0f);
    if (mode == ADD_RELU || mode == Y_RELU)
        g = select((float16)(0.0f), g, vload16(0, y) > 0.0f);
    return g;
}

/* The rows behind the last super-row: a group each. */
static void tail_sums(__global const float *dy, __global const float *x, __global const float *y,
                      __global const float *table, __global float *g_out, __global float *partial, int lanes,
                      size_t start, int count, size_t plane, int mode) {
    for (int i = 0; i < count; i++) {
        float g = dy[start + i], d = x[start + i] - table[i];
        if (mode == RELU)
            g = fma(d, table[lanes + i], table[2 * lanes + i]) > 0.0f ? g : 0.0f;
        if (mode == ADD_RELU || mode == Y_RELU)
            g = y[start + i] > 0.0f ? g : 0.0f;
        if (mode == ADD_RELU)
            g_out[start + i] = g;
        partial[i] = g;
        partial[plane + i] = g * d;
    }
}

/* Adds super-rows first to end - 1 to sum and dot. */
static inline __attribute__((always_inline)) void
rows_sums(__global const float *dy, __global const float *x, __global const float *y, __global const float *table,
          __global float *g_out, __global float *sum, __global float *dot, int lanes, int first, int end, int mode) {
    for (int t = 0; t < lanes; t += TILE) {
        __global const float *m = table + t, *a = m + lanes, *b = a + lanes;
        float16 m0 = vload16(0, m), m1 = vload16(1, m), a0 = vload16(0, a), a1 = vload16(1, a);
        float16 b0 = vload16(0, b), b1 = vload16(1, b), s0 = vload16(0, sum + t), s1 = vload16(1, sum + t);
        float16 q0 = vload16(0, dot + t), q1 = vload16(1, dot + t);
        for (int i = first; i < end; i++) {
            size_t at = (size_t)i * lanes + t;
            float16 d0 = vload16(0, x + at) - m0, d1 = vload16(1, x + at) - m1;
            float16 g0 = gradient(dy + at, y + at, d0, a0, b0, mode);
            float16 g1 = gradient(dy + at + 16, y + at + 16, d1, a1, b1, mode);
            s0 += g0, s1 += g1;
            q0 += g0 * d0, q1 += g1 * d1;
            if (mode == ADD_RELU) {
                vstore16(g0, 0, g_out + at);
                vstore16(g1, 1, g_out + at);
            }
        }
        vstore16(s0, 0, sum + t);
        vstore16(s1, 1, sum + t);
        vstore16(q0, 0, dot + t);
        vstore16(q1, 1, dot + t);
    }
}

static void block_sums(__global const float *dy, __global const float *x, __global const float *y,
                       __global const float *table, __global float *g_out, __global float *partial, int channels,
                       int lanes, int supers, int blocks, int full, int tail, int mode) {
    int block = (int)get_group_id(0), end = min((block + 1) * full, supers);
    size_t plane = (size_t)blocks * lanes + (size_t)tail * channels;
    __global float *out = partial + (size_t)block * lanes;
    int together = lanes <= NARROW ? full : STREAMS;
    for (int t = 0; t < lanes; t += 16) {
        vstore16((float16)(0.0f), 0, out + t);
        vstore16((float16)(0.0f), 0, out + plane + t);
    }
    for (int i = block * full; i < end; i += together)
        rows_sums(dy, x, y, table, g_out, out, out + plane, lanes, i, min(i + together, end), mode);
    if (block == blocks - 1)
        tail_sums(dy, x, y, table, g_out, partial + (size_t)blocks * lanes, lanes, (size_t)supers * lanes,
                  tail * channels, plane, mode);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
sums(__global const float *dy, __global const float *x, __global const float *y, __global const float *table,
     __global float *g_out, __global float *partial, int channels, int lanes, int supers, int blocks, int full,
     int tail) {
    block_sums(dy, x, y, table, g_out, partial, channels, lanes, supers, blocks, full, tail, PLAIN);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
sums_relu(__global const float *dy, __global const float *x, __global const float *y, __global const float *table,
          __global float *g_out, __global float *partial, int channels, int lanes, int supers, int blocks, int full,
          int tail) {
    block_sums(dy, x, y, table, g_out, partial, channels, lanes, supers, blocks, full, tail, RELU);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
sums_add_relu(__global const float *dy, __global const float *x, __global const float *y, __global const float *table,
              __global float *g_out, __global float *partial, int channels, int lanes, int supers, int blocks, int full,
              int tail) {
    block_sums(dy, x, y, table, g_out, partial, channels, lanes, supers, blocks, full, tail, ADD_RELU);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
sums_y_relu(__global const float *dy, __global const float *x, __global const float *y, __global const float *table,
            __global float *g_out, __global float *partial, int channels, int lanes, int supers, int blocks, int full,
            int tail) {
    block_sums(dy, x, y, table, g_out, partial, channels, lanes, supers, blocks, full, tail, Y_RELU);
}

/* Work-item per 16 channels; vectors beyond the last channel read scratch that is allocated and are dropped. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
finish(__global const float *partial, __global const float *spread, __global float *dweight, __global float *dbias,
       __global float *table, int rows, int channels, int groups, int lanes, int training, int is_variance, float eps) {
    int c0 = (int)get_group_id(0) * 16;
    __global const float *sums = partial + c0, *dots = partial + (size_t)groups * channels + c0;
    float16 sum = 0.0f, dot = 0.0f;
    for (int start = 0; start < groups; start += 32) {
        float16 run_sum = 0.0f, run_dot = 0.0f;
        for (int g = start; g < min(start + 32, groups); g++) {
            run_sum += vload16(0, sums + (size_t)g * channels);
            run_dot += vload16(0, dots + (size_t)g * channels);
        }
        sum += run_sum;
        dot += run_dot;
    }
    float sum_of[16], dot_of[16];
    vstore16(sum, 0, sum_of);
    vstore16(dot, 0, dot_of);
    for (int c = c0; c < min(c0 + 16, channels); c++) {
        float s = sum_of[c - c0], q = dot_of[c - c0];
        float rstd = is_variance ? 1.0f / sqrt(spread[c] + eps) : spread[c];
        dbias[c] = s;
        dweight[c] = q * rstd;
        for (int lane = c; lane < lanes; lane += channels) {
            table[3 * lanes + lane] = training ? s / (float)rows : 0.0f;
            table[4 * lanes + lane] = training ? rstd * rstd * q / (float)rows : 0.0f;
        }
    }
}

static void apply_block(__global const float *g_in, __global const float *x, __global const float *y,
                        __global const float *table, __global float *dx, int channels, int lanes, int supers,
                        int blocks, int full, int tail, int mode) {
    int block = (int)get_group_id(0), end = min((block + 1) * full, supers);
    for (int i = block * full; i < end; i++)
        for (int t = 0; t < lanes; t += 16) {
            size_t at = (size_t)i * lanes + t;
            __global const float *m = table + t;
            float16 d = vload16(0, x + at) - vload16(0, m), scale = vload16(0, m + lanes);
            float16 g = gradient(g_in + at, y + at, d, scale, vload16(0, m + 2 * lanes), mode);
            vstore16(scale * (g - vload16(0, m + 3 * lanes) - d * vload16(0, m + 4 * lanes)), 0, dx + at);
        }
    for (int i = 0; block == blocks - 1 && i < tail * channels; i++) {
        size_t at = (size_t)supers * lanes + i;
        float g = g_in[at], d = x[at] - table[i], scale = table[lanes + i];
        if (mode == RELU)
            g = fma(d, scale, table[2 * lanes + i]) > 0.0f ? g : 0.0f;
        if (mode == Y_RELU)
            g = y[at] > 0.0f ? g : 0.0f;
        dx[at] = scale * (g - table[3 * lanes + i] - d * table[4 * lanes + i]);
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
apply(__global const float *g_in, __global const float *x, __global const float *table, __global float *dx,
      int channels, int lanes, int supers, int blocks, int full, int tail) {
    apply_block(g_in, x, x, table, dx, channels, lanes, supers, blocks, full, tail, PLAIN);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
apply_relu(__global const float *g_in, __global const float *x, __global const float *table, __global float *dx,
           int channels, int lanes, int supers, int blocks, int full, int tail) {
    apply_block(g_in, x, x, table, dx, channels, lanes, supers, blocks, full, tail, RELU);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
apply_y_relu(__global const float *g_in, __global const float *x, __global const float *y, __global const float *table,
             __global float *dx, int channels, int lanes, int supers, int blocks, int full, int tail) {
    apply_block(g_in, x, y, table, dx, channels, lanes, supers, blocks, full, tail, Y_RELU);
}

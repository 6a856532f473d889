/* Derivative of batch normalisation over x[rows, channels]: sums -> finish -> apply.
 *
 * g is the gradient behind the optional relu: dy where the output was positive. Where no addend was fused, the sign is found
 * by repeating the forward expression on x (the same fma, so the same rounding), which saves reading y.
 * `table` is [5][lanes]: mean, scale, bias from batch_norm's `tables`, then sum(g) / rows and
 * rstd^2 * sum(g * (x - mean)) / rows from finish. `partial` is [2][groups][channels]. */

#define PLAIN 0
#define RELU 1     /* sign from x */
#define ADD_RELU 2 /* sign from y; g is also written out: it is the addend's gradient */
#define Y_RELU 3   /* sign from y: that of an x which has been rounded may differ */

static void block_sums(__global const float *dy, __global const float *x, __global const float *y,
                       __global const float *table, __global float *g_out, __global float *partial, int rows,
                       int channels, int full, int blocks, int mode) {
    int c = (int)get_global_id(0), block = (int)get_global_id(1);
    if (c >= channels || block >= blocks)
        return;
    float mean = table[c], scale = table[channels + c], bias = table[2 * channels + c];
    float sum = 0.0f, dot = 0.0f;
    for (int row = block * full; row < min((block + 1) * full, rows); row++) {
        size_t i = (size_t)row * channels + c;
        float g = dy[i], d = x[i] - mean;
        if (mode == RELU)
            g = fma(d, scale, bias) > 0.0f ? g : 0.0f;
        if (mode == ADD_RELU || mode == Y_RELU)
            g = y[i] > 0.0f ? g : 0.0f;
        if (mode == ADD_RELU)
            g_out[i] = g;
        sum += g;
        dot += g * d;
    }
    partial[(size_t)block * channels + c] = sum;
    partial[(size_t)(blocks + block) * channels + c] = dot;
}

/* Work-item (channel, block of `full` rows). */
__kernel void sums(__global const float *dy, __global const float *x, __global const float *y,
                   __global const float *table, __global float *g_out, __global float *partial, int rows, int channels,
                   int full, int blocks) {
    block_sums(dy, x, y, table, g_out, partial, rows, channels, full, blocks, PLAIN);
}

__kernel void sums_relu(__global const float *dy, __global const float *x, __global const float *y,
                        __global const float *table, __global float *g_out, __global float *partial, int rows,
                        int channels, int full, int blocks) {
    block_sums(dy, x, y, table, g_out, partial, rows, channels, full, blocks, RELU);
}

__kernel void sums_add_relu(__global const float *dy, __global const float *x, __global const float *y,
                            __global const float *table, __global float *g_out, __global float *partial, int rows,
                            int channels, int full, int blocks) {
    block_sums(dy, x, y, table, g_out, partial, rows, channels, full, blocks, ADD_RELU);
}

__kernel void sums_y_relu(__global const float *dy, __global const float *x, __global const float *y,
                          __global const float *table, __global float *g_out, __global float *partial, int rows,
                          int channels, int full, int blocks) {
    block_sums(dy, x, y, table, g_out, partial, rows, channels, full, blocks, Y_RELU);
}

/* Work-item per channel; runs of 32 as in the forward pass. training 0: the statistics were constants. */
__kernel void finish(__global const float *partial, __global const float *spread, __global float *dweight,
                     __global float *dbias, __global float *table, int rows, int channels, int groups, int lanes,
                     int training, int is_variance, float eps) {
    int c = (int)get_global_id(0);
    if (c >= channels)
        return;
    __global const float *sums = partial + c, *dots = partial + (size_t)groups * channels + c;
    float sum = 0.0f, dot = 0.0f;
    for (int start = 0; start < groups; start += 32) {
        float run_sum = 0.0f, run_dot = 0.0f;
        for (int g = start; g < min(start + 32, groups); g++) {
            run_sum += sums[(size_t)g * channels];
            run_dot += dots[(size_t)g * channels];
        }
        sum += run_sum;
        dot += run_dot;
    }
    float rstd = is_variance ? 1.0f / sqrt(spread[c] + eps) : spread[c];
    dbias[c] = sum;
    dweight[c] = dot * rstd;
    for (int lane = c; lane < lanes; lane += channels) {
        table[3 * lanes + lane] = training ? sum / (float)rows : 0.0f;
        table[4 * lanes + lane] = training ? rstd * rstd * dot / (float)rows : 0.0f;
    }
}

static void apply_rows(__global const float *g_in, __global const float *x, __global const float *y,
                       __global const float *table, __global float *dx, int rows, int channels, int mode) {
    int c = (int)get_global_id(0);
    if (c >= channels)
        return;
    float mean = table[c], scale = table[channels + c], bias = table[2 * channels + c];
    float middle = table[3 * channels + c], slope = table[4 * channels + c];
    for (int row = (int)get_global_id(1); row < rows; row += (int)get_global_size(1)) {
        size_t i = (size_t)row * channels + c;
        float g = g_in[i], d = x[i] - mean;
        if (mode == RELU)
            g = fma(d, scale, bias) > 0.0f ? g : 0.0f;
        if (mode == Y_RELU)
            g = y[i] > 0.0f ? g : 0.0f;
        dx[i] = scale * (g - middle - d * slope);
    }
}

/* dx = scale * (g - mean(g) - (x - mean) * slope). Work-item (channel, first row). dx may be g_in. */
__kernel void apply(__global const float *g_in, __global const float *x, __global const float *table,
                    __global float *dx, int rows, int channels) {
    apply_rows(g_in, x, x, table, dx, rows, channels, PLAIN);
}

/* The same from dy, with the sign of the output found from x. */
__kernel void apply_relu(__global const float *g_in, __global const float *x, __global const float *table,
                         __global float *dx, int rows, int channels) {
    apply_rows(g_in, x, x, table, dx, rows, channels, RELU);
}

/* The same with the sign of y. */
__kernel void apply_y_relu(__global const float *g_in, __global const float *x, __global const float *y,
                           __global const float *table, __global float *dx, int rows, int channels) {
    apply_rows(g_in, x, y, table, dx, rows, channels, Y_RELU);
}

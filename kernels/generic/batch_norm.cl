/* Batch normalisation over matrices x[rows, channels].
 *
 * Training runs moments -> finish -> apply, evaluation tables -> apply. Moments leaves one (mean, sum of squared
 * deviations) per group of rows and channel in `partial`: [2][groups][channels], merged in a fixed order by finish (Chan,
 * Golub, LeVeque, "Algorithms for computing the sample variance", 1983). A group's sums are taken around its first
 * sample, which bounds the cancellation of the one-pass formula by the group's size.
 *
 * `table` is [3][lanes]: mean, scale = weight / sqrt(var + eps), bias; `lanes` is a multiple of channels and repeats
 * them (the cpu kernels read it in whole vectors; here lanes = channels). */

static float group_size(int group, int repeat, int blocks, int full, int last) {
    return group < (blocks - 1) * repeat ? (float)full : group < blocks * repeat ? (float)last : 1.0f;
}

/* spread is the variance (is_variance) or already 1 / sqrt(var + eps). One work-item per lane. */
__kernel void tables(__global const float *mean, __global const float *spread, __global const float *weight,
                     __global const float *bias, __global float *table, int channels, int lanes, int is_variance,
                     float eps) {
    int lane = (int)get_global_id(0);
    if (lane >= lanes)
        return;
    int c = lane % channels;
    float rstd = is_variance ? 1.0f / sqrt(spread[c] + eps) : spread[c];
    table[lane] = mean[c];
    table[lanes + lane] = weight[c] * rstd;
    table[2 * lanes + lane] = bias[c];
}

/* Work-item (channel, block): `full` rows, fewer in the last block of each `image` rows (group_norm.cl; here image = rows). */
__kernel void moments(__global const float *x, __global float *partial, int image, int rows, int channels, int full,
                      int blocks) {
    int c = (int)get_global_id(0), block = (int)get_global_id(1), parts = (image + full - 1) / full;
    if (c >= channels || block >= blocks)
        return;
    int first = block / parts * image + block % parts * full, end = min(first + full, (block / parts + 1) * image);
    float shift = x[(size_t)first * channels + c], sum = 0.0f, square = 0.0f;
    for (int row = first + 1; row < end; row++) {
        float d = x[(size_t)row * channels + c] - shift;
        sum += d;
        square += d * d;
    }
    float part = sum / (float)(end - first);
    partial[(size_t)block * channels + c] = shift + part;
    partial[(size_t)(blocks + block) * channels + c] = fmax(square - sum * part, 0.0f);
}

/* Work-item per channel. Groups: blocks * repeat of size full (those of the last block: last), the others of one row. Sums
 * are taken in runs of 32 groups, so that rounding errors do not grow with their number. */
__kernel void finish(__global const float *partial, __global const float *weight, __global const float *bias,
                     __global float *running_mean, __global float *running_var, __global float *save_mean,
                     __global float *save_rstd, __global float *table, int rows, int channels, int groups, int repeat,
                     int blocks, int full, int last, int lanes, float eps, float momentum) {
    int c = (int)get_global_id(0);
    if (c >= channels)
        return;
    __global const float *means = partial + c, *squares = partial + (size_t)groups * channels + c;
    float shift = means[0], mean = 0.0f, total = 0.0f;
    for (int start = 0; start < groups; start += 32) {
        float run = 0.0f;
        for (int g = start; g < min(start + 32, groups); g++)
            run += group_size(g, repeat, blocks, full, last) * (means[(size_t)g * channels] - shift);
        mean += run;
    }
    mean = shift + mean / (float)rows;
    for (int start = 0; start < groups; start += 32) {
        float run = 0.0f;
        for (int g = start; g < min(start + 32, groups); g++) {
            float d = means[(size_t)g * channels] - mean;
            run += squares[(size_t)g * channels] + group_size(g, repeat, blocks, full, last) * d * d;
        }
        total += run;
    }
    float rstd = 1.0f / sqrt(total / (float)rows + eps);
    save_mean[c] = mean;
    save_rstd[c] = rstd;
    running_mean[c] += momentum * (mean - running_mean[c]);
    running_var[c] += momentum * (total / (float)(rows - 1) - running_var[c]);
    for (int lane = c; lane < lanes; lane += channels) {
        table[lane] = mean;
        table[lanes + lane] = weight[c] * rstd;
        table[2 * lanes + lane] = bias[c];
    }
}

/* y = (x - mean) * scale + bias, then + addend, then max(., 0). fma fixes the rounding: the backward pass repeats this
 * expression to learn its sign. Work-item (channel, first row), rows in steps of the global size. y may be x. */
static void apply_rows(__global const float *x, __global const float *addend, __global const float *table,
                       __global float *y, int rows, int channels, int add, int relu) {
    int c = (int)get_global_id(0);
    if (c >= channels)
        return;
    float mean = table[c], scale = table[channels + c], bias = table[2 * channels + c];
    for (int row = (int)get_global_id(1); row < rows; row += (int)get_global_size(1)) {
        size_t i = (size_t)row * channels + c;
        float v = fma(x[i] - mean, scale, bias);
        if (add)
            v += addend[i];
        y[i] = relu && v < 0.0f ? 0.0f : v;
    }
}

__kernel void apply(__global const float *x, __global const float *addend, __global const float *table,
                    __global float *y, int rows, int channels) {
    apply_rows(x, addend, table, y, rows, channels, 0, 0);
}

__kernel void apply_relu(__global const float *x, __global const float *addend, __global const float *table,
                         __global float *y, int rows, int channels) {
    apply_rows(x, addend, table, y, rows, channels, 0, 1);
}

__kernel void apply_add(__global const float *x, __global const float *addend, __global const float *table,
                        __global float *y, int rows, int channels) {
    apply_rows(x, addend, table, y, rows, channels, 1, 0);
}

__kernel void apply_add_relu(__global const float *x, __global const float *addend, __global const float *table,
                             __global float *y, int rows, int channels) {
    apply_rows(x, addend, table, y, rows, channels, 1, 1);
}

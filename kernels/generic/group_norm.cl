/* Normalisation of x[images, pixels, channels] by the moments of each image's groups of `each` neighbouring channels, and its
 * derivative.
 *
 * Forward: `moments` of batch_norm.cl (or cpu/group_norm.cl) -> finish -> apply. Backward: sums -> finish_groups,
 * finish_channels -> apply_backward. An image is cut into parts = ceil(pixels / full) blocks, the last of
 * what is left; `partial` is [2][images * parts][channels]. `table` holds numbers per image and channel: [2][images * channels] mean and
 * scale = weight * rstd; backward [4], then the two numbers that finish_groups explains. */

static float block_size(int part, int parts, int pixels, int full) {
    return (float)(part == parts - 1 ? pixels - part * full : full);
}

/* Merges means and squared deviations of the blocks (Chan, Golub, LeVeque, "Algorithms for computing the sample
 * variance", 1983). Work-item per (image, group); sums in runs of 32. */
__kernel void finish(__global const float *partial, __global const float *weight, __global float *mean,
                     __global float *rstd, __global float *table, int affine, float eps, int images, int pixels,
                     int channels, int each, int full) {
    int s = (int)get_global_id(0), groups = channels / each, parts = (pixels + full - 1) / full, entries = parts * each;
    if (s >= images * groups)
        return;
    int image = s / groups, first = s % groups * each;
    size_t plane = (size_t)images * channels;
    __global const float *means = partial + (size_t)image * parts * channels + first, *squares = means + plane * parts;
    float shift = means[0], count = (float)pixels * (float)each, middle = 0.0f, total = 0.0f;
    for (int start = 0; start < entries; start += 32) {
        float run = 0.0f;
        for (int j = start; j < min(start + 32, entries); j++)
            run +=
                block_size(j / each, parts, pixels, full) * (means[(size_t)(j / each) * channels + j % each] - shift);
        middle += run;
    }
    middle = shift + middle / count;
    for (int start = 0; start < entries; start += 32) {
        float run = 0.0f;
        for (int j = start; j < min(start + 32, entries); j++) {
            size_t at = (size_t)(j / each) * channels + j % each;
            float d = means[at] - middle;
            run += squares[at] + block_size(j / each, parts, pixels, full) * d * d;
        }
        total += run;
    }
    float scale = 1.0f / sqrt(total / count + eps);
    mean[s] = middle;
    rstd[s] = scale;
    for (int c = first; c < first + each; c++) {
        table[(size_t)image * channels + c] = middle;
        table[plane + (size_t)image * channels + c] = affine ? weight[c] * scale : scale;
    }
}

/* y = (x - mean) * scale + bias. rows = images * pixels. Work-item (channel, first row), rows in steps of the global size. y
 * may be x. */
__kernel void apply(__global const float *x, __global const float *table, __global const float *bias, __global float *y,
                    int affine, int pixels, int rows, int channels) {
    int c = (int)get_global_id(0);
    if (c >= channels)
        return;
    size_t plane = (size_t)(rows / pixels) * channels;
    float offset = affine ? bias[c] : 0.0f;
    for (int row = (int)get_global_id(1); row < rows; row += (int)get_global_size(1)) {
        size_t i = (size_t)row * channels + c, t = (size_t)(row / pixels) * channels + c;
        y[i] = fma(x[i] - table[t], table[plane + t], offset);
    }
}

/* Sums of dy and of dy * (x - mean) over each block. Work-item (channel, block). rows: those of all images. */
__kernel void sums(__global const float *dy, __global const float *x, __global const float *mean,
                   __global float *partial, int each, int pixels, int rows, int channels, int full, int blocks) {
    int c = (int)get_global_id(0), block = (int)get_global_id(1), parts = (pixels + full - 1) / full;
    if (c >= channels || block >= blocks)
        return;
    int image = block / parts, first = image * pixels + block % parts * full;
    float middle = mean[(size_t)image * (channels / each) + c / each], sum = 0.0f, dot = 0.0f;
    for (int row = first; row < min(first + full, (image + 1) * pixels); row++) {
        size_t i = (size_t)row * channels + c;
        sum += dy[i];
        dot += dy[i] * (x[i] - middle);
    }
    partial[(size_t)block * channels + c] = sum;
    partial[(size_t)(blocks + block) * channels + c] = dot;
}

/* dx = scale * dy - a - (x - mean) * b with a = rstd * sum(g) / M and b = rstd^3 * sum(g * (x - mean)) / M, g = dy * weight,
 * M the group's elements. Work-item per (image, group); sums in runs of 32. */
__kernel void finish_groups(__global const float *partial, __global const float *mean, __global const float *rstd,
                            __global const float *weight, __global float *table, int affine, int images, int pixels,
                            int channels, int each, int full) {
    int s = (int)get_global_id(0), groups = channels / each, parts = (pixels + full - 1) / full, entries = parts * each;
    if (s >= images * groups)
        return;
    int image = s / groups, first = s % groups * each;
    size_t plane = (size_t)images * channels;
    __global const float *sums = partial + (size_t)image * parts * channels + first, *dots = sums + plane * parts;
    float sum = 0.0f, dot = 0.0f, scale = rstd[s];
    for (int start = 0; start < entries; start += 32) {
        float run_sum = 0.0f, run_dot = 0.0f;
        for (int j = start; j < min(start + 32, entries); j++) {
            size_t at = (size_t)(j / each) * channels + j % each;
            float w = affine ? weight[first + j % each] : 1.0f;
            run_sum += w * sums[at];
            run_dot += w * dots[at];
        }
        sum += run_sum;
        dot += run_dot;
    }
    float count = (float)pixels * (float)each;
    for (int c = first; c < first + each; c++) {
        __global float *t = table + (size_t)image * channels + c;
        t[0] = mean[s];
        t[plane] = affine ? weight[c] * scale : scale;
        t[2 * plane] = scale * (sum / count);
        t[3 * plane] = scale * (scale * scale * (dot / count));
    }
}

/* dweight and dbias. blocks = images * parts. Work-item per channel; sums in runs of 32. */
__kernel void finish_channels(__global const float *partial, __global const float *rstd, __global float *dweight,
                              __global float *dbias, int channels, int each, int parts, int blocks) {
    int c = (int)get_global_id(0);
    if (c >= channels)
        return;
    float sum = 0.0f, dot = 0.0f;
    for (int start = 0; start < blocks; start += 32) {
        float run_sum = 0.0f, run_dot = 0.0f;
        for (int block = start; block < min(start + 32, blocks); block++) {
            float scale = rstd[(size_t)(block / parts) * (channels / each) + c / each];
            run_sum += partial[(size_t)block * channels + c];
            run_dot += scale * partial[(size_t)(blocks + block) * channels + c];
        }
        sum += run_sum;
        dot += run_dot;
    }
    dweight[c] = dot;
    dbias[c] = sum;
}

/* Work-item (channel, first row), as apply. dx may be dy. */
__kernel void apply_backward(__global const float *dy, __global const float *x, __global const float *table,
                             __global float *dx, int images, int pixels, int rows, int channels) {
    int c = (int)get_global_id(0);
    if (c >= channels)
        return;
    size_t plane = (size_t)images * channels;
    for (int row = (int)get_global_id(1); row < rows; row += (int)get_global_size(1)) {
        size_t i = (size_t)row * channels + c;
        __global const float *t = table + (size_t)(row / pixels) * channels + c;
        dx[i] = t[plane] * dy[i] - t[2 * plane] - (x[i] - t[0]) * t[3 * plane];
    }
}

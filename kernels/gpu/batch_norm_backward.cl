/* Reductions of batch_norm_backward for GPUs; apply is that of generic/batch_norm_backward.cl, whose head defines
 * `partial` and `table`. Trees in local memory have a fixed order. */

#ifndef GROUP
#define GROUP 256 /* work-items of a work-group, a power of two */
#endif

#define PLAIN 0
#define RELU 1
#define ADD_RELU 2
#define Y_RELU 3

/* One level of a tree after another over `count` strands that lie `width` apart. Every work-item must come here. */
static void tree(__local float *sums, __local float *dots, int me, int strand, int count, int width) {
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int half_way = count / 2; half_way > 0; half_way /= 2) {
        if (strand < half_way) {
            sums[me] += sums[me + half_way * width];
            dots[me] += dots[me + half_way * width];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}

/* Work-group: local (channels, strands), as in gpu/batch_norm.cl. mode: see generic/batch_norm_backward.cl. */
__kernel void sums(__global const float *dy, __global const float *x, __global const float *y,
                   __global const float *table, __global float *g_out, __global float *partial, int rows, int channels,
                   int full, int blocks, int mode) {
    __local float sum_of[GROUP], dot_of[GROUP];
    int c = (int)get_global_id(0), block = (int)get_group_id(1);
    int width = (int)get_local_size(0), strands = (int)get_local_size(1), strand = (int)get_local_id(1);
    int me = strand * width + (int)get_local_id(0);
    int end = c < channels ? min((block + 1) * full, rows) : 0, at = min(c, channels - 1);
    float mean = table[at], scale = table[channels + at], bias = table[2 * channels + at], sum = 0.0f, dot = 0.0f;
    for (int row = block * full + strand; row < end; row += strands) {
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
    sum_of[me] = sum;
    dot_of[me] = dot;
    tree(sum_of, dot_of, me, strand, strands, width);
    if (c < channels && strand == 0) {
        partial[(size_t)block * channels + c] = sum_of[me];
        partial[(size_t)(blocks + block) * channels + c] = dot_of[me];
    }
}

/* Work-group of GROUP per channel. */
__kernel void finish(__global const float *partial, __global const float *spread, __global float *dweight,
                     __global float *dbias, __global float *table, int rows, int channels, int blocks, int training,
                     int is_variance, float eps) {
    __local float sum_of[GROUP], dot_of[GROUP];
    int c = (int)get_group_id(0), me = (int)get_local_id(0), size = (int)get_local_size(0);
    float sum = 0.0f, dot = 0.0f;
    for (int g = me; g < blocks; g += size) {
        sum += partial[(size_t)g * channels + c];
        dot += partial[(size_t)(blocks + g) * channels + c];
    }
    sum_of[me] = sum;
    dot_of[me] = dot;
    tree(sum_of, dot_of, me, me, size, 1);
    if (me == 0) {
        float rstd = is_variance ? 1.0f / sqrt(spread[c] + eps) : spread[c];
        dbias[c] = sum_of[0];
        dweight[c] = dot_of[0] * rstd;
        table[3 * channels + c] = training ? sum_of[0] / (float)rows : 0.0f;
        table[4 * channels + c] = training ? rstd * rstd * dot_of[0] / (float)rows : 0.0f;
    }
}

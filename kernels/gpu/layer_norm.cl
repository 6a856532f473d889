/* generic/layer_norm.cl with a work-group per row, and one per tile of columns; finish is generic. Trees in local memory have a
 * fixed order. */

#ifndef GROUP
#define GROUP 256 /* work-items of a work-group, a power of two */
#endif

/* Adds two numbers per work-item over strands that lie `width` apart, into strand 0. Every work-item must come here. */
static void tree(__local float *a, __local float *b, int me, int strand, int strands, int width) {
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int half_way = strands / 2; half_way > 0; half_way /= 2) {
        if (strand < half_way) {
            a[me] += a[me + half_way * width];
            b[me] += b[me + half_way * width];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}

/* Sums *a and *b over the work-group; every work-item gets them. */
static void reduce(__local float *space_a, __local float *space_b, float *a, float *b) {
    int me = (int)get_local_id(0);
    space_a[me] = *a;
    space_b[me] = *b;
    tree(space_a, space_b, me, me, GROUP, 1);
    *a = space_a[0];
    *b = space_b[0];
    barrier(CLK_LOCAL_MEM_FENCE);
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
layer_norm(__global const float *x, __global const float *weight, __global const float *bias, __global float *y,
           __global float *mean, __global float *rstd, int affine, float eps, int rows, int length) {
    __local float space_a[GROUP], space_b[GROUP];
    size_t row = get_group_id(0);
    int me = (int)get_local_id(0);
    __global const float *in = x + row * length;
    float about = 0.0f, rest = 0.0f, square = 0.0f;
    for (int k = me; k < length; k += GROUP)
        about += in[k];
    reduce(space_a, space_b, &about, &rest);
    about /= (float)length;
    for (int k = me; k < length; k += GROUP) {
        float d = in[k] - about;
        rest += d;
        square += d * d;
    }
    reduce(space_a, space_b, &rest, &square);
    rest /= (float)length;
    float scale = 1.0f / sqrt(fmax(square / (float)length - rest * rest, 0.0f) + eps);
    if (me == 0) {
        mean[row] = about + rest;
        rstd[row] = scale;
    }
    for (int k = me; k < length; k += GROUP) {
        float v = ((in[k] - about) - rest) * scale;
        if (affine > 0)
            v *= weight[k];
        if (affine > 1)
            v += bias[k];
        y[row * length + k] = v;
    }
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
backward_rows(__global const float *dy, __global const float *x, __global const float *mean,
              __global const float *rstd, __global const float *weight, __global float *dx, int weighted, int rows,
              int length) {
    __local float space_a[GROUP], space_b[GROUP];
    size_t row = get_group_id(0), start = row * length;
    int me = (int)get_local_id(0);
    float middle = mean[row], scale = rstd[row], sum = 0.0f, dot = 0.0f;
    for (int k = me; k < length; k += GROUP) {
        float g = weighted ? dy[start + k] * weight[k] : dy[start + k];
        sum += g;
        dot += g * ((x[start + k] - middle) * scale);
    }
    reduce(space_a, space_b, &sum, &dot);
    sum /= (float)length;
    dot /= (float)length;
    for (int k = me; k < length; k += GROUP) {
        float g = weighted ? dy[start + k] * weight[k] : dy[start + k];
        dx[start + k] = scale * (g - sum - (x[start + k] - middle) * scale * dot);
    }
}

/* Groups: blocks * ceil(length / width); width, a power of two, work-items lie side by side, the others are strands. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
backward_columns(__global const float *dy, __global const float *x, __global const float *mean,
                 __global const float *rstd, __global float *partial, int rows, int length, int full, int blocks,
                 int width) {
    __local float dots[GROUP], sums[GROUP];
    int me = (int)get_local_id(0), strand = me / width, strands = GROUP / width;
    int group = (int)get_group_id(0), tiles = (length + width - 1) / width, block = group / tiles;
    int k = group % tiles * width + me % width, end = k < length ? min((block + 1) * full, rows) : 0;
    float dot = 0.0f, sum = 0.0f;
    for (int row = block * full + strand; row < end; row += strands) {
        size_t at = (size_t)row * length + k;
        dot += dy[at] * ((x[at] - mean[row]) * rstd[row]);
        sum += dy[at];
    }
    dots[me] = dot;
    sums[me] = sum;
    tree(dots, sums, me, strand, strands, width);
    if (strand == 0 && k < length) {
        partial[(size_t)block * length + k] = dots[me];
        partial[(size_t)(blocks + block) * length + k] = sums[me];
    }
}

/* Reductions of generic/group_norm.cl, whose head defines `partial` and `table`, with trees in local memory of fixed order;
 * moments are gpu/batch_norm.cl's, apply and apply_backward the generic ones. */

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

static float block_size(int part, int parts, int pixels, int full) {
    return (float)(part == parts - 1 ? pixels - part * full : full);
}

/* Work-group of GROUP per (image, group). */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
finish(__global const float *partial, __global const float *weight, __global float *mean, __global float *rstd,
       __global float *table, int affine, float eps, int images, int pixels, int channels, int each,
       int full) {
    __local float space_a[GROUP], space_b[GROUP];
    int s = (int)get_group_id(0), me = (int)get_local_id(0), groups = channels / each;
    int parts = (pixels + full - 1) / full, entries = parts * each, image = s / groups, first = s % groups * each;
    size_t plane = (size_t)images * channels;
    __global const float *means = partial + (size_t)image * parts * channels + first, *squares = means + plane * parts;
    float shift = means[0], count = (float)pixels * (float)each, middle = 0.0f, inside = 0.0f, between = 0.0f;
    for (int j = me; j < entries; j += GROUP)
        middle += block_size(j / each, parts, pixels, full) * (means[(size_t)(j / each) * channels + j % each] - shift);
    reduce(space_a, space_b, &middle, &inside);
    middle = shift + middle / count;
    inside = 0.0f;
    for (int j = me; j < entries; j += GROUP) {
        size_t at = (size_t)(j / each) * channels + j % each;
        float d = means[at] - middle;
        inside += squares[at];
        between += block_size(j / each, parts, pixels, full) * d * d;
    }
    reduce(space_a, space_b, &inside, &between);
    float scale = 1.0f / sqrt((inside + between) / count + eps);
    if (me == 0) {
        mean[s] = middle;
        rstd[s] = scale;
    }
    for (int c = first + me; c < first + each; c += GROUP) {
        table[(size_t)image * channels + c] = middle;
        table[plane + (size_t)image * channels + c] = affine ? weight[c] * scale : scale;
    }
}

/* Work-group: local (channels, strands); strand s of a block adds its rows s, s + strands, ... */
__kernel void sums(__global const float *dy, __global const float *x, __global const float *mean,
                   __global float *partial, int each, int pixels, int rows, int channels, int full, int blocks) {
    __local float sum_of[GROUP], dot_of[GROUP];
    int c = (int)get_global_id(0), block = (int)get_group_id(1), at = min(c, channels - 1);
    int width = (int)get_local_size(0), strands = (int)get_local_size(1), strand = (int)get_local_id(1);
    int me = strand * width + (int)get_local_id(0), parts = (pixels + full - 1) / full, image = block / parts;
    int first = image * pixels + block % parts * full;
    int end = c < channels ? min(first + full, (image + 1) * pixels) : 0;
    float middle = mean[(size_t)image * (channels / each) + at / each], sum = 0.0f, dot = 0.0f;
    for (int row = first + strand; row < end; row += strands) {
        size_t i = (size_t)row * channels + c;
        sum += dy[i];
        dot += dy[i] * (x[i] - middle);
    }
    sum_of[me] = sum;
    dot_of[me] = dot;
    tree(sum_of, dot_of, me, strand, strands, width);
    if (c < channels && strand == 0) {
        partial[(size_t)block * channels + c] = sum_of[me];
        partial[(size_t)(blocks + block) * channels + c] = dot_of[me];
    }
}

/* Work-group of GROUP per (image, group). */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
finish_groups(__global const float *partial, __global const float *mean, __global const float *rstd,
              __global const float *weight, __global float *table, int affine, int images, int pixels, int channels,
              int each, int full) {
    __local float space_a[GROUP], space_b[GROUP];
    int s = (int)get_group_id(0), me = (int)get_local_id(0), groups = channels / each;
    int parts = (pixels + full - 1) / full, entries = parts * each, image = s / groups, first = s % groups * each;
    size_t plane = (size_t)images * channels;
    __global const float *sums = partial + (size_t)image * parts * channels + first, *dots = sums + plane * parts;
    float sum = 0.0f, dot = 0.0f, scale = rstd[s];
    for (int j = me; j < entries; j += GROUP) {
        size_t at = (size_t)(j / each) * channels + j % each;
        float w = affine ? weight[first + j % each] : 1.0f;
        sum += w * sums[at];
        dot += w * dots[at];
    }
    reduce(space_a, space_b, &sum, &dot);
    float count = (float)pixels * (float)each;
    for (int c = first + me; c < first + each; c += GROUP) {
        __global float *t = table + (size_t)image * channels + c;
        t[0] = mean[s];
        t[plane] = affine ? weight[c] * scale : scale;
        t[2 * plane] = scale * (sum / count);
        t[3 * plane] = scale * (scale * scale * (dot / count));
    }
}

/* Work-group of GROUP per channel. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
finish_channels(__global const float *partial, __global const float *rstd, __global float *dweight,
                __global float *dbias, int channels, int each, int parts, int blocks) {
    __local float space_a[GROUP], space_b[GROUP];
    int c = (int)get_group_id(0), me = (int)get_local_id(0);
    float sum = 0.0f, dot = 0.0f;
    for (int block = me; block < blocks; block += GROUP) {
        float scale = rstd[(size_t)(block / parts) * (channels / each) + c / each];
        sum += partial[(size_t)block * channels + c];
        dot += scale * partial[(size_t)(blocks + block) * channels + c];
    }
    reduce(space_a, space_b, &sum, &dot);
    if (me == 0) {
        dweight[c] = dot;
        dbias[c] = sum;
    }
}

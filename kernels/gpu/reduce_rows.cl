/* generic/reduce_rows.cl with trees in local memory, of fixed order. */

#ifndef GROUP
#define GROUP 256 /* work-items of a work-group, a power of two */
#endif

/* Sums over `count` strands that lie `width` apart, into strand 0. Every work-item must come here. */
static void tree(__local float *space, int me, int strand, int count, int width) {
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int half_way = count / 2; half_way > 0; half_way /= 2) {
        if (strand < half_way)
            space[me] += space[me + half_way * width];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}

/* Work-group: local (channels, strands); strand s of block b sums rows b * full + s, + strands, ... */
__kernel void blocks_sum(__global const float *x, __global float *partial, int rows, int channels, int full, int blocks) {
    __local float space[GROUP];
    int c = (int)get_global_id(0), block = (int)get_group_id(1);
    int width = (int)get_local_size(0), strands = (int)get_local_size(1), strand = (int)get_local_id(1);
    int me = strand * width + (int)get_local_id(0), end = c < channels ? min((block + 1) * full, rows) : 0;
    float sum = 0.0f;
    for (int row = block * full + strand; row < end; row += strands)
        sum += x[(size_t)row * channels + c];
    space[me] = sum;
    tree(space, me, strand, strands, width);
    if (c < channels && strand == 0)
        partial[(size_t)block * channels + c] = space[me];
}

/* Work-group of GROUP per channel. */
__kernel void finish(__global const float *partial, __global float *y, int channels, int groups) {
    __local float space[GROUP];
    int c = (int)get_group_id(0), me = (int)get_local_id(0), size = (int)get_local_size(0);
    float sum = 0.0f;
    for (int g = me; g < groups; g += size)
        sum += partial[(size_t)g * channels + c];
    space[me] = sum;
    tree(space, me, me, size, 1);
    if (me == 0)
        y[c] = space[0];
}

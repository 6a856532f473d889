/* generic/l2_normalize.cl with a work-group per tile of slices: `width` work-items lie side by side in `inner`, the others are
 * strands along length, added by a tree of fixed order. Groups: outer * ceil(inner / width); width is a power of two. */

#ifndef GROUP
#define GROUP 256 /* work-items of a work-group, a power of two */
#endif

/* The sum over strands that lie `width` apart, for every work-item. */
static float reduce(__local float *space, float v, int width) {
    int me = (int)get_local_id(0), strand = me / width;
    space[me] = v;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int half_way = GROUP / width / 2; half_way > 0; half_way /= 2) {
        if (strand < half_way)
            space[me] += space[me + half_way * width];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    return space[me % width];
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
l2_normalize(__global const float *x, __global float *y, __global float *norm, float eps, int length, int inner,
             int width) {
    __local float space[GROUP];
    int me = (int)get_local_id(0), strand = me / width, strands = GROUP / width;
    int group = (int)get_group_id(0), tiles = (inner + width - 1) / width, i = group % tiles * width + me % width;
    int end = i < inner ? length : 0;
    size_t slice = group / tiles, at = slice * length * inner + i;
    float square = 0.0f;
    for (int k = strand; k < end; k += strands)
        square += x[at + (size_t)k * inner] * x[at + (size_t)k * inner];
    float size = sqrt(reduce(space, square, width)), divisor = fmax(size, eps);
    if (strand == 0 && i < inner)
        norm[slice * inner + i] = size;
    for (int k = strand; k < end; k += strands)
        y[at + (size_t)k * inner] = x[at + (size_t)k * inner] / divisor;
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
l2_normalize_backward(__global const float *dy, __global const float *y, __global const float *norm,
                      __global float *dx, float eps, int length, int inner, int width) {
    __local float space[GROUP];
    int me = (int)get_local_id(0), strand = me / width, strands = GROUP / width;
    int group = (int)get_group_id(0), tiles = (inner + width - 1) / width, i = group % tiles * width + me % width;
    int end = i < inner ? length : 0;
    size_t slice = group / tiles, at = slice * length * inner + i;
    float size = norm[slice * inner + min(i, inner - 1)], divisor = fmax(size, eps), dot = 0.0f;
    for (int k = strand; k < end; k += strands)
        dot += dy[at + (size_t)k * inner] * y[at + (size_t)k * inner];
    dot = reduce(space, size >= eps ? dot : 0.0f, width);
    for (int k = strand; k < end; k += strands) {
        size_t j = at + (size_t)k * inner;
        dx[j] = (dy[j] - y[j] * dot) / divisor;
    }
}

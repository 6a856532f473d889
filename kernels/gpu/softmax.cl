/* generic/softmax.cl with a work-group per row. */

#ifndef GROUP
#define GROUP 256 /* work-items of a work-group, a power of two */
#endif

/* Tree sum (or maximum) of one number per work-item; every work-item gets the result. */
static float reduce(__local float *space, float v, int maximum) {
    int me = (int)get_local_id(0);
    space[me] = v;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int half_way = GROUP / 2; half_way > 0; half_way /= 2) {
        if (me < half_way)
            space[me] = maximum ? fmax(space[me], space[me + half_way]) : space[me] + space[me + half_way];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    float result = space[0];
    barrier(CLK_LOCAL_MEM_FENCE);
    return result;
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
softmax(__global const float *x, __global float *y, int rows, int length) {
    __local float space[GROUP];
    size_t start = (size_t)get_group_id(0) * length;
    float top = -INFINITY, sum = 0.0f;
    for (int k = (int)get_local_id(0); k < length; k += GROUP)
        top = fmax(top, x[start + k]);
    top = reduce(space, top, 1);
    for (int k = (int)get_local_id(0); k < length; k += GROUP)
        sum += exp(x[start + k] - top);
    sum = reduce(space, sum, 0);
    for (int k = (int)get_local_id(0); k < length; k += GROUP)
        y[start + k] = exp(x[start + k] - top) / sum;
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
softmax_backward(__global const float *dy, __global const float *y, __global float *dx, int rows, int length) {
    __local float space[GROUP];
    size_t start = (size_t)get_group_id(0) * length;
    float dot = 0.0f;
    for (int k = (int)get_local_id(0); k < length; k += GROUP)
        dot += dy[start + k] * y[start + k];
    dot = reduce(space, dot, 0);
    for (int k = (int)get_local_id(0); k < length; k += GROUP)
        dx[start + k] = y[start + k] * (dy[start + k] - dot);
}

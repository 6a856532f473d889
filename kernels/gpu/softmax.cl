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

static float row_maximum(__local float *space, __global const float *x, int length) {
    float top = -INFINITY;
    for (int k = (int)get_local_id(0); k < length; k += GROUP)
        top = fmax(top, x[k]);
    return reduce(space, top, 1);
}

static float row_exponentials(__local float *space, __global const float *x, int length, float shift) {
    float sum = 0.0f;
    for (int k = (int)get_local_id(0); k < length; k += GROUP)
        sum += exp(x[k] - shift);
    return reduce(space, sum, 0);
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
softmax(__global const float *x, __global float *y, int rows, int length) {
    __local float space[GROUP];
    size_t start = get_group_id(0) * (size_t)length;
    float top = row_maximum(space, x + start, length), sum = row_exponentials(space, x + start, length, top);
    for (int k = (int)get_local_id(0); k < length; k += GROUP)
        y[start + k] = exp(x[start + k] - top) / sum;
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
log_softmax(__global const float *x, __global float *y, int rows, int length) {
    __local float space[GROUP];
    size_t start = get_group_id(0) * (size_t)length;
    float top = row_maximum(space, x + start, length), shift = isinf(top) ? 0.0f : top;
    float rest = log(row_exponentials(space, x + start, length, shift));
    for (int k = (int)get_local_id(0); k < length; k += GROUP)
        y[start + k] = (x[start + k] - shift) - rest;
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
logsumexp(__global const float *x, __global float *y, int rows, int length) {
    __local float space[GROUP];
    size_t start = get_group_id(0) * (size_t)length;
    float top = row_maximum(space, x + start, length), shift = isinf(top) ? 0.0f : top;
    float rest = log(row_exponentials(space, x + start, length, shift));
    if (get_local_id(0) == 0)
        y[get_group_id(0)] = shift + rest;
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
softmax_backward(__global const float *dy, __global const float *y, __global float *dx, int rows, int length) {
    __local float space[GROUP];
    size_t start = get_group_id(0) * (size_t)length;
    float dot = 0.0f;
    for (int k = (int)get_local_id(0); k < length; k += GROUP)
        dot += dy[start + k] * y[start + k];
    dot = reduce(space, dot, 0);
    for (int k = (int)get_local_id(0); k < length; k += GROUP)
        dx[start + k] = y[start + k] * (dy[start + k] - dot);
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
log_softmax_backward(__global const float *dy, __global const float *y, __global float *dx, int rows, int length) {
    __local float space[GROUP];
    size_t start = get_group_id(0) * (size_t)length;
    float sum = 0.0f;
    for (int k = (int)get_local_id(0); k < length; k += GROUP)
        sum += dy[start + k];
    sum = reduce(space, sum, 0);
    for (int k = (int)get_local_id(0); k < length; k += GROUP)
        dx[start + k] = dy[start + k] - exp(y[start + k]) * sum;
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
logsumexp_backward(__global const float *dy, __global const float *x, __global const float *y, __global float *dx,
                   int rows, int length) {
    size_t row = get_group_id(0), start = row * (size_t)length;
    for (int k = (int)get_local_id(0); k < length; k += GROUP)
        dx[start + k] = dy[row] * exp(x[start + k] - y[row]);
}

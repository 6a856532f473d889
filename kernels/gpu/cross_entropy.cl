/* generic/cross_entropy.cl's kernels with a work-group per row, and one tree for the sum over rows. */

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

/* Labelled rows, at least 1: the hard loss is their mean, as PyTorch's with ignore_index. */
static float labelled_count(__global const int *labels, int batch) {
    int count = 0;
    for (int row = 0; row < batch; row++)
        count += labels[row] >= 0;
    return (float)max(count, 1);
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
rows(__global const float *logits, __global const int *labels, __global float *row_loss, __global float *dlogits,
     int batch, int classes, float smoothing) {
    __local float space[GROUP];
    int row = (int)get_group_id(0), me = (int)get_local_id(0), label = labels[row];
    __global const float *z = logits + (size_t)row * classes;
    __global float *dz = dlogits + (size_t)row * classes;
    float top = -INFINITY, sum = 0.0f, linear = 0.0f;
    for (int k = me; k < classes; k += GROUP)
        top = fmax(top, z[k]);
    top = reduce(space, top, 1);
    for (int k = me; k < classes; k += GROUP) {
        sum += exp(z[k] - top);
        linear += z[k] - top;
    }
    sum = reduce(space, sum, 0);
    linear = reduce(space, linear, 0);
    float even = smoothing / (float)classes, scale = label < 0 ? 0.0f : 1.0f / labelled_count(labels, batch);
    if (me == 0) {
        float hit = label < 0 ? 0.0f : label < classes ? z[label] - top : NAN;
        row_loss[row] = label < 0 ? 0.0f : scale * (log(sum) - (1.0f - smoothing) * hit - even * linear);
    }
    for (int k = me; k < classes; k += GROUP) {
        float target = even + (k == label ? 1.0f - smoothing : 0.0f);
        dz[k] = scale * (exp(z[k] - top) / sum - target);
    }
}

/* One work-group. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
finish(__global const float *row_loss, __global float *loss, int batch) {
    __local float space[GROUP];
    float sum = 0.0f;
    for (int row = (int)get_local_id(0); row < batch; row += GROUP)
        sum += row_loss[row];
    sum = reduce(space, sum, 0);
    if (get_local_id(0) == 0)
        loss[0] = sum;
}

/* generic/cross_entropy.cl's kernels with a work-group per row, and one for the share. */

#ifndef HAS_WEIGHT
#define HAS_WEIGHT 0
#endif

#if HAS_WEIGHT
#define WEIGHT_PARAM __global const float *weight,
#define WEIGHT_ARG weight,
#define CLASS_WEIGHT(k) weight[k]
#else
#define WEIGHT_PARAM
#define WEIGHT_ARG
#define CLASS_WEIGHT(k) 1.0f
#endif

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

/* generic/cross_entropy.cl's; called by whole work-groups. */
static float share_of(__local float *space, __global const int *labels, WEIGHT_PARAM int batch, int classes,
                      int ignored) {
    float sum = 0.0f, count = 0.0f;
    for (int row = (int)get_local_id(0); row < batch; row += GROUP)
        if (labels[row] >= 0 && labels[row] != ignored) {
            count += 1.0f;
#if HAS_WEIGHT
            sum += labels[row] < classes ? weight[labels[row]] : NAN;
#endif
        }
    count = reduce(space, count, 0);
#if HAS_WEIGHT
    sum = reduce(space, sum, 0);
    return count > 0.0f ? 1.0f / sum : 1.0f;
#else
    return 1.0f / fmax(count, 1.0f);
#endif
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
share(__global const int *labels, WEIGHT_PARAM __global float *share, int batch, int classes, int ignored) {
    __local float space[GROUP];
    float value = share_of(space, labels, WEIGHT_ARG batch, classes, ignored);
    if (get_local_id(0) == 0)
        share[0] = value;
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
rows(__global const float *logits, __global const int *labels, WEIGHT_PARAM __global const float *share,
     __global float *row_loss, __global float *dlogits, int batch, int classes, float smoothing, int ignored, int mode) {
    __local float space[GROUP];
    int row = (int)get_group_id(0), me = (int)get_local_id(0), label = labels[row];
    bool counts = label >= 0 && label != ignored, valid = label >= 0 && label < classes;
    __global const float *z = logits + (size_t)row * classes;
    __global float *dz = dlogits + (size_t)row * classes;
    float top = -INFINITY, sum = 0.0f, linear = 0.0f, weights = 0.0f;
    for (int k = me; k < classes; k += GROUP)
        top = fmax(top, z[k]);
    top = reduce(space, top, 1);
    for (int k = me; k < classes; k += GROUP) {
        sum += exp(z[k] - top);
        linear += CLASS_WEIGHT(k) * (z[k] - top);
        weights += CLASS_WEIGHT(k);
    }
    sum = reduce(space, sum, 0);
    linear = reduce(space, linear, 0);
#if HAS_WEIGHT
    weights = reduce(space, weights, 0);
#endif
    float scale = mode == 1 ? share_of(space, labels, WEIGHT_ARG batch, classes, ignored) : mode == 2 ? share[0] : 1.0f;
    scale = counts ? scale : 0.0f;
    float even = smoothing / (float)classes, own = (1.0f - smoothing) * (valid ? CLASS_WEIGHT(label) : 1.0f);
    float all = HAS_WEIGHT ? own + even * weights : 1.0f;
    if (me == 0) {
        float hit = valid ? z[label] - top : NAN;
        row_loss[row] = counts ? scale * (all * log(sum) - own * hit - even * linear) : 0.0f;
    }
    for (int k = me; k < classes; k += GROUP) {
        float target = even * CLASS_WEIGHT(k) + (k == label ? own : 0.0f);
        dz[k] = scale * (all * exp(z[k] - top) / sum - target);
    }
}

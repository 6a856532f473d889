/* Cross-entropy of logits[batch, classes] against labels[batch] and its derivative, in one pass over each row.
 *
 * With p = softmax(z), s the label smoothing and w the classes' weights, all 1 without HAS_WEIGHT:
 *   loss of a row = (1 - s) w_label (-ln p_label) + s / classes * sum_k w_k (-ln p_k),
 *   derivative    = ((1 - s) w_label + s / classes * sum_k w_k) p - (1 - s) w_label onehot - s / classes * w,
 * each times share: 1 / sum of w_label over the rows that count, or 1 for a sum. A label < 0 or equal to `ignored` does not
 * count: no loss, no gradient. A label >= classes gives NaN, so that it shows.
 *
 *   rows(logits, labels, [weight[classes]: HAS_WEIGHT], share, row_loss[batch], dlogits, int batch, classes, float smoothing,
 *        int ignored, mode)    work-item per row; loss_sum.cl adds row_loss up
 *   share(labels, [weight], share, int batch, classes, ignored)    one work-item
 * mode, of the share: 0 is 1, 1 is computed from the labels, 2 is read from share[0], which is else neither read nor written. */
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

/* 1 / (weights of the rows that count); of 1 where none does. */
static float share_of(__global const int *labels, WEIGHT_PARAM int batch, int classes, int ignored) {
#if HAS_WEIGHT
    float sum = 0.0f;
    bool any = false;
    for (int row = 0; row < batch; row++)
        if (labels[row] >= 0 && labels[row] != ignored) {
            any = true;
            sum += labels[row] < classes ? weight[labels[row]] : NAN;
        }
    return any ? 1.0f / sum : 1.0f;
#else
    int count = 0;
    for (int row = 0; row < batch; row++)
        count += labels[row] >= 0 && labels[row] != ignored;
    return 1.0f / (float)max(count, 1);
#endif
}

__kernel void share(__global const int *labels, WEIGHT_PARAM __global float *share, int batch, int classes,
                    int ignored) {
    if (get_global_id(0) == 0)
        share[0] = share_of(labels, WEIGHT_ARG batch, classes, ignored);
}

__kernel void rows(__global const float *logits, __global const int *labels, WEIGHT_PARAM __global const float *share,
                   __global float *row_loss, __global float *dlogits, int batch, int classes, float smoothing,
                   int ignored, int mode) {
    int row = (int)get_global_id(0);
    if (row >= batch)
        return;
    __global const float *z = logits + (size_t)row * classes;
    __global float *dz = dlogits + (size_t)row * classes;
    int label = labels[row];
    bool counts = label >= 0 && label != ignored;
    float top = z[0], sum = 0.0f, linear = 0.0f, weights = 0.0f, hit = label < classes ? 0.0f : NAN;
    for (int k = 1; k < classes; k++)
        top = fmax(top, z[k]);
    for (int k = 0; k < classes; k++) {
        float d = z[k] - top;
        sum += exp(d);
        linear += CLASS_WEIGHT(k) * d;
        weights += CLASS_WEIGHT(k);
        if (k == label)
            hit = d;
    }
    float norm = log(sum), even = smoothing / (float)classes;
    float own = (1.0f - smoothing) * (label >= 0 && label < classes ? CLASS_WEIGHT(label) : 1.0f);
    float all = HAS_WEIGHT ? own + even * weights : 1.0f, scale = counts ? 1.0f : 0.0f;
    if (mode != 0)
        scale *= mode == 2 ? share[0] : share_of(labels, WEIGHT_ARG batch, classes, ignored);
    row_loss[row] = counts ? scale * (all * norm - own * hit - even * linear) : 0.0f;
    for (int k = 0; k < classes; k++) {
        float target = even * CLASS_WEIGHT(k) + (k == label ? own : 0.0f);
        dz[k] = scale * (all * exp(z[k] - top) / sum - target);
    }
}

/* Cross-entropy of logits[batch, classes] against labels[batch] and its derivative, in one pass over each row.
 *
 * With p = softmax(z): loss = (1 - s)(-ln p_label) + s / classes * sum_k(-ln p_k) for smoothing s; the derivative is
 * (p - (1 - s) onehot - s / classes) / labelled rows. A label < 0 means unlabelled: no loss, no gradient. A label >= classes
 * gives NaN, so that it shows. */

/* Labelled rows, at least 1: the hard loss is their mean, as PyTorch's with ignore_index. */
static float labelled_count(__global const int *labels, int batch) {
    int count = 0;
    for (int row = 0; row < batch; row++)
        count += labels[row] >= 0;
    return (float)max(count, 1);
}

/* Work-item per row. */
__kernel void rows(__global const float *logits, __global const int *labels, __global float *row_loss,
                   __global float *dlogits, int batch, int classes, float smoothing) {
    int row = (int)get_global_id(0);
    if (row >= batch)
        return;
    __global const float *z = logits + (size_t)row * classes;
    __global float *dz = dlogits + (size_t)row * classes;
    int label = labels[row];
    float top = z[0], sum = 0.0f, linear = 0.0f, hit = label < classes ? 0.0f : NAN;
    for (int k = 1; k < classes; k++)
        top = fmax(top, z[k]);
    for (int k = 0; k < classes; k++) {
        float d = z[k] - top;
        sum += exp(d);
        linear += d;
        if (k == label)
            hit = d;
    }
    float norm = log(sum), even = smoothing / (float)classes;
    float share = label < 0 ? 0.0f : 1.0f / labelled_count(labels, batch);
    row_loss[row] = label < 0 ? 0.0f : share * (norm - (1.0f - smoothing) * hit - even * linear);
    for (int k = 0; k < classes; k++) {
        float target = even + (k == label ? 1.0f - smoothing : 0.0f);
        dz[k] = share * (exp(z[k] - top) / sum - target);
    }
}

/* loss[0] = sum of row_loss, by one work-item in runs of 32, so that the order is fixed and errors stay small. */
__kernel void finish(__global const float *row_loss, __global float *loss, int batch) {
    if (get_global_id(0) != 0)
        return;
    float total = 0.0f;
    for (int start = 0; start < batch; start += 32) {
        float run = 0.0f;
        for (int row = start; row < min(start + 32, batch); row++)
            run += row_loss[row];
        total += run;
    }
    loss[0] = total;
}

/* What evaluation needs of each row of logits[batch, classes]: the class with the largest logit (the first of equals, -1
 * when no logit is a number) and -ln softmax(z)[label], 0 for a label < 0, NaN for one >= classes. Work-item per row. */
__kernel void classify_stats(__global const float *logits, __global const int *labels, __global int *predicted,
                             __global float *row_loss, int batch, int classes) {
    int row = (int)get_global_id(0);
    if (row >= batch)
        return;
    __global const float *z = logits + (size_t)row * classes;
    int best = -1, label = labels[row];
    float top = -INFINITY, sum = 0.0f, hit = label < classes ? 0.0f : NAN;
    for (int k = 0; k < classes; k++)
        if (z[k] > top || (best < 0 && z[k] == top)) {
            top = z[k];
            best = k;
        }
    for (int k = 0; k < classes; k++) {
        sum += exp(z[k] - top);
        if (k == label)
            hit = z[k] - top;
    }
    predicted[row] = best;
    row_loss[row] = label < 0 ? 0.0f : log(sum) - hit;
}

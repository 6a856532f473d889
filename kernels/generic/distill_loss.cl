/* The loss of Hinton, Vinyals, Dean, "Distilling the knowledge in a neural network" (2015), and its derivative, in one pass
 * over each row.
 *
 * With p = softmax(teacher / T), q = softmax(student / T), r = softmax(student), B rows:
 *   hard = mean over labelled rows of -ln r_label;  soft = T^2 / B * sum_ik p (ln p - ln q)
 *   total = hard_weight * hard + soft_weight * soft
 *   d total / d student = hard_weight / labelled * (r - onehot) [labelled] + soft_weight * T / B * (q - p)
 * The weights and T are read at run time. `row_loss` is [2][batch]: each row's
 * part of the cross-entropy, then of the KL without T^2. */

/* Labelled rows, at least 1: the hard loss is their mean, as PyTorch's with ignore_index. */
static float labelled_count(__global const int *labels, int batch) {
    int count = 0;
    for (int row = 0; row < batch; row++)
        count += labels[row] >= 0;
    return (float)max(count, 1);
}

/* Work-item per row. */
__kernel void rows(__global const float *student, __global const float *teacher, __global const int *labels,
                   __global const float *hard_weight, __global const float *soft_weight,
                   __global const float *temperature, __global float *row_loss, __global float *dstudent, int batch,
                   int classes) {
    int row = (int)get_global_id(0);
    if (row >= batch)
        return;
    __global const float *zs = student + (size_t)row * classes, *zt = teacher + (size_t)row * classes;
    __global float *dz = dstudent + (size_t)row * classes;
    int label = labels[row];
    float cool = 1.0f / temperature[0], tops = zs[0], topt = zt[0];
    for (int k = 1; k < classes; k++) {
        tops = fmax(tops, zs[k]);
        topt = fmax(topt, zt[k]);
    }
    float sum_r = 0.0f, sum_q = 0.0f, sum_p = 0.0f, cross = 0.0f, hit = label < classes ? 0.0f : NAN;
    for (int k = 0; k < classes; k++) {
        float s = zs[k] - tops, t = zt[k] - topt, p = exp(t * cool);
        sum_r += exp(s);
        sum_q += exp(s * cool);
        sum_p += p;
        cross += p * (t - s);
        if (k == label)
            hit = s;
    }
    float share = label < 0 ? 0.0f : 1.0f / labelled_count(labels, batch);
    row_loss[row] = label < 0 ? 0.0f : share * (log(sum_r) - hit);
    row_loss[batch + row] = (cross * cool / sum_p + log(sum_q) - log(sum_p)) / (float)batch;
    float hard = hard_weight[0] * share, soft = soft_weight[0] * temperature[0] / (float)batch;
    for (int k = 0; k < classes; k++) {
        float s = zs[k] - tops, t = zt[k] - topt;
        float dhard = exp(s) / sum_r - (k == label ? 1.0f : 0.0f);
        dz[k] = hard * dhard + soft * (exp(s * cool) / sum_q - exp(t * cool) / sum_p);
    }
}

static float sum_rows(__global const float *row_loss, int batch) {
    float total = 0.0f;
    for (int start = 0; start < batch; start += 32) {
        float run = 0.0f;
        for (int row = start; row < min(start + 32, batch); row++)
            run += row_loss[row];
        total += run;
    }
    return total;
}

/* One work-item, in runs of 32 rows. */
__kernel void finish(__global const float *row_loss, __global const float *hard_weight,
                     __global const float *soft_weight, __global const float *temperature, __global float *total,
                     __global float *hard, __global float *soft, int batch) {
    if (get_global_id(0) != 0)
        return;
    float h = sum_rows(row_loss, batch), s = temperature[0] * temperature[0] * sum_rows(row_loss + batch, batch);
    hard[0] = h;
    soft[0] = s;
    total[0] = hard_weight[0] * h + soft_weight[0] * s;
}

/* generic/distill_loss.cl's `rows` in vectors of 16 classes; lanes behind the last class count as minus infinity. One
 * work-item per work-group and row. */

static float16 load(__global const float *z, int k, int classes, float fill) {
    if (k + 16 <= classes)
        return vload16(0, z + k);
    float lane[16];
    for (int i = 0; i < 16; i++)
        lane[i] = k + i < classes ? z[k + i] : fill;
    return vload16(0, lane);
}

static void store(float16 v, __global float *z, int k, int classes) {
    if (k + 16 <= classes) {
        vstore16(v, 0, z + k);
        return;
    }
    float lane[16];
    vstore16(v, 0, lane);
    for (int i = 0; k + i < classes; i++)
        z[k + i] = lane[i];
}

static float total(float16 v) {
    float8 a = v.lo + v.hi;
    float4 b = a.lo + a.hi;
    return (b.x + b.y) + (b.z + b.w);
}

static float largest(float16 v) {
    float8 a = fmax(v.lo, v.hi);
    float4 b = fmax(a.lo, a.hi);
    return fmax(fmax(b.x, b.y), fmax(b.z, b.w));
}

/* Labelled rows, at least 1: the hard loss is their mean, as PyTorch's with ignore_index. */
static float labelled_count(__global const int *labels, int batch) {
    int count = 0;
    for (int row = 0; row < batch; row++)
        count += labels[row] >= 0;
    return (float)max(count, 1);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
rows(__global const float *student, __global const float *teacher, __global const int *labels,
     __global const float *hard_weight, __global const float *soft_weight, __global const float *temperature,
     __global float *row_loss, __global float *dstudent, int batch, int classes) {
    int row = (int)get_group_id(0), label = labels[row];
    __global const float *zs = student + (size_t)row * classes, *zt = teacher + (size_t)row * classes;
    __global float *dz = dstudent + (size_t)row * classes;
    float cool = 1.0f / temperature[0];
    float16 most_s = -INFINITY, most_t = -INFINITY, sums_r = 0.0f, sums_q = 0.0f, sums_p = 0.0f, crosses = 0.0f;
    for (int k = 0; k < classes; k += 16) {
        most_s = fmax(most_s, load(zs, k, classes, -INFINITY));
        most_t = fmax(most_t, load(zt, k, classes, -INFINITY));
    }
    float tops = largest(most_s), topt = largest(most_t);
    for (int k = 0; k < classes; k += 16) {
        /* The fill is finite so that 0 * (t - s) is 0 in the lanes that do not exist. */
        float16 s = load(zs, k, classes, tops - 1e30f) - tops, t = load(zt, k, classes, topt - 1e30f) - topt;
        float16 p = exp(t * cool);
        sums_r += exp(s);
        sums_q += exp(s * cool);
        sums_p += p;
        crosses += p * (t - s);
    }
    float sum_r = total(sums_r), sum_q = total(sums_q), sum_p = total(sums_p);
    float hit = label < 0 ? 0.0f : label < classes ? zs[label] - tops : NAN;
    float share = label < 0 ? 0.0f : 1.0f / labelled_count(labels, batch);
    row_loss[row] = label < 0 ? 0.0f : share * (log(sum_r) - hit);
    row_loss[batch + row] = (total(crosses) * cool / sum_p + log(sum_q) - log(sum_p)) / (float)batch;
    float hard = hard_weight[0] * share, soft = soft_weight[0] * temperature[0] / (float)batch;
    float hard_r = hard / sum_r, soft_q = soft / sum_q, soft_p = soft / sum_p;
    for (int k = 0; k < classes; k += 16) {
        float16 s = load(zs, k, classes, tops) - tops, t = load(zt, k, classes, topt) - topt;
        store(hard_r * exp(s) + (soft_q * exp(s * cool) - soft_p * exp(t * cool)), dz, k, classes);
    }
    if (label >= 0 && label < classes)
        dz[label] -= hard;
}

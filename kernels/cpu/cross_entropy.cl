/* generic/cross_entropy.cl's `rows` in vectors of 16 classes; lanes behind the last class count as minus infinity. One
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
rows(__global const float *logits, __global const int *labels, __global float *row_loss, __global float *dlogits,
     int batch, int classes, float smoothing) {
    int row = (int)get_group_id(0), label = labels[row];
    __global const float *z = logits + (size_t)row * classes;
    __global float *dz = dlogits + (size_t)row * classes;
    float16 tops = -INFINITY, sums = 0.0f, linears = 0.0f;
    for (int k = 0; k < classes; k += 16)
        tops = fmax(tops, load(z, k, classes, -INFINITY));
    float top = largest(tops);
    for (int k = 0; k < classes; k += 16) {
        sums += exp(load(z, k, classes, -INFINITY) - top);
        linears += load(z, k, classes, top) - top;
    }
    float sum = total(sums), even = smoothing / (float)classes;
    float hit = label < 0 ? 0.0f : label < classes ? z[label] - top : NAN;
    float scale = label < 0 ? 0.0f : 1.0f / labelled_count(labels, batch);
    row_loss[row] = label < 0 ? 0.0f : scale * (log(sum) - (1.0f - smoothing) * hit - even * total(linears));
    for (int k = 0; k < classes; k += 16)
        store(scale * (exp(load(z, k, classes, top) - top) / sum - even), dz, k, classes);
    if (label >= 0 && label < classes)
        dz[label] = scale * (exp(z[label] - top) / sum - even - (1.0f - smoothing));
}

/* generic/cross_entropy.cl's `rows` in vectors of 16 classes; lanes behind the last class count as minus infinity. One
 * work-item per work-group and row. */
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

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
rows(__global const float *logits, __global const int *labels, WEIGHT_PARAM __global const float *share,
     __global float *row_loss, __global float *dlogits, int batch, int classes, float smoothing, int ignored, int mode) {
    int row = (int)get_group_id(0), label = labels[row];
    bool counts = label >= 0 && label != ignored, valid = label >= 0 && label < classes;
    __global const float *z = logits + (size_t)row * classes;
    __global float *dz = dlogits + (size_t)row * classes;
    float16 tops = -INFINITY, sums = 0.0f, linears = 0.0f, weights = 0.0f;
    for (int k = 0; k < classes; k += 16)
        tops = fmax(tops, load(z, k, classes, -INFINITY));
    float top = largest(tops);
    for (int k = 0; k < classes; k += 16) {
        sums += exp(load(z, k, classes, -INFINITY) - top);
#if HAS_WEIGHT
        linears += load(weight, k, classes, 0.0f) * (load(z, k, classes, top) - top);
        weights += load(weight, k, classes, 0.0f);
#else
        linears += load(z, k, classes, top) - top;
#endif
    }
    float sum = total(sums), even = smoothing / (float)classes;
    float own = (1.0f - smoothing) * (valid ? CLASS_WEIGHT(label) : 1.0f);
    float all = HAS_WEIGHT ? own + even * total(weights) : 1.0f, scale = counts ? 1.0f : 0.0f;
    if (mode != 0)
        scale *= mode == 2 ? share[0] : share_of(labels, WEIGHT_ARG batch, classes, ignored);
    float hit = valid ? z[label] - top : NAN;
    row_loss[row] = counts ? scale * (all * log(sum) - own * hit - even * total(linears)) : 0.0f;
    for (int k = 0; k < classes; k += 16) {
#if HAS_WEIGHT
        float16 target = even * load(weight, k, classes, 0.0f);
#else
        float target = even;
#endif
        store(scale * (all * exp(load(z, k, classes, top) - top) / sum - target), dz, k, classes);
    }
    if (valid)
        dz[label] = scale * (all * exp(z[label] - top) / sum - even * CLASS_WEIGHT(label) - own);
}

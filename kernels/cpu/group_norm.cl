/* The passes over x of generic/group_norm.cl, whose head defines `partial` and `table`, for CPUs: explicit vectors of channels.
 * One work-item per work-group takes a block of `full` pixels of one image. Macro: VW 16, floats per vector: 4, 8 or 16. */
#ifndef VW
#define VW 16
#endif

#if VW == 16
typedef float16 vec;
#define LOAD(p) vload16(0, p)
#define STORE(v, p) vstore16(v, 0, p)
#elif VW == 8
typedef float8 vec;
#define LOAD(p) vload8(0, p)
#define STORE(v, p) vstore8(v, 0, p)
#else
typedef float4 vec;
#define LOAD(p) vload4(0, p)
#define STORE(v, p) vstore4(v, 0, p)
#endif

/* The block's first row of x[images * pixels, channels]; *count: its rows. */
static size_t block_rows(size_t block, int pixels, int full, int *count) {
    int parts = (pixels + full - 1) / full, first = (int)(block % parts) * full;
    *count = min(full, pixels - first);
    return block / parts * pixels + first;
}

/* Mean and squared deviations per channel, from sums around the block's first pixel. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
moments(__global const float *restrict x, __global float *restrict partial, int pixels, int channels,
        int full) {
    size_t block = get_group_id(0), plane = get_num_groups(0) * (size_t)channels;
    int count, c = 0;
    __global const float *p = x + block_rows(block, pixels, full, &count) * channels;
    __global float *out = partial + block * channels;
    float inverse = 1.0f / (float)count;
    for (; c + VW <= channels; c += VW) {
        vec shift = LOAD(p + c), sum = 0.0f, square = 0.0f;
        for (int i = 1; i < count; i++) {
            vec d = LOAD(p + (size_t)i * channels + c) - shift;
            sum += d;
            square += d * d;
        }
        vec part = sum * inverse;
        STORE(shift + part, out + c);
        STORE(fmax(square - sum * part, 0.0f), out + plane + c);
    }
    for (; c < channels; c++) {
        float shift = p[c], sum = 0.0f, square = 0.0f;
        for (int i = 1; i < count; i++) {
            float d = p[(size_t)i * channels + c] - shift;
            sum += d;
            square += d * d;
        }
        float part = sum * inverse;
        out[c] = shift + part;
        out[plane + c] = fmax(square - sum * part, 0.0f);
    }
}

/* y may be x. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
apply(__global const float *x, __global const float *table, __global const float *bias, __global float *y, int affine,
      int pixels, int channels, int full) {
    int count, parts = (pixels + full - 1) / full;
    size_t block = get_group_id(0), first = block_rows(block, pixels, full, &count);
    __global const float *mean = table + block / parts * channels;
    __global const float *scale = mean + get_num_groups(0) / parts * channels;
    for (int i = 0; i < count; i++) {
        size_t at = (first + i) * channels;
        int c = 0;
        for (; c + VW <= channels; c += VW) {
            vec offset = 0.0f;
            if (affine)
                offset = LOAD(bias + c);
            STORE(fma(LOAD(x + at + c) - LOAD(mean + c), LOAD(scale + c), offset), y + at + c);
        }
        for (; c < channels; c++)
            y[at + c] = fma(x[at + c] - mean[c], scale[c], affine ? bias[c] : 0.0f);
    }
}

/* Sums of dy and of dy * (x - mean) per channel. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
sums(__global const float *restrict dy, __global const float *restrict x, __global const float *restrict mean,
     __global float *restrict partial, int each, int pixels, int channels, int full) {
    int count, c = 0, parts = (pixels + full - 1) / full;
    size_t block = get_group_id(0), plane = get_num_groups(0) * (size_t)channels;
    size_t start = block_rows(block, pixels, full, &count) * channels;
    __global const float *middle = mean + block / parts * (channels / each);
    __global float *out = partial + block * channels;
    for (; c + VW <= channels; c += VW) {
        float lane[VW];
        for (int i = 0; i < VW; i++)
            lane[i] = middle[(c + i) / each];
        vec about = LOAD(lane), sum = 0.0f, dot = 0.0f;
        for (int i = 0; i < count; i++) {
            size_t at = start + (size_t)i * channels + c;
            vec d = LOAD(dy + at);
            sum += d;
            dot += d * (LOAD(x + at) - about);
        }
        STORE(sum, out + c);
        STORE(dot, out + plane + c);
    }
    for (; c < channels; c++) {
        float about = middle[c / each], sum = 0.0f, dot = 0.0f;
        for (int i = 0; i < count; i++) {
            size_t at = start + (size_t)i * channels + c;
            sum += dy[at];
            dot += dy[at] * (x[at] - about);
        }
        out[c] = sum;
        out[plane + c] = dot;
    }
}

/* dx may be dy. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
apply_backward(__global const float *dy, __global const float *x, __global const float *table, __global float *dx,
               int images, int pixels, int channels, int full) {
    int count, parts = (pixels + full - 1) / full;
    size_t block = get_group_id(0), plane = (size_t)images * channels, first = block_rows(block, pixels, full, &count);
    __global const float *t = table + block / parts * channels;
    for (int i = 0; i < count; i++) {
        size_t at = (first + i) * channels;
        int c = 0;
        for (; c + VW <= channels; c += VW)
            STORE(LOAD(t + plane + c) * LOAD(dy + at + c) - LOAD(t + 2 * plane + c) -
                      (LOAD(x + at + c) - LOAD(t + c)) * LOAD(t + 3 * plane + c),
                  dx + at + c);
        for (; c < channels; c++)
            dx[at + c] = t[plane + c] * dy[at + c] - t[2 * plane + c] - (x[at + c] - t[c]) * t[3 * plane + c];
    }
}

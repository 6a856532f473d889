/* generic/sum.cl for CPUs: explicit vectors along length where inner is 1, else along inner. One work-item per work-group, for
 * each of outer * parts * ceil(inner / width). Macro: VW 16, floats per vector: 4, 8 or 16. */
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

static float lanes_total(vec v) {
    float lane[VW], sum = 0.0f;
    STORE(v, lane);
    for (int i = 0; i < VW; i++)
        sum += lane[i];
    return sum;
}

static float row_sum(__global const float *p, int n) {
    vec s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;
    int k = 0;
    for (; k + 4 * VW <= n; k += 4 * VW) {
        s0 += LOAD(p + k);
        s1 += LOAD(p + k + VW);
        s2 += LOAD(p + k + 2 * VW);
        s3 += LOAD(p + k + 3 * VW);
    }
    for (; k + VW <= n; k += VW)
        s0 += LOAD(p + k);
    float sum = lanes_total((s0 + s1) + (s2 + s3));
    for (; k < n; k++)
        sum += p[k];
    return sum;
}

/* VW columns of n terms that lie `pitch` apart, in runs of 32. */
static vec columns_sum(__global const float *p, int n, int pitch) {
    vec total = 0.0f;
    for (int start = 0; start < n; start += 32) {
        vec run = 0.0f;
        for (int k = start; k < min(start + 32, n); k++)
            run += LOAD(p + (size_t)k * pitch);
        total += run;
    }
    return total;
}

/* Four neighbours of those: long runs of memory. */
static void tile_sum(__global const float *p, int n, int pitch, float factor, __global float *out) {
    vec t0 = 0.0f, t1 = 0.0f, t2 = 0.0f, t3 = 0.0f;
    for (int start = 0; start < n; start += 32) {
        vec s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;
        for (int k = start; k < min(start + 32, n); k++) {
            __global const float *q = p + (size_t)k * pitch;
            s0 += LOAD(q), s1 += LOAD(q + VW), s2 += LOAD(q + 2 * VW), s3 += LOAD(q + 3 * VW);
        }
        t0 += s0, t1 += s1, t2 += s2, t3 += s3;
    }
    STORE(factor * t0, out);
    STORE(factor * t1, out + VW);
    STORE(factor * t2, out + 2 * VW);
    STORE(factor * t3, out + 3 * VW);
}

static float column_sum(__global const float *p, int n, int pitch) {
    float total = 0.0f;
    for (int start = 0; start < n; start += 32) {
        float run = 0.0f;
        for (int k = start; k < min(start + 32, n); k++)
            run += p[(size_t)k * pitch];
        total += run;
    }
    return total;
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
sums(__global const float *restrict x, __global float *restrict y, float factor, int length, int inner, int parts,
     int full, int width) {
    int g = (int)get_group_id(0), tiles = (inner + width - 1) / width, part = g / tiles % parts, first = part * full;
    int i = g % tiles * width, end = min(i + width, inner), n = min(full, length - first);
    size_t slice = g / tiles / parts;
    __global const float *p = x + (slice * length + first) * inner;
    __global float *out = y + (slice * parts + part) * inner;
    if (inner == 1) {
        out[0] = factor * row_sum(p, n);
        return;
    }
    for (; i + 4 * VW <= end; i += 4 * VW)
        tile_sum(p + i, n, inner, factor, out + i);
    for (; i + VW <= end; i += VW)
        STORE(factor * columns_sum(p + i, n, inner), out + i);
    for (; i < end; i++)
        out[i] = factor * column_sum(p + i, n, inner);
}

/* Sums of x[rows, channels] over blocks of rows, x seen as [supers, lanes] as in cpu/batch_norm.cl: whole vectors whatever the
 * number of channels. `partial` is [blocks * lanes + tail * channels], lanes a multiple of 64. A work-item per block. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
lane_sums(__global const float *restrict x, __global float *restrict partial, int channels, int lanes, int supers,
          int blocks, int full, int tail) {
    int block = (int)get_group_id(0), end = min((block + 1) * full, supers);
    for (int t = 0; t < lanes; t += 4 * VW) {
        vec s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;
        for (int i = block * full; i < end; i++) {
            __global const float *p = x + (size_t)i * lanes + t;
            s0 += LOAD(p), s1 += LOAD(p + VW), s2 += LOAD(p + 2 * VW), s3 += LOAD(p + 3 * VW);
        }
        __global float *out = partial + (size_t)block * lanes + t;
        STORE(s0, out);
        STORE(s1, out + VW);
        STORE(s2, out + 2 * VW);
        STORE(s3, out + 3 * VW);
    }
    for (int i = 0; block == blocks - 1 && i < tail * channels; i++)
        partial[(size_t)blocks * lanes + i] = x[(size_t)supers * lanes + i];
}

/* dx[outer, length, inner] = factor * dy[outer, inner]. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
spread(__global const float *restrict dy, __global float *restrict dx, float factor, int length, int inner, int parts,
       int full, int width) {
    int g = (int)get_group_id(0), tiles = (inner + width - 1) / width, first = g / tiles % parts * full;
    int i0 = g % tiles * width, end = min(i0 + width, inner), n = min(full, length - first);
    size_t slice = g / tiles / parts;
    __global const float *from = dy + slice * inner;
    __global float *to = dx + (slice * length + first) * inner;
    if (inner == 1) {
        float value = factor * from[0];
        int k = 0;
        for (; k + VW <= n; k += VW)
            STORE((vec)(value), to + k);
        for (; k < n; k++)
            to[k] = value;
        return;
    }
    for (int k = 0; k < n; k++, to += inner) {
        int i = i0;
        for (; i + VW <= end; i += VW)
            STORE(factor * LOAD(from + i), to + i);
        for (; i < end; i++)
            to[i] = factor * from[i];
    }
}

/* generic/embedding.cl for CPUs: explicit vectors along the rows of the table; ids are sorted by counting. One work-item per
 * work-group takes `each` rows. Macro: VW 16, floats per vector: 4, 8 or 16. */
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

/* One bag: y[width] = factor * sum over its ids of scale * weight[id]. */
static void bag_sum(__global const int *ids, __global const float *weight, __global const float *scale,
                    __global float *y, int scaled, float factor, int padding, int vocabulary, int terms, int width) {
    int k = 0;
    for (; k + VW <= width; k += VW) {
        vec sum = 0.0f;
        for (int t = 0; t < terms; t++) {
            int id = ids[t];
            vec v = NAN;
            if (padding >= 0 && id == padding)
                continue;
            if (id >= 0 && id < vocabulary)
                v = LOAD(weight + (size_t)id * width + k);
            sum += scaled ? scale[t] * v : v;
        }
        STORE(factor * sum, y + k);
    }
    for (; k < width; k++) {
        float sum = 0.0f;
        for (int t = 0; t < terms; t++) {
            int id = ids[t];
            if (padding >= 0 && id == padding)
                continue;
            float v = id >= 0 && id < vocabulary ? weight[(size_t)id * width + k] : NAN;
            sum += scaled ? scale[t] * v : v;
        }
        y[k] = factor * sum;
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
embedding(__global const int *restrict ids, __global const float *restrict weight, __global const float *restrict scale,
          __global float *restrict y, int scaled, int mean, int padding, int vocabulary, int terms, int bags, int width,
          int each) {
    int first = (int)get_group_id(0) * each;
    for (int bag = first; bag < min(first + each, bags); bag++) {
        size_t start = (size_t)bag * terms;
        int used = 0;
        for (int t = 0; mean && t < terms; t++)
            used += padding < 0 || ids[start + t] != padding;
        bag_sum(ids + start, weight, scale + (scaled ? start : 0), y + (size_t)bag * width, scaled,
                mean ? 1.0f / (float)max(used, 1) : 1.0f, padding, vocabulary, terms, width);
    }
}

static int key(int id, int vocabulary, int padding) {
    return id < 0 || id >= vocabulary || (padding >= 0 && id == padding) ? vocabulary : id;
}

/* One work-item. next[vocabulary + 1] is scratch: first how often a key occurs, then where its next position goes. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
embedding_sort(__global const int *restrict ids, __global int *restrict order, __global int *restrict keys,
               __global int *restrict next, int positions, int vocabulary, int padding) {
    for (int v = 0; v <= vocabulary; v++)
        next[v] = 0;
    for (int i = 0; i < positions; i++)
        next[key(ids[i], vocabulary, padding)]++;
    for (int v = 0, before = 0; v <= vocabulary; v++) {
        int count = next[v];
        next[v] = before;
        before += count;
    }
    for (int i = 0; i < positions; i++) {
        int mine = key(ids[i], vocabulary, padding), rank = next[mine]++;
        order[rank] = i;
        keys[rank] = mine;
    }
}

static int bisect(__global const int *keys, int positions, int wanted) {
    int low = 0, high = positions;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (keys[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* One row of the table from `count` positions. */
static void row_sum(__global const float *dy, __global const int *order, __global const float *share,
                    __global float *out, int shared, int terms, int count, int width) {
    int k = 0;
    for (; k + VW <= width; k += VW) {
        vec total = 0.0f;
        for (int start = 0; start < count; start += 32) {
            vec run = 0.0f;
            for (int at = start; at < min(start + 32, count); at++) {
                vec d = LOAD(dy + (size_t)(order[at] / terms) * width + k);
                run += shared ? share[order[at]] * d : d;
            }
            total += run;
        }
        STORE(total, out + k);
    }
    for (; k < width; k++) {
        float total = 0.0f;
        for (int start = 0; start < count; start += 32) {
            float run = 0.0f;
            for (int at = start; at < min(start + 32, count); at++) {
                float d = dy[(size_t)(order[at] / terms) * width + k];
                run += shared ? share[order[at]] * d : d;
            }
            total += run;
        }
        out[k] = total;
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
embedding_rows(__global const float *restrict dy, __global const int *restrict order, __global const int *restrict keys,
               __global const float *restrict share, __global float *restrict dweight, int shared, int terms,
               int positions, int vocabulary, int width, int each) {
    int first = (int)get_group_id(0) * each, at = bisect(keys, positions, first);
    for (int row = first; row < min(first + each, vocabulary); row++) {
        int count = 0;
        while (at + count < positions && keys[at + count] == row)
            count++;
        row_sum(dy, order + at, share, dweight + (size_t)row * width, shared, terms, count, width);
        at += count;
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
gather_dot(__global const float *restrict v, __global const int *restrict ids, __global const float *restrict weight,
           __global float *restrict y, int vocabulary, int padding, int terms, int positions, int width, int each) {
    int first = (int)get_group_id(0) * each;
    for (int i = first; i < min(first + each, positions); i++) {
        int row = key(ids[i], vocabulary, padding), k = row < vocabulary ? 0 : width;
        __global const float *d = v + (size_t)(i / terms) * width, *w = weight + (size_t)row * width;
        vec sums = 0.0f;
        for (; k + VW <= width; k += VW)
            sums += LOAD(d + k) * LOAD(w + k);
        float lane[VW], sum = row < vocabulary || (padding >= 0 && ids[i] == padding) ? 0.0f : NAN;
        STORE(sums, lane);
        for (int j = 0; j < VW; j++)
            sum += lane[j];
        for (; k < width; k++)
            sum += d[k] * w[k];
        y[i] = sum;
    }
}

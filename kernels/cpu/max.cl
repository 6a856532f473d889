/* generic/max.cl for CPUs: explicit vectors along length where inner is 1, else along inner. One work-item per work-group.
 * Macro: VW 16, floats per vector: 4, 8 or 16. */
#ifndef VW
#define VW 16
#endif

#if VW == 16
typedef float16 vec;
typedef int16 ivec;
#define LOAD(p) vload16(0, p)
#define STORE(v, p) vstore16(v, 0, p)
#define LANES (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#elif VW == 8
typedef float8 vec;
typedef int8 ivec;
#define LOAD(p) vload8(0, p)
#define STORE(v, p) vstore8(v, 0, p)
#define LANES (int8)(0, 1, 2, 3, 4, 5, 6, 7)
#else
typedef float4 vec;
typedef int4 ivec;
#define LOAD(p) vload4(0, p)
#define STORE(v, p) vstore4(v, 0, p)
#define LANES (int4)(0, 1, 2, 3)
#endif

static int beats(float a, float b) {
    return a > b || (isnan(a) && !isnan(b));
}

static int precedes(float a, int at, float b, int bt) {
    return beats(a, b) || (!beats(b, a) && at < bt);
}

/* -1 in the lanes where a beats b. */
static ivec beat(vec a, vec b) {
    return (a > b) | ((a != a) & (b == b));
}

/* The best of the lanes. */
static void lanes_best(vec tops, ivec places, float *best, int *at) {
    float lane[VW];
    int place[VW];
    STORE(tops, lane);
    STORE(places, place);
    *best = lane[0];
    *at = place[0];
    for (int i = 1; i < VW; i++)
        if (precedes(lane[i], place[i], *best, *at)) {
            *best = lane[i];
            *at = place[i];
        }
}

/* The best of p[from, to); at INT_MAX: there is none. */
static void scan_all(__global const float *p, int from, int to, float *best, int *at) {
    int k = from;
    *best = -INFINITY;
    *at = INT_MAX;
    if (k + VW <= to) {
        vec tops = LOAD(p + k);
        ivec places = k + LANES;
        for (k += VW; k + VW <= to; k += VW) {
            vec v = LOAD(p + k);
            ivec take = beat(v, tops);
            tops = select(tops, v, take);
            places = select(places, k + LANES, take);
        }
        lanes_best(tops, places, best, at);
    }
    for (; k < to; k++)
        if (precedes(p[k], k, *best, *at)) {
            *best = p[k];
            *at = k;
        }
}

/* The best of p[from, to) behind (last, last_at); at INT_MAX: there is none. */
static void scan(__global const float *p, int from, int to, float last, int last_at, float *best, int *at) {
    vec tops = -INFINITY, bound = last;
    ivec places = INT_MAX;
    int k = from;
    for (; k + VW <= to; k += VW) {
        vec v = LOAD(p + k);
        ivec i = k + LANES, behind = beat(bound, v) | (~beat(v, bound) & (i > last_at));
        ivec take = behind & (beat(v, tops) | (~beat(tops, v) & (i < places)));
        tops = select(tops, v, take);
        places = select(places, i, take);
    }
    lanes_best(tops, places, best, at);
    for (; k < to; k++)
        if (precedes(last, last_at, p[k], k) && precedes(p[k], k, *best, *at)) {
            *best = p[k];
            *at = k;
        }
}

/* VW columns that lie `pitch` apart. */
static void columns_largest(__global const float *p, int first, int end, int pitch, __global float *y,
                            __global int *where) {
    vec tops = LOAD(p + (size_t)first * pitch);
    ivec places = first;
    for (int k = first + 1; k < end; k++) {
        vec v = LOAD(p + (size_t)k * pitch);
        ivec take = beat(v, tops);
        tops = select(tops, v, take);
        places = select(places, (ivec)(k), take);
    }
    STORE(tops, y);
    STORE(places, where);
}

static void column_largest(__global const float *p, int first, int end, int pitch, __global float *y,
                           __global int *where) {
    float best = p[(size_t)first * pitch];
    int at = first;
    for (int k = first + 1; k < end; k++)
        if (beats(p[(size_t)k * pitch], best)) {
            best = p[(size_t)k * pitch];
            at = k;
        }
    *y = best;
    *where = at;
}

/* Groups: outer * parts * ceil(inner / width). */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
largest(__global const float *restrict x, __global float *restrict y, __global int *restrict where, int length,
        int inner, int parts, int full, int width) {
    int g = (int)get_group_id(0), tiles = (inner + width - 1) / width, part = g / tiles % parts, first = part * full;
    int i = g % tiles * width, stop = min(i + width, inner), end = first + min(full, length - first);
    size_t slice = g / tiles / parts, o = (slice * parts + part) * inner;
    __global const float *p = x + slice * length * inner;
    if (inner == 1) {
        float best;
        int at;
        scan_all(p, first, end, &best, &at);
        y[o] = best;
        where[o] = at;
        return;
    }
    for (; i + VW <= stop; i += VW)
        columns_largest(p + i, first, end, inner, y + o + i, where + o + i);
    for (; i < stop; i++)
        column_largest(p + i, first, end, inner, y + o + i, where + o + i);
}

#define CHUNKS 32

static void row_top_k(__global const float *p, __global float *y, __global int *where, int k, int length) {
    float best[CHUNKS];
    int at[CHUNKS], full = (length + CHUNKS - 1) / CHUNKS;
    for (int c = 0; c < CHUNKS; c++)
        scan_all(p, min(c * full, length), min((c + 1) * full, length), &best[c], &at[c]);
    for (int j = 0; j < k; j++) {
        int c = 0;
        for (int other = 1; other < CHUNKS; other++)
            if (precedes(best[other], at[other], best[c], at[c]))
                c = other;
        float taken = best[c];
        int place = at[c];
        y[j] = taken;
        where[j] = place;
        scan(p, min(c * full, length), min((c + 1) * full, length), taken, place, &best[c], &at[c]);
    }
}

/* As generic/max.cl's. A work-item takes `each` rows. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
top_k(__global const float *restrict x, __global float *restrict y, __global int *restrict where, int k, int rows,
      int length, int each) {
    int first = (int)get_group_id(0) * each;
    for (int row = first; row < min(first + each, rows); row++)
        row_top_k(x + (size_t)row * length, y + (size_t)row * k, where + (size_t)row * k, k, length);
}

/* Work-item per piece of `outer`: zeroes its part of dx, then adds in the order of j. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
selection_backward(__global const float *restrict dy, __global const int *restrict where, __global float *restrict dx,
                   int length, int inner, int taken) {
    size_t piece = get_group_id(0), elements = (size_t)length * inner, k = 0;
    __global float *out = dx + piece * elements;
    for (; k + VW <= elements; k += VW)
        STORE((vec)(0.0f), out + k);
    for (; k < elements; k++)
        out[k] = 0.0f;
    for (int j = 0; j < taken; j++)
        for (int i = 0; i < inner; i++) {
            size_t from = (piece * taken + j) * inner + i;
            int place = where[from];
            if (place >= 0 && place < length)
                out[(size_t)place * inner + i] += dy[from];
        }
}

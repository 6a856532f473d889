/* The largest elements of x[outer, length, inner] along length, and where they are.
 *
 * NaN counts as larger than any number; of equals the first counts. A long slice is cut: y and where are then [outer, parts,
 * inner], part p being the best of [p * full, +full), and merge() finishes. */

static int beats(float a, float b) {
    return a > b || (isnan(a) && !isnan(b));
}

/* Whether (a, at) comes before (b, bt) in the order of top_k. */
static int precedes(float a, int at, float b, int bt) {
    return beats(a, b) || (!beats(b, a) && at < bt);
}

/* y[outer, parts, inner], where[same]. Work-item per element of y; count of them. */
__kernel void largest(__global const float *x, __global float *y, __global int *where, int length, int inner, int parts,
                      int full, int count) {
    int o = (int)get_global_id(0);
    if (o >= count)
        return;
    int first = o / inner % parts * full, end = min(full, length - first) + first, at = first;
    __global const float *p = x + (size_t)(o / inner / parts) * length * inner + o % inner;
    float best = p[(size_t)first * inner];
    for (int k = first + 1; k < end; k++) {
        float v = p[(size_t)k * inner];
        if (beats(v, best)) {
            best = v;
            at = k;
        }
    }
    y[o] = best;
    where[o] = at;
}

/* y[outer, inner] from the parts' results. Work-item per element of y; count of them. */
__kernel void merge(__global const float *best, __global const int *at, __global float *y, __global int *where,
                    int parts, int inner, int count) {
    int o = (int)get_global_id(0);
    if (o >= count)
        return;
    size_t first = (size_t)(o / inner) * parts * inner + o % inner, winner = first;
    for (int part = 1; part < parts; part++)
        if (beats(best[first + (size_t)part * inner], best[winner]))
            winner = first + (size_t)part * inner;
    y[o] = best[winner];
    where[o] = at[winner];
}

/* The best of p[from, to) behind (last, last_at); at INT_MAX: there is none. */
static void scan(__global const float *p, int from, int to, float last, int last_at, float *best, int *at) {
    *best = -INFINITY;
    *at = INT_MAX;
    for (int i = from; i < to; i++)
        if (precedes(last, last_at, p[i], i) && precedes(p[i], i, *best, *at)) {
            *best = p[i];
            *at = i;
        }
}

#define CHUNKS 32

/* y[rows, k] of x[rows, length], best first. Work-item per row: it remembers the best of each chunk of the row; when one is
 * taken only its chunk is searched again. */
__kernel void top_k(__global const float *x, __global float *y, __global int *where, int k, int rows, int length) {
    int row = (int)get_global_id(0);
    if (row >= rows)
        return;
    __global const float *p = x + (size_t)row * length;
    float best[CHUNKS];
    int at[CHUNKS], full = (length + CHUNKS - 1) / CHUNKS;
    for (int c = 0; c < CHUNKS; c++)
        scan(p, min(c * full, length), min((c + 1) * full, length), NAN, -1, &best[c], &at[c]);
    for (int j = 0; j < k; j++) {
        int c = 0;
        for (int other = 1; other < CHUNKS; other++)
            if (precedes(best[other], at[other], best[c], at[c]))
                c = other;
        float taken = best[c];
        int place = at[c];
        y[(size_t)row * k + j] = taken;
        where[(size_t)row * k + j] = place;
        scan(p, min(c * full, length), min((c + 1) * full, length), taken, place, &best[c], &at[c]);
    }
}

/* dx[outer, length, inner] from dy[outer, taken, inner]. Work-item per element of dx; count of them. */
__kernel void selection_backward(__global const float *dy, __global const int *where, __global float *dx, int length,
                                 int inner, int taken, int count) {
    int i = (int)get_global_id(0);
    if (i >= count)
        return;
    int place = i / inner % length;
    size_t at = (size_t)(i / inner / length) * taken * inner + i % inner;
    float sum = 0.0f;
    for (int j = 0; j < taken; j++, at += inner)
        sum += where[at] == place ? dy[at] : 0.0f;
    dx[i] = sum;
}

/* y[outer, taken, inner] = x[outer, index, inner], 0 for an index out of range. Work-item per element of y. */
__kernel void gather(__global const float *x, __global const int *index, __global float *y, int count, int length,
                     int inner, int taken) {
    int i = (int)get_global_id(0);
    if (i >= count)
        return;
    int k = index[i];
    size_t outer = (size_t)(i / inner / taken);
    y[i] = k >= 0 && k < length ? x[(outer * length + k) * inner + i % inner] : 0.0f;
}

/* generic/max.cl with work-groups: largest as gpu/sum.cl's sums, top_k with a work-group per row. Trees keep the order of
 * generic/max.cl, so that results are the same. */

#ifndef GROUP
#define GROUP 256 /* work-items of a work-group, a power of two */
#endif

static int beats(float a, float b) {
    return a > b || (isnan(a) && !isnan(b));
}

static int precedes(float a, int at, float b, int bt) {
    return beats(a, b) || (!beats(b, a) && at < bt);
}

/* The best of `strands` pairs that lie `width` apart, at strand 0. Every work-item must come here. */
static void tree(__local float *best, __local int *at, int me, int strand, int strands, int width) {
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int half_way = strands / 2; half_way > 0; half_way /= 2) {
        int other = me + half_way * width;
        if (strand < half_way && precedes(best[other], at[other], best[me], at[me])) {
            best[me] = best[other];
            at[me] = at[other];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}

/* Groups: outer * parts * ceil(inner / width); width is a power of two. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
largest(__global const float *x, __global float *y, __global int *where, int length, int inner, int parts, int full,
        int width) {
    __local float best[GROUP];
    __local int at[GROUP];
    int me = (int)get_local_id(0), strand = me / width, strands = GROUP / width;
    int group = (int)get_group_id(0), tiles = (inner + width - 1) / width;
    int i = group % tiles * width + me % width, part = group / tiles % parts, first = part * full;
    int end = i < inner ? first + min(full, length - first) : 0;
    size_t slice = group / tiles / parts;
    __global const float *p = x + slice * length * inner + i;
    float top = -INFINITY;
    int place = INT_MAX;
    for (int k = first + strand; k < end; k += strands) {
        float v = p[(size_t)k * inner];
        if (precedes(v, k, top, place)) {
            top = v;
            place = k;
        }
    }
    best[me] = top;
    at[me] = place;
    tree(best, at, me, strand, strands, width);
    if (strand == 0 && i < inner) {
        size_t o = (slice * parts + part) * inner + i;
        y[o] = best[me];
        where[o] = at[me];
    }
}

/* The best of p[from], p[from + GROUP], ... behind (last, last_at). */
static void scan(__global const float *p, int from, int length, float last, int last_at, float *best, int *at) {
    *best = -INFINITY;
    *at = INT_MAX;
    for (int i = from; i < length; i += GROUP)
        if (precedes(last, last_at, p[i], i) && precedes(p[i], i, *best, *at)) {
            *best = p[i];
            *at = i;
        }
}

/* Every work-item remembers the best of its own elements; the one whose best is taken searches again. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
top_k(__global const float *x, __global float *y, __global int *where, int k, int rows, int length) {
    __local float best[GROUP];
    __local int at[GROUP];
    int me = (int)get_local_id(0), place;
    size_t row = get_group_id(0);
    __global const float *p = x + row * length;
    float top;
    scan(p, me, length, NAN, -1, &top, &place);
    for (int j = 0; j < k; j++) {
        best[me] = top;
        at[me] = place;
        tree(best, at, me, me, GROUP, 1);
        float taken = best[0];
        int taken_at = at[0];
        barrier(CLK_LOCAL_MEM_FENCE);
        if (me == 0) {
            y[row * k + j] = taken;
            where[row * k + j] = taken_at;
        }
        if (taken_at == place)
            scan(p, me, length, taken, taken_at, &top, &place);
    }
}

/* Derivatives of generic/embedding.cl with a work-group per position, or per row of the table; the rest is generic. */

#ifndef GROUP
#define GROUP 256 /* work-items of a work-group, a power of two */
#endif

static int key(int id, int vocabulary, int padding) {
    return id < 0 || id >= vocabulary || (padding >= 0 && id == padding) ? vocabulary : id;
}

/* Work-group of GROUP per position. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
embedding_sort(__global const int *ids, __global int *order, __global int *keys, int positions, int vocabulary,
               int padding) {
    __local int space[GROUP];
    int i = (int)get_group_id(0), me = (int)get_local_id(0), mine = key(ids[i], vocabulary, padding), before = 0;
    for (int j = me; j < positions; j += GROUP) {
        int other = key(ids[j], vocabulary, padding);
        before += other < mine || (other == mine && j < i);
    }
    space[me] = before;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int half_way = GROUP / 2; half_way > 0; half_way /= 2) {
        if (me < half_way)
            space[me] += space[me + half_way];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (me == 0) {
        order[space[0]] = i;
        keys[space[0]] = mine;
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

/* As generic/embedding.cl's; the loop's addresses do not depend on each other, so that loads overlap. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
embedding_rows(__global const float *dy, __global const int *order, __global const int *keys,
               __global const float *share, __global float *dweight, int shared, int terms, int positions,
               int vocabulary, int width) {
    int row = (int)get_group_id(0), first = bisect(keys, positions, row), end = bisect(keys, positions, row + 1);
    for (int i = (int)get_local_id(0); i < width; i += GROUP) {
        float total = 0.0f;
        for (int start = first; start < end; start += 32) {
            float run = 0.0f;
            for (int at = start; at < min(start + 32, end); at++) {
                float d = dy[(size_t)(order[at] / terms) * width + i];
                run += shared ? share[order[at]] * d : d;
            }
            total += run;
        }
        dweight[(size_t)row * width + i] = total;
    }
}

/* As generic/embedding.cl's, with a team of work-items per position, who read neighbouring numbers; TEAM is a power of two and
 * divides GROUP. */
#ifndef TEAM
#define TEAM 16
#endif
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
gather_dot(__global const float *v, __global const int *ids, __global const float *weight, __global float *y,
           int vocabulary, int padding, int terms, int positions, int width) {
    __local float space[GROUP];
    int item = (int)get_local_id(0), me = item % TEAM;
    size_t wanted = get_global_id(0) / TEAM;
    int i = (int)min(wanted, (size_t)positions - 1), row = key(ids[i], vocabulary, padding);
    __global const float *d = v + (size_t)(i / terms) * width;
    float sum = row < vocabulary || (padding >= 0 && ids[i] == padding) ? 0.0f : NAN;
    for (int k = me; row < vocabulary && k < width; k += TEAM)
        sum += d[k] * weight[(size_t)row * width + k];
    space[item] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int half_way = TEAM / 2; half_way > 0; half_way /= 2) {
        if (me < half_way)
            space[item] += space[item + half_way];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (me == 0 && wanted < (size_t)positions)
        y[i] = space[item];
}

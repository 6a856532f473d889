/* Rows of bank[known, length] moved towards v[rows, length]. All new rows are made before any is stored, and of the vectors of one
 * sample the last makes them, so that the order of work-items does not matter. A row is a work-group's, or with GROUP 1 a
 * work-item's. */

#ifndef GROUP
#define GROUP 1 /* work-items of a row, a power of two */
#endif

#if GROUP > 1
#define WORK_GROUP __attribute__((reqd_work_group_size(GROUP, 1, 1)))
#else
#define WORK_GROUP
#endif

/* The last row with this row's sample. */
static int last_of(__global const int *samples, int row, int rows) {
    int last = rows - 1;
    while (samples[last] != samples[row])
        last--;
    return last;
}

/* Element d of a row before it is scaled; old is 0 for a sample that the bank does not have. */
static float moved(__global const float *old, __global const float *v, float momentum, int d) {
    return momentum * (old ? old[d] : NAN) + (1.0f - momentum) * v[d];
}

/* y[rows, length] = the new rows, scaled to norm 1. With work-groups there is one per row, none too many, so that nobody leaves
 * before the barrier; elements are computed twice rather than read back from y. */
__kernel WORK_GROUP void bank_rows(__global const float *bank, __global const int *samples, __global const float *v,
                                   __global float *y, int known, float momentum, int rows, int length) {
    int row = (int)get_global_id(0) / GROUP, me = (int)get_global_id(0) % GROUP;
#if GROUP > 1
    __local float space[GROUP];
#else
    if (row >= rows)
        return;
#endif
    int sample = samples[row];
    __global const float *old = sample >= 0 && sample < known ? bank + (size_t)sample * length : 0;
    float square = 0.0f;
    v += (size_t)last_of(samples, row, rows) * length;
    for (int d = me; d < length; d += GROUP)
        square += moved(old, v, momentum, d) * moved(old, v, momentum, d);
#if GROUP > 1
    space[me] = square;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int half_way = GROUP / 2; half_way > 0; half_way /= 2) {
        if (me < half_way)
            space[me] += space[me + half_way];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    square = space[0];
#endif
    float norm = sqrt(square);
    for (int d = me; d < length; d += GROUP)
        y[(size_t)row * length + d] = moved(old, v, momentum, d) / (norm < 1e-12f ? 1e-12f : norm);
}

/* Each sample's row is stored by its last one in the batch. */
__kernel WORK_GROUP void bank_store(__global float *bank, __global const int *samples, __global const float *y,
                                    int known, int rows, int length) {
    int row = (int)get_global_id(0) / GROUP, me = (int)get_global_id(0) % GROUP;
    if (row >= rows || samples[row] < 0 || samples[row] >= known || last_of(samples, row, rows) != row)
        return;
    for (int d = me; d < length; d += GROUP)
        bank[(size_t)samples[row] * length + d] = y[(size_t)row * length + d];
}

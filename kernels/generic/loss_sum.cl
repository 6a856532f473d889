/* loss[0] = the sum of part[count], in a fixed order: by one work-group of GROUP work-items, a power of two. One work-item
 * needs no local memory; it adds in runs of 32, so that errors stay small. */
#ifndef GROUP
#define GROUP 1
#endif

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void loss_sum(__global const float *part,
                                                                          __global float *loss, int count) {
#if GROUP > 1
    __local float space[GROUP];
    const int me = (int)get_local_id(0);
    float sum = 0.0f;
    for (int i = me; i < count; i += GROUP)
        sum += part[i];
    space[me] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int half_way = GROUP / 2; half_way > 0; half_way /= 2) {
        if (me < half_way)
            space[me] += space[me + half_way];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (me == 0)
        loss[0] = space[0];
#else
    float total = 0.0f;
    for (int start = 0; start < count; start += 32) {
        float run = 0.0f;
        for (int i = start; i < min(start + 32, count); i++)
            run += part[i];
        total += run;
    }
    loss[0] = total;
#endif
}

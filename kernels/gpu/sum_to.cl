/* generic/sum_to.cl with trees in local memory. A work-group takes `width` (a power of two) of the outer * inner columns
 * of one block; its strands, GROUP / width work-items a column, take every so-manieth row. */

#ifndef GROUP
#define GROUP 256 /* work-items of a work-group, a power of two */
#endif

__kernel void sum_rows(__global const float *x, __global float *y, int rows, int inner, int outer, int block,
                       int blocks, int width) {
    __local float space[GROUP];
    int me = (int)get_local_id(0), strand = me / width, strands = GROUP / width;
    int b = (int)get_group_id(0) % blocks, column = (int)get_group_id(0) / blocks * width + me % width;
    int o = column / inner, i = column % inner, end = o < outer ? min((b + 1) * block, rows) : 0;
    __global const float *p = x + (size_t)o * rows * inner + i;
    float total = 0.0f;
    for (int r = b * block + strand; r < end;) {
        float run = 0.0f;
        for (int k = 0; k < 32 && r < end; k++, r += strands)
            run += p[(size_t)r * inner];
        total += run;
    }
    space[me] = total;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int half_way = strands / 2; half_way > 0; half_way /= 2) {
        if (strand < half_way)
            space[me] += space[me + half_way * width];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (strand == 0 && o < outer)
        y[((size_t)o * blocks + b) * inner + i] = space[me];
}

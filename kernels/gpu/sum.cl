/* generic/sum.cl's sums with a work-group per (slice tile, part): `width` work-items lie side by side in `inner`, the others
 * are strands along length, added by a tree of fixed order. */

#ifndef GROUP
#define GROUP 256 /* work-items of a work-group, a power of two */
#endif

/* Groups: outer * parts * ceil(inner / width); width is a power of two. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
sums(__global const float *x, __global float *y, float factor, int length, int inner, int parts, int full, int width) {
    __local float space[GROUP];
    int me = (int)get_local_id(0), strand = me / width, strands = GROUP / width;
    int group = (int)get_group_id(0), tiles = (inner + width - 1) / width;
    int i = group % tiles * width + me % width, part = group / tiles % parts, first = part * full;
    int n = i < inner ? min(full, length - first) : 0;
    size_t slice = group / tiles / parts;
    __global const float *p = x + (slice * length + first) * inner + i;
    float total = 0.0f;
    for (int k = strand; k < n; k += strands)
        total += p[(size_t)k * inner];
    space[me] = total;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int half_way = strands / 2; half_way > 0; half_way /= 2) {
        if (strand < half_way)
            space[me] += space[me + half_way * width];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (strand == 0 && i < inner)
        y[(slice * parts + part) * inner + i] = factor * space[me];
}

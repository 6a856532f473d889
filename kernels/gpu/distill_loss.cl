/* generic/distill_loss.cl's kernels with a work-group per row, and one tree for the sums over rows. */

#ifndef GROUP
#define GROUP 256 /* work-items of a work-group, a power of two */
#endif

/* Tree sum (or maximum) of four numbers per work-item at once; every work-item gets the result. */
static float4 reduce(__local float4 *space, float4 v, int maximum) {
    int me = (int)get_local_id(0);
    space[me] = v;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int half_way = GROUP / 2; half_way > 0; half_way /= 2) {
        if (me < half_way)
            space[me] = maximum ? fmax(space[me], space[me + half_way]) : space[me] + space[me + half_way];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    float4 result = space[0];
    barrier(CLK_LOCAL_MEM_FENCE);
    return result;
}

/* Labelled rows, at least 1: the hard loss is their mean, as PyTorch's with ignore_index. */
static float labelled_count(__global const int *labels, int batch) {
    int count = 0;
    for (int row = 0; row < batch; row++)
        count += labels[row] >= 0;
    return (float)max(count, 1);
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
rows(__global const float *student, __global const float *teacher, __global const int *labels,
     __global const float *hard_weight, __global const float *soft_weight, __global const float *temperature,
     __global float *row_loss, __global float *dstudent, int batch, int classes) {
    __local float4 space[GROUP];
    int row = (int)get_group_id(0), me = (int)get_local_id(0), label = labels[row];
    __global const float *zs = student + (size_t)row * classes, *zt = teacher + (size_t)row * classes;
    __global float *dz = dstudent + (size_t)row * classes;
    float cool = 1.0f / temperature[0];
    float4 top = -INFINITY, sum = 0.0f; /* of student, teacher; of r, q, p and the cross term */
    for (int k = me; k < classes; k += GROUP)
        top = fmax(top, (float4)(zs[k], zt[k], -INFINITY, -INFINITY));
    top = reduce(space, top, 1);
    for (int k = me; k < classes; k += GROUP) {
        float s = zs[k] - top.x, t = zt[k] - top.y, p = exp(t * cool);
        sum += (float4)(exp(s), exp(s * cool), p, p * (t - s));
    }
    sum = reduce(space, sum, 0);
    float share = label < 0 ? 0.0f : 1.0f / labelled_count(labels, batch);
    if (me == 0) {
        float hit = label < 0 ? 0.0f : label < classes ? zs[label] - top.x : NAN;
        row_loss[row] = label < 0 ? 0.0f : share * (log(sum.x) - hit);
        row_loss[batch + row] = (sum.w * cool / sum.z + log(sum.y) - log(sum.z)) / (float)batch;
    }
    float hard = hard_weight[0] * share, soft = soft_weight[0] * temperature[0] / (float)batch;
    for (int k = me; k < classes; k += GROUP) {
        float s = zs[k] - top.x, t = zt[k] - top.y;
        float dhard = exp(s) / sum.x - (k == label ? 1.0f : 0.0f);
        dz[k] = hard * dhard + soft * (exp(s * cool) / sum.y - exp(t * cool) / sum.z);
    }
}

/* One work-group. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
finish(__global const float *row_loss, __global const float *hard_weight, __global const float *soft_weight,
       __global const float *temperature, __global float *total, __global float *hard, __global float *soft, int batch) {
    __local float4 space[GROUP];
    float4 sum = 0.0f;
    for (int row = (int)get_local_id(0); row < batch; row += GROUP)
        sum += (float4)(row_loss[row], row_loss[batch + row], 0.0f, 0.0f);
    sum = reduce(space, sum, 0);
    if (get_local_id(0) == 0) {
        float h = sum.x, s = temperature[0] * temperature[0] * sum.y;
        hard[0] = h;
        soft[0] = s;
        total[0] = hard_weight[0] * h + soft_weight[0] * s;
    }
}

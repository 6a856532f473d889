/* y[0] = sum over the first `pairs` of l[0] * w[0]; the operands of further pairs are not read. One work-item. */
__kernel void weighted_sum(__global const float *l0, __global const float *w0, __global const float *l1,
                           __global const float *w1, __global const float *l2, __global const float *w2,
                           __global const float *l3, __global const float *w3, __global float *y, int pairs) {
    if (get_global_id(0) != 0)
        return;
    float sum = l0[0] * w0[0];
    if (pairs > 1)
        sum += l1[0] * w1[0];
    if (pairs > 2)
        sum += l2[0] * w2[0];
    if (pairs > 3)
        sum += l3[0] * w3[0];
    y[0] = sum;
}

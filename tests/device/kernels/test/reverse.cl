/* Each work-group of GROUP items reverses its part of x by way of local memory. */
#ifndef GROUP
#define GROUP 16
#endif
__kernel void reverse(__global const float *x, __global float *y) {
    __local float part[GROUP];
    int l = get_local_id(0);
    part[l] = x[get_global_id(0)];
    barrier(CLK_LOCAL_MEM_FENCE);
    y[get_global_id(0)] = part[GROUP - 1 - l];
}

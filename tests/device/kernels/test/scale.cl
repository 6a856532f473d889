/* y[i] = FACTOR x[i] */
#ifndef FACTOR
#define FACTOR 2
#endif
__kernel void scale(__global const float *x, __global float *y, int n) {
    int i = get_global_id(0);
    if (i < n)
        y[i] = FACTOR * x[i];
}

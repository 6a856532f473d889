/* Sums of three or four tensors of one shape, one work-item per element; y may be any of the operands. generic/binary.cl adds two. */

__kernel void add3(__global const float *a, __global const float *b, __global const float *c, __global float *y,
                   int count) {
    int i = (int)get_global_id(0);
    if (i < count)
        y[i] = a[i] + b[i] + c[i];
}

__kernel void add4(__global const float *a, __global const float *b, __global const float *c, __global const float *d,
                   __global float *y, int count) {
    int i = (int)get_global_id(0);
    if (i < count)
        y[i] = (a[i] + b[i]) + (c[i] + d[i]);
}

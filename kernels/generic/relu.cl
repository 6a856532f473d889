/* relu and its derivative: one work-item per element. Comparisons are written so that NaN passes through. */

/* y[count] may be x itself. */
__kernel void relu(__global const float *x, __global float *y, int count) {
    int i = (int)get_global_id(0);
    if (i < count) {
        float v = x[i];
        y[i] = v < 0.0f ? 0.0f : v;
    }
}

/* dx[count] may be dy itself. */
__kernel void relu_backward(__global const float *dy, __global const float *y, __global float *dx, int count) {
    int i = (int)get_global_id(0);
    if (i < count)
        dx[i] = y[i] > 0.0f ? dy[i] : 0.0f;
}

/* Mean over the pixels of x[n, pixels, c] and its derivative. */

/* Work-item per (n, c): count = n * c. */
__kernel void global_avg_pool(__global const float *x, __global float *y, int pixels, int c, int count) {
    int o = (int)get_global_id(0);
    if (o >= count)
        return;
    __global const float *p = x + (size_t)(o / c) * pixels * c + o % c;
    float sum = 0.0f;
    for (int i = 0; i < pixels; i++)
        sum += p[(size_t)i * c];
    y[o] = sum / (float)pixels;
}

/* Work-item per input element: count = n * pixels * c. */
__kernel void global_avg_pool_backward(__global const float *dy, __global float *dx, int pixels, int c, int count) {
    int i = (int)get_global_id(0);
    if (i < count)
        dx[i] = dy[i / (pixels * c) * c + i % c] / (float)pixels;
}

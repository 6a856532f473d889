/* Channels-last rows and channels-first rows into each other; pixels = H * W, count = N * pixels * c. Work-item per element
 * of the channels-last side, so that neighbours read and write it next to each other. */

/* y[n, c * pixels + p] = x[n, p, c] */
__kernel void flatten(__global const float *x, __global float *y, int pixels, int c, int count) {
    int i = (int)get_global_id(0);
    if (i >= count)
        return;
    int channel = i % c, p = i / c % pixels, n = i / c / pixels;
    y[(n * c + channel) * pixels + p] = x[i];
}

/* y[n, p, c] = x[n, c * pixels + p] */
__kernel void unflatten(__global const float *x, __global float *y, int pixels, int c, int count) {
    int i = (int)get_global_id(0);
    if (i >= count)
        return;
    int channel = i % c, p = i / c % pixels, n = i / c / pixels;
    y[i] = x[(n * c + channel) * pixels + p];
}

/* Sums of x[rows, channels] over rows, in two stages of fixed order; `partial` is [groups][channels]. */

/* Work-item (channel, block): rows [block * full, +full). */
__kernel void blocks_sum(__global const float *x, __global float *partial, int rows, int channels, int full,
                         int blocks) {
    int c = (int)get_global_id(0), block = (int)get_global_id(1);
    if (c >= channels || block >= blocks)
        return;
    float total = 0.0f;
    int end = min((block + 1) * full, rows);
    for (int start = block * full; start < end; start += 32) {
        float run = 0.0f;
        for (int row = start; row < min(start + 32, end); row++)
            run += x[(size_t)row * channels + c];
        total += run;
    }
    partial[(size_t)block * channels + c] = total;
}

/* Work-item per channel, in runs of 32 groups. */
__kernel void finish(__global const float *partial, __global float *y, int channels, int groups) {
    int c = (int)get_global_id(0);
    if (c >= channels)
        return;
    float total = 0.0f;
    for (int start = 0; start < groups; start += 32) {
        float run = 0.0f;
        for (int g = start; g < min(start + 32, groups); g++)
            run += partial[(size_t)g * channels + c];
        total += run;
    }
    y[c] = total;
}

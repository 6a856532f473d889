/* Sums x[outer][rows][inner] over blocks of rows, in a fixed order: y[outer][blocks][inner]. Called again for the blocks until
 * one is left. One work-item per element of y; runs of 32 keep rounding errors from growing with the number of rows. */

__kernel void sum_rows(__global const float *x, __global float *y, int rows, int inner, int block, int blocks,
                       int count) {
    int at = (int)get_global_id(0);
    if (at >= count)
        return;
    int i = at % inner, b = at / inner % blocks, o = at / inner / blocks;
    __global const float *p = x + (size_t)o * rows * inner + i;
    float total = 0.0f;
    int end = min((b + 1) * block, rows);
    for (int start = b * block; start < end; start += 32) {
        float run = 0.0f;
        for (int r = start; r < min(start + 32, end); r++)
            run += p[(size_t)r * inner];
        total += run;
    }
    y[at] = total;
}

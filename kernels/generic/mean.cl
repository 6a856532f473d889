/* Mean over all elements in two stages of fixed order, and its derivative. */

/* Work-item p sums elements p, p + parts, p + 2 parts, ..., in runs of 32 so that rounding errors do not grow with their
 * number. */
__kernel void partial_sums(__global const float *x, __global float *partial, int count, int parts) {
    int p = (int)get_global_id(0);
    if (p >= parts)
        return;
    float total = 0.0f;
    size_t i = (size_t)p;
    while (i < (size_t)count) {
        float run = 0.0f;
        for (int k = 0; k < 32 && i < (size_t)count; k++, i += (size_t)parts)
            run += x[i];
        total += run;
    }
    partial[p] = total;
}

/* One work-item. */
__kernel void finish(__global const float *partial, __global float *y, int count, int parts) {
    if (get_global_id(0) != 0)
        return;
    float total = 0.0f;
    for (int start = 0; start < parts; start += 32) {
        float run = 0.0f;
        for (int p = start; p < min(start + 32, parts); p++)
            run += partial[p];
        total += run;
    }
    y[0] = total / (float)count;
}

/* dx[count] = factor, or dy[0] * factor. */
__kernel void fill(__global float *dx, float factor, int count) {
    int i = (int)get_global_id(0);
    if (i < count)
        dx[i] = factor;
}

__kernel void fill_from(__global const float *dy, __global float *dx, float factor, int count) {
    int i = (int)get_global_id(0);
    if (i < count)
        dx[i] = dy[0] * factor;
}

/* Sums of x[outer, length, inner] over length, and the reverse.
 *
 * A long sum is cut: y is then [outer, parts, inner], where part p adds [p * full, +full), and a second call over those
 * finishes. Terms are added in a fixed order, in runs of 32, so that rounding errors do not grow with their number. */

/* y[outer, parts, inner] = factor * sum. Work-item per element of y; count of them. */
__kernel void sums(__global const float *x, __global float *y, float factor, int length, int inner, int parts, int full,
                   int count) {
    int o = (int)get_global_id(0);
    if (o >= count)
        return;
    int part = o / inner % parts, first = part * full, n = min(full, length - first);
    __global const float *p = x + ((size_t)(o / inner / parts) * length + first) * inner + o % inner;
    float total = 0.0f;
    for (int start = 0; start < n; start += 32) {
        float run = 0.0f;
        for (int k = start; k < min(start + 32, n); k++)
            run += p[(size_t)k * inner];
        total += run;
    }
    y[o] = factor * total;
}

/* dx[outer, length, inner] = factor * dy[outer, inner]; count elements. */
__kernel void spread(__global const float *dy, __global float *dx, float factor, int length, int inner, int count) {
    int i = (int)get_global_id(0);
    if (i < count)
        dx[i] = factor * dy[(size_t)(i / inner / length) * inner + i % inner];
}

/* dx[count] = factor. */
__kernel void fill(__global float *dx, float factor, int count) {
    int i = (int)get_global_id(0);
    if (i < count)
        dx[i] = factor;
}

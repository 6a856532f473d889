/* Slices of x[outer, length, inner] along length divided by their Euclidean norm, and the derivative. Work-item per slice,
 * count = outer * inner of them; sums in runs of 32. */

/* norm[outer, inner]. y may be x. */
__kernel void l2_normalize(__global const float *x, __global float *y, __global float *norm, float eps, int length,
                           int inner, int count) {
    int s = (int)get_global_id(0);
    if (s >= count)
        return;
    size_t at = (size_t)(s / inner) * length * inner + s % inner;
    float square = 0.0f;
    for (int start = 0; start < length; start += 32) {
        float run = 0.0f;
        for (int k = start; k < min(start + 32, length); k++)
            run += x[at + (size_t)k * inner] * x[at + (size_t)k * inner];
        square += run;
    }
    float size = sqrt(square), divisor = fmax(size, eps);
    norm[s] = size;
    for (int k = 0; k < length; k++)
        y[at + (size_t)k * inner] = x[at + (size_t)k * inner] / divisor;
}

/* dx = (dy - y * sum(dy * y)) / norm, or dy / eps where the norm is smaller. dx may be dy. */
__kernel void l2_normalize_backward(__global const float *dy, __global const float *y, __global const float *norm,
                                    __global float *dx, float eps, int length, int inner, int count) {
    int s = (int)get_global_id(0);
    if (s >= count)
        return;
    size_t at = (size_t)(s / inner) * length * inner + s % inner;
    float dot = 0.0f, divisor = fmax(norm[s], eps);
    for (int start = 0; norm[s] >= eps && start < length; start += 32) {
        float run = 0.0f;
        for (int k = start; k < min(start + 32, length); k++)
            run += dy[at + (size_t)k * inner] * y[at + (size_t)k * inner];
        dot += run;
    }
    for (int k = 0; k < length; k++) {
        size_t i = at + (size_t)k * inner;
        dx[i] = (dy[i] - y[i] * dot) / divisor;
    }
}

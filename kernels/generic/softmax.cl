/* Softmax, its logarithm and the logarithm of its denominator over the rows of x[rows, length], and their derivatives.
 * Work-item per row; exponents are taken below the row's maximum, so nothing overflows. */

__kernel void softmax(__global const float *x, __global float *y, int rows, int length) {
    int row = (int)get_global_id(0);
    if (row >= rows)
        return;
    __global const float *in = x + (size_t)row * length;
    __global float *out = y + (size_t)row * length;
    float top = in[0], sum = 0.0f;
    for (int k = 1; k < length; k++)
        top = fmax(top, in[k]);
    for (int k = 0; k < length; k++) {
        float e = exp(in[k] - top);
        out[k] = e;
        sum += e;
    }
    for (int k = 0; k < length; k++)
        out[k] /= sum;
}

/* *shift: the maximum, or 0 where it is infinite; returns ln sum exp(x - shift). */
static float log_of_sum(__global const float *in, int length, float *shift) {
    float top = in[0], sum = 0.0f;
    for (int k = 1; k < length; k++)
        top = fmax(top, in[k]);
    *shift = isinf(top) ? 0.0f : top;
    for (int k = 0; k < length; k++)
        sum += exp(in[k] - *shift);
    return log(sum);
}

__kernel void log_softmax(__global const float *x, __global float *y, int rows, int length) {
    int row = (int)get_global_id(0);
    if (row >= rows)
        return;
    size_t start = (size_t)row * length;
    float shift, rest = log_of_sum(x + start, length, &shift);
    for (int k = 0; k < length; k++)
        y[start + k] = (x[start + k] - shift) - rest;
}

/* y[rows]. */
__kernel void logsumexp(__global const float *x, __global float *y, int rows, int length) {
    int row = (int)get_global_id(0);
    if (row >= rows)
        return;
    float shift, rest = log_of_sum(x + (size_t)row * length, length, &shift);
    y[row] = shift + rest;
}

/* dx = y * (dy - sum_k dy_k y_k). dx may be dy. */
__kernel void softmax_backward(__global const float *dy, __global const float *y, __global float *dx, int rows,
                               int length) {
    int row = (int)get_global_id(0);
    if (row >= rows)
        return;
    size_t start = (size_t)row * length;
    float dot = 0.0f;
    for (int k = 0; k < length; k++)
        dot += dy[start + k] * y[start + k];
    for (int k = 0; k < length; k++)
        dx[start + k] = y[start + k] * (dy[start + k] - dot);
}

/* dx = dy - exp(y) * sum_k dy_k. dx may be dy. */
__kernel void log_softmax_backward(__global const float *dy, __global const float *y, __global float *dx, int rows,
                                   int length) {
    int row = (int)get_global_id(0);
    if (row >= rows)
        return;
    size_t start = (size_t)row * length;
    float sum = 0.0f;
    for (int k = 0; k < length; k++)
        sum += dy[start + k];
    for (int k = 0; k < length; k++)
        dx[start + k] = dy[start + k] - exp(y[start + k]) * sum;
}

/* dx = dy * exp(x - y), dy[rows], y[rows]. */
__kernel void logsumexp_backward(__global const float *dy, __global const float *x, __global const float *y,
                                 __global float *dx, int rows, int length) {
    int row = (int)get_global_id(0);
    if (row >= rows)
        return;
    size_t start = (size_t)row * length;
    for (int k = 0; k < length; k++)
        dx[start + k] = dy[row] * exp(x[start + k] - y[row]);
}

/* Softmax over the rows of x[rows, length] and its derivative. Work-item per row; exponents are taken below the row's
 * maximum, so nothing overflows. */

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

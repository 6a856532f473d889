/* Normalisation of the rows of x[rows, length] and its derivative.
 *
 * The mean is found twice: `about` is the plain mean, which is a little off when it is large; `rest` is the mean of what
 * remains. x - about is nearly exact, so that neither the variance nor y suffers from values far from zero (the corrected
 * two-pass algorithm of Chan, Golub, LeVeque, "Algorithms for computing the sample variance", 1983). */

/* affine: 0 none, 1 weight, 2 weight and bias. Work-item per row. y may be x. */
__kernel void layer_norm(__global const float *x, __global const float *weight, __global const float *bias,
                         __global float *y, __global float *mean, __global float *rstd, int affine, float eps, int rows,
                         int length) {
    int row = (int)get_global_id(0);
    if (row >= rows)
        return;
    __global const float *in = x + (size_t)row * length;
    float about = 0.0f, rest = 0.0f, square = 0.0f;
    for (int k = 0; k < length; k++)
        about += in[k];
    about /= (float)length;
    for (int k = 0; k < length; k++) {
        float d = in[k] - about;
        rest += d;
        square += d * d;
    }
    rest /= (float)length;
    float scale = 1.0f / sqrt(fmax(square / (float)length - rest * rest, 0.0f) + eps);
    mean[row] = about + rest;
    rstd[row] = scale;
    for (int k = 0; k < length; k++) {
        float v = ((in[k] - about) - rest) * scale;
        if (affine > 0)
            v *= weight[k];
        if (affine > 1)
            v += bias[k];
        y[(size_t)row * length + k] = v;
    }
}

/* dx = rstd * (g - mean(g) - x^ * mean(g * x^)), g = dy * weight, x^ = (x - mean) * rstd. Work-item per row. dx may be dy. */
__kernel void backward_rows(__global const float *dy, __global const float *x, __global const float *mean,
                            __global const float *rstd, __global const float *weight, __global float *dx, int weighted,
                            int rows, int length) {
    int row = (int)get_global_id(0);
    if (row >= rows)
        return;
    size_t start = (size_t)row * length;
    float middle = mean[row], scale = rstd[row], sum = 0.0f, dot = 0.0f;
    for (int k = 0; k < length; k++) {
        float g = weighted ? dy[start + k] * weight[k] : dy[start + k];
        sum += g;
        dot += g * ((x[start + k] - middle) * scale);
    }
    sum /= (float)length;
    dot /= (float)length;
    for (int k = 0; k < length; k++) {
        float g = weighted ? dy[start + k] * weight[k] : dy[start + k];
        dx[start + k] = scale * (g - sum - (x[start + k] - middle) * scale * dot);
    }
}

/* Sums of dy * x^ and of dy over blocks of `full` rows, into partial[2][blocks][length]. Work-item per (block, column). */
__kernel void backward_columns(__global const float *dy, __global const float *x, __global const float *mean,
                               __global const float *rstd, __global float *partial, int rows, int length, int full,
                               int blocks) {
    int i = (int)get_global_id(0), block = i / length, k = i % length;
    if (block >= blocks)
        return;
    float dot = 0.0f, sum = 0.0f;
    int end = min((block + 1) * full, rows);
    for (int start = block * full; start < end; start += 32) {
        float run_dot = 0.0f, run_sum = 0.0f;
        for (int row = start; row < min(start + 32, end); row++) {
            size_t at = (size_t)row * length + k;
            run_dot += dy[at] * ((x[at] - mean[row]) * rstd[row]);
            run_sum += dy[at];
        }
        dot += run_dot;
        sum += run_sum;
    }
    partial[(size_t)block * length + k] = dot;
    partial[(size_t)(blocks + block) * length + k] = sum;
}

/* dweight[length] and, with `bias`, dbias[length] from the blocks. Work-item per column. */
__kernel void finish(__global const float *partial, __global float *dweight, __global float *dbias, int bias,
                     int length, int blocks) {
    int k = (int)get_global_id(0);
    if (k >= length)
        return;
    float dot = 0.0f, sum = 0.0f;
    for (int start = 0; start < blocks; start += 32) {
        float run_dot = 0.0f, run_sum = 0.0f;
        for (int block = start; block < min(start + 32, blocks); block++) {
            run_dot += partial[(size_t)block * length + k];
            run_sum += partial[(size_t)(blocks + block) * length + k];
        }
        dot += run_dot;
        sum += run_sum;
    }
    dweight[k] = dot;
    if (bias)
        dbias[k] = sum;
}

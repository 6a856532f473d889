/* Mean over windows of x[n,h,w,c] and its derivative; include_pad: padded pixels count in the divisor. */

/* Pixels that count for a window whose first is at (top, left). */
static float divisor(int top, int left, int h, int w, int kh, int kw, int include_pad) {
    int rows = min(top + kh, h) - max(top, 0), columns = min(left + kw, w) - max(left, 0);
    return include_pad ? (float)(kh * kw) : (float)(rows * columns);
}

/* Work-item per output element. */
__kernel void avg_pool2d(__global const float *x, __global float *y, int h, int w, int c, int oh, int ow, int kh,
                         int kw, int sh, int sw, int ph, int pw, int count, int include_pad) {
    int o = (int)get_global_id(0);
    if (o >= count)
        return;
    int channel = o % c, pixel = o / c, top = pixel / ow % oh * sh - ph, left = pixel % ow * sw - pw;
    __global const float *image = x + (size_t)(pixel / ow / oh) * h * w * c + channel;
    float sum = 0.0f;
    for (int i = max(top, 0); i < min(top + kh, h); i++)
        for (int j = max(left, 0); j < min(left + kw, w); j++)
            sum += image[(size_t)(i * w + j) * c];
    y[o] = sum / divisor(top, left, h, w, kh, kw, include_pad);
}

/* Work-item per input element: gathers from the windows that hold it. */
__kernel void avg_pool2d_backward(__global const float *dy, __global float *dx, int h, int w, int c, int oh, int ow,
                                  int kh, int kw, int sh, int sw, int ph, int pw, int count, int include_pad) {
    int i = (int)get_global_id(0);
    if (i >= count)
        return;
    int channel = i % c, pixel = i / c, row = pixel / w % h + ph, column = pixel % w + pw;
    __global const float *image = dy + (size_t)(pixel / w / h) * oh * ow * c + channel;
    float sum = 0.0f;
    for (int r = max(row - kh + sh, 0) / sh; r <= min(row / sh, oh - 1); r++)
        for (int s = max(column - kw + sw, 0) / sw; s <= min(column / sw, ow - 1); s++)
            sum += image[(size_t)(r * ow + s) * c] / divisor(r * sh - ph, s * sw - pw, h, w, kh, kw, include_pad);
    dx[i] = sum;
}

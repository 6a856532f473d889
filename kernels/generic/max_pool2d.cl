/* Maximum over windows of x[n,h,w,c] and its derivative. Channels lie next to each other, so neighbouring work-items read
 * neighbouring memory. */

/* Work-item per output element; where[] = row * kw + column of the (first) maximum in its window. NaN wins. */
__kernel void max_pool2d(__global const float *x, __global float *y, __global int *where, int h, int w, int c, int oh,
                         int ow, int kh, int kw, int sh, int sw, int ph, int pw, int count) {
    int o = (int)get_global_id(0);
    if (o >= count)
        return;
    int channel = o % c, pixel = o / c, top = pixel / ow % oh * sh - ph, left = pixel % ow * sw - pw;
    __global const float *image = x + (size_t)(pixel / ow / oh) * h * w * c + channel;
    float best = -INFINITY;
    int best_at = max(-top, 0) * kw + max(-left, 0);
    for (int i = max(-top, 0); i < min(kh, h - top); i++)
        for (int j = max(-left, 0); j < min(kw, w - left); j++) {
            float v = image[(size_t)((top + i) * w + left + j) * c];
            if (v > best || isnan(v)) {
                best = v;
                best_at = i * kw + j;
            }
        }
    y[o] = best;
    where[o] = best_at;
}

/* Work-item per input element: gathers from the windows that hold it, so that no two write to one place. */
__kernel void max_pool2d_backward(__global const float *dy, __global const int *where, __global float *dx, int h, int w,
                                  int c, int oh, int ow, int kh, int kw, int sh, int sw, int ph, int pw, int count) {
    int i = (int)get_global_id(0);
    if (i >= count)
        return;
    int channel = i % c, pixel = i / c, row = pixel / w % h + ph, column = pixel % w + pw;
    size_t image = (size_t)(pixel / w / h) * oh * ow * c + channel;
    float sum = 0.0f;
    for (int r = max(row - kh + sh, 0) / sh; r <= min(row / sh, oh - 1); r++)
        for (int s = max(column - kw + sw, 0) / sw; s <= min(column / sw, ow - 1); s++) {
            size_t o = image + (size_t)(r * ow + s) * c;
            if (where[o] == (row - r * sh) * kw + column - s * sw)
                sum += dy[o];
        }
    dx[i] = sum;
}

/* Work-item per output element: x where max_pool2d's `where` says; 0 for a place outside of the image. */
__kernel void max_pool2d_gather(__global const float *x, __global const int *where, __global float *y, int h, int w,
                                int c, int oh, int ow, int kh, int kw, int sh, int sw, int ph, int pw, int count) {
    int o = (int)get_global_id(0);
    if (o >= count)
        return;
    int channel = o % c, pixel = o / c;
    int row = pixel / ow % oh * sh - ph + where[o] / kw, column = pixel % ow * sw - pw + where[o] % kw;
    int inside = row >= 0 && row < h && column >= 0 && column < w;
    y[o] = inside ? x[((size_t)(pixel / ow / oh) * h * w + row * w + column) * c + channel] : 0.0f;
}

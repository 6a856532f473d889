/* max_pool2d and its derivative, class cpu: one work-item per work-group takes a row of pixels, VW channels at a time, so
 * that index arithmetic is paid once per pixel and not once per number. Local size (1,1,1), global size (N * rows).
 * Macro: VW 16, floats per vector: 4, 8 or 16. */
#ifndef VW
#define VW 16
#endif

#if VW == 16
typedef float16 vec;
typedef int16 ivec;
#define LOAD(p) vload16(0, p)
#define STORE(v, p) vstore16(v, 0, p)
#elif VW == 8
typedef float8 vec;
typedef int8 ivec;
#define LOAD(p) vload8(0, p)
#define STORE(v, p) vstore8(v, 0, p)
#else
typedef float4 vec;
typedef int4 ivec;
#define LOAD(p) vload4(0, p)
#define STORE(v, p) vstore4(v, 0, p)
#endif

/* Row (n, oh) of y[N,OH,OW,C] and where[N,OH,OW,C]; the first of equal maxima counts, NaN wins. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
max_pool2d(__global const float *restrict x, __global float *restrict y, __global int *restrict where, int h, int w,
           int c, int oh, int ow, int kh, int kw, int sh, int sw, int ph, int pw, int rows) {
    int row = (int)get_global_id(0), top = row % oh * sh - ph;
    int first_i = max(-top, 0), last_i = min(kh, h - top);
    __global const float *image = x + (size_t)(row / oh) * h * w * c;
    for (int column = 0; column < ow; column++) {
        int left = column * sw - pw, first_j = max(-left, 0), last_j = min(kw, w - left), k = 0;
        size_t out = ((size_t)row * ow + column) * c;
        for (; k + VW <= c; k += VW) {
            vec best = (vec)(-INFINITY);
            ivec at = (ivec)(first_i * kw + first_j);
            for (int i = first_i; i < last_i; i++)
                for (int j = first_j; j < last_j; j++) {
                    vec v = LOAD(image + (size_t)((top + i) * w + left + j) * c + k);
                    ivec wins = (v > best) || (v != v);
                    best = select(best, v, wins);
                    at = select(at, (ivec)(i * kw + j), wins);
                }
            STORE(best, y + out + k);
            STORE(at, where + out + k);
        }
        for (; k < c; k++) {
            float best = -INFINITY;
            int at = first_i * kw + first_j;
            for (int i = first_i; i < last_i; i++)
                for (int j = first_j; j < last_j; j++) {
                    float v = image[(size_t)((top + i) * w + left + j) * c + k];
                    if (v > best || isnan(v)) {
                        best = v;
                        at = i * kw + j;
                    }
                }
            y[out + k] = best;
            where[out + k] = at;
        }
    }
}

/* Row (n, h) of dx[N,H,W,C]: gathers from the windows that hold each pixel, so that no two write to one place. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
max_pool2d_backward(__global const float *restrict dy, __global const int *restrict where, __global float *restrict dx,
                    int h, int w, int c, int oh, int ow, int kh, int kw, int sh, int sw, int ph, int pw, int rows) {
    int at = (int)get_global_id(0), row = at % h + ph;
    int first_r = max(row - kh + sh, 0) / sh, last_r = min(row / sh, oh - 1);
    size_t image = (size_t)(at / h) * oh * ow * c;
    for (int x = 0; x < w; x++) {
        int column = x + pw, first_s = max(column - kw + sw, 0) / sw, last_s = min(column / sw, ow - 1), k = 0;
        size_t in = ((size_t)at * w + x) * c;
        for (; k + VW <= c; k += VW) {
            vec sum = (vec)(0.0f);
            for (int r = first_r; r <= last_r; r++)
                for (int s = first_s; s <= last_s; s++) {
                    size_t o = image + (size_t)(r * ow + s) * c + k;
                    ivec here = LOAD(where + o) == (ivec)((row - r * sh) * kw + column - s * sw);
                    sum += select((vec)(0.0f), LOAD(dy + o), here);
                }
            STORE(sum, dx + in + k);
        }
        for (; k < c; k++) {
            float sum = 0.0f;
            for (int r = first_r; r <= last_r; r++)
                for (int s = first_s; s <= last_s; s++) {
                    size_t o = image + (size_t)(r * ow + s) * c + k;
                    if (where[o] == (row - r * sh) * kw + column - s * sw)
                        sum += dy[o];
                }
            dx[in + k] = sum;
        }
    }
}

/* global_avg_pool and its derivative, class cpu: one work-item per work-group takes an image, VW channels at a time. Local
 * size (1), global size (N). Macro: VW 16, floats per vector: 4, 8 or 16. */
#ifndef VW
#define VW 16
#endif

#if VW == 16
typedef float16 vec;
#define LOAD(p) vload16(0, p)
#define STORE(v, p) vstore16(v, 0, p)
#elif VW == 8
typedef float8 vec;
#define LOAD(p) vload8(0, p)
#define STORE(v, p) vstore8(v, 0, p)
#else
typedef float4 vec;
#define LOAD(p) vload4(0, p)
#define STORE(v, p) vstore4(v, 0, p)
#endif

/* y[n,c] = mean over pixels of x[n,pixels,c]. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
global_avg_pool(__global const float *restrict x, __global float *restrict y, int pixels, int c, int images) {
    size_t n = get_global_id(0);
    __global const float *image = x + n * pixels * c;
    int k = 0;
    for (; k + VW <= c; k += VW) {
        vec sum = (vec)(0.0f);
        for (int i = 0; i < pixels; i++)
            sum += LOAD(image + (size_t)i * c + k);
        STORE(sum / (float)pixels, y + n * c + k);
    }
    for (; k < c; k++) {
        float sum = 0.0f;
        for (int i = 0; i < pixels; i++)
            sum += image[(size_t)i * c + k];
        y[n * c + k] = sum / (float)pixels;
    }
}

/* dx[n,pixels,c] = dy[n,c] / pixels. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
global_avg_pool_backward(__global const float *restrict dy, __global float *restrict dx, int pixels, int c, int images) {
    size_t n = get_global_id(0);
    __global float *image = dx + n * pixels * c;
    int k = 0;
    for (; k + VW <= c; k += VW) {
        vec each = LOAD(dy + n * c + k) / (float)pixels;
        for (int i = 0; i < pixels; i++)
            STORE(each, image + (size_t)i * c + k);
    }
    for (; k < c; k++)
        for (int i = 0; i < pixels; i++)
            image[(size_t)i * c + k] = dy[n * c + k] / (float)pixels;
}

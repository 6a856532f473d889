/* What a device can do at best (device/peak.h). Macro: WIDTH 1, or 4, 8 or 16 floats per vector. */
#ifndef WIDTH
#define WIDTH 1
#endif

#if WIDTH == 16
typedef float16 vec;
#elif WIDTH == 8
typedef float8 vec;
#elif WIDTH == 4
typedef float4 vec;
#else
typedef float vec;
#endif

/* As many chains as hide the latency of a fused multiply-add and still stay in registers. */
#define CHAINS 12

/* CHAINS * WIDTH * rounds fused multiply-adds per work-item, none of which another one of the same round waits for. Global
 * size: any; y[global size], so that nothing is left out. */
__kernel void fma_chains(__global float *y, float scale, float shift, int rounds) {
    vec chain[CHAINS], a = (vec)(scale), b = (vec)(shift);
    float sum = 0;
    _Pragma("unroll") for (int c = 0; c < CHAINS; c++) chain[c] = (vec)(shift * c);
    for (int r = 0; r < rounds; r++) {
        _Pragma("unroll") for (int c = 0; c < CHAINS; c++) chain[c] = fma(chain[c], a, b);
    }
    _Pragma("unroll") for (int c = 1; c < CHAINS; c++) chain[0] += chain[c];
#if WIDTH == 1
    sum = chain[0];
#else
    float lane[WIDTH];
    *(vec *)lane = chain[0];
    for (int i = 0; i < WIDTH; i++)
        sum += lane[i];
#endif
    y[get_global_id(0)] = sum;
}

/* y[n] = x[n]; a number per work-item. */
__kernel void copy(__global const float *x, __global float *y, int n) {
    int i = (int)get_global_id(0);
    if (i < n)
        y[i] = x[i];
}

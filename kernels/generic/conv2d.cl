/* conv2d, class generic: 2-D convolution, channels last, with groups (depthwise included) and a fused epilogue.
 *
 *   y[n,oh,ow,k] = epilogue( sum over i<KH, j<KW, c<C/G of
 *                            x[n, oh*SH-PH+i*DH, ow*SW-PW+j*DW, g*(C/G)+c] * w[i,j,c,k] ),   g = k / (K/G)
 *   epilogue, in this order: + bias[k]; * scale[k] + shift[k]; + addend[n,oh,ow,k]; negative -> 0 (NaN is kept)
 *
 * Mapping: one work-item per element of y, get_global_id(0) = its flat index, so neighbours are neighbouring channels.
 *
 * Kernel (a parameter in brackets exists only when its macro is 1):
 *   conv2d(y[N,OH,OW,K], x[N,H,W,C], w[KH,KW,C/G,K], [bias[K]], [scale[K], shift[K]], [addend[N,OH,OW,K]],
 *          int N, H, W, C, OH, OW, K, KH, KW, SH, SW, PH, PW, DH, DW, G)
 *   global size: (N*OH*OW*K rounded up to the local size); local size: (any)
 *   addend may be the buffer y itself; nothing else may overlap y.
 * Requires: C % G == 0, K % G == 0, every tensor below 2^31 elements.
 *
 * Macros, each 0 or 1, default 0:
 *   HAS_BIAS   parameter bias
 *   HAS_SCALE  parameters scale and shift (a batch norm in evaluation mode, folded)
 *   HAS_ADD    parameter addend (a residual branch)
 *   HAS_RELU   negative results become 0
 * Scratch: none. No local memory, no barrier, no double, no vector type.
 */
#ifndef HAS_BIAS
#define HAS_BIAS 0
#endif
#ifndef HAS_SCALE
#define HAS_SCALE 0
#endif
#ifndef HAS_ADD
#define HAS_ADD 0
#endif
#ifndef HAS_RELU
#define HAS_RELU 0
#endif

__kernel void conv2d(__global float *y, __global const float *restrict x, __global const float *restrict w,
#if HAS_BIAS
                     __global const float *restrict bias,
#endif
#if HAS_SCALE
                     __global const float *restrict scale, __global const float *restrict shift,
#endif
#if HAS_ADD
                     __global const float *addend,
#endif
                     int N, int H, int W, int C, int OH, int OW, int K, int KH, int KW, int SH, int SW, int PH, int PW,
                     int DH, int DW, int G) {
    const int at = (int)get_global_id(0);
    if (at >= N * OH * OW * K)
        return;
    const int k = at % K, pixel = at / K;
    const int ow = pixel % OW, oh = pixel / OW % OH, n = pixel / OW / OH;
    const int cg = C / G, first = k / (K / G) * cg;

    float v = 0.0f;
    for (int i = 0; i < KH; ++i) {
        const int h = oh * SH - PH + i * DH;
        if (h < 0 || h >= H)
            continue;
        for (int j = 0; j < KW; ++j) {
            const int l = ow * SW - PW + j * DW;
            if (l < 0 || l >= W)
                continue;
            const int xat = ((n * H + h) * W + l) * C + first, wat = (i * KW + j) * cg * K + k;
            for (int c = 0; c < cg; ++c)
                v += x[xat + c] * w[wat + c * K];
        }
    }
#if HAS_BIAS
    v += bias[k];
#endif
#if HAS_SCALE
    v = v * scale[k] + shift[k];
#endif
#if HAS_ADD
    v += addend[at];
#endif
#if HAS_RELU
    v = v < 0.0f ? 0.0f : v;
#endif
    y[at] = v;
}

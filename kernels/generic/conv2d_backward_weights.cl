/* conv2d_backward_weights, class generic: gradient of conv2d with respect to its weights.
 *
 *   dw[i,j,c,k] = sum over n, oh, ow of x[n, oh*SH-PH+i*DH, ow*SW-PW+j*DW, g*(C/G)+c] * dy[n,oh,ow,k],   g = k / (K/G)
 *
 * Mapping: one work-item per element of dw, get_global_id(0) = its flat index, so neighbours are neighbouring output
 * channels. The sum runs in a fixed order: a row of pixels first, then the rows of an image, then the images, so that
 * the rounding error grows with OW + OH + N and not with their product.
 *
 * Kernel:
 *   conv2d_backward_weights(dw[KH,KW,C/G,K], x[N,H,W,C], dy[N,OH,OW,K],
 *                           int N, H, W, C, OH, OW, K, KH, KW, SH, SW, PH, PW, DH, DW, G)
 *   global size: (KH*KW*(C/G)*K rounded up to the local size); local size: (any)
 *   dw overlaps nothing. Every element of dw is written.
 * Requires: C % G == 0, K % G == 0, every tensor below 2^31 elements.
 *
 * Macros: none. Scratch: none. No local memory, no barrier, no double, no vector type.
 */
__kernel void conv2d_backward_weights(__global float *restrict dw, __global const float *restrict x,
                                      __global const float *restrict dy, int N, int H, int W, int C, int OH, int OW,
                                      int K, int KH, int KW, int SH, int SW, int PH, int PW, int DH, int DW, int G) {
    const int at = (int)get_global_id(0);
    const int cg = C / G;
    if (at >= KH * KW * cg * K)
        return;
    const int k = at % K, c = at / K % cg + k / (K / G) * cg;
    const int j = at / K / cg % KW, i = at / K / cg / KW;

    float v = 0.0f;
    for (int n = 0; n < N; ++n) {
        float image = 0.0f;
        for (int oh = 0; oh < OH; ++oh) {
            const int h = oh * SH - PH + i * DH;
            if (h < 0 || h >= H)
                continue;
            float row = 0.0f;
            for (int ow = 0; ow < OW; ++ow) {
                const int l = ow * SW - PW + j * DW;
                if (l >= 0 && l < W)
                    row += x[((n * H + h) * W + l) * C + c] * dy[((n * OH + oh) * OW + ow) * K + k];
            }
            image += row;
        }
        v += image;
    }
    dw[at] = v;
}

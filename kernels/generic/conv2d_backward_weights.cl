/* conv2d_backward_weights, class generic: gradient of conv2d with respect to its weights.
 *
 *   dw[i,j,c,k] = sum over n, oh, ow of x[n, oh*SH-PH+i*DH, ow*SW-PW+j*DW, g*(C/G)+c] * dy[n,oh,ow,k],   g = k / (K/G)
 *
 * Mapping: one work-item per element of dw[..] of every fourth k, get_global_id(0) = their flat index, for those four, or as
 * many as there are: they share cache lines, and four sums wait less for one another than one does. get_global_id(1) is a part
 * of the N*OH rows of pixels. The sum runs in a fixed order: a row of pixels first, then some rows, then those sums, then the
 * parts, so that the rounding error grows with the sum of their lengths and not with their product.
 *
 * Kernels:
 *   conv2d_backward_weights(out, x[N,H,W,C], dy[N,OH,OW,K], int N, H, W, C, OH, OW, K, KH, KW, SH, SW, PH, PW, DH, DW, G, S)
 *     S == 1: out is dw[KH,KW,C/G,K] and no other kernel is needed.  S > 1: out is scratch[S,KH,KW,C/G,K].
 *     global size: (KH*KW*(C/G)*ceil(K/4) rounded up to the local size, S); local size: (any, 1)
 *   conv2d_backward_weights_reduce(dw[count], scratch[S,count], int count, S)
 *     global size: (count rounded up to the local size); local size: (any)
 *   out overlaps nothing. Every element is written.
 * Requires: C % G == 0, K % G == 0, every tensor below 2^31 elements.
 *
 * Macros: none. Scratch: 4*S*KH*KW*(C/G)*K bytes when S > 1, else none. No local memory, no barrier, no double.
 */
__kernel void conv2d_backward_weights(__global float *restrict out, __global const float *restrict x,
                                      __global const float *restrict dy, int N, int H, int W, int C, int OH, int OW,
                                      int K, int KH, int KW, int SH, int SW, int PH, int PW, int DH, int DW, int G,
                                      int S) {
    const int at = (int)get_global_id(0), part = (int)get_global_id(1);
    const int cg = C / G, blocks = (K + 3) / 4;
    if (at >= KH * KW * cg * blocks)
        return;
    const int k0 = at % blocks * 4, row_of_dw = at / blocks, j = row_of_dw / cg % KW, i = row_of_dw / cg / KW;
    const int4 k = min(k0 + (int4)(0, 1, 2, 3), (int4)(K - 1)), c = row_of_dw % cg + k / (K / G) * cg;
    const int begin = (int)((long)N * OH * part / S), end = (int)((long)N * OH * (part + 1) / S);

    float4 v = 0.0f, some = 0.0f;
    for (int r = begin; r < end; ++r) {
        const int h = r % OH * SH - PH + i * DH;
        if (h >= 0 && h < H) {
            float4 row = 0.0f;
            for (int ow = 0; ow < OW; ++ow) {
                const int l = ow * SW - PW + j * DW;
                if (l < 0 || l >= W)
                    continue;
                __global const float *xs = x + ((r / OH * H + h) * W + l) * C, *ys = dy + (r * OW + ow) * K;
                row += (float4)(xs[c.x], xs[c.y], xs[c.z], xs[c.w]) * (float4)(ys[k.x], ys[k.y], ys[k.z], ys[k.w]);
            }
            some += row;
        }
        if (r % 32 == 31) {
            v += some;
            some = 0.0f;
        }
    }
    v += some;
    __global float *to = out + (part * KH * KW * cg + row_of_dw) * K + k0;
    to[0] = v.x;
    if (k0 + 1 < K)
        to[1] = v.y;
    if (k0 + 2 < K)
        to[2] = v.z;
    if (k0 + 3 < K)
        to[3] = v.w;
}

__kernel void conv2d_backward_weights_reduce(__global float *restrict dw, __global const float *restrict scratch,
                                             int count, int S) {
    const int at = (int)get_global_id(0);
    if (at >= count)
        return;
    float sum = 0.0f;
    for (int s = 0; s < S; ++s)
        sum += scratch[s * count + at];
    dw[at] = sum;
}

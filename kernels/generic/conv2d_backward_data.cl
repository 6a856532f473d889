/* conv2d_backward_data, class generic: gradient of conv2d with respect to its input, gather form (no atomics).
 *
 *   dx[n,h,l,c] = sum over i<KH, j<KW, k in c's group of dy[n,oh,ow,k] * w[i,j,c % (C/G),k]   (+ addend[n,h,l,c])
 *   over the taps for which oh = (h+PH-i*DH)/SH and ow = (l+PW-j*DW)/SW are whole and inside dy
 *
 * Mapping: one work-item per element of dx, get_global_id(0) = its flat index, so neighbours are neighbouring channels.
 *
 * Kernel (the parameter in brackets exists only when its macro is 1):
 *   conv2d_backward_data(dx[N,H,W,C], dy[N,OH,OW,K], w[KH,KW,C/G,K], [addend[N,H,W,C]],
 *                        int N, H, W, C, OH, OW, K, KH, KW, SH, SW, PH, PW, DH, DW, G)
 *   global size: (N*H*W*C rounded up to the local size); local size: (any)
 *   addend may be the buffer dx itself (dx += result); nothing else may overlap dx. Every element of dx is written.
 * Requires: C % G == 0, K % G == 0, every tensor below 2^31 elements.
 *
 * Macros: HAS_ADD, 0 or 1, default 0: parameter addend.
 * Scratch: none. No local memory, no barrier, no double, no vector type.
 */
#ifndef HAS_ADD
#define HAS_ADD 0
#endif

__kernel void conv2d_backward_data(__global float *dx, __global const float *restrict dy,
                                   __global const float *restrict w,
#if HAS_ADD
                                   __global const float *addend,
#endif
                                   int N, int H, int W, int C, int OH, int OW, int K, int KH, int KW, int SH, int SW,
                                   int PH, int PW, int DH, int DW, int G) {
    const int at = (int)get_global_id(0);
    if (at >= N * H * W * C)
        return;
    const int c = at % C, pixel = at / C;
    const int l = pixel % W, h = pixel / W % H, n = pixel / W / H;
    const int cg = C / G, kg = K / G, first = c / cg * kg;

    float v = 0.0f;
    for (int i = 0; i < KH; ++i) {
        const int hs = h + PH - i * DH;
        if (hs < 0 || hs % SH != 0 || hs / SH >= OH)
            continue;
        for (int j = 0; j < KW; ++j) {
            const int ls = l + PW - j * DW;
            if (ls < 0 || ls % SW != 0 || ls / SW >= OW)
                continue;
            const int yat = ((n * OH + hs / SH) * OW + ls / SW) * K + first;
            const int wat = ((i * KW + j) * cg + c % cg) * K + first;
            for (int k = 0; k < kg; ++k)
                v += dy[yat + k] * w[wat + k];
        }
    }
#if HAS_ADD
    v += addend[at];
#endif
    dx[at] = v;
}

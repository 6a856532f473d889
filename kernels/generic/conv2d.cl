/* conv2d and conv2d_backward_data, class generic: convolution, channels last, with groups (depthwise included) and a fused
 * epilogue; and its gradient with respect to x, gather form (no atomics), which is also conv_transpose2d.
 *
 *   y[n,oh,ow,k] = epilogue( sum over i<KH, j<KW, c<C/G of
 *                            x[n, oh*SH-PH+i*DH, ow*SW-PW+j*DW, g*(C/G)+c] * w[i,j,c,k] ),   g = k / (K/G)
 *   dx[n,h,l,c] = epilogue( sum over i<KH, j<KW, k in c's group of dy[n,oh,ow,k] * w[i,j,c % (C/G),k] )
 *   over the taps for which oh = (h+PH-i*DH)/SH and ow = (l+PW-j*DW)/SW are whole and inside dy
 *   epilogue, in this order: + bias[channel]; * scale[channel] + shift[channel]; + addend[element]; negative -> 0 (NaN is kept)
 *
 * Mapping: one work-item per element of y or dx, get_global_id(0) = its flat index: neighbours are neighbouring channels.
 *
 * Kernels:
 *   conv2d(y[N,OH,OW,K], x[N,H,W,C], w[KH,KW,C/G,K], bias[K], scale[K], shift[K], addend[N,OH,OW,K], int epilogue,
 *          int N, H, W, C, OH, OW, K, KH, KW, SH, SW, PH, PW, DH, DW, G)
 *   conv2d_backward_data(dx[N,H,W,C], dy[N,OH,OW,K], w, bias[C], scale[C], shift[C], addend[N,H,W,C], the same ints)
 *   epilogue: what there is of it, a sum of 1: bias; 2: scale and shift (a batch norm in evaluation mode, folded); 4: addend (a
 *     residual branch); 8: negative results become 0. A buffer that is not there is not read.
 *   global size: (elements of y or dx, rounded up to the local size); local size: (any)
 *   addend may be the buffer y or dx itself; nothing else may overlap them. Every element is written.
 * Requires: C % G == 0, K % G == 0, every tensor below 2^31 elements.
 *
 * Macros: none.
 * Scratch: none. No local memory, no barrier, no double. Four channels at a time are summed by lane: one sum would have every
 * addition wait for the one before.
 */
/* Bits of `epilogue`. */
#define BIAS 1
#define SCALE 2
#define ADDEND 4
#define RELU 8

static float finish(float v, __global const float *bias, __global const float *scale, __global const float *shift,
                    __global const float *addend, int epilogue, int channel, int element) {
    if (epilogue & BIAS)
        v += bias[channel];
    if (epilogue & SCALE)
        v = v * scale[channel] + shift[channel];
    if (epilogue & ADDEND)
        v += addend[element];
    return epilogue & RELU && v < 0.0f ? 0.0f : v;
}

__kernel void conv2d(__global float *y, __global const float *restrict x, __global const float *restrict w,
                     __global const float *restrict bias, __global const float *restrict scale,
                     __global const float *restrict shift, __global const float *addend, int epilogue, int N, int H,
                     int W, int C, int OH, int OW, int K, int KH, int KW, int SH, int SW, int PH, int PW, int DH,
                     int DW, int G) {
    const int at = (int)get_global_id(0);
    if (at >= N * OH * OW * K)
        return;
    const int k = at % K, pixel = at / K;
    const int ow = pixel % OW, oh = pixel / OW % OH, n = pixel / OW / OH;
    const int cg = C / G, first = k / (K / G) * cg;

    float v = 0.0f;
    float4 four = 0.0f;
    for (int i = 0; i < KH; ++i) {
        const int h = oh * SH - PH + i * DH;
        if (h < 0 || h >= H)
            continue;
        for (int j = 0; j < KW; ++j) {
            const int l = ow * SW - PW + j * DW;
            if (l < 0 || l >= W)
                continue;
            const int xat = ((n * H + h) * W + l) * C + first, wat = (i * KW + j) * cg * K + k;
            int c = 0;
            for (; c + 4 <= cg; c += 4) {
                const int r = wat + c * K;
                four += vload4(0, x + xat + c) * (float4)(w[r], w[r + K], w[r + 2 * K], w[r + 3 * K]);
            }
            for (; c < cg; ++c)
                v += x[xat + c] * w[wat + c * K];
        }
    }
    v += four.x + four.y + four.z + four.w;
    y[at] = finish(v, bias, scale, shift, addend, epilogue, k, at);
}

__kernel void conv2d_backward_data(__global float *dx, __global const float *restrict dy,
                                   __global const float *restrict w, __global const float *restrict bias,
                                   __global const float *restrict scale, __global const float *restrict shift,
                                   __global const float *addend, int epilogue, int N, int H, int W, int C, int OH,
                                   int OW, int K, int KH, int KW, int SH, int SW, int PH, int PW, int DH, int DW,
                                   int G) {
    const int at = (int)get_global_id(0);
    if (at >= N * H * W * C)
        return;
    const int c = at % C, pixel = at / C;
    const int l = pixel % W, h = pixel / W % H, n = pixel / W / H;
    const int cg = C / G, kg = K / G, first = c / cg * kg;

    float v = 0.0f;
    float4 four = 0.0f;
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
            int k = 0;
            for (; k + 4 <= kg; k += 4)
                four += vload4(0, dy + yat + k) * vload4(0, w + wat + k);
            for (; k < kg; ++k)
                v += dy[yat + k] * w[wat + k];
        }
    }
    v += four.x + four.y + four.z + four.w;
    dx[at] = finish(v, bias, scale, shift, addend, epilogue, c, at);
}

/* conv2d, class cpu: depthwise convolution in gather form, channels last, with an epilogue. The host's numbers make it conv2d, or
 * conv2d_backward_data where the stride is 1. Comes behind vector.cl and conv2d_epilogue.cl.
 *
 *   out[n,q,v,c] = epilogue( sum over i<KH, j<KW of in[n, q*GH + FH + i*DH, v*GW + FW + j*DW, c] * weight[i,j,c] )
 *   forward:        G = stride, F = -padding, D = 1 (DH: dilation)
 *   backward data:  G = 1,      F = padding,  D = -1,  in = dy, out = dx
 *
 * Kernel. Local size (1,1,1), no barriers.
 *   conv2d_depthwise(out[N,OH,OW,C], in[N,H,W,C], weight[KH,KW,C], bias[C], scale[C], shift[C], addend[N,OH,OW,C], int epilogue,
 *                    int N, H, W, C, OH, OW, K, KH, taps, GH, stride, TH, TW, FH, FW, DH, DW, rows)
 *       global size N * ceil(OH/rows). K = C, taps = KW, stride = GW, TH = TW = 1, DW = 1 or -1. C >= VW.
 *   Nothing may overlap out.
 *
 * Mapping: a work-item computes `rows` rows of out of one image, row by row, VW channels after the other; the last ones overlap
 * those before where C is no multiple of VW, and are computed twice. A tile of TILE neighbouring pixels lives in registers: an
 * input is loaded once for each row of the kernel and serves the up to KW outputs that it is part of. Inputs come straight from
 * memory; the KH rows that a row of out reads stay in the nearest caches.
 *
 * Cost: a tile and row of the kernel issue (TILE-1)*GW + KW loads, KW loads of weights and TILE*KW fma.
 *
 * Macros, besides vector.cl's
 *   KW       3  taps of a row
 *   GW       1  distance of neighbouring pixels' inputs: 1 or 2
 *   TILE     8  pixels per tile; TILE + KW + 1 vector registers are live
 */
#ifndef KW
#define KW 3
#endif
#ifndef GW
#define GW 1
#endif
#ifndef TILE
#define TILE 8
#endif

/* acc[TILE] += a row of the kernel, w[KW], times the row `in` of VW channels, whose pixels are C floats apart; `left`: column of
 * the first input, which may lie outside. */
INLINE void row_accumulate(vec *acc, const __global float *in, const vec *w, int left, int W, int C)
{
    #pragma unroll
    for (int u = 0; u < (TILE - 1) * GW + KW; ++u) {
        if ((uint)(left + u) >= (uint)W) continue;
        const vec x = LOAD_GLOBAL(in + (left + u) * C);
        #pragma unroll
        for (int j = 0; j < KW; ++j)
            if (u >= j && (u - j) % GW == 0 && (u - j) / GW < TILE)
                acc[(u - j) / GW] = fma(x, w[j], acc[(u - j) / GW]);
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
conv2d_depthwise(__global float *restrict out, const __global float *restrict in, const __global float *restrict weight,
                 const __global float *restrict bias, const __global float *restrict scale,
                 const __global float *restrict shift, const __global float *restrict addend, int epilogue,
                 int N, int H, int W, int C, int OH, int OW, int K, int KH, int taps, int GH, int stride, int TH, int TW,
                 int FH, int FW, int DH, int DW, int rows)
{
    const int bands = (OH + rows - 1) / rows, n = get_global_id(0) / bands, first = get_global_id(0) % bands * rows;
    const int turned = DW < 0, leftmost = turned ? FW - (KW - 1) : FW;

    for (int q = first; q < min(first + rows, OH); ++q) {
        for (int begin = 0; begin < C; begin += VW) {
            const int c = min(begin, C - VW);
            const affine ending = affine_of(bias, scale, shift, epilogue, c, VW);
            for (int v = 0; v < OW; v += TILE) {
                vec acc[TILE];
                #pragma unroll
                for (int o = 0; o < TILE; ++o) acc[o] = (vec)(0.0f);
                for (int i = 0; i < KH; ++i) {
                    const int h = q * GH + FH + i * DH;
                    if ((uint)h >= (uint)H) continue;
                    vec w[KW];
                    #pragma unroll
                    for (int j = 0; j < KW; ++j) w[j] = LOAD_GLOBAL(weight + (i * KW + (turned ? KW - 1 - j : j)) * C + c);
                    row_accumulate(acc, in + ((size_t)n * H + h) * W * C + c, w, v * GW + leftmost, W, C);
                }
                const size_t at = (((size_t)n * OH + q) * OW + v) * C + c;
                #pragma unroll
                for (int o = 0; o < TILE; ++o) {
                    if (v + o >= OW) continue;
                    STORE_GLOBAL(finish(acc[o], ending, addend + at + o * C, epilogue, VW), out + at + o * C);
                }
            }
        }
    }
}

/* conv2d_backward_weights, class cpu: gradient of a 1x1 convolution of stride 1 with respect to its weights, for few channels.
 * Comes behind vector.cl and conv2d_reduce.cl.
 *
 *   dw[c,k] = sum over p of x[p,c] * dy[p,k],   p: pixels of all images
 *
 * Kernel. Local size (1,1,1), no barriers.
 *   conv2d_backward_weights_pointwise(out, x[P,C], dy[P,K], int P, C, K, block, S)
 *     S == 1: out is dw[C,K].  S > 1: out is scratch[S][C,K], which conv2d_backward_weights_reduce adds up. Global size S.
 *   C >= TR, K >= TN
 *
 * Mapping: work-group s sums slice s of the pixels, in blocks of `block`, small enough that dy's stays in L1 while tiles of TR
 * input x TQ vectors of output channels pass over it. Both are read in place: from a pixel to the next, two addresses change. A
 * block's sums are added to the work-group's (local memory), which are written once. A last tile that would stick out is
 * moved back and repeats channels of the one before.
 *
 * Cost: per pixel a tile issues TR*TQ fma, TR broadcasts and TQ loads; per block 2*TR*TQ moves.
 *
 * The host checks: ceil(C/TR)*TR * ceil(K/TN)*TN <= SUM_FLOATS
 *
 * Macros, besides vector.cl's
 *   TQ 2  vectors of output channels per tile
 *   TR 8  input channels per tile; TR*TQ + TQ + 1 vector registers are live
 *   SUM_FLOATS 65536
 */
#ifndef TQ
#define TQ 2
#endif
#ifndef TR
#define TR 8
#endif
#ifndef SUM_FLOATS
#define SUM_FLOATS 65536
#endif

#define TN (TQ * VW)
#define TILE (TR * TN)
#define UNROLL 4 /* pixels per turn */
#define LINE 16  /* floats of a cache line */

/* A pixel's products. */
#define PIXEL                                                                                                  \
    {                                                                                                          \
        vec dv[TQ];                                                                                            \
        _Pragma("unroll") for (int q = 0; q < TQ; ++q) dv[q] = LOAD(dy + q * VW);                              \
        _Pragma("unroll") for (int r = 0; r < TR; ++r) {                                                       \
            const vec xv = (vec)(x[r]);                                                                        \
            _Pragma("unroll") for (int q = 0; q < TQ; ++q) acc[r * TQ + q] = fma(xv, dv[q], acc[r * TQ + q]);  \
        }                                                                                                      \
        if (ahead) PREFETCH(x + LINE);                                                                         \
        x += C;                                                                                                \
        dy += K;                                                                                               \
    }

/* sums[TR][TN] += x[count][TR] dy[count][TN], of pixels that are C and K floats apart. ahead, a constant (a branch would cost the
 * tile its registers): x's next cache line is prefetched. */
INLINE void tile_sum(__local float *sums, const __global float *x, const __global float *dy, int count, int C, int K,
                     bool ahead)
{
    vec acc[TR * TQ];
    #pragma unroll
    for (int j = 0; j < TR * TQ; ++j) acc[j] = LOAD(sums + j * VW);
    int p = 0;
    for (; p + UNROLL <= count; p += UNROLL) {
        #pragma unroll
        for (int u = 0; u < UNROLL; ++u) PIXEL
    }
    for (; p < count; ++p) PIXEL
    #pragma unroll
    for (int j = 0; j < TR * TQ; ++j) STORE_LOCAL(acc[j], sums + j * VW);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
conv2d_backward_weights_pointwise(__global float *restrict out, const __global float *restrict x,
                                  const __global float *restrict dy, int P, int C, int K, int block, int S)
{
    __local float sums[SUM_FLOATS] __attribute__((aligned(64)));
    const int s = get_global_id(0), begin = (int)((long)P * s / S), end = (int)((long)P * (s + 1) / S);
    const int tiles = div_up(C, TR) * div_up(K, TN);
    for (int j = 0; j < tiles * TILE; j += VW) STORE_LOCAL((vec)(0.0f), sums + j);
    for (int p = begin; p < end; p += block) {
        __local float *sum = sums;
        const int count = min(block, end - p);
        for (int c = 0; c < C; c += TR) {
            for (int k = 0; k < K; k += TN, sum += TILE) {
                const __global float *xp = x + (size_t)p * C + min(c, C - TR), *dp = dy + (size_t)p * K + min(k, K - TN);
                if (k == 0 && c + TR < C) tile_sum(sum, xp, dp, count, C, K, true);
                else tile_sum(sum, xp, dp, count, C, K, false);
            }
        }
    }
    const __local float *sum = sums;
    out += (size_t)s * C * K;
    for (int c = 0; c < C; c += TR)
        for (int k = 0; k < K; k += TN, sum += TILE)
            for (int j = 0; j < TR * TQ; ++j)
                STORE_GLOBAL(LOAD(sum + j * VW), out + (size_t)(min(c, C - TR) + j / TQ) * K + min(k, K - TN) + j % TQ * VW);
}

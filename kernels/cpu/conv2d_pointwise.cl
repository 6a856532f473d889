/* conv2d, class cpu: 1x1 convolution of stride 1, channels last, with an epilogue; or its conv2d_backward_data. Comes behind
 * vector.cl, conv2d_epilogue.cl and conv2d_tile.cl.
 *
 *   out[p,k] = epilogue( sum over c of in[p,c] * weight[c,k] ),   p: pixels of all images
 *
 * Kernels. Local size (1,1,1), no barriers.
 *   conv2d_pointwise_pack(panels[ceil(K/TN),C,TN], w, int C, K, backward)      must run first
 *       w[C,K], or, backward, w[K,C]. Global size (ceil(K/TN), ceil(C/16)).
 *   conv2d_pointwise(out[P,K], in[P,C], panels, bias[K], scale[K], shift[K], addend[P,K], int epilogue,
 *                    int P, C, K, pixels, near, depth)
 *       global size (ceil(P/pixels), splits), 1 <= splits <= ceil(K/TN). P >= TM.
 *   Nothing may overlap out.
 *
 * Mapping: work-group (b, s) computes `pixels` pixels of out, of the panels its s-th share; `near` panels together, tile by
 * tile, so that memory sees long runs. The register tile is TM neighbouring pixels x TQ vectors of VW output channels. Its
 * inputs are read in place, as TM streams of scalars, and the next tile's, which lie behind them, prefetched meanwhile. Of
 * more than `depth` input channels, the sums wait in out.
 *
 * Cost: per input channel a tile issues TM*TQ vector fma, TM broadcasts and TQ loads of weights. `near` panels' `depth` rows
 * (near*depth*TN*4 bytes) should stay in the nearer caches.
 *
 * Macros: those of vector.cl and conv2d_tile.cl, NSEG being 1: TM pixels are neighbours.
 */
#define LINE 16   /* floats of a cache line; input channels that a work-group packs */
#define UNROLL 4  /* input channels per turn */
#define STREAMS 3 /* pixels per pointer: base, base + C and base + 2*C are one address each */
#define POINTERS ((TM + STREAMS - 1) / STREAMS)

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
conv2d_pointwise_pack(__global float *restrict panels, const __global float *restrict w, int C, int K, int backward)
{
    const int panel = get_global_id(0), begin = get_global_id(1) * LINE, end = min(begin + LINE, C);
    const int k0 = panel * TN, kn = min(TN, K - k0);
    __global float *dst = panels + ((size_t)panel * C + begin) * TN;
    if (!backward) {
        for (int c = begin; c < end; ++c, dst += TN) {
            const __global float *src = w + (size_t)c * K + k0;
            if (kn == TN) {
                #pragma unroll
                for (int n = 0; n < TN; n += VW) STORE(LOAD(src + n), dst + n);
            } else {
                for (int n = 0; n < TN; ++n) dst[n] = n < kn ? src[n] : 0.0f;
            }
        }
    } else {
        for (int n = 0; n < TN; ++n) { /* a row of w turns into a column */
            const __global float *src = w + (size_t)(k0 + n) * C;
            for (int c = begin; c < end; ++c) dst[(c - begin) * TN + n] = n < kn ? src[c] : 0.0f;
        }
    }
}

/* One input channel, u further on, of the tile's pixels times its row of weights. */
#define MULTIPLY_ROW(u)                                                                                          \
    {                                                                                                            \
        vec wv[TQ];                                                                                              \
        _Pragma("unroll") for (int q = 0; q < TQ; ++q) wv[q] = LOAD(w + (u) * TN + q * VW);                      \
        _Pragma("unroll") for (int r = 0; r < TM; ++r) {                                                         \
            const vec x = (vec)(px[r / STREAMS][(size_t)(r % STREAMS) * C + (u)]);                               \
            _Pragma("unroll") for (int q = 0; q < TQ; ++q) acc[r * TQ + q] = fma(x, wv[q], acc[r * TQ + q]);     \
        }                                                                                                        \
    }

/* acc[TM][TQ] = in[TM][depth] w[depth][TN]; pixels of `in` are C floats apart. */
INLINE void tile_multiply(vec *acc, const __global float *in, const __global float *w, int depth, int C)
{
    const __global float *px[POINTERS];
    #pragma unroll
    for (int i = 0; i < POINTERS; ++i) px[i] = in + (size_t)i * STREAMS * C;
    EACH(acc[j] = (vec)(0.0f));
    int c = 0;
    for (; c + UNROLL <= depth; c += UNROLL) {
        #pragma unroll
        for (int u = 0; u < UNROLL; ++u) MULTIPLY_ROW(u)
        #pragma unroll
        for (int i = 0; i < TM * UNROLL / LINE; ++i) PREFETCH(in + (size_t)TM * C + TM * c + i * LINE);
        #pragma unroll
        for (int i = 0; i < POINTERS; ++i) px[i] += UNROLL;
        w += UNROLL * TN;
    }
    for (; c < depth; ++c) {
        MULTIPLY_ROW(0)
        #pragma unroll
        for (int i = 0; i < POINTERS; ++i) ++px[i];
        w += TN;
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
conv2d_pointwise(__global float *restrict out, const __global float *restrict in, const __global float *restrict panels,
                 const __global float *restrict bias, const __global float *restrict scale,
                 const __global float *restrict shift, const __global float *restrict addend, int epilogue,
                 int P, int C, int K, int pixels, int near, int depth)
{
    const int begin = get_global_id(0) * pixels, end = min(begin + pixels, P), all = div_up(K, TN);
    const int first = (int)((long)all * get_global_id(1) / get_global_size(1));
    const int last = (int)((long)all * (get_global_id(1) + 1) / get_global_size(1));
    for (int panel = first; panel < last; panel += near) {
        for (int c = 0; c < C; c += depth) {
            const int rows = min(depth, C - c), ends = c + rows == C ? epilogue : 0;
            for (int p = begin; p < end; p += TM) {
                const int at = min(p, P - TM); /* the last tile repeats pixels of the one before, and does not store them */
                for (int m = panel; m < min(panel + near, last); ++m) {
                    const int k = m * TN, kn = min(TN, K - k);
                    const target to = {out + k, addend + k, {(size_t)at * K}, K, ends, c > 0};
                    const int count[NSEG] = {TM};
                    vec acc[TM * TQ];
                    affine ending[TQ];
                    tile_multiply(acc, in + (size_t)at * C + c, panels + ((size_t)m * C + c) * TN, rows, C);
                    #pragma unroll
                    for (int q = 0; q < TQ; ++q)
                        if (ends) ending[q] = affine_of(bias, scale, shift, epilogue, k + q * VW, kn - q * VW);
                    if (at == p && kn == TN) tile_end(acc, to, ending);
                    else part_end(acc, to, ending, p - at, count, kn);
                }
            }
        }
    }
}

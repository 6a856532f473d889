/* conv2d_backward_weights_winograd, class cpu: gradient of a 3x3 convolution of stride 1 with respect to its weights, with half the
 * multiplications, channels last. Comes behind vector.cl and conv2d_reduce.cl. F(3,4) of Winograd along the rows of the
 * image: dy takes the place of a kernel of 4 taps, three columns of dw are the outputs. B^T is that of
 * cpu/conv2d_winograd_rows.cl (the same points 0, 1, -1, 2, -2, infinity; matrices after Lavin and Gray 2016, arXiv
 * 1509.09308), the scale of G is left to the end:
 *
 *        1  0  0  0
 *        1  1  1  1          1/4  -1/6  -1/6  1/24   1/24  0
 *   G =  1 -1  1 -1   A^T =    0  -1/6   1/6  1/12  -1/12  0
 *        1  2  4  8            0  -1/6  -1/6   1/6    1/6  1
 *        1 -2  4 -8
 *        0  0  0  1
 *
 *   dw[i,:,c,k] = A^T [ sum over n, oh, quads of (B^T x[n,oh-PH+i,quad,c]) * (G dy[n,oh,quad,k]) ]   per quad: 4 neighbouring
 *                                                                         columns of dy and the 6 of x that they meet
 *
 * Its rounding error is about twice that of cpu/conv2d_backward_weights.cl.
 *
 * Kernel, no barriers:
 *   conv2d_backward_weights_winograd(out, x[N,H,W,C], dy[N,OH,OW,K], int N, H, W, C, OH, OW, K, PH, PW, images, rows, cn, kn, S)
 *     S == 1: out is dw[3,3,C,K].  S > 1: out is scratch[S][dw's size], for conv2d_reduce.cl.
 *     Global size (S, ceil(C/cn), ceil(K/kn)), local size 1.
 *
 * Mapping: work-group (s, c, k) sums, over slice s of the images' rows, the gradients of cn x kn channels. It takes blocks of
 * `images` images x `rows` rows of dy, transforms them and their rows + 2 rows of x into local memory, [position][image][row]
 * [quad][channel], and multiplies position by position, whose share of the block the core's L1 holds. Register tile: three
 * rows of the kernel x CB input channels x VW output channels: an input that was broadcast serves the three rows of dy
 * that it meets. Sums of a block go to the work-group's own (local memory), which are transformed and written once.
 *
 * Cost per quad and row: 18*C*K fma against 36*C*K, in groups of 3*CB for CB broadcasts and one load.
 *
 * The host checks: C, K, cn and kn are multiples of 16, an image of x or dy has less than 2^31 elements,
 *   6 * (images * quads * ((rows + 2) * cn + rows * kn) + 2 * 16) + 18 * cn * kn <= LOCAL_FLOATS
 *
 * Macros, besides vector.cl's
 *   CB   8  input channels of a register tile; 3*CB + 4 vector registers are live; divides 16
 *   LOCAL_FLOATS  65536
 */
#ifndef CB
#define CB 8
#endif
#ifndef LOCAL_FLOATS
#define LOCAL_FLOATS 65536
#endif

#define QUAD 4      /* columns of dy */
#define POSITIONS 6 /* of a transformed quad */
#define LINE 16     /* floats of a cache line */
#define TILE (3 * CB * VW)

/* VW channels of a pixel of a row; zeros outside. */
INLINE vec pixel_load(const __global float *row, int column, int W, int C)
{
    return column >= 0 && column < W ? LOAD_GLOBAL(row + column * C) : (vec)(0.0f);
}

/* to[POSITIONS][quads][n], positions `pitch` apart: n channels of a row of x, from column `first` on, multiplied by B^T. */
INLINE void x_transform(const __global float *row, __local float *to, int pitch, int first, int quads, int n, int W, int C)
{
    for (int c = 0; c < n; c += VW, row += VW, to += VW) {
        __local float *at = to;
        vec d0 = pixel_load(row, first, W, C), d1 = pixel_load(row, first + 1, W, C);
        for (int quad = 0, column = first + 2; quad < quads; ++quad, column += QUAD, at += n) {
            const vec d2 = pixel_load(row, column, W, C), d3 = pixel_load(row, column + 1, W, C);
            const vec d4 = pixel_load(row, column + 2, W, C), d5 = pixel_load(row, column + 3, W, C);
            const vec even1 = d4 - 4.0f * d2, odd1 = d3 - 4.0f * d1, even2 = d4 - d2, odd2 = 2.0f * (d3 - d1);
            STORE_LOCAL(4.0f * d0 - 5.0f * d2 + d4, at);
            STORE_LOCAL(even1 + odd1, at + pitch);
            STORE_LOCAL(even1 - odd1, at + 2 * pitch);
            STORE_LOCAL(even2 + odd2, at + 3 * pitch);
            STORE_LOCAL(even2 - odd2, at + 4 * pitch);
            STORE_LOCAL(4.0f * d1 - 5.0f * d3 + d5, at + 5 * pitch);
            d0 = d4;
            d1 = d5;
        }
    }
}

/* The same of a row of dy, multiplied by G. */
INLINE void dy_transform(const __global float *row, __local float *to, int pitch, int quads, int n, int OW, int K)
{
    for (int k = 0; k < n; k += VW, row += VW, to += VW) {
        __local float *at = to;
        for (int quad = 0; quad < quads; ++quad, at += n) {
            const vec g0 = pixel_load(row, quad * QUAD, OW, K), g1 = pixel_load(row, quad * QUAD + 1, OW, K);
            const vec g2 = pixel_load(row, quad * QUAD + 2, OW, K), g3 = pixel_load(row, quad * QUAD + 3, OW, K);
            const vec even1 = g0 + g2, odd1 = g1 + g3, even2 = g0 + 4.0f * g2, odd2 = 2.0f * g1 + 8.0f * g3;
            STORE_LOCAL(g0, at);
            STORE_LOCAL(even1 + odd1, at + pitch);
            STORE_LOCAL(even1 - odd1, at + 2 * pitch);
            STORE_LOCAL(even2 + odd2, at + 3 * pitch);
            STORE_LOCAL(even2 - odd2, at + 4 * pitch);
            STORE_LOCAL(g3, at + 5 * pitch);
        }
    }
}

/* A row of x meets, by rows first to last of the kernel, the rows of dy in d[]: d[i] is the i-th above it. */
#define MEET(first, last)                                                                                   \
    {                                                                                                       \
        _Pragma("unroll") for (int c = 0; c < CB; ++c) {                                                    \
            const vec v = (vec)(xp[c]);                                                                     \
            _Pragma("unroll") for (int i = first; i <= last; ++i) sum[i * CB + c] = fma(v, d[i], sum[i * CB + c]); \
        }                                                                                                   \
        xp += x_row;                                                                                        \
    }
#define NEXT(value) \
    {               \
        d[2] = d[1]; \
        d[1] = d[0]; \
        d[0] = (value); \
    }

/* sums[3][CB][VW] += one position of a block: x[images][outs + 2][quads][cn], dy[images][outs][quads][kn]. */
INLINE void multiply(__local float *sums, const __local float *x, const __local float *dy, int images, int outs, int quads,
                     int cn, int kn)
{
    const int x_row = quads * cn, dy_row = quads * kn;
    vec sum[3 * CB];
    #pragma unroll
    for (int j = 0; j < 3 * CB; ++j) sum[j] = (vec)(0.0f);
    for (int image = 0; image < images; ++image, x += (outs + 2) * x_row, dy += outs * dy_row) {
        for (int quad = 0; quad < quads; ++quad) {
            const __local float *xp = x + quad * cn, *dp = dy + quad * kn;
            vec d[3];
            d[1] = d[0] = (vec)(0.0f);
            NEXT(LOAD(dp))
            MEET(0, 0)
            if (outs > 1) NEXT(LOAD(dp + dy_row)) else NEXT((vec)(0.0f))
            MEET(0, 1)
            for (int r = 2; r < outs; ++r) {
                NEXT(LOAD(dp + r * dy_row))
                MEET(0, 2)
            }
            NEXT((vec)(0.0f))
            MEET(1, 2)
            NEXT((vec)(0.0f))
            if (outs > 1) MEET(2, 2)
        }
    }
    #pragma unroll
    for (int j = 0; j < 3 * CB; ++j) STORE(LOAD(sums + j * VW) + sum[j], sums + j * VW);
}

/* dw[:,:,c..,k..] of CB x VW channels from sums[POSITIONS][3][CB][VW]. */
INLINE void output_transform(__global float *dw, const __local float *sums, int C, int K)
{
    for (int i = 0; i < 3; ++i) {
        for (int c = 0; c < CB; ++c) {
            const __local float *s = sums + (i * CB + c) * VW;
            __global float *to = dw + ((size_t)i * 3 * C + c) * K;
            const vec s1 = LOAD(s + TILE), s2 = LOAD(s + 2 * TILE), s3 = LOAD(s + 3 * TILE), s4 = LOAD(s + 4 * TILE);
            const vec even1 = (s1 + s2) * (-1.0f / 6), even2 = s3 + s4;
            STORE_GLOBAL(LOAD(s) * 0.25f + even1 + even2 * (1.0f / 24), to);
            STORE_GLOBAL((s2 - s1) * (1.0f / 6) + (s3 - s4) * (1.0f / 12), to + (size_t)C * K);
            STORE_GLOBAL(even1 + even2 * (1.0f / 6) + LOAD(s + 5 * TILE), to + (size_t)2 * C * K);
        }
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
conv2d_backward_weights_winograd(__global float *restrict out, const __global float *restrict x, const __global float *restrict dy,
                                 int N, int H, int W, int C, int OH, int OW, int K, int PH, int PW,
                                 int images, int rows, int cn, int kn, int S)
{
    __local float pool[LOCAL_FLOATS] __attribute__((aligned(64)));
    const int s = get_global_id(0), c0 = get_global_id(1) * cn, k0 = get_global_id(2) * kn;
    const int quads = (OW + QUAD - 1) / QUAD, cs = min(cn, C - c0), ks = min(kn, K - k0);
    /* A cache line more per position, or the positions would share sets of L1. */
    const int x_pitch = images * (rows + 2) * quads * cs + LINE, dy_pitch = images * rows * quads * ks + LINE;
    __local float *sums = pool, *xt = sums + POSITIONS * 3 * cs * ks, *dyt = xt + POSITIONS * x_pitch;
    for (int j = 0; j < POSITIONS * 3 * cs * ks; j += VW) STORE((vec)(0.0f), sums + j);

    const int strips = (OH + rows - 1) / rows, all = (N + images - 1) / images * strips, end = (int)((long)all * (s + 1) / S);
    for (int b = (int)((long)all * s / S); b < end; ++b) {
        const int n0 = b / strips * images, nn = min(images, N - n0), oh = b % strips * rows, outs = min(rows, OH - oh);
        for (int r = 0; r < nn * (outs + 2); ++r) {
            const int h = oh - PH + r % (outs + 2);
            const bool inside = h >= 0 && h < H;
            const __global float *row = x + ((size_t)(n0 + r / (outs + 2)) * H + (inside ? h : 0)) * W * C + c0;
            x_transform(row, xt + r * quads * cs, x_pitch, -PW, quads, cs, inside ? W : 0, C);
        }
        for (int r = 0; r < nn * outs; ++r) {
            const __global float *row = dy + ((size_t)(n0 + r / outs) * OH + oh + r % outs) * OW * K + k0;
            dy_transform(row, dyt + r * quads * ks, dy_pitch, quads, ks, OW, K);
        }
        for (int p = 0; p < POSITIONS; ++p)
            for (int k = 0; k < ks; k += VW)
                for (int c = 0; c < cs; c += CB)
                    multiply(sums + ((k / VW * (cs / CB) + c / CB) * POSITIONS + p) * TILE, xt + p * x_pitch + c,
                             dyt + p * dy_pitch + k, nn, outs, quads, cs, ks);
    }

    __global float *part = out + (size_t)s * 9 * C * K;
    for (int k = 0; k < ks; k += VW)
        for (int c = 0; c < cs; c += CB)
            output_transform(part + (size_t)(c0 + c) * K + k0 + k, sums + (k / VW * (cs / CB) + c / CB) * POSITIONS * TILE, C, K);
}

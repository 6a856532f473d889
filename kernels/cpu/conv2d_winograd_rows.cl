/* conv2d_winograd_rows, class cpu: 3x3 convolution of stride 1 with half the multiplications, channels last, with an
 * epilogue; comes behind vector.cl and conv2d_epilogue.cl. F(4,3) of Winograd along the rows of the image (matrices: Lavin
 * and Gray 2016, arXiv 1509.09308, section 4.3), plain sums over the rows of the kernel and the channels:
 *
 *         1/4     0     0           4  0 -5  0  1  0
 *        -1/6  -1/6  -1/6           0 -4 -4  1  1  0            1  1  1  1  1  0
 *   G =  -1/6   1/6  -1/6    B^T =  0  4 -4 -1  1  0    A^T =   0  1 -1  2 -2  0
 *        1/24  1/12   1/6           0 -2 -1  2  1  0            0  1  1  4  4  0
 *        1/24 -1/12   1/6           0  2 -1 -2  1  0            0  1 -1  8 -8  1
 *           0     0     1           0  4  0 -5  0  1
 *
 *   Y = A^T [ sum over i<3, c of (G g[i,:,c]) * (B^T d[i,:,c]) ]   per quad: 4 neighbouring outputs Y of a row, from 3x6 inputs
 *                                                                d and 3x3 weights g
 *
 * Its rounding error is about twice that of cpu/conv2d.cl. An infinite input makes all outputs of its quads NaN.
 *
 * Kernels:
 *   conv2d_winograd_rows_weights(u[K/VW,C,6,3,VW], w, int C, K, transposed)
 *       w[3,3,C,K], or, transposed, w[3,3,K,C] turned by 180 degrees: the weights of the convolution that backward
 *       data is. Global size (K/VW, C).
 *   conv2d_winograd_rows(y[N,OH,OW,K], x[N,H,W,C], u, bias[K], scale[K], shift[K], addend[N,OH,OW,K], int epilogue,
 *                        int N, H, W, C, OH, OW, K, PH, PW, rows)
 *       Global size N * ceil(OH/rows), rows a multiple of R.
 *   Nothing may overlap y. Local size 1: one work-item per work-group, no barriers.
 *
 * Mapping: a work-group takes `rows` rows of an image, R at a time. Their R + 2 rows of transformed inputs are a ring in local
 * memory, the core's L1 if channels are few: the next R rows overwrite the oldest. The register tile is R quads, one below
 * the other, of VW output channels in all positions of the transform: the sums never leave registers before they are
 * transformed back.
 *
 * Cost per quad: 18*C*K fma against 36*C*K. Every input channel of a register tile issues 18*R vector fma, 6*(R+2) broadcasts,
 * each for up to three fma, and 18 loads of weights: fma bound from R = 3 on.
 *
 * The host checks: C is a multiple of CB, K of VW, (R+2) * (ceil(OW/4)*6*C + CB) <= LOCAL_FLOATS, and an image of x has less
 * than 2^31 elements.
 *
 * Macros, besides vector.cl's
 *   R    4  rows of a register tile; 6*R + 4 vector registers are live
 *   LOCAL_FLOATS  65536
 */
#ifndef R
#define R 4
#endif
#ifndef LOCAL_FLOATS
#define LOCAL_FLOATS 65536
#endif

#define QUAD 4                /* outputs */
#define POSITIONS 6           /* of a transformed quad */
#define CB 16                 /* channels of a block: one cache line */
#define TILE (POSITIONS * CB) /* floats of a quad's inputs, transformed: a block of channels */
#define RING (R + 2)

/* Weights of one tap, input channel c, for output channels k.. */
INLINE vec tap_load(const __global float *w, int tap, int c, int k, int C, int K, int transposed)
{
    float lanes[VW];
    if (!transposed) return LOAD(w + ((size_t)tap * C + c) * K + k);
    for (int l = 0; l < VW; ++l) lanes[l] = w[((size_t)(8 - tap) * K + k + l) * C + c];
    return LOAD(lanes);
}

/* Multiplies by G, for each row of the kernel. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
conv2d_winograd_rows_weights(__global float *restrict u, const __global float *restrict w, int C, int K, int transposed)
{
    const int panel = get_global_id(0), c = get_global_id(1), k = panel * VW;
    __global float *to = u + ((size_t)panel * C + c) * POSITIONS * 3 * VW;
    for (int i = 0; i < 3; ++i, to += VW) {
        const vec g0 = tap_load(w, i * 3, c, k, C, K, transposed);
        const vec g1 = tap_load(w, i * 3 + 1, c, k, C, K, transposed);
        const vec g2 = tap_load(w, i * 3 + 2, c, k, C, K, transposed);
        const vec even1 = (g0 + g2) * (-1.0f / 6), even2 = g0 * (1.0f / 24) + g2 * (1.0f / 6);
        STORE_GLOBAL(g0 * 0.25f, to);
        STORE_GLOBAL(even1 - g1 * (1.0f / 6), to + 3 * VW);
        STORE_GLOBAL(even1 + g1 * (1.0f / 6), to + 6 * VW);
        STORE_GLOBAL(even2 + g1 * (1.0f / 12), to + 9 * VW);
        STORE_GLOBAL(even2 - g1 * (1.0f / 12), to + 12 * VW);
        STORE_GLOBAL(g2, to + 15 * VW);
    }
}

/* VW channels of a pixel of a row of x; zeros outside. */
INLINE vec pixel_load(const __global float *row, int column, int W, int C)
{
    return column >= 0 && column < W ? LOAD_GLOBAL(row + column * C) : (vec)(0.0f);
}

/* to[C/CB][quads][POSITIONS][CB]: the W pixels of a row of x, from column `first` on, multiplied by B^T. */
INLINE void row_transform(const __global float *row, __local float *to, int first, int quads, int W, int C)
{
    for (int c = 0; c < C; c += VW, row += VW) {
        __local float *at = to + c / CB * quads * TILE + c % CB;
        vec d0 = pixel_load(row, first, W, C), d1 = pixel_load(row, first + 1, W, C);
        for (int quad = 0, column = first + 2; quad < quads; ++quad, column += QUAD, at += TILE) {
            const vec d2 = pixel_load(row, column, W, C), d3 = pixel_load(row, column + 1, W, C);
            const vec d4 = pixel_load(row, column + 2, W, C), d5 = pixel_load(row, column + 3, W, C);
            const vec even1 = d4 - 4.0f * d2, odd1 = d3 - 4.0f * d1, even2 = d4 - d2, odd2 = 2.0f * (d3 - d1);
            STORE_LOCAL(4.0f * d0 - 5.0f * d2 + d4, at);
            STORE_LOCAL(even1 + odd1, at + CB);
            STORE_LOCAL(even1 - odd1, at + 2 * CB);
            STORE_LOCAL(even2 + odd2, at + 3 * CB);
            STORE_LOCAL(even2 - odd2, at + 4 * CB);
            STORE_LOCAL(4.0f * d1 - 5.0f * d3 + d5, at + 5 * CB);
            d0 = d4;
            d1 = d5;
        }
    }
}

/* sum[POSITIONS][R] += the products of CB channels: row[RING] point at their transformed inputs, u[CB][POSITIONS][3][VW]. An
 * input is broadcast once and serves the three rows of outputs that it is part of. */
INLINE void multiply(vec *sum, const __local float *const *row, const __global float *u)
{
    for (int c = 0; c < CB; ++c, u += POSITIONS * 3 * VW) {
        #pragma unroll
        for (int p = 0; p < POSITIONS; ++p) {
            vec w[3];
            #pragma unroll
            for (int i = 0; i < 3; ++i) w[i] = LOAD(u + (p * 3 + i) * VW);
            #pragma unroll
            for (int r = 0; r < RING; ++r) {
                const vec d = (vec)(row[r][p * CB + c]);
                #pragma unroll
                for (int i = 0; i < 3; ++i)
                    if (r - i >= 0 && r - i < R) sum[p * R + r - i] = fma(d, w[i], sum[p * R + r - i]);
            }
        }
    }
}

/* out[QUAD]: the sums of row r multiplied by A^T. */
INLINE void output_transform(vec *out, const vec *sum, int r)
{
    const vec even1 = sum[R + r] + sum[2 * R + r], odd1 = sum[R + r] - sum[2 * R + r];
    const vec even2 = sum[3 * R + r] + sum[4 * R + r], odd2 = sum[3 * R + r] - sum[4 * R + r];
    out[0] = sum[r] + even1 + even2;
    out[1] = odd1 + 2.0f * odd2;
    out[2] = even1 + 4.0f * even2;
    out[3] = odd1 + 8.0f * odd2 + sum[5 * R + r];
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
conv2d_winograd_rows(__global float *restrict y, const __global float *restrict x, const __global float *restrict u,
                     const __global float *restrict bias, const __global float *restrict scale,
                     const __global float *restrict shift, const __global float *restrict addend, int epilogue,
                     int N, int H, int W, int C, int OH, int OW, int K, int PH, int PW, int rows)
{
    __local float ring[LOCAL_FLOATS] __attribute__((aligned(64)));
    const int parts = (OH + rows - 1) / rows, n = get_global_id(0) / parts, begin = get_global_id(0) % parts * rows;
    const int end = min(begin + rows, OH), quads = (OW + QUAD - 1) / QUAD;
    const int pitch = quads * POSITIONS * C + CB; /* a cache line more, or the rows would share sets of L1 */
    const __global float *image = x + (size_t)n * H * W * C;

    for (int oh = begin, filled = 0; oh < end; oh += R) { /* filled: rows that the ring has held */
        for (; filled < oh - begin + RING; ++filled) {
            const int h = begin - PH + filled;
            const bool inside = h >= 0 && h < H;
            const __global float *row = image + (inside ? (size_t)h * W * C : 0);
            row_transform(row, ring + filled % RING * pitch, -PW, quads, inside ? W : 0, C);
        }
        for (int k = 0; k < K; k += VW) {
            const affine ending = affine_of(bias, scale, shift, epilogue, k, VW);
            for (int quad = 0; quad < quads; ++quad) {
                const __local float *row[RING];
                vec sum[POSITIONS * R];
                #pragma unroll
                for (int r = 0; r < RING; ++r) row[r] = ring + (oh - begin + r) % RING * pitch + quad * TILE;
                #pragma unroll
                for (int j = 0; j < POSITIONS * R; ++j) sum[j] = (vec)(0.0f);
                for (int c = 0; c < C; c += CB) {
                    multiply(sum, row, u + ((size_t)k * C + c * VW) * POSITIONS * 3);
                    #pragma unroll
                    for (int r = 0; r < RING; ++r) row[r] += quads * TILE;
                }
                #pragma unroll
                for (int r = 0; r < R; ++r) {
                    vec out[QUAD];
                    output_transform(out, sum, r);
                    #pragma unroll
                    for (int i = 0; i < QUAD; ++i) {
                        const size_t o = (((size_t)n * OH + oh + r) * OW + quad * QUAD + i) * K + k;
                        if (oh + r < end && quad * QUAD + i < OW)
                            STORE_GLOBAL(finish(out[i], ending, addend + o, epilogue, VW), y + o);
                    }
                }
            }
        }
    }
}

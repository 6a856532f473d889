/* conv2d_winograd, class cpu: 3x3 convolution of stride 1 with 2.25 times fewer multiplications, channels last, with an
 * epilogue; comes behind vector.cl and conv2d_epilogue.cl. F(2x2, 3x3) of Lavin and Gray 2016, arXiv 1509.09308, section 4.1,
 * whose matrices are
 *
 *         1    0    0             1  0 -1  0
 *   G =  1/2  1/2  1/2     B^T =  0  1  1  0     A^T =  1  1  1  0
 *        1/2 -1/2  1/2            0 -1  1  0            0  1 -1 -1
 *         0    0    1             0  1  0 -1
 *
 *   Y = A^T [ sum over c of (G g G^T) * (B^T d B) ] A     per 2x2 outputs Y, from 4x4 inputs d and 3x3 weights g
 *
 * Its rounding error is 2 to 3 times that of cpu/conv2d.cl. An infinite input makes its tile's four outputs NaN.
 *
 * Kernels:
 *   conv2d_winograd_weights(u[ceil(K/TN),16,C,TN], w, int C, K, transposed)
 *       w[3,3,C,K], or, transposed, w[3,3,K,C] turned by 180 degrees: the weights of the convolution that backward
 *       data is. Global size (ceil(K/TN), C/CB).
 *   conv2d_winograd(y[N,OH,OW,K], x[N,H,W,C], u, bias[K], scale[K], shift[K], addend[N,OH,OW,K], int epilogue,
 *                   int N, H, W, C, OH, OW, K, PH, PW, tiles)
 *       Global size (ceil(N*ceil(OH/2)*ceil(OW/2) / tiles), splits), 1 <= splits <= ceil(K/TN).
 *   Nothing may overlap y. Local size (1,1): one work-item per work-group, no barriers.
 *
 * Mapping: work-group (b, s) takes `tiles` 2x2 tiles of the batch, in the order of y, and the blocks of TN output
 * channels whose index % splits == s. It writes the transformed inputs once to local memory (the core's L2) as
 * v[position][channel block][tile][CB], then for each block of output channels multiplies them position by position
 * into m[position][tile][TN] and transforms that back. Neighbouring tiles are CB floats apart: addresses in the inner
 * loop are base + constant; positions are a cache line further apart than their data, or all sixteen would share a set
 * of L1. u is stored in the order of use. The register tile is TT tiles x TQ vectors of VW output channels.
 *
 * Cost per tile: 16*C*K fma against 36*C*K, and 32*C + 24*K additions. Every input channel of a register tile issues
 * TT*TQ vector fma, TT broadcasts and TQ loads: fma bound. Each work-group reads u once: 128/tiles bytes per clock.
 *
 * The host checks: C and K are multiples of CB, K >= TN, tiles is a multiple of TT,
 *   16 * (tiles * (C + TN) + 2 * CB) <= LOCAL_FLOATS, and an image of x has less than 2^31 elements.
 *
 * Macros, besides vector.cl's
 *   TT  12  tiles per register tile; about TT*TQ + TQ + 1 vector registers are live
 *   LOCAL_FLOATS  65536
 */
#ifndef TT
#define TT 12
#endif
#ifndef LOCAL_FLOATS
#define LOCAL_FLOATS 65536
#endif

#define CB 16 /* input channels per block of v: one cache line */
#define TQ 2
#define TN (TQ * VW)
#define UNROLL 4 /* input channels per turn of the inner loop */

/* v, or 0 where the mask is 0. */
#define MASKED(v, mask) WIDE(as_float)(WIDE(as_int)(v) & (WIDE(int))(mask))

/* Weights of one tap, input channel c, for output channels k.. */
INLINE vec tap_load(const __global float *w, int tap, int c, int k, int C, int K, int transposed)
{
    float lanes[VW];
    if (!transposed) return LOAD(w + ((size_t)tap * C + c) * K + k);
    for (int l = 0; l < VW; ++l) lanes[l] = w[((size_t)(8 - tap) * K + k + l) * C + c];
    return LOAD(lanes);
}

/* Multiplies by G: three values to four. */
#define WEIGHT_TRANSFORM(out, a, b, c)        \
    {                                         \
        const vec mean = 0.5f * ((a) + (c));  \
        (out)[0] = (a);                       \
        (out)[1] = mean + 0.5f * (b);         \
        (out)[2] = mean - 0.5f * (b);         \
        (out)[3] = (c);                       \
    }

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
conv2d_winograd_weights(__global float *restrict u, const __global float *restrict w, int C, int K, int transposed)
{
    const int kb = get_global_id(0), k0 = min(kb * TN, K - TN), c0 = get_global_id(1) * CB;
    for (int c = c0; c < c0 + CB; ++c) {
        for (int q = 0; q < TQ; ++q) {
            const int k = k0 + q * VW;
            vec rows[3][4];
            #pragma unroll
            for (int i = 0; i < 3; ++i) {
                const vec g0 = tap_load(w, i * 3, c, k, C, K, transposed);
                const vec g1 = tap_load(w, i * 3 + 1, c, k, C, K, transposed);
                const vec g2 = tap_load(w, i * 3 + 2, c, k, C, K, transposed);
                WEIGHT_TRANSFORM(rows[i], g0, g1, g2)
            }
            #pragma unroll
            for (int j = 0; j < 4; ++j) {
                vec column[4];
                WEIGHT_TRANSFORM(column, rows[0][j], rows[1][j], rows[2][j])
                #pragma unroll
                for (int i = 0; i < 4; ++i)
                    STORE(column[i], u + ((size_t)(kb * 16 + i * 4 + j) * C + c) * TN + q * VW);
            }
        }
    }
}

/* A tile's place: image, row and column of tiles. */
typedef struct {
    int n, row, col;
} place;

INLINE place place_next(place p, int rows, int cols)
{
    if (++p.col == cols) {
        p.col = 0;
        if (++p.row == rows) {
            p.row = 0;
            ++p.n;
        }
    }
    return p;
}

/* Multiplies by B^T: four values to four. */
#define INPUT_TRANSFORM(out, a, b, c, d) \
    {                                    \
        (out)[0] = (a) - (c);            \
        (out)[1] = (b) + (c);            \
        (out)[2] = (c) - (b);            \
        (out)[3] = (b) - (d);            \
    }

/* Transforms all channels of one tile's 4x4 inputs; row[i] + col[j] is the element of x, masks are 0 where it is
 * padding. dst: v at the tile; `block` and `position` are its strides. */
INLINE void input_transform(const __global float *x, __local float *dst, const int *row, const int *col,
                            const int *row_mask, const int *col_mask, bool masked, int C, int block, int position)
{
    for (int c = 0; c < C; c += VW) {
        vec rows[4][4];
        #pragma unroll
        for (int i = 0; i < 4; ++i) {
            vec d[4];
            #pragma unroll
            for (int j = 0; j < 4; ++j) {
                d[j] = LOAD(x + row[i] + col[j] + c);
                if (masked) d[j] = MASKED(d[j], row_mask[i] & col_mask[j]);
            }
            INPUT_TRANSFORM(rows[i], d[0], d[1], d[2], d[3])
        }
        __local float *to = dst + c / CB * block + c % CB;
        #pragma unroll
        for (int j = 0; j < 4; ++j) {
            vec column[4];
            INPUT_TRANSFORM(column, rows[0][j], rows[1][j], rows[2][j], rows[3][j])
            #pragma unroll
            for (int i = 0; i < 4; ++i) STORE(column[i], to + (i * 4 + j) * position);
        }
    }
}

/* The element and mask of four neighbouring rows or columns from `first` on. Padding points at an existing one. */
INLINE void outline(int *at, int *mask, int first, int extent, int stride)
{
    #pragma unroll
    for (int i = 0; i < 4; ++i) {
        mask[i] = first + i >= 0 && first + i < extent ? -1 : 0;
        at[i] = clamp(first + i, 0, extent - 1) * stride;
    }
}

/* m[TT][TN] = v[C][TT] u[C][TN] of one position; v in blocks of CB channels that are `block` floats apart. */
INLINE void multiply(__local float *m, const __local float *v, const __global float *u, int C, int block)
{
    vec acc[TT * TQ];
    #pragma unroll
    for (int j = 0; j < TT * TQ; ++j) acc[j] = (vec)(0.0f);
    for (int c = 0; c < C; c += CB) {
        for (int i = 0; i < CB; i += UNROLL) {
            #pragma unroll
            for (int k = 0; k < UNROLL; ++k) {
                vec w[TQ];
                #pragma unroll
                for (int q = 0; q < TQ; ++q) w[q] = LOAD(u + k * TN + q * VW);
                #pragma unroll
                for (int j = 0; j < TT; ++j) {
                    const vec s = (vec)(v[j * CB + i + k]);
                    #pragma unroll
                    for (int q = 0; q < TQ; ++q) acc[j * TQ + q] = fma(s, w[q], acc[j * TQ + q]);
                }
            }
            u += UNROLL * TN;
        }
        v += block;
    }
    #pragma unroll
    for (int j = 0; j < TT * TQ; ++j) STORE(acc[j], m + j * VW);
}

/* v, of channels that `ending` is for, to y[o].. */
#define FINISH(v, o) STORE(finish(v, ending, addend + (o), epilogue, VW), y + (o))

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
conv2d_winograd(__global float *restrict y, const __global float *restrict x, const __global float *restrict u,
                const __global float *restrict bias, const __global float *restrict scale,
                const __global float *restrict shift, const __global float *restrict addend, int epilogue,
                int N, int H, int W, int C, int OH, int OW, int K, int PH, int PW, int tiles)
{
    __local float v[LOCAL_FLOATS] __attribute__((aligned(64)));
    const int rows = (OH + 1) / 2, cols = (OW + 1) / 2, first = get_global_id(0) * tiles;
    const int count = min(tiles, N * rows * cols - first), padded = (count + TT - 1) / TT * TT;
    const int v_block = tiles * CB, v_position = tiles * C + CB, m_position = tiles * TN + CB;
    const place start = {first / (rows * cols), first / cols % rows, first % cols};
    __local float *m = v + 16 * v_position;

    place p = start;
    for (int t = 0; t < padded; ++t) {
        int row[4], col[4], row_mask[4], col_mask[4];
        const bool exists = t < count;
        outline(row, row_mask, exists ? p.row * 2 - PH : -4, H, W * C);
        outline(col, col_mask, p.col * 2 - PW, W, C);
        const __global float *image = x + (exists ? (size_t)p.n * H * W * C : 0);
        const bool whole = row_mask[0] & row_mask[3] & col_mask[0] & col_mask[3];
        if (whole)
            input_transform(image, v + t * CB, row, col, row_mask, col_mask, false, C, v_block, v_position);
        else
            input_transform(image, v + t * CB, row, col, row_mask, col_mask, true, C, v_block, v_position);
        p = place_next(p, rows, cols);
    }

    for (int kb = get_global_id(1); kb * TN < K; kb += get_global_size(1)) {
        /* a last block that sticks out is moved back and repeats some channels of the one before */
        const int k0 = min(kb * TN, K - TN);
        for (int position = 0; position < 16; ++position)
            for (int t = 0; t < padded; t += TT)
                multiply(m + position * m_position + t * TN, v + position * v_position + t * CB,
                         u + (size_t)(kb * 16 + position) * C * TN, C, v_block);
        p = start;
        for (int t = 0; t < count; ++t) {
            const size_t at = (((size_t)p.n * OH + p.row * 2) * OW + p.col * 2) * K + k0;
            const bool below = p.row * 2 + 1 < OH, right = p.col * 2 + 1 < OW;
            for (int q = 0; q < TQ; ++q) {
                const __local float *from = m + t * TN + q * VW;
                vec left[4], last[4];
                #pragma unroll
                for (int i = 0; i < 4; ++i) {
                    const vec a = LOAD(from + i * 4 * m_position), b = LOAD(from + (i * 4 + 1) * m_position);
                    const vec c = LOAD(from + (i * 4 + 2) * m_position), d = LOAD(from + (i * 4 + 3) * m_position);
                    left[i] = a + (b + c);
                    last[i] = (b - c) - d;
                }
                const affine ending = affine_of(bias, scale, shift, epilogue, k0 + q * VW, VW);
                const size_t o = at + q * VW;
                FINISH(left[0] + (left[1] + left[2]), o);
                if (right) FINISH(last[0] + (last[1] + last[2]), o + K);
                if (below) FINISH((left[1] - left[2]) - left[3], o + (size_t)OW * K);
                if (below && right) FINISH((last[1] - last[2]) - last[3], o + (size_t)OW * K + K);
            }
            p = place_next(p, rows, cols);
        }
    }
}

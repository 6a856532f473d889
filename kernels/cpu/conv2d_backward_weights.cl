/* conv2d_backward_weights, class cpu: gradient of conv2d (groups == 1) with respect to its weights; and its depthwise form.
 *
 *   dw[i,j,c,k] = sum over n, oh, ow of x[n, oh*SH-PH+i*DH, ow*SW-PW+j*DW, c] * dy[n,oh,ow,k]
 *
 * Kernels, local size (1,1,1) unless said otherwise, no barriers:
 *   conv2d_backward_weights(out, x[N,H,W,C], dy[N,OH,OW,K],
 *          int N, H, W, C, OH, OW, K, KH, KW, SH, SW, PH, PW, DH, DW, int images, rows, S)
 *     global size (S, ceil(C/CB), ceil(K/(TQ*VW)))
 *   conv2d_backward_weights_depthwise(out, x, dy, int N, H, W, C, OH, OW, KH, KW, SH, SW, PH, PW, DH, DW, S)   (K == C)
 *     global size (S, ceil(C/VW))
 *     S == 1: out is dw and no other kernel is needed.  S > 1: out is scratch[S][dw's size].
 *   conv2d_backward_weights_reduce(dw[count], scratch[S,count], int count, S)
 *     work-item -> one element; local size (any), global size (count rounded up)
 *   Scratch: 4*S*KH*KW*C*K bytes when S > 1. The result depends on S in its rounding only; for one S it repeats bit for bit.
 *
 * Mapping: work-group (s, cb, kb) sums CB input channels x TQ*VW output channels, all taps, over slice s of the pixels. It
 * walks its slice in blocks of `images` images x `rows` output rows (about 128 pixels), and copies each block's x (zero
 * padded, [image][row][column phase][column][CB]) and dy ([pixel][TQ*VW]) to local memory, where both serve all
 * taps from L1 before the next block. Register tile: TR input channels x TQ vectors of output channels of one tap,
 * summed over the block's pixels, then added to the work-group's sums (local memory) and written out once at the end.
 *
 * Cost: per pixel a tile issues TR*TQ fma against TR broadcasts and TQ loads; per block 3 moves per accumulator, against
 * as many fma as the block has pixels. Padding is skipped, rows and columns. Copies: 4 moves per pixel and block
 * of channels against KH*KW*CB*TQ fma.
 *
 * The host checks patch + dy + sums <= POOL_FLOATS, in floats
 *   patch = images * prows * phases * pitch * CB, prows = (rows-1)*SH + (KH-1)*DH + 1, phases = SW,
 *           pitch = OW + (KW-1)*DW/SW
 *   dy = images * rows * OW * TQ*VW,   sums = KH*KW * CB * TQ*VW
 *
 * Macros
 *   VW 16  floats per vector: 4, 8 or 16
 *   TQ  2  vectors of output channels per tile
 *   TR  16/TQ  input channels per tile; divides 16. TR*TQ + TQ + 1 vector registers are live
 *   POOL_FLOATS 65536
 */
#ifndef VW
#define VW 16
#endif
#ifndef TQ
#define TQ 2
#endif
#ifndef TR
#define TR (16 / TQ)
#endif
#ifndef POOL_FLOATS
#define POOL_FLOATS 65536
#endif

#define CB 16 /* input channels per work-group: one cache line */
#define TN (TQ * VW)
#define FEW 4 /* input channels of the small tile, for what is left over */
#define INLINE static inline __attribute__((always_inline))

#if VW == 16
typedef float16 vec;
#define LOAD(p) vload16(0, p)
#define STORE(v, p) vstore16(v, 0, p)
#elif VW == 8
typedef float8 vec;
#define LOAD(p) vload8(0, p)
#define STORE(v, p) vstore8(v, 0, p)
#else
typedef float4 vec;
#define LOAD(p) vload4(0, p)
#define STORE(v, p) vstore4(v, 0, p)
#endif

/* A block of the slice and its copy; in pixels. */
typedef struct {
    int n0, images, oh0, rows; /* first image, how many; first output row, how many */
    int prows, phases, pitch;  /* patch rows per image, column phases, columns per phase */
} block;

/* Sizes of one dimension pair, as passed to the kernel. */
typedef struct {
    int H, W, C, OH, OW, K, KW, SH, SW, PH, PW, DH, DW;
} geometry;

/* Copies `channels` <= width floats of src to dst, whole vectors where possible; the rest of dst is zeroed. */
INLINE void channels_copy(const __global float *src, __local float *dst, int channels, const int width)
{
    if (channels >= width) {
        #pragma unroll
        for (int j = 0; j < width; j += VW) STORE(LOAD(src + j), dst + j);
    } else {
        for (int j = 0; j < width; ++j) dst[j] = j < channels ? src[j] : 0.0f;
    }
}

static void x_copy(const __global float *restrict x, __local float *restrict patch, const block b, const geometry g, int c0)
{
    for (int i = 0; i < b.images * b.prows; ++i) {
        const int h = b.oh0 * g.SH - g.PH + i % b.prows;
        if (h < 0 || h >= g.H) continue; /* rows of padding are never read */
        const __global float *src = x + ((size_t)(b.n0 + i / b.prows) * g.H + h) * g.W * g.C + c0;
        __local float *row = patch + i * b.phases * b.pitch * CB;
        const int w1 = min(g.W, b.pitch * b.phases - g.PW);
        for (int w = 0; w < w1; ++w)
            channels_copy(src + (size_t)w * g.C, row + ((w + g.PW) % b.phases * b.pitch + (w + g.PW) / b.phases) * CB,
                          g.C - c0, CB);
    }
}

static void dy_copy(const __global float *restrict dy, __local float *restrict dst, const block b, const geometry g, int k0)
{
    const int pixels = b.rows * g.OW; /* of one image: contiguous */
    for (int i = 0; i < b.images; ++i) {
        const __global float *src = dy + ((size_t)(b.n0 + i) * g.OH + b.oh0) * g.OW * g.K + k0;
        for (int p = 0; p < pixels; ++p)
            channels_copy(src + (size_t)p * g.K, dst + (size_t)(i * pixels + p) * TN, g.K - k0, TN);
    }
}

/* The outer product of one pixel, R input channels, u pixels further on; acc: 0 or another set of accumulators. */
#define PIXEL(R, acc, u)                                                                                       \
    {                                                                                                          \
        vec dv[TQ];                                                                                            \
        _Pragma("unroll") for (int q = 0; q < TQ; ++q) dv[q] = LOAD(dp + (u) * TN + q * VW);                   \
        _Pragma("unroll") for (int r = 0; r < R; ++r) {                                                        \
            const vec xv = (vec)(px[(u) * CB + r]);                                                            \
            _Pragma("unroll") for (int q = 0; q < TQ; ++q) acc[r * TQ + q] = fma(xv, dv[q], acc[r * TQ + q]);  \
        }                                                                                                      \
    }

/* sums[R][TN] += over the block's pixels of columns [lo, hi), for the tap at row kh*DH: patch holds its first pixel. */
#define DEFINE_TILE(name, R)                                                                                   \
    static void name(const __local float *patch, const __local float *dy, __local float *sums, const block b,  \
                     const geometry g, int tap_row, int lo, int hi)                                            \
    {                                                                                                          \
        vec acc[R * TQ], odd[R * TQ];                                                                          \
        _Pragma("unroll") for (int j = 0; j < R * TQ; ++j) acc[j] = odd[j] = (vec)(0.0f);                      \
        for (int i = 0; i < b.images * b.rows; ++i) {                                                          \
            const int row = i % b.rows, h = (b.oh0 + row) * g.SH - g.PH + tap_row;                             \
            if (h < 0 || h >= g.H) continue;                                                                   \
            const __local float *px =                                                                          \
                patch + ((i / b.rows * b.prows + row * g.SH + tap_row) * b.phases * b.pitch + lo) * CB;        \
            const __local float *dp = dy + (i * g.OW + lo) * TN;                                               \
            int w = lo;                                                                                        \
            for (; w + 2 <= hi; w += 2) {                                                                      \
                PIXEL(R, acc, 0)                                                                               \
                if (R <= FEW) PIXEL(R, odd, 1) else PIXEL(R, acc, 1)                                           \
                px += 2 * CB;                                                                                  \
                dp += 2 * TN;                                                                                  \
            }                                                                                                  \
            if (w < hi) PIXEL(R, acc, 0)                                                                       \
        }                                                                                                      \
        _Pragma("unroll") for (int j = 0; j < R * TQ; ++j)                                                     \
            STORE(LOAD(sums + j * VW) + acc[j] + odd[j], sums + j * VW);                                       \
    }
DEFINE_TILE(tile_sum, TR)
DEFINE_TILE(tile_sum_few, FEW)

/* All taps of one block. */
static void block_sum(const __local float *patch, const __local float *dy, __local float *sums, const block b,
                      const geometry g, int taps, int channels)
{
    for (int t = 0; t < taps; ++t) {
        const int kh = t / g.KW * g.DH, kw = t % g.KW * g.DW;
        const int lo = kw < g.PW ? (g.PW - kw + g.SW - 1) / g.SW : 0;
        const int hi = min(g.OW, g.W + g.PW > kw ? (g.W + g.PW - kw + g.SW - 1) / g.SW : 0);
        const __local float *first = patch + (kw % b.phases * b.pitch + kw / b.phases) * CB;
        int c = 0;
        while (c < channels) {
            __local float *out = sums + (t * CB + c) * TN;
            if (channels - c <= FEW) {
                tile_sum_few(first + c, dy, out, b, g, kh, lo, hi);
                c += FEW;
            } else {
                tile_sum(first + c, dy, out, b, g, kh, lo, hi);
                c += TR;
            }
        }
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
conv2d_backward_weights(__global float *restrict out, const __global float *restrict x, const __global float *restrict dy,
                        int N, int H, int W, int C, int OH, int OW, int K, int KH, int KW,
                        int SH, int SW, int PH, int PW, int DH, int DW, int images, int rows, int S)
{
    __local float pool[POOL_FLOATS] __attribute__((aligned(64)));
    const int s = get_global_id(0), c0 = get_global_id(1) * CB, k0 = get_global_id(2) * TN;
    const int taps = KH * KW, row_blocks = (OH + rows - 1) / rows, blocks = (N + images - 1) / images * row_blocks;
    const int channels = min(CB, C - c0);
    const geometry g = {H, W, C, OH, OW, K, KW, SH, SW, PH, PW, DH, DW};
    block b = {0, 0, 0, 0, 0, SW, OW + (KW - 1) * DW / SW};
    __local float *sums = pool, *dy_block = sums + taps * CB * TN, *patch = dy_block + images * rows * OW * TN;

    for (int j = 0; j < taps * CB * TN; j += VW) STORE((vec)(0.0f), sums + j);
    const int end = (int)((long)blocks * (s + 1) / S);
    for (int i = (int)((long)blocks * s / S); i < end; ++i) {
        b.n0 = i / row_blocks * images;
        b.oh0 = i % row_blocks * rows;
        b.images = min(images, N - b.n0);
        b.rows = min(rows, OH - b.oh0);
        b.prows = (b.rows - 1) * SH + (KH - 1) * DH + 1;
        x_copy(x, patch, b, g, c0);
        dy_copy(dy, dy_block, b, g, k0);
        block_sum(patch, dy_block, sums, b, g, taps, channels);
    }
    for (int t = 0; t < taps; ++t) {
        for (int c = 0; c < channels; ++c) {
            const __local float *src = sums + (t * CB + c) * TN;
            __global float *dst = out + (((size_t)s * taps + t) * C + c0 + c) * K + k0;
            if (K - k0 >= TN) {
                for (int j = 0; j < TN; j += VW) STORE(LOAD(src + j), dst + j);
            } else {
                for (int j = 0; j < K - k0; ++j) dst[j] = src[j];
            }
        }
    }
}

__kernel void conv2d_backward_weights_reduce(__global float *restrict dw, const __global float *restrict scratch,
                                             int count, int S)
{
    const int at = get_global_id(0);
    if (at >= count) return;
    float sum = 0.0f;
    for (int s = 0; s < S; ++s) sum += scratch[(size_t)s * count + at];
    dw[at] = sum;
}

/* groups == C == K. Work-group (s, cv): VW channels, all taps in turn, the rows of slice s. Cost: memory bound. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
conv2d_backward_weights_depthwise(__global float *restrict out, const __global float *restrict x,
                                  const __global float *restrict dy,
                                  int N, int H, int W, int C, int OH, int OW, int KH, int KW,
                                  int SH, int SW, int PH, int PW, int DH, int DW, int S)
{
    const int s = get_global_id(0), c0 = get_global_id(1) * VW, channels = min(VW, C - c0);
    const int begin = (int)((long)N * OH * s / S), end = (int)((long)N * OH * (s + 1) / S);
    for (int t = 0; t < KH * KW; ++t) {
        const int kh = t / KW * DH, kw = t % KW * DW;
        const int lo = kw < PW ? (PW - kw + SW - 1) / SW : 0;
        const int hi = min(OW, W + PW > kw ? (W + PW - kw + SW - 1) / SW : 0);
        vec sum = (vec)(0.0f);
        float lanes[VW];
        for (int j = 0; j < VW; ++j) lanes[j] = 0.0f;
        for (int row = begin; row < end; ++row) {
            const int h = row % OH * SH - PH + kh;
            if (h < 0 || h >= H) continue;
            const __global float *xp = x + (((size_t)(row / OH) * H + h) * W + (lo * SW - PW + kw)) * C + c0;
            const __global float *dp = dy + ((size_t)row * OW + lo) * C + c0;
            for (int w = lo; w < hi; ++w) {
                if (channels == VW) {
                    sum = fma(LOAD(xp), LOAD(dp), sum);
                } else {
                    for (int j = 0; j < channels; ++j) lanes[j] = fma(xp[j], dp[j], lanes[j]);
                }
                xp += SW * C;
                dp += C;
            }
        }
        __global float *dst = out + ((size_t)s * KH * KW + t) * C + c0;
        if (channels == VW) {
            STORE(sum, dst);
        } else {
            for (int j = 0; j < channels; ++j) dst[j] = lanes[j];
        }
    }
}

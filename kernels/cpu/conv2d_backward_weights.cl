/* conv2d_backward_weights, class cpu: gradient of conv2d with respect to its weights. Comes behind vector.cl,
 * conv2d_reduce.cl and conv2d_patch.cl.
 *
 *   dw[i,j,c,k] = sum over n, oh, ow of x[n, oh*SH-PH+i*DH, ow*SW-PW+j*DW, g*(C/G)+c] * dy[n,oh,ow,k],   g = k / (K/G)
 *
 * Kernel, no barriers:
 *   conv2d_backward_weights(out, x[N,H,W,C], dy[N,OH,OW,K], int N, H, W, C, OH, OW, K, KH, KW, SH, SW, PH, PW, DH, DW, G,
 *                           cg, kg, held, images, rows, cols, cbs, kbs, S)
 *     S == 1: out is dw[KH,KW,C/G,K] and no other kernel is needed.  S > 1: out is scratch[S][dw's size], for conv2d_reduce.cl.
 *     cg, kg: input and output channels of a group of the kernel, which may hold several of the G groups
 *     global size (S, ceil(C/cg/held) * ceil(blocks of RB rows / cbs), ceil(ceil(kg/TN) / kbs)), local size (1,1,1)
 *   Scratch: 4*S*KH*KW*(C/G)*K bytes when S > 1. The result depends on S in its rounding only; for one S it repeats bit for bit.
 *
 * Mapping: work-group (s, c, k) sums, over slice s of the pixels, of `held` groups each `cbs` blocks of RB rows of dw of one
 * tap x `kbs` blocks of TN output channels, all taps. It walks its slice in blocks of `images` images x `rows` output rows x
 * `cols` columns (about 256 pixels), copies each block's x (conv2d_patch.cl) and dy ([group][block of TN][pixel][TN]) to
 * local memory, where both serve all taps from L1/L2 before the next block. Register tile: TR rows x TQ vectors of output
 * channels of one tap, summed over the block's pixels, then added to the work-group's sums (local memory), which are written
 * out once at the end. What a row is, the number that dy is multiplied with:
 *   plain  one input channel, broadcast
 *   MERGE  few input channels: a row of KW taps x C channels is one run of RB = KW*C numbers, STEP = SW*C. DW = 1.
 *   LANES  groups of LANES channels in and out, depthwise when 1: a vector of VW lanes, each of its own group. LANE_TAPS
 *          taps, a row of the kernel or all of it, x LANES channels are a tile, and RB. cg = kg = VW.
 *
 * Cost: per pixel a tile issues TR*TQ fma against TR broadcasts (LANES: vectors) and TQ loads; per block 3 moves per
 * accumulator, against as many fma as the block has pixels. Rows of padding are skipped, but not for LANES.
 *
 * The host checks patch + dy + sums <= POOL_FLOATS, in floats, with skip = KH == 1 ? SH : 1 and phases = KW == 1 ? 1 : SW,
 *   patch = held * cbs * images * prows * row,  prows = (rows-1)*SH/skip + (KH-1)*DH + 1
 *   row = phases * (cols + (KW-1)*DW/phases) * STEP;  MERGE: cols*STEP + RB
 *   dy = held * kbs * images * rows * cols * TN,   sums = held * kbs * cbs * ceil(taps of dw's rows / RB)*TR * TN
 *
 * Macros, besides those of vector.cl and conv2d_patch.cl
 *   TQ  2  vectors of output channels per tile; 1 for LANES
 *   TR  16/TQ  rows per tile; TR*TQ + TQ + 1 vector registers are live
 *   LANE_TAPS 1  for LANES (0, 1, 2, 4 or 8, below VW unless 1): KW or KH*KW
 *   RB  16  rows per block; TR <= RB + TR - 1
 *   POOL_FLOATS 65536
 */
#ifndef LANE_TAPS
#define LANE_TAPS 1
#endif
#ifndef TQ
#define TQ (LANES ? 1 : 2)
#endif
#ifndef TR
#define TR (LANES ? LANES * LANE_TAPS : 16 / TQ)
#endif
#ifndef RB
#define RB (LANES ? LANES * LANE_TAPS : 16)
#endif
#ifndef POOL_FLOATS
#define POOL_FLOATS 65536
#endif

#define TN (TQ * VW)
#define ROWS ((RB + TR - 1) / TR * TR) /* of a block of sums */
#define ONE_RUN (MERGE || LANES > 0)   /* RB rows are all there are of a tap or tile */

/* The numbers of one dimension of the convolution, and a block's part of it: outputs from `begin` on, and how they lie in the
 * patch: places of x from `low` on (may be negative), `skip` apart, `count` of them. */
typedef struct {
    int in, out, taps, stride, padding, apart;
    int begin, outs, low, skip, count;
} axis;

INLINE axis axis_block(axis a, int begin, int outs)
{
    a.begin = begin;
    a.outs = min(outs, a.out - begin);
    a.skip = a.taps == 1 ? a.stride : 1;
    a.low = begin * a.stride - a.padding;
    a.count = ((a.outs - 1) * a.stride + (a.taps - 1) * a.apart) / a.skip + 1;
    return a;
}

/* Copies a pixel of dy: `blocks` blocks of TN channels per group, `block` floats from one to the next; s.cg: the group's. */
INLINE void dy_copy(const __global float *src, __local float *dst, const slice s, int block, int ahead)
{
    int n = s.n;
    for (int g = 0; g < s.groups; ++g, src += s.cg, n -= s.cg) {
        const __global float *from = src;
        int left = min(s.cg, n);
        for (int b = 0; b < s.blocks; ++b, dst += block, from += TN, left -= TN) {
            PREFETCH(from + ahead);
            #pragma unroll
            for (int j = 0; j < TN; j += VW)
                if (left >= TN) STORE_LOCAL(LOAD_GLOBAL(from + j), dst + j);
                else STORE_LOCAL(load_lanes(from + j, left - j), dst + j);
        }
    }
}

/* Row r of the tile at the u-th pixel from here. */
#if LANES
#define OPERAND(u, r) LOAD(px[(r) / LANES] + (u) * STEP + (r) % LANES * VW)
#define TAPS_AT_ONCE LANE_TAPS
#else
#define OPERAND(u, r) (vec)(px[0][(u) * STEP + (r)])
#define TAPS_AT_ONCE 1
#endif
#define PIXEL(acc, u)                                                                                          \
    {                                                                                                          \
        vec dv[TQ];                                                                                            \
        _Pragma("unroll") for (int q = 0; q < TQ; ++q) dv[q] = LOAD(dp + (u) * TN + q * VW);                   \
        _Pragma("unroll") for (int r = 0; r < TR; ++r) {                                                       \
            const vec x = OPERAND(u, r);                                                                       \
            _Pragma("unroll") for (int q = 0; q < TQ; ++q) acc[r * TQ + q] = fma(x, dv[q], acc[r * TQ + q]);   \
        }                                                                                                      \
    }
#define PAIRED (TR * TQ <= 8) /* accumulators: two sets then hide the latency of fma */

/* sums[TR][TN] += over the block's pixels, for the kernel's row at kh; px: the tile's operands for the block's first pixel.
 * `coming`: memory that is fetched meanwhile, `step` floats for every two pixels, 32 at most. */
INLINE void tile_sum(const __local float *patch, const int *column, const __local float *dy, __local float *sums,
                     int images, const axis h, const axis w, int kh, int row_floats, const __global float *coming, int step)
{
    vec acc[TR * TQ], odd[TR * TQ];
    #pragma unroll
    for (int j = 0; j < TR * TQ; ++j) acc[j] = odd[j] = (vec)(0.0f);
    for (int i = 0; i < images; ++i) {
        for (int q = 0; q < h.outs; ++q) {
            const int place = q * h.stride + kh; /* in the patch, were skip 1 */
            if (!LANES && (h.low + place < 0 || h.low + place >= h.in)) continue;
            const __local float *row = patch + (i * h.count + place / h.skip) * row_floats, *px[TAPS_AT_ONCE];
            const __local float *dp = dy + (i * h.outs + q) * w.outs * TN;
            #pragma unroll
            for (int t = 0; t < TAPS_AT_ONCE; ++t) px[t] = row + column[t];
            int v = 0;
            for (; v + 2 <= w.outs; v += 2) {
                PIXEL(acc, 0)
                if (PAIRED) PIXEL(odd, 1) else PIXEL(acc, 1)
                #pragma unroll
                for (int t = 0; t < TAPS_AT_ONCE; ++t) px[t] += 2 * STEP;
                dp += 2 * TN;
                if (!ONE_RUN) {
                    PREFETCH(coming);
                    PREFETCH(coming + 16);
                    coming += step;
                }
            }
            if (v < w.outs) PIXEL(acc, 0)
        }
    }
    #pragma unroll
    for (int j = 0; j < TR * TQ; ++j) STORE(LOAD(sums + j * VW) + acc[j] + odd[j], sums + j * VW);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
conv2d_backward_weights(__global float *restrict out, const __global float *restrict x, const __global float *restrict dy,
                        int N, int H, int W, int C, int OH, int OW, int K, int KH, int KW,
                        int SH, int SW, int PH, int PW, int DH, int DW, int G,
                        int cg, int kg, int held, int images, int rows, int cols, int cbs, int kbs, int S)
{
    __local float pool[POOL_FLOATS] __attribute__((aligned(64)));
    const int taps = MERGE ? KH : KH * KW / TAPS_AT_ONCE, blocks = ONE_RUN ? 1 : div_up(cg, RB);
    const int ranges = div_up(blocks, cbs), s = get_global_id(0), g0 = get_global_id(1) / ranges * held;
    const int gn = min(held, div_up(C, cg) - g0);
    const int b0 = get_global_id(1) % ranges * cbs, bn = min(cbs, blocks - b0);
    const int kb0 = get_global_id(2) * kbs, kbn = min(kbs, div_up(kg, TN) - kb0);
    const int c0 = g0 * cg + b0 * RB, k0 = g0 * kg + kb0 * TN;
    const slice x_slice = {gn, cg, bn, C - c0}, dy_slice = {gn, kg, kbn, K - k0};
    axis h = {H, OH, KH, SH, PH, DH, 0, 0, 0, 0, 0}, w = {W, OW, KW, SW, PW, DW, 0, 0, 0, 0, 0};
    const int phases = MERGE || KW == 1 ? 1 : SW;
    const int pitch = cols + (KW - 1) * DW / phases, row_floats = MERGE ? cols * STEP + RB : phases * pitch * STEP;

    const int tile = taps * ROWS * TN, sums_floats = gn * kbn * bn * tile; /* of a pair of blocks, of all */
    __local float *sums = pool, *dy_block = sums + sums_floats;
    for (int j = 0; j < sums_floats; j += VW) STORE((vec)(0.0f), sums + j);

    const int row_blocks = div_up(OH, rows), col_blocks = div_up(OW, cols);
    const int all = div_up(N, images) * row_blocks * col_blocks, end = (int)((long)all * (s + 1) / S);
    for (int i = (int)((long)all * s / S); i < end; ++i) {
        const int n0 = i / (row_blocks * col_blocks) * images, nn = min(images, N - n0);
        h = axis_block(h, i / col_blocks % row_blocks * rows, rows);
        w = axis_block(w, i % col_blocks * cols, cols);
        const int pixels = nn * h.outs * w.outs, patch_block = nn * h.count * row_floats;
        __local float *patch = dy_block + gn * kbn * pixels * TN;
        for (int r = 0; r < nn * h.count; ++r) {
            const int row = h.low + r % h.count * h.skip;
            const bool inside = row >= 0 && row < H;
            const __global float *src = x + ((size_t)(n0 + r / h.count) * H + row) * W * C + c0;
            if (LANES || inside) /* else never read */
                row_fill(inside ? src : 0, patch + r * row_floats, (columns){w.low, w.skip, phases, pitch}, 0, w.count, x_slice,
                         patch_block, W, C);
        }
        for (int r = 0; r < nn * h.outs; ++r) {
            const int row = (n0 + r / h.outs) * OH + h.begin + r % h.outs;
            const __global float *src = dy + ((size_t)row * OW + w.begin) * K + k0;
            for (int v = 0; v < w.outs; ++v)
                dy_copy(src + (size_t)v * K, dy_block + (r * w.outs + v) * TN, dy_slice, pixels * TN,
                        div_up(AHEAD, gn * min(kg, kbn * TN)) * K);
        }

        /* The tiles share in fetching the next block's dy, which its copy would wait for; not worth it for few rows. */
        const int step = ONE_RUN ? 0 : 2 * K / (gn * kbn * bn * taps * div_up(min(RB, cg), TR));
        const __global float *coming = dy + ((size_t)(n0 * OH + h.begin) * OW + w.begin + pixels) * K + k0;
        for (int b = 0; b < gn * kbn * bn; ++b) {
            const int g = b / (kbn * bn), block = b % bn;
            const __local float *dy_part = dy_block + b / bn * pixels * TN;
            const __local float *patch_part = patch + (g * bn + block) * patch_block;
            const int used = ONE_RUN ? RB : min(RB, cg - (b0 + block) * RB);
            for (int t = 0; t < taps; ++t) {
                const int kh = (MERGE ? t : t * TAPS_AT_ONCE / KW) * DH;
                int column[TAPS_AT_ONCE];
                #pragma unroll
                for (int j = 0; j < TAPS_AT_ONCE; ++j) {
                    const int kw = MERGE ? 0 : (t * TAPS_AT_ONCE + j) % KW * DW;
                    column[j] = (LANES ? j / KW * DH * row_floats : 0) + (kw % phases * pitch + kw / phases) * STEP;
                }
                for (int r = 0; r < used; r += TR) {
                    tile_sum(patch_part, column, dy_part, sums + b * tile + (t * ROWS + r) * TN, nn, h, w, kh, row_floats,
                             coming, step);
                    coming += pixels / 2 * step;
                    #pragma unroll
                    for (int j = 0; j < TAPS_AT_ONCE; ++j) column[j] += TR;
                }
            }
        }
    }

    const int each = C / G, wide = K / G; /* channels of a group of dw */
    for (int b = 0; b < gn * kbn * bn; ++b) {
        const int g = g0 + b / (kbn * bn), block = b0 + b % bn;
        const int c = g * cg + block * RB, used = ONE_RUN ? RB : min(min(RB, cg - block * RB), C - c);
        const int k = g * kg + (kb0 + b / bn % kbn) * TN, kn = min(min(TN, (g + 1) * kg - k), K - k);
        for (int t = 0; t < taps; ++t)
            for (int r = 0; r < used; ++r) {
                /* row of dw: number of a run, or tap and channel of its group; and the columns of its group */
                const bool run = ONE_RUN;
                const int row = run ? t * RB + r : t * each + (c + r) % each;
                const int begin = run ? k : max(k, (c + r) / each * wide);
                const int stop = run ? k + kn : min(k + kn, ((c + r) / each + 1) * wide);
                const __local float *src = sums + b * tile + (t * ROWS + r) * TN;
                __global float *dst = out + ((size_t)s * KH * KW * each + row) * K + k;
                if (begin == k && stop == k + TN) {
                    for (int j = 0; j < TN; j += VW) STORE(LOAD(src + j), dst + j);
                } else {
                    for (int j = begin - k; j < stop - k; ++j) dst[j] = src[j];
                }
            }
    }
}

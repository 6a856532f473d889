/* The patch of class cpu's direct convolutions: a block's input pixels in local memory, zero padded, behind vector.cl in one
 * program with conv2d.cl or conv2d_backward_weights.cl. No kernels.
 *
 *   patch[block of RUN channels][image][row][column phase][column][STEP]
 *
 * Column b of a row is column b / phases of phase b % phases, so that the inputs of neighbouring outputs are STEP floats apart
 * whatever the stride.
 *
 * Macros
 *   LANES    0  not 0: groups of LANES channels, each in a lane of its own: a pixel is LANES vectors, of which vector i has channel
 *               i of its group in every lane
 *   MERGE    0  1: few channels: a row is all pixels' numbers, one behind the other; STEP is the host's
 *   STEP    16  floats from a pixel to the next
 */
#ifndef LANES
#define LANES 0
#endif
#ifndef MERGE
#define MERGE 0
#endif
#ifndef STEP
#define STEP (LANES ? LANES * VW : 16)
#endif

#define RUN (LANES ? VW : 16) /* channels of a block */
#define AHEAD 1024            /* floats of the input that are prefetched before they are copied */

#if VW == 16
#define LANE (uint16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#elif VW == 8
#define LANE (uint8)(0, 1, 2, 3, 4, 5, 6, 7)
#else
#define LANE (uint4)(0, 1, 2, 3)
#endif

/* A vector of channels, as the patch holds it. */
INLINE void channels_store(vec v, __local float *p)
{
#if LANES > 1
    #pragma unroll
    for (int i = 0; i < LANES; ++i) STORE_LOCAL(shuffle(v, (LANE & (uint)-LANES) + (uint)i), p + i * VW);
#else
    STORE_LOCAL(v, p);
#endif
}

/* Channels that the patch holds: `groups` groups of cg, in `blocks` blocks of RUN each; n channels exist, others are 0. */
typedef struct {
    int groups, cg, blocks, n;
} slice;

/* block: floats from a block of channels to the next; ahead: to what is prefetched. */
INLINE void pixel_copy(const __global float *src, __local float *dst, const slice s, int block, int ahead)
{
    const int cg = LANES ? VW : s.cg, blocks = LANES ? 1 : s.blocks;
    int n = s.n;
    for (int g = 0; g < s.groups; ++g, src += cg, n -= cg) {
        const __global float *from = src;
        int left = min(cg, n);
        for (int b = 0; b < blocks; ++b, dst += block, from += RUN, left -= RUN) {
            PREFETCH(from + ahead);
            #pragma unroll
            for (int j = 0; j < RUN; j += VW)
                if (left >= RUN) channels_store(LOAD_GLOBAL(from + j), dst + j);
                else channels_store(load_lanes(from + j, left - j), dst + j);
        }
    }
}

INLINE void pixel_clear(__local float *dst, const slice s, int block)
{
    for (int b = 0; b < s.groups * s.blocks; ++b, dst += block) {
        #pragma unroll
        for (int j = 0; j < STEP; j += VW) STORE_LOCAL((vec)(0.0f), dst + j);
    }
}

/* The columns of the input that a row of the patch holds: from `low` on, which may be negative, `skip` apart; pitch: of a phase. */
typedef struct {
    int low, skip, phases, pitch;
} columns;

/* Fills columns begin..end of a row of the patch, begin a multiple of phases, from src, a row of W pixels of C channels or NULL for
 * padding; zeros outside. */
INLINE void row_fill(const __global float *src, __local float *dst, const columns c, int begin, int end, const slice s, int block,
                     int W, int C)
{
#if MERGE
    const int first = src ? clamp(-c.low, begin, end) : end, last = clamp(W - c.low, first, end);
    for (int j = begin * C; j < first * C; ++j) dst[j] = 0.0f;
    for (int j = first * C; j < last * C; ++j) dst[j] = src[c.low * C + j];
    for (int j = last * C; j < end * C; ++j) dst[j] = 0.0f;
#else
    const int step = c.phases * c.skip, ahead = div_up(AHEAD, s.groups * min(s.cg, s.blocks * RUN)) * c.skip * C;
    const int start = begin / c.phases;
    for (int phase = 0; phase < c.phases; ++phase, dst += c.pitch * STEP) {
        const int low = c.low + phase * c.skip, stop = div_up(end - phase, c.phases);
        const int first = src ? clamp(low < 0 ? div_up(-low, step) : 0, start, stop) : stop;
        const int last = clamp(low < W ? div_up(W - low, step) : 0, first, stop);
        for (int b = start; b < first; ++b) pixel_clear(dst + b * STEP, s, block);
        for (int b = first; b < last; ++b)
            pixel_copy(src + (size_t)(low + b * step) * C, dst + b * STEP, s, block, ahead);
        for (int b = last; b < stop; ++b) pixel_clear(dst + b * STEP, s, block);
    }
#endif
}

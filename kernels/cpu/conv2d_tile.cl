/* The end of a register tile of class cpu's direct convolutions, behind vector.cl and conv2d_epilogue.cl in one program with
 * conv2d.cl or conv2d_pointwise.cl. No kernels.
 *
 * A tile is acc[TM][TQ]: NSEG segments of SEG neighbouring pixels x TQ vectors of output channels. About TM*TQ + TQ + 1 vector
 * registers are live while it is computed.
 *
 * Macros
 *   TQ    2  vectors of output channels
 *   SEG   4  pixels per segment
 *   NSEG  2  segments
 */
#ifndef TQ
#define TQ 2
#endif
#ifndef SEG
#define SEG 4
#endif
#ifndef NSEG
#define NSEG 2
#endif

#define TN (TQ * VW)
#define TM (NSEG * SEG)

/* Where the results of a tile go: from `out` (and the addend's `addend`) on, the first pixel of each segment and the floats to
 * the next one; and what is done to them. */
typedef struct {
    __global float *out;
    const __global float *addend;
    size_t first[NSEG], apart;
    int epilogue, more; /* bits; 1: they are added to what earlier passes left in out */
} target;

#define OFFSET(j) (t.first[(j) / TQ / SEG] + (j) / TQ % SEG * t.apart + (j) % TQ * VW) /* of accumulator j */

/* A whole tile stays in registers. */
#define EACH(statement) _Pragma("unroll") for (int j = 0; j < TM * TQ; ++j) statement
INLINE void tile_end(vec *acc, const target t, const affine *ending)
{
    if (t.more) EACH(acc[j] += LOAD_GLOBAL(t.out + OFFSET(j)));
    if (t.epilogue) EACH(acc[j] = fma(acc[j], ending[j % TQ].factor, ending[j % TQ].offset));
    if (t.epilogue & ADDEND) EACH(acc[j] += LOAD_GLOBAL(t.addend + OFFSET(j)));
    if (t.epilogue & RELU) EACH(acc[j] = acc[j] < (vec)(0.0f) ? (vec)(0.0f) : acc[j]);
    EACH(STORE_GLOBAL(acc[j], t.out + OFFSET(j)));
}

/* The same for a tile of which count[s] pixels of each segment and kn channels exist. The first `skip` pixels are not stored. */
INLINE void part_end(const vec *acc, const target t, const affine *ending, int skip, const int *count, int kn)
{
    float sums[TM * TN];
    EACH(STORE(acc[j], sums + j * VW));
    for (int j = skip * TQ; j < TM * TQ; ++j) {
        const int q = j % TQ, n = kn - q * VW;
        if (j / TQ % SEG >= count[j / TQ / SEG] || n <= 0) continue;
        vec v = LOAD(sums + j * VW);
        if (t.more) v += load_lanes(t.out + OFFSET(j), n);
        store_lanes(finish(v, ending[q], t.addend + OFFSET(j), t.epilogue, n), t.out + OFFSET(j), n);
    }
}

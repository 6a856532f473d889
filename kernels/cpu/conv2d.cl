/* conv2d, class cpu: convolution in gather form, channels last, with an epilogue. The host's numbers make it conv2d, or
 * conv2d_backward_data, which is conv_transpose2d. Comes behind vector.cl, conv2d_epilogue.cl,
 * conv2d_tile.cl and conv2d_patch.cl.
 *
 *   out[n,q,v,k] = epilogue( sum over i<KH, j<KW, c of in[n, row(q,i), column(v,j), c] * weight[i,j,c,k] )
 *   row(q,i) = (q*GH + FH + i*DH) / TH,  column(v,j) = (v*GW + FW + j*DW) / TW;  a tap counts where both are whole and inside
 *   forward:        G = stride, T = 1,      F = -padding, D = dilation
 *   backward data:  G = 1,      T = stride, F = padding,  D = -dilation,  in = dy, out = dx
 * Input channels g*cg.. meet output channels g*kg.. of the same group g only.
 *
 * Kernels. Local size (1,1,1), no barriers.
 *   conv2d_pack(panels, w, int wc, wk, wkg, C, K, cg, kg, backward)      must run first
 *       w[taps,wc,wk] as the op has it: wk output channels of the forward convolution in groups of wkg, wc input channels per
 *       group. cg, kg: groups as above, which may each hold several of w's (weights between those are 0).
 *       backward: w is transposed, for backward data. Global size (ceil(C/cg) * ceil(kg/TN), taps).
 *       panels[group, ceil(kg/TN), rows per tap / RB, taps, RB, TN]: weights in the order of use
 *   conv2d(out[N,OH,OW,K], in[N,H,W,C], panels, bias[K], scale[K], shift[K], addend[N,OH,OW,K], int epilogue,
 *          int N, H, W, C, OH, OW, K, KH, KW, GH, GW, TH, TW, FH, FW, DH, DW, cg, kg, images, rows, cols, pass, held)
 *       global size (ceil(N/images) * ceil(OH/rows) * ceil(OW/cols), splits), 1 <= splits <= panels
 *   Nothing may overlap out.
 *
 * Mapping: work-group (b, s) computes a block of `images` images x `rows` rows x `cols` columns of out, of the panels its
 * s-th share. It copies the block's input to the patch (conv2d_patch.cl; local memory: the core's L1/L2), where neighbouring
 * pixels of out are STEP floats apart whatever the stride: addresses in the inner loop are base + constant, and padding needs
 * no test. Groups are copied `held` at a time. The copy runs just ahead of the first panel's tiles, so that memory works
 * while they do. Pixels of out with equal (q % TH, v % TW), a phase, have the same whole taps: each phase is a dense
 * convolution, and a stride of backward data wastes no multiplication. The register tile is NSEG segments of SEG neighbouring
 * pixels of a phase x TQ vectors of VW output channels. What a row of weights is multiplied with:
 *   plain  one input channel, broadcast. STEP and RB are 16, a cache line.
 *   LANES  groups of LANES channels in and out, depthwise when 1: a vector of VW lanes, each of its own group. cg = kg = VW.
 *          LANES is 0, 1, 2, 4 or 8, below VW unless 1.
 *   MERGE  few input channels: a row of KW taps x C channels is one run of RB = KW*C numbers, STEP = GW*C. Forward, DW = 1.
 *
 * Cost: per tap and row of weights a tile issues NSEG*SEG*TQ vector fma, as many loads (LANES) or NSEG*SEG broadcasts, and TQ
 * loads of weights. With two loads and two fma per clock it is fma bound for TQ = 2 and balanced for TQ = 1. Three
 * neighbouring taps of a plain convolution go together: NSEG*(SEG+2) broadcasts and 3*TQ loads for 3*NSEG*SEG*TQ fma. The weights
 * of `pass` blocks (taps*pass*RB*TN*4 bytes) should stay in the nearer caches; several panels whole are computed tile by tile,
 * so that memory sees whole pixels; else the sums wait in out between passes, 2*NSEG*SEG*TQ vector moves per tile.
 *
 * The host checks: the patch, held * blocks * images * prows * row floats, is at most PATCH_FLOATS, blocks = ceil(cg/16) or 1;
 *   KH*KW, or KH for MERGE, <= MAX_TAPS; rows and cols are multiples of TH and TW or cover OH and OW.
 *   With span = (taps-1)*|D| and skip = taps == 1 ? G : 1 of a dimension,
 *   prows = ((rows-1)*GH + span) / TH / skip + (TH == 1 ? 1 : 2), likewise pcols;  phases = GW / skip;
 *   row floats = phases * (ceil(pcols/phases) + SEG-1) * STEP;  MERGE: (cols + SEG-1)*STEP + RB.
 *
 * Macros, besides those of vector.cl, conv2d_tile.cl (TQ 1 for LANES; SEG should divide the output width) and conv2d_patch.cl
 *   RB          rows of weights of a tap: 16, LANES or, for MERGE, the host's
 *   THREE    1  0: no code for three taps at once
 *   PATCH_FLOATS 65536, MAX_TAPS 128
 */
#ifndef RB
#define RB (LANES ? LANES : 16)
#endif
#ifndef THREE
#define THREE (!LANES && !MERGE)
#endif
#ifndef PATCH_FLOATS
#define PATCH_FLOATS 65536
#endif
#ifndef MAX_TAPS
#define MAX_TAPS 128
#endif

#define PIECE 16                     /* columns of a phase of a patch row that are filled at once */
#define UNROLL (STEP < 4 ? STEP : 4) /* rows of weights per turn; more would meet the next pixel's numbers */

INLINE int floor_div(int a, int b)
{
    return a >= 0 ? a / b : -((b - 1 - a) / b);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
conv2d_pack(__global float *restrict panels, const __global float *restrict w, int wc, int wk, int wkg,
            int C, int K, int cg, int kg, int backward)
{
    const int each = div_up(kg, TN), panel = get_global_id(0), tap = get_global_id(1), taps = get_global_size(1);
    const int group = panel / each, blocks = LANES ? 1 : div_up(cg, RB);
    const int k0 = group * kg + panel % each * TN, kn = min(TN, min(K, (group + 1) * kg) - k0);
    __global float *dst = panels + ((size_t)panel * blocks * taps + tap) * RB * TN;
    for (int block = 0; block < blocks; ++block, dst += taps * RB * TN) {
        const int c0 = group * cg + block * RB, cn = LANES ? RB : min(RB, min(C, (group + 1) * cg) - c0);
        if (!backward) {
            for (int r = 0; r < cn; ++r) { /* a row of w; the columns of its group */
                const int g = (c0 + r) / wc, begin = LANES ? k0 : max(g * wkg, k0);
                const int end = LANES ? k0 + kn : min((g + 1) * wkg, k0 + kn);
                const __global float *src = w + ((size_t)tap * wc + (LANES ? r : (c0 + r) % wc)) * wk + k0;
                if (begin == k0 && end == k0 + TN) {
                    for (int n = 0; n < TN; n += VW) STORE(LOAD(src + n), dst + r * TN + n);
                } else {
                    for (int n = 0; n < TN; ++n) dst[r * TN + n] = k0 + n >= begin && k0 + n < end ? src[n] : 0.0f;
                }
            }
        } else {
            for (int n = 0; n < TN; ++n) { /* a row of w turns into a column; of it, the part of its group */
                const int g = (k0 + n) / wc, first = LANES ? g * wkg : c0;
                const int begin = n < kn ? max(g * wkg - first, 0) : cn, end = min((g + 1) * wkg - first, cn);
                const __global float *src = w + ((size_t)tap * wc + (k0 + n) % wc) * wk + first;
                __global float *column = dst + n;
                if (begin == 0 && end == RB) {
                    #pragma unroll
                    for (int r = 0; r < RB; ++r) column[r * TN] = src[r];
                } else {
                    for (int r = 0; r < cn; ++r) column[r * TN] = r >= begin && r < end ? src[r] : 0.0f;
                }
            }
        }
    }
}

/* One dimension of the convolution: the numbers that the head of this file calls H, OH, KH, GH, TH, FH and DH. */
typedef struct {
    int in, out, taps, gather, divide, first, apart;
} axis;

/* The places of `in` that a run of outputs reads: count of them, `skip` apart, from `low` on, which may be negative. `step`: of
 * them, from one output of a phase to the next; `each`: what one output reads of them, from its first to its last, at most. */
typedef struct {
    int low, count, skip, step, each;
} reach;

INLINE reach reach_of(const axis a, int begin, int count)
{
    const int span = (a.taps - 1) * a.apart, last = begin + count - 1;
    const int low = floor_div(begin * a.gather + a.first + min(span, 0), a.divide);
    const int high = floor_div(last * a.gather + a.first + max(span, 0), a.divide), skip = a.taps == 1 ? a.gather : 1;
    const int all = (high - low) / skip + 1, step = a.gather / skip;
    return (reach){low, all, skip, step, all - (div_up(count, a.divide) - 1) * step + (a.divide > 1)};
}

/* The place of `in`, from r.low on, that output `o` reads at tap t; false: none. */
INLINE bool tap_place(const axis a, const reach r, int o, int t, int *place)
{
    const int p = o * a.gather + a.first + t * a.apart, whole = floor_div(p, a.divide);
    *place = (whole - r.low) / r.skip;
    return whole * a.divide == p;
}

/* The patch: rows of all images one after the other. Column b of a row is column b / phases of phase b % phases. */
typedef struct {
    reach h, w;
    int images, phases, pitch; /* columns per phase */
    int row, block;            /* floats of a row, of a block of channels */
    int pieces;                /* of a row */
} layout;

INLINE layout layout_of(const reach h, const reach w, int images, int cols)
{
    layout l = {h, w, images, MERGE ? 1 : w.step, 0, 0, 0, 0};
    l.pitch = div_up(w.count, l.phases) + SEG - 1;
    l.row = MERGE ? (cols + SEG - 1) * STEP + RB : l.phases * l.pitch * STEP;
    l.block = images * h.count * l.row;
    l.pieces = div_up(w.count, PIECE * l.phases);
    return l;
}

/* Row u of a block of weights, of one tap, times the tile's pixels. */
#if LANES
#define OPERAND(p) LOAD(p)
#define ROW_FLOATS VW
#else
#define OPERAND(p) (vec)(*(p))
#define ROW_FLOATS 1
#endif
#define MULTIPLY_ROW(u)                                                                                          \
    {                                                                                                            \
        vec wv[TQ];                                                                                              \
        _Pragma("unroll") for (int q = 0; q < TQ; ++q) wv[q] = LOAD(wp + (u) * TN + q * VW);                     \
        _Pragma("unroll") for (int j = 0; j < TM; ++j) {                                                         \
            const vec x = OPERAND(px[j / SEG] + j % SEG * STEP + (u) * ROW_FLOATS);                              \
            _Pragma("unroll") for (int q = 0; q < TQ; ++q) acc[j * TQ + q] = fma(x, wv[q], acc[j * TQ + q]);     \
        }                                                                                                        \
    }

/* acc[TM][TQ] += one tap, wp[rows][TN]; at: where in the patch block each segment's pixels begin. */
INLINE void tap_accumulate(vec *acc, const __local float *block, const int *at, const __global float *wp, int rows)
{
    const __local float *px[NSEG];
    #pragma unroll
    for (int s = 0; s < NSEG; ++s) px[s] = block + at[s];
#if LANES
    #pragma unroll
    for (int u = 0; u < RB; ++u) MULTIPLY_ROW(u)
#else
    int c = 0;
    for (; c + UNROLL <= rows; c += UNROLL) {
        #pragma unroll
        for (int u = 0; u < UNROLL; ++u) MULTIPLY_ROW(u)
        #pragma unroll
        for (int s = 0; s < NSEG; ++s) px[s] += UNROLL;
        wp += UNROLL * TN;
    }
    for (; c < rows; ++c) {
        MULTIPLY_ROW(0)
        #pragma unroll
        for (int s = 0; s < NSEG; ++s) px[s] += 1;
        wp += TN;
    }
#endif
}

#if THREE
/* Row u of the weights of three taps that are neighbours in the patch: an input is broadcast once and serves the three outputs
 * that it is part of. */
#define MULTIPLY_ROWS(u)                                                                                         \
    {                                                                                                            \
        vec wv[3 * TQ];                                                                                          \
        _Pragma("unroll") for (int q = 0; q < 3 * TQ; ++q)                                                       \
            wv[q] = LOAD(wp + q / TQ * tap + (u) * TN + q % TQ * VW);                                            \
        _Pragma("unroll") for (int j = 0; j < SEG + 2; ++j) {                                                    \
            _Pragma("unroll") for (int s = 0; s < NSEG; ++s) {                                                   \
                const vec x = (vec)(px[s][j * STEP + (u)]);                                                      \
                _Pragma("unroll") for (int q = 0; q < 3 * TQ; ++q) {                                             \
                    const int o = j - q / TQ;                                                                    \
                    if (o >= 0 && o < SEG)                                                                       \
                        acc[(s * SEG + o) * TQ + q % TQ] = fma(x, wv[q], acc[(s * SEG + o) * TQ + q % TQ]);      \
                }                                                                                                \
            }                                                                                                    \
        }                                                                                                        \
    }

/* acc[TM][TQ] += those three taps, the left one's place and weights given; `tap`: floats to the next one's weights. */
INLINE void taps_accumulate(vec *acc, const __local float *block, const int *at, const __global float *wp, int tap, int rows)
{
    const __local float *px[NSEG];
    #pragma unroll
    for (int s = 0; s < NSEG; ++s) px[s] = block + at[s];
    int c = 0;
    for (; c + 2 <= rows; c += 2) {
        #pragma unroll
        for (int u = 0; u < 2; ++u) MULTIPLY_ROWS(u)
        #pragma unroll
        for (int s = 0; s < NSEG; ++s) px[s] += 2;
        wp += 2 * TN;
    }
    if (c < rows) MULTIPLY_ROWS(0)
}
#endif

/* A segment's place in the block: image, row and number in the row, of a phase. */
typedef struct {
    int image, row, seg;
} place;

INLINE place place_next(place p, int rows, int segs)
{
    if (++p.seg == segs) {
        p.seg = 0;
        if (++p.row == rows) {
            p.row = 0;
            ++p.image;
        }
    }
    return p;
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
conv2d(__global float *restrict out, const __global float *restrict in, const __global float *restrict panels,
       const __global float *restrict bias, const __global float *restrict scale,
       const __global float *restrict shift, const __global float *restrict addend, int epilogue,
       int N, int H, int W, int C, int OH, int OW, int K, int KH, int KW, int GH, int GW, int TH, int TW,
       int FH, int FW, int DH, int DW, int cg, int kg, int images, int rows, int cols, int pass, int held)
{
    __local float patch[PATCH_FLOATS] __attribute__((aligned(64)));
    int tap_at[MAX_TAPS], tap_index[MAX_TAPS]; /* of a phase's taps: patch offset, which */
    const axis ah = {H, OH, KH, GH, TH, FH, DH}, aw = {W, OW, KW, GW, TW, FW, DW};
    const int col_blocks = div_up(OW, cols), row_blocks = div_up(OH, rows), at_block = get_global_id(0);
    const int n0 = at_block / (col_blocks * row_blocks) * images, nn = min(images, N - n0);
    const int q0 = at_block / col_blocks % row_blocks * rows, qn = min(rows, OH - q0);
    const int v0 = at_block % col_blocks * cols, vn = min(cols, OW - v0);
    const layout l = layout_of(reach_of(ah, q0, qn), reach_of(aw, v0, vn), nn, vn);
    const columns held_columns = {l.w.low, l.w.skip, l.phases, l.pitch};
    const int taps_all = KH * (MERGE ? 1 : KW), each = div_up(kg, TN), all = div_up(C, cg) * each; /* panels */
    const int end = (int)((long)all * (get_global_id(1) + 1) / get_global_size(1));
    const bool rows_of_three = THREE && KW == 3 && GW == 1 && TW == 1 && (DW == 1 || DW == -1);
    slice s = {0, cg, LANES || MERGE ? 1 : div_up(cg, RB), 0};
    int group0 = 0, filled = 0; /* first group of the patch, pieces of it that are there */

    /* A panel after the other, or, tile by tile, `near` of them: so does memory see long runs. For LANES one of each group. */
    for (int panel = (int)((long)all * get_global_id(1) / get_global_size(1)), near; panel < end; panel += near) {
        const int group = panel / each;
        if (group >= group0 + s.groups) {
            group0 = group;
            s.groups = min(held, (end - 1) / each - group + 1);
            s.n = C - group * cg;
            filled = 0;
        }
        near = LANES ? s.groups : min(max(pass / s.blocks, 1), min(each - panel % each, end - panel));

        for (int phase = 0; phase < min(TH, qn) * min(TW, vn); ++phase) {
            const int qa = phase / min(TW, vn), va = phase % min(TW, vn);
            const int qs = div_up(qn - qa, TH), vs = div_up(vn - va, TW); /* rows and columns of the phase */
            const int segs = div_up(vs, SEG), all_segs = nn * qs * segs;
            int taps = 0;
            for (int t = 0; t < taps_all; ++t) {
                int h, w = 0;
                if (!tap_place(ah, l.h, q0 + qa, MERGE ? t : t / KW, &h)) continue;
                if (!MERGE && !tap_place(aw, l.w, v0 + va, t % KW, &w)) continue;
                tap_at[taps] = h * l.row + (w % l.phases * l.pitch + w / l.phases) * STEP;
                tap_index[taps++] = t;
            }
            for (int b0 = 0, b1; b0 < s.blocks; b0 = b1) {
                place p = {0, 0, 0}, here = p;
                b1 = min(b0 + pass, s.blocks);
                for (int t = 0; t < all_segs; t += NSEG) {
                    int at[NSEG], count[NSEG]; /* of each segment: patch offset, pixels that exist */
                    target to = {out, addend, {0}, (size_t)TW * K, b1 == s.blocks ? epilogue : 0, b0 > 0};
                    #pragma unroll
                    for (int i = 0; i < NSEG; ++i) {
                        here = p;
                        at[i] = (p.image * l.h.count + p.row * l.h.step) * l.row + p.seg * SEG * STEP;
                        to.first[i] = (((size_t)(n0 + p.image) * OH + q0 + qa + p.row * TH) * OW + v0 + va + p.seg * SEG * TW) * K;
                        count[i] = t + i < all_segs ? min(SEG, vs - p.seg * SEG) : 0;
                        if (t + i + 1 < all_segs) p = place_next(p, qs, segs);
                    }

                    /* What the tile reads is copied just before, and a piece more: memory and arithmetic overlap. */
                    const int down = min(here.row * l.h.step + l.h.each, l.h.count);
                    const int right = TH * TW > 1 ? l.w.count : min((here.seg * SEG + SEG - 1) * l.w.step + l.w.each, l.w.count);
                    const int need = (here.image * l.h.count + down - 1) * l.pieces + div_up(right, PIECE * l.phases) + 1;
                    for (; filled < min(need, nn * l.h.count * l.pieces); ++filled) {
                        const int row = filled / l.pieces, h = l.h.low + row % l.h.count * l.h.skip;
                        const __global float *src = in + ((size_t)(n0 + row / l.h.count) * H + h) * W * C + group0 * cg;
                        const int begin = filled % l.pieces * PIECE * l.phases;
                        row_fill(h >= 0 && h < H ? src : 0, patch + row * l.row, held_columns, begin,
                                 min(begin + PIECE * l.phases, l.w.count), s, l.block, W, C);
                    }

                    for (int m = 0; m < near; ++m) {
                        const int g = (panel + m) / each, k0 = g * kg + (panel + m) % each * TN;
                        const int kn = min(TN, min(K, (g + 1) * kg) - k0);
                        bool whole = kn == TN;
                        _Pragma("unroll") for (int i = 0; i < NSEG; ++i) whole = whole && count[i] == SEG;
                        to.out = out + k0;
                        to.addend = addend + k0;
                        vec acc[TM * TQ];
                        EACH(acc[j] = (vec)(0.0f));
                        for (int b = b0; b < b1; ++b) {
                            const __global float *wp = panels + ((size_t)(panel + m) * s.blocks + b) * taps_all * RB * TN;
                            const __local float *from = patch + ((g - group0) * s.blocks + b) * l.block;
                            const int used = MERGE ? KW * C : min(RB, min(cg, C - g * cg) - b * RB);
#if THREE
                            if (rows_of_three) {
                                for (int tap = DW < 0 ? 2 : 0; tap < taps; tap += 3)
                                    taps_accumulate(acc, from + tap_at[tap], at, wp + tap_index[tap] * RB * TN, DW * RB * TN, used);
                                continue;
                            }
#endif
                            for (int tap = 0; tap < taps; ++tap)
                                tap_accumulate(acc, from + tap_at[tap], at, wp + tap_index[tap] * RB * TN, used);
                        }
                        affine ending[TQ];
                        #pragma unroll
                        for (int q = 0; q < TQ; ++q)
                            if (to.epilogue) ending[q] = affine_of(bias, scale, shift, epilogue, k0 + q * VW, kn - q * VW);
                        if (whole) tile_end(acc, to, ending);
                        else part_end(acc, to, ending, 0, count, kn);
                    }
                }
            }
        }
    }
}

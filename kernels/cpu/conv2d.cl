/* 2-D convolution, forward, for CPUs (groups == 1, and a depthwise kernel for groups == C == K).
 *
 * Tensors, float32, channels last:  x[N,H,W,C]   w[KH,KW,C,K]   y[N,OH,OW,K]
 *   y[n,oh,ow,k] = sum_{kh,kw,c} x[n, oh*sh-ph+kh*dh, ow*sw-pw+kw*dw, c] * w[kh,kw,c,k]
 *
 * Mapping: one work-item per work-group (local size 1,1,1), no barriers. Work-group (b,s) computes a block of
 * `images` images x `rows` output rows x `cols` output columns, and of the blocks of TQ*VW output channels those
 * with index % get_global_size(1) == s. b counts (image block, row block, column block), the last fastest.
 * The block's input is copied once into `patch` (local memory, stays in the core's L1/L2), zero padded, as
 * [channel block][image][row][column phase][column][CB]: so neighbouring output pixels are CB floats apart whatever
 * the stride, every address in the inner loop is base + constant, and padding costs nothing there.
 * The register tile is NSEG segments of SEG neighbouring pixels x TQ vectors of VW channels.
 *
 * Cost: per input channel and tap a tile issues NSEG*SEG*TQ vector fma, NSEG*SEG scalar broadcasts and TQ vector
 * loads of weights. Two loads and two fma per clock make it fma bound for TQ = 2 and about balanced for TQ = 1. The
 * weights of `pass` channel blocks (taps*pass*CB*TQ*VW*4 bytes) should fit in half of L1; between passes the partial
 * sums live in y, 2*NSEG*SEG*TQ vector moves per tile. Copying the patch costs 2 moves per CB inputs against
 * taps*K fma.
 *
 * Limits (the host checks them): patch_size (below) <= PATCH_FLOATS, KH*KW <= MAX_TAPS, K >= VW*TQ unless NARROW.
 * addend must not alias y.
 *
 * Macros
 *   VW      16  floats per vector: 4, 8 or 16
 *   TQ       2  vectors of output channels per tile
 *   SEG      4  neighbouring pixels per segment; best when it divides the output width
 *   NSEG     2  segments per tile; NSEG*SEG*TQ + TQ + 1 registers are live
 *   NARROW   0  1: K < VW*TQ is allowed
 *   HAS_BIAS, HAS_SCALE, HAS_ADD, HAS_RELU  0  epilogue, in this order:
 *            y = acc (* scale[k] + shift[k]) (+ bias[k]) (+ addend[n,oh,ow,k]), then max(y, 0)
 *   PATCH_FLOATS 32768, MAX_TAPS 128
 */
#ifndef VW
#define VW 16
#endif
#ifndef TQ
#define TQ 2
#endif
#ifndef SEG
#define SEG 4
#endif
#ifndef NSEG
#define NSEG 2
#endif
#ifndef NARROW
#define NARROW 0
#endif
#ifndef HAS_BIAS
#define HAS_BIAS 0
#endif
#ifndef HAS_SCALE
#define HAS_SCALE 0
#endif
#ifndef HAS_ADD
#define HAS_ADD 0
#endif
#ifndef HAS_RELU
#define HAS_RELU 0
#endif
#ifndef PATCH_FLOATS
#define PATCH_FLOATS 32768
#endif
#ifndef MAX_TAPS
#define MAX_TAPS 128
#endif

#define CB 16 /* input channels per block of the patch: one cache line */
#define TN (TQ * VW)
#define UNROLL 4 /* input channels per turn of the inner loop */

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

/* Where a block lies in x and in the patch; all lengths in pixels unless said otherwise. */
typedef struct {
    int n0, images;       /* first image, how many */
    int h0, w0;           /* input row and column of patch row 0 and column 0, may be negative */
    int hstep, wstep;     /* input rows and columns from one patch row/column to the next */
    int prows, pcols;     /* patch rows per image, patch columns */
    int phases, pitch;    /* column phases, columns per phase; a patch row holds phases*pitch pixels */
} region;

/* Copies channels [c0, c0+CB) of the region into dst[image][row][phase][column][CB]; zeros outside x. */
static void patch_fill(const __global float *restrict x, __local float *restrict dst, const region r,
                       int H, int W, int C, int c0)
{
    const int cn = min(CB, C - c0);
    for (int i = 0; i < r.images; ++i) {
        for (int a = 0; a < r.prows; ++a) {
            const int h = r.h0 + a * r.hstep;
            __local float *row = dst + (i * r.prows + a) * r.phases * r.pitch * CB;
            const __global float *src = x + ((size_t)(r.n0 + i) * H + h) * W * C + c0;
            int phase = 0;
            int column = 0;
            for (int b = 0; b < r.pcols; ++b) {
                const int w = r.w0 + b * r.wstep;
                __local float *d = row + (phase * r.pitch + column) * CB;
                if (h < 0 || h >= H || w < 0 || w >= W) {
                    for (int j = 0; j < CB; j += VW) STORE((vec)(0.0f), d + j);
                } else if (cn == CB) {
                    for (int j = 0; j < CB; j += VW) STORE(LOAD(src + (size_t)w * C + j), d + j);
                } else {
                    for (int j = 0; j < cn; ++j) d[j] = src[(size_t)w * C + j];
                }
                if (++phase == r.phases) { phase = 0; ++column; }
            }
        }
    }
}

#if NARROW
/* Vectors of a weight row that may end early: lanes beyond k are don't-care, but must be read inside w. */
static vec load_row(const __global float *p, const __global float *end)
{
    if (p + VW <= end) return LOAD(p);
    float t[VW];
    for (int j = 0; j < VW; ++j) t[j] = p + j < end ? p[j] : 0.0f;
    return LOAD(t);
}
#define LOADW(p) load_row(p, w_end)
#else
#define LOADW(p) LOAD(p)
#endif

/* One input channel of one tap: the channel u places after px and wp. */
#define CHANNEL(u)                                                                        \
    {                                                                                     \
        vec wv[TQ];                                                                       \
        _Pragma("unroll") for (int q = 0; q < TQ; ++q) wv[q] = LOADW(wp + (size_t)(u) * K + q * VW);     \
        _Pragma("unroll") for (int s = 0; s < NSEG; ++s) {                                \
            _Pragma("unroll") for (int p = 0; p < SEG; ++p) {                             \
                const vec xv = (vec)(px[s][p * CB + (u)]);                                \
                _Pragma("unroll") for (int q = 0; q < TQ; ++q) {                          \
                    acc[(s * SEG + p) * TQ + q] = fma(xv, wv[q], acc[(s * SEG + p) * TQ + q]); \
                }                                                                         \
            }                                                                             \
        }                                                                                 \
    }

__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void conv2d_forward(const __global float *restrict x, const __global float *restrict w, __global float *restrict y,
#if HAS_SCALE
                    const __global float *restrict scale, const __global float *restrict shift,
#endif
#if HAS_BIAS
                    const __global float *restrict bias,
#endif
#if HAS_ADD
                    const __global float *restrict addend,
#endif
                    int N, int H, int W, int C, int OH, int OW, int K, int KH, int KW,
                    int sh, int sw, int ph, int pw, int dh, int dw, int images, int rows, int cols, int pass)
{
    __local float patch[PATCH_FLOATS] __attribute__((aligned(64)));
    int tap_at[MAX_TAPS];  /* patch offset of each tap */
    int tap_row[MAX_TAPS]; /* input row of each tap for the block's first output row */

    const int col_blocks = (OW + cols - 1) / cols;
    const int row_blocks = (OH + rows - 1) / rows;
    const int group = get_global_id(0);
    const int ow0 = group % col_blocks * cols;
    const int oh0 = group / col_blocks % row_blocks * rows;
    const int n0 = group / (col_blocks * row_blocks) * images;
    const int own = min(cols, OW - ow0);
    const int ohn = min(rows, OH - oh0);
    const int nn = min(images, N - n0);

    region r;
    r.n0 = n0;
    r.images = nn;
    r.hstep = KH == 1 ? sh : 1;
    r.wstep = KW == 1 ? sw : 1;
    const int row_stride = sh / r.hstep;
    r.h0 = oh0 * sh - ph;
    r.w0 = ow0 * sw - pw;
    r.prows = (ohn - 1) * row_stride + (KH - 1) * dh + 1;
    r.phases = sw / r.wstep;
    /* the last segment of a row may read up to SEG-1 pixels further */
    r.pitch = ((own + SEG - 1) / SEG * SEG - 1) + (KW - 1) * dw / r.phases + 1;
    r.pcols = (own - 1) * r.phases + (KW - 1) * dw + 1;
    const int patch_row = r.phases * r.pitch * CB;
    const int patch_block = r.images * r.prows * patch_row;
    const int cblocks = (C + CB - 1) / CB;
    const int taps = KH * KW;

    for (int kh = 0; kh < KH; ++kh) {
        for (int kw = 0; kw < KW; ++kw) {
            tap_row[kh * KW + kw] = r.h0 + kh * dh;
            tap_at[kh * KW + kw] = kh * dh * patch_row + (kw * dw % r.phases * r.pitch + kw * dw / r.phases) * CB;
        }
    }
    for (int cb = 0; cb < cblocks; ++cb) patch_fill(x, patch + cb * patch_block, r, H, W, C, cb * CB);

    const int segs = (own + SEG - 1) / SEG;
    const int all_segs = nn * ohn * segs;
#if NARROW
    const __global float *w_end = w + (size_t)taps * C * K;
#endif

    for (int kb = get_global_id(1); kb * TN < K; kb += get_global_size(1)) {
        /* a last block that sticks out is moved back: its channels are then computed twice, alike */
        const int k0 = NARROW ? kb * TN : min(kb * TN, K - TN);
        for (int cb0 = 0; cb0 < cblocks; cb0 += pass) {
            const int cb1 = min(cb0 + pass, cblocks);
            int i = 0, oh = 0, seg = 0;
            for (int t = 0; t < all_segs; t += NSEG) {
                int at[NSEG];       /* patch offset of each segment */
                size_t out[NSEG];   /* element of y of each segment */
                int count[NSEG];    /* pixels of it that exist */
                int first = ohn * sh, last = 0; /* range of the tile's output rows, from oh0 on, in input rows */
                #pragma unroll
                for (int s = 0; s < NSEG; ++s) {
                    const int ow = seg * SEG;
                    at[s] = (i * r.prows + oh * row_stride) * patch_row + ow * CB;
                    out[s] = ((((size_t)(n0 + i) * OH) + oh0 + oh) * OW + ow0 + ow) * K + k0;
                    first = min(first, oh * sh);
                    last = max(last, oh * sh);
                    count[s] = t + s < all_segs ? min(SEG, own - ow) : 0;
                    if (t + s + 1 < all_segs && ++seg == segs) {
                        seg = 0;
                        if (++oh == ohn) { oh = 0; ++i; }
                    }
                }

                vec acc[NSEG * SEG * TQ];
                #pragma unroll
                for (int j = 0; j < NSEG * SEG * TQ; ++j) acc[j] = (vec)(0.0f);

                for (int cb = cb0; cb < cb1; ++cb) {
                    const int cn = min(CB, C - cb * CB);
                    const __local float *block = patch + cb * patch_block;
                    for (int tap = 0; tap < taps; ++tap) {
                        if (tap_row[tap] + last < 0 || tap_row[tap] + first >= H) continue; /* all padding */
                        const __global float *wp = w + ((size_t)tap * C + cb * CB) * K + k0;
                        const __local float *px[NSEG];
                        #pragma unroll
                        for (int s = 0; s < NSEG; ++s) px[s] = block + tap_at[tap] + at[s];
                        int c = 0;
                        for (; c + UNROLL <= cn; c += UNROLL) {
                            #pragma unroll
                            for (int u = 0; u < UNROLL; ++u) CHANNEL(u);
                            #pragma unroll
                            for (int s = 0; s < NSEG; ++s) px[s] += UNROLL;
                            wp += (size_t)UNROLL * K;
                        }
                        for (; c < cn; ++c) {
                            CHANNEL(0);
                            #pragma unroll
                            for (int s = 0; s < NSEG; ++s) px[s] += 1;
                            wp += K;
                        }
                    }
                }

                #pragma unroll
                for (int s = 0; s < NSEG; ++s) {
                    #pragma unroll
                    for (int p = 0; p < SEG; ++p) {
                        if (p < count[s]) {
                            #pragma unroll
                            for (int q = 0; q < TQ; ++q) {
                                const size_t o = out[s] + (size_t)p * K + q * VW;
#if NARROW
                                float v[VW];
                                STORE(acc[(s * SEG + p) * TQ + q], v);
                                for (int j = 0; j < VW && k0 + q * VW + j < K; ++j) {
                                    float f = cb0 > 0 ? v[j] + y[o + j] : v[j];
                                    if (cb1 == cblocks) {
#if HAS_SCALE
                                        f = fma(f, scale[k0 + q * VW + j], shift[k0 + q * VW + j]);
#endif
#if HAS_BIAS
                                        f += bias[k0 + q * VW + j];
#endif
#if HAS_ADD
                                        f += addend[o + j];
#endif
#if HAS_RELU
                                        f = fmax(f, 0.0f);
#endif
                                    }
                                    y[o + j] = f;
                                }
#else
                                vec v = acc[(s * SEG + p) * TQ + q];
                                if (cb0 > 0) v += LOAD(y + o);
                                if (cb1 == cblocks) {
#if HAS_SCALE
                                    v = fma(v, LOAD(scale + k0 + q * VW), LOAD(shift + k0 + q * VW));
#endif
#if HAS_BIAS
                                    v += LOAD(bias + k0 + q * VW);
#endif
#if HAS_ADD
                                    v += LOAD(addend + o);
#endif
#if HAS_RELU
                                    v = fmax(v, (vec)(0.0f));
#endif
                                }
                                STORE(v, y + o);
#endif
                            }
                        }
                    }
                }
            }
        }
    }
}

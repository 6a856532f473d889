/* conv2d, class cpu: 2-D convolution, channels last, groups == 1, with a fused epilogue; and its depthwise form.
 *
 *   y[n,oh,ow,k] = epilogue( sum over i<KH, j<KW, c<C of x[n, oh*SH-PH+i*DH, ow*SW-PW+j*DW, c] * w[i,j,c,k] )
 *   epilogue, in this order: + bias[k]; * scale[k] + shift[k]; + addend[n,oh,ow,k]; negative -> 0 (NaN is kept)
 *
 * Kernels (a parameter in brackets exists only when its macro is 1):
 *   conv2d(y[N,OH,OW,K], x[N,H,W,C], w[KH,KW,C,K], [bias[K]], [scale[K], shift[K]], [addend[N,OH,OW,K]],
 *          int N, H, W, C, OH, OW, K, KH, KW, SH, SW, PH, PW, DH, DW, int images, rows, cols, pass)
 *   conv2d_depthwise(y, x, w[KH,KW,1,C], [...], int N, H, W, C, OH, OW, KH, KW, SH, SW, PH, PW, DH, DW)     (K == C)
 *   Nothing may overlap y. Local size (1,1,1): one work-item per work-group, no barriers.
 *   conv2d: global size (ceil(N/images) * ceil(OH/rows) * ceil(OW/cols), splits), 1 <= splits <= ceil(K/(TQ*VW))
 *   conv2d_depthwise: global size (N * OH)
 *
 * Mapping of conv2d: work-group (b, s) computes a block of `images` images x `rows` output rows x `cols` columns, of
 * the blocks of TQ*VW output channels those with index % splits == s. It copies the block's input once to `patch` (local
 * memory: the core's L1/L2), zero padded, as [channel block][image][row][column phase][column][CB]: neighbouring output
 * pixels are CB floats apart whatever the stride, so addresses in the inner loop are base + constant and padding needs
 * no test. The register tile is NSEG segments of SEG neighbouring pixels x TQ vectors of VW output channels.
 *
 * Cost: per tap and input channel a tile issues NSEG*SEG*TQ vector fma, NSEG*SEG scalar broadcasts and TQ loads of
 * weights. With two loads and two fma per clock it is fma bound for TQ = 2 and load bound for TQ = 1 (7/10 of the peak,
 * measured). Kernels three columns wide, stride and dilation 1, take a row of taps together: NSEG*(SEG+2) broadcasts
 * and 3*TQ loads for 3*NSEG*SEG*TQ fma. Rows of padding are skipped. The weights of `pass` blocks of CB input channels (KH*KW*pass*CB*TQ*VW*4 bytes) should be about 96 KiB of L2;
 * between passes the sums wait in y: 2*NSEG*SEG*TQ vector moves per tile. The copy costs 2 moves per CB inputs
 * against KH*KW*K fma.
 *
 * The host checks: patch size <= PATCH_FLOATS, where the patch is ceil(C/CB) * images * prows * phases * pitch * CB floats,
 *   prows = KH == 1 ? rows : (rows-1)*SH + (KH-1)*DH + 1,  phases = KW == 1 ? 1 : SW,
 *   pitch = ceil(cols/SEG)*SEG + (KW-1)*DW/phases;  KH*KW <= MAX_TAPS;  K >= TQ*VW unless NARROW.
 *
 * Macros
 *   VW      16  floats per vector: 4, 8 or 16
 *   TQ       2  vectors of output channels per tile
 *   SEG      4  neighbouring pixels per segment; should divide the output width
 *   NSEG     2  segments per tile; about NSEG*SEG*TQ + 3*TQ + 1 vector registers are live
 *   NARROW   0  1: K < TQ*VW is allowed
 *   HAS_BIAS, HAS_SCALE, HAS_ADD, HAS_RELU  0  the epilogue
 *   PATCH_FLOATS 65536, MAX_TAPS 128
 */
#ifndef HAS_BIAS
#define HAS_BIAS 0
#endif
#ifndef HAS_SCALE
#define HAS_SCALE 0
#endif
#ifndef HAS_RELU
#define HAS_RELU 0
#endif
#ifndef HAS_ADD
#define HAS_ADD 0
#endif
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
#ifndef PATCH_FLOATS
#define PATCH_FLOATS 65536
#endif
#ifndef MAX_TAPS
#define MAX_TAPS 128
#endif

#define CB 16 /* reduction channels per block of the patch: one cache line */
#define TN (TQ * VW)
#define UNROLL 4     /* reduction channels per turn of the inner loop */
#define ROW_UNROLL 2 /* of that over a row of taps */
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

/* Where a work-group's block lies in the gathered tensor and in the patch; in pixels. */
typedef struct {
    int n0, images;   /* first image, how many */
    int h0, w0;       /* row and column of patch row 0 and column 0; may be negative */
    int hstep, wstep; /* rows and columns from one patch row or column to the next */
    int prows, pcols; /* patch rows per image, patch columns */
    int phases;       /* column phases: column b of the patch is column b / phases of phase b % phases */
    int pitch;        /* columns per phase: a patch row holds phases * pitch pixels */
} region;

/* `count` neighbouring pixels of the patch: channels c..c+CB of src, whose pixels are C floats apart. */
INLINE void pixels_copy(const __global float *src, __local float *dst, int count, int C, int channels)
{
    for (int b = 0; b < count; ++b, src += C, dst += CB) {
        if (channels >= CB) {
            #pragma unroll
            for (int j = 0; j < CB; j += VW) STORE(LOAD(src + j), dst + j);
        } else {
            for (int j = 0; j < channels; ++j) dst[j] = src[j];
        }
    }
}

INLINE void pixels_clear(__local float *dst, int count)
{
    for (int j = 0; j < count * CB; j += VW) STORE((vec)(0.0f), dst + j);
}

/* Copies channels c0..c0+CB of the region of x[N,H,W,C] to dst[image][row][phase][column][CB], zero padded. */
static void patch_fill(const __global float *restrict x, __local float *restrict dst, const region r,
                       int H, int W, int C, int c0)
{
    const int step = r.wstep * r.phases; /* columns of x from one column of a phase to the next */
    for (int i = 0; i < r.images * r.prows; ++i) {
        const int h = r.h0 + i % r.prows * r.hstep;
        const __global float *src = x + ((size_t)(r.n0 + i / r.prows) * H + h) * W * C + c0;
        for (int phase = 0; phase < r.phases; ++phase) {
            __local float *row = dst + (i * r.phases + phase) * r.pitch * CB;
            const int count = (r.pcols - phase + r.phases - 1) / r.phases, w0 = r.w0 + phase * r.wstep;
            /* [begin, end): the columns inside x */
            const int begin = min(count, w0 < 0 ? (-w0 + step - 1) / step : 0);
            const int end = h < 0 || h >= H || w0 >= W ? begin : clamp((W - w0 + step - 1) / step, begin, count);
            pixels_clear(row, begin);
            pixels_copy(src + (w0 + begin * step) * C, row + begin * CB, end - begin, step * C, C - c0);
            pixels_clear(row + end * CB, count - end);
        }
    }
}

/* A vector that may run past `end`: lanes beyond it are zero and not read. */
INLINE vec load_before(const __global float *p, const __global float *end)
{
    if (p + VW <= end) return LOAD(p);
    float lanes[VW];
    for (int j = 0; j < VW; ++j) lanes[j] = p + j < end ? p[j] : 0.0f;
    return LOAD(lanes);
}
#if NARROW
#define LOAD_WEIGHT(p) load_before(p, w_end)
#else
#define LOAD_WEIGHT(p) LOAD(p)
#endif

/* One reduction channel of one tap: the channel u places after px[] and wp. */
#define CHANNEL(u)                                                                                               \
    {                                                                                                            \
        vec wv[TQ];                                                                                              \
        _Pragma("unroll") for (int q = 0; q < TQ; ++q) wv[q] = LOAD_WEIGHT(wp + (size_t)(u) * width + q * VW);       \
        _Pragma("unroll") for (int j = 0; j < NSEG * SEG; ++j) {                                                 \
            const vec xv = (vec)(px[j / SEG][j % SEG * CB + (u)]);                                               \
            _Pragma("unroll") for (int q = 0; q < TQ; ++q) acc[j * TQ + q] = fma(xv, wv[q], acc[j * TQ + q]);    \
        }                                                                                                        \
    }

/* acc += one tap, `channels` reduction channels; wp[channels][width], the tile's first column first. */
INLINE void tap_accumulate(vec *acc, const __local float *block, const int *at, const __global float *wp,
                           const __global float *w_end, int channels, int width)
{
    const __local float *px[NSEG];
    #pragma unroll
    for (int s = 0; s < NSEG; ++s) px[s] = block + at[s];
    int c = 0;
    for (; c + UNROLL <= channels; c += UNROLL) {
        #pragma unroll
        for (int u = 0; u < UNROLL; ++u) CHANNEL(u)
        #pragma unroll
        for (int s = 0; s < NSEG; ++s) px[s] += UNROLL;
        wp += (size_t)UNROLL * width;
    }
    for (; c < channels; ++c) {
        CHANNEL(0)
        #pragma unroll
        for (int s = 0; s < NSEG; ++s) px[s] += 1;
        wp += width;
    }
}

/* One reduction channel of three neighbouring taps of a kernel row: every input is broadcast once and serves the three
 * outputs it is part of. */
#define CHANNEL_OF_ROW(u)                                                                                        \
    {                                                                                                            \
        vec wv[3 * TQ];                                                                                          \
        _Pragma("unroll") for (int q = 0; q < 3 * TQ; ++q)                                                       \
            wv[q] = LOAD_WEIGHT(wp + (size_t)(q / TQ) * tap + (size_t)(u) * width + q % TQ * VW);                \
        _Pragma("unroll") for (int j = 0; j < SEG + 2; ++j) {                                                    \
            _Pragma("unroll") for (int s = 0; s < NSEG; ++s) {                                                   \
                const vec xv = (vec)(px[s][j * CB + (u)]);                                                       \
                _Pragma("unroll") for (int q = 0; q < 3 * TQ; ++q) {                                             \
                    const int o = j - q / TQ;                                                                    \
                    if (o >= 0 && o < SEG)                                                                       \
                        acc[(s * SEG + o) * TQ + q % TQ] = fma(xv, wv[q], acc[(s * SEG + o) * TQ + q % TQ]);     \
                }                                                                                                \
            }                                                                                                    \
        }                                                                                                        \
    }

/* acc += a row of three taps, as tap_accumulate; `tap`: floats of w per tap. */
INLINE void row_accumulate(vec *acc, const __local float *block, const int *at, const __global float *wp,
                           const __global float *w_end, int channels, int width, size_t tap)
{
    const __local float *px[NSEG];
    #pragma unroll
    for (int s = 0; s < NSEG; ++s) px[s] = block + at[s];
    int c = 0;
    for (; c + ROW_UNROLL <= channels; c += ROW_UNROLL) {
        #pragma unroll
        for (int u = 0; u < ROW_UNROLL; ++u) CHANNEL_OF_ROW(u)
        #pragma unroll
        for (int s = 0; s < NSEG; ++s) px[s] += ROW_UNROLL;
        wp += (size_t)ROW_UNROLL * width;
    }
    for (; c < channels; ++c) {
        CHANNEL_OF_ROW(0)
        #pragma unroll
        for (int s = 0; s < NSEG; ++s) px[s] += 1;
        wp += width;
    }
}

#if HAS_BIAS
#define BIAS_PARAM const __global float *restrict bias,
#define ADD_BIAS(v, L, k) v += L(bias + (k));
#else
#define BIAS_PARAM
#define ADD_BIAS(v, L, k)
#endif
#if HAS_SCALE
#define SCALE_PARAM const __global float *restrict scale, const __global float *restrict shift,
#define DO_SCALE(v, L, k) v = v * L(scale + (k)) + L(shift + (k));
#else
#define SCALE_PARAM
#define DO_SCALE(v, L, k)
#endif
#if HAS_ADD
#define ADD_PARAM const __global float *restrict addend,
#define DO_ADD(v, L, o) v += L(addend + (o));
#else
#define ADD_PARAM
#define DO_ADD(v, L, o)
#endif
#if HAS_RELU
#define DO_RELU(v, zero) v = v < (zero) ? (zero) : v;
#else
#define DO_RELU(v, zero)
#endif
/* T: vec or float, L loads one; k: channel, o: element of y. */
#define EPILOGUE(v, T, L, k, o) ADD_BIAS(v, L, k) DO_SCALE(v, L, k) DO_ADD(v, L, o) DO_RELU(v, (T)(0.0f))
#define LOAD_SCALAR(p) (*(p))

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
conv2d(__global float *restrict y, const __global float *restrict x, const __global float *restrict w,
       BIAS_PARAM SCALE_PARAM ADD_PARAM
       int N, int H, int W, int C, int OH, int OW, int K, int KH, int KW,
       int SH, int SW, int PH, int PW, int DH, int DW, int images, int rows, int cols, int pass)
{
    __local float patch[PATCH_FLOATS] __attribute__((aligned(64)));
    int tap_at[MAX_TAPS];  /* patch offset of each tap */
    int tap_row[MAX_TAPS]; /* input row of each tap for the block's first output row */

    const int col_blocks = (OW + cols - 1) / cols, row_blocks = (OH + rows - 1) / rows, group = get_global_id(0);
    const int n0 = group / (col_blocks * row_blocks) * images;
    const int oh0 = group / col_blocks % row_blocks * rows, ow0 = group % col_blocks * cols;
    const int nn = min(images, N - n0), ohn = min(rows, OH - oh0), own = min(cols, OW - ow0);
    const int segs = (own + SEG - 1) / SEG, all_segs = nn * ohn * segs; /* of a row, of the block */
    const int cblocks = (C + CB - 1) / CB, taps = KH * KW;
    const int together = KW == 3 && SW == 1 && DW == 1 ? 3 : 1; /* taps that share their inputs */

    region r = {n0, nn, oh0 * SH - PH, ow0 * SW - PW, KH == 1 ? SH : 1, KW == 1 ? SW : 1, 0, 0, 0, 0};
    const int row_stride = SH / r.hstep;
    r.phases = SW / r.wstep;
    r.prows = (ohn - 1) * row_stride + (KH - 1) * DH + 1;
    r.pcols = (own - 1) * r.phases + (KW - 1) * DW + 1;
    r.pitch = segs * SEG + (KW - 1) * DW / r.phases;
    const int patch_row = r.phases * r.pitch * CB, patch_block = nn * r.prows * patch_row;
    for (int cb = 0; cb < cblocks; ++cb) patch_fill(x, patch + cb * patch_block, r, H, W, C, cb * CB);
    for (int t = 0; t < taps; ++t) {
        const int kh = t / KW, kw = t % KW * DW;
        tap_row[t] = r.h0 + kh * DH;
        tap_at[t] = kh * DH * patch_row + (kw % r.phases * r.pitch + kw / r.phases) * CB;
    }

    for (int kb = get_global_id(1); kb * TN < K; kb += get_global_size(1)) {
        /* a last block that sticks out is moved back; the channels it shares with the one before are not stored */
        const int k0 = NARROW ? kb * TN : min(kb * TN, K - TN);
        for (int cb0 = 0; cb0 < cblocks; cb0 += pass) {
            const int cb1 = min(cb0 + pass, cblocks);
            int i = 0, oh = 0, seg = 0;
            for (int t = 0; t < all_segs; t += NSEG) {
                int at[NSEG];     /* patch offset of each segment */
                size_t out[NSEG]; /* its element of y */
                int count[NSEG];  /* its pixels that exist */
                int first = H + PH + KH * DH, last = 0; /* range of the tile's rows, from oh0 on, in input rows */
                #pragma unroll
                for (int s = 0; s < NSEG; ++s) {
                    at[s] = (i * r.prows + oh * row_stride) * patch_row + seg * SEG * CB;
                    out[s] = (((size_t)(n0 + i) * OH + oh0 + oh) * OW + ow0 + seg * SEG) * K + k0;
                    count[s] = t + s < all_segs ? min(SEG, own - seg * SEG) : 0;
                    first = min(first, oh * SH);
                    last = max(last, oh * SH);
                    if (t + s + 1 < all_segs && ++seg == segs) {
                        seg = 0;
                        if (++oh == ohn) {
                            oh = 0;
                            ++i;
                        }
                    }
                }

                vec acc[NSEG * SEG * TQ];
                #pragma unroll
                for (int j = 0; j < NSEG * SEG * TQ; ++j) acc[j] = (vec)(0.0f);
                for (int cb = cb0; cb < cb1; ++cb) {
                    for (int tap = 0; tap < taps; tap += together) {
                        if (tap_row[tap] + last < 0 || tap_row[tap] + first >= H) continue; /* all padding */
                        const __local float *from = patch + cb * patch_block + tap_at[tap];
                        const __global float *wp = w + ((size_t)tap * C + cb * CB) * K + k0;
                        const __global float *w_end = w + (size_t)taps * C * K;
                        if (together == 3)
                            row_accumulate(acc, from, at, wp, w_end, min(CB, C - cb * CB), K, (size_t)C * K);
                        else
                            tap_accumulate(acc, from, at, wp, w_end, min(CB, C - cb * CB), K);
                    }
                }

                bool whole = k0 == kb * TN && k0 + TN <= K; /* no element of the tile to be left out */
                #pragma unroll
                for (int s = 0; s < NSEG; ++s) whole = whole && count[s] == SEG;
                if (whole) {
                    #pragma unroll
                    for (int j = 0; j < NSEG * SEG * TQ; ++j) {
                        const size_t o = out[j / TQ / SEG] + (size_t)(j / TQ % SEG) * K + j % TQ * VW;
                        vec v = acc[j];
                        if (cb0 > 0) v += LOAD(y + o);
                        if (cb1 == cblocks) {
                            EPILOGUE(v, vec, LOAD, k0 + j % TQ * VW, o)
                        }
                        STORE(v, y + o);
                    }
                    continue;
                }
                float lanes[NSEG * SEG * TN];
                #pragma unroll
                for (int j = 0; j < NSEG * SEG * TQ; ++j) STORE(acc[j], lanes + j * VW);
                for (int j = 0; j < NSEG * SEG * TQ; ++j) {
                    const size_t o = out[j / TQ / SEG] + (size_t)(j / TQ % SEG) * K + j % TQ * VW;
                    const int k = k0 + j % TQ * VW, begin = max(0, kb * TN - k), end = min(VW, K - k);
                    if (j / TQ % SEG >= count[j / TQ / SEG]) continue;
                    for (int l = begin; l < end; ++l) {
                        float v = lanes[j * VW + l];
                        if (cb0 > 0) v += y[o + l];
                        if (cb1 == cblocks) {
                            EPILOGUE(v, float, LOAD_SCALAR, k + l, o + l)
                        }
                        y[o + l] = v;
                    }
                }
            }
        }
    }
}

/* groups == C == K. Work-group -> one output row; vectors run over channels, so w rows stay in L1 and each x row is
 * read KH times from L1/L2. Cost: memory bound, KH*KW fma and loads per VW outputs. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
conv2d_depthwise(__global float *restrict y, const __global float *restrict x, const __global float *restrict w,
                 BIAS_PARAM SCALE_PARAM ADD_PARAM
                 int N, int H, int W, int C, int OH, int OW, int KH, int KW,
                 int SH, int SW, int PH, int PW, int DH, int DW)
{
    const int row = get_global_id(0), h0 = row % OH * SH - PH;
    const __global float *image = x + (size_t)(row / OH) * H * W * C;
    const int kh0 = h0 < 0 ? (-h0 + DH - 1) / DH : 0;
    const int kh1 = h0 + (KH - 1) * DH >= H ? max(kh0, (H - h0 + DH - 1) / DH) : KH;
    for (int ow = 0; ow < OW; ++ow) {
        const int w0 = ow * SW - PW;
        const int kw0 = w0 < 0 ? (-w0 + DW - 1) / DW : 0;
        const int kw1 = w0 + (KW - 1) * DW >= W ? max(kw0, (W - w0 + DW - 1) / DW) : KW;
        const size_t o = ((size_t)row * OW + ow) * C;
        int c = 0;
        for (; c + VW <= C; c += VW) {
            vec v = (vec)(0.0f);
            for (int kh = kh0; kh < min(kh1, KH); ++kh) {
                const __global float *src = image + ((size_t)(h0 + kh * DH) * W + w0) * C + c;
                for (int kw = kw0; kw < min(kw1, KW); ++kw)
                    v = fma(LOAD(src + kw * DW * C), LOAD(w + (kh * KW + kw) * C + c), v);
            }
            EPILOGUE(v, vec, LOAD, c, o + c)
            STORE(v, y + o + c);
        }
        for (; c < C; ++c) {
            float v = 0.0f;
            for (int kh = kh0; kh < min(kh1, KH); ++kh) {
                const __global float *src = image + ((size_t)(h0 + kh * DH) * W + w0) * C + c;
                for (int kw = kw0; kw < min(kw1, KW); ++kw) v = fma(src[kw * DW * C], w[(kh * KW + kw) * C + c], v);
            }
            EPILOGUE(v, float, LOAD_SCALAR, c, o + c)
            y[o + c] = v;
        }
    }
}

/* conv2d_backward_data, class cpu: gradient of conv2d (groups == 1) with respect to its input; and its depthwise form.
 *
 *   dx[n,h,l,c] = sum over i<KH, j<KW, k<K of dy[n,oh,ow,k] * w[i,j,c,k]   (+ addend[n,h,l,c])
 *   over the taps for which oh = (h+PH-i*DH)/SH and ow = (l+PW-j*DW)/SW are whole and inside dy
 *
 * Kernels (the parameter in brackets exists only when HAS_ADD is 1). Local size (1,1,1), no barriers.
 *   conv2d_backward_data_weights(wt[KH*KW,K,C], w[KH*KW,C,K], int taps, C, K)
 *     global size (KH*KW, ceil(K/16)); must run first
 *   conv2d_backward_data(dx[N,H,W,C], dy[N,OH,OW,K], wt, [addend[N,H,W,C]],
 *          int N, H, W, C, OH, OW, K, KH, KW, SH, SW, PH, PW, DH, DW, int images, rows, cols, pass)
 *     global size (ceil(N/images) * ceil(H/rows) * ceil(W/cols), splits), 1 <= splits <= ceil(C/(TQ*VW))
 *   conv2d_backward_data_depthwise(dx, dy, w[KH,KW,1,C], [addend], int N, H, W, C, OH, OW, KH, KW, SH, ..., DW)  (K == C)
 *     global size (N * H)
 *   Every element of dx is written; nothing may overlap dx. Scratch wt: 4*KH*KW*C*K bytes.
 *
 * Mapping: as class cpu's conv2d with the roles of C and K exchanged. Work-group (b, s) computes `images` x `rows` x `cols`
 * pixels of dx. Its part of dy is copied once to `patch`, zero padded. Pixels of dx with equal (h % SH, l % SW), a phase,
 * have the same whole taps: each phase is a dense stride-1 convolution, so a stride wastes no multiplication.
 * Register tile: NSEG segments of SEG neighbouring pixels of one phase x TQ vectors of VW input channels.
 *
 * Cost: as conv2d; per tap and output channel NSEG*SEG*TQ fma against NSEG*SEG broadcasts and TQ loads. The transpose of
 * the weights moves 2*KH*KW*C*K floats, once per call.
 *
 * The host checks: patch size <= PATCH_FLOATS, where the patch is at most ceil(K/CB) * images * prows * pitch * CB floats,
 *   prows = (rows-1 + (KH-1)*DH) / SH + 2,  pitch = (cols-1 + (KW-1)*DW) / SW + 2 + SEG;
 *   KH*KW <= MAX_TAPS;  C >= TQ*VW unless NARROW;  rows and cols are multiples of SH and SW or cover H and W.
 *
 * Macros
 *   VW 16, TQ 2, SEG 4, NSEG 2, NARROW 0, PATCH_FLOATS 65536, MAX_TAPS 128  as in conv2d (NARROW: C < TQ*VW is allowed)
 *   HAS_ADD  0  parameter addend: the gradient that arrives by another path
 */
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
#define UNROLL 4 /* reduction channels per turn of the inner loop */
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

/* One pixel of the patch: channels c..c+CB of src, or zeros where src is NULL. */
INLINE void pixel_copy(const __global float *src, __local float *dst, int channels)
{
    if (src == 0) {
        #pragma unroll
        for (int j = 0; j < CB; j += VW) STORE((vec)(0.0f), dst + j);
    } else if (channels >= CB) {
        #pragma unroll
        for (int j = 0; j < CB; j += VW) STORE(LOAD(src + j), dst + j);
    } else {
        for (int j = 0; j < channels; ++j) dst[j] = src[j];
    }
}

/* Copies channels c0..c0+CB of the region of x[N,H,W,C] to dst[image][row][phase][column][CB], zero padded. */
static void patch_fill(const __global float *restrict x, __local float *restrict dst, const region r,
                       int H, int W, int C, int c0)
{
    for (int i = 0; i < r.images * r.prows; ++i) {
        const int h = r.h0 + i % r.prows * r.hstep;
        const __global float *src = x + ((size_t)(r.n0 + i / r.prows) * H + h) * W * C + c0;
        __local float *row = dst + i * r.phases * r.pitch * CB;
        int phase = 0, column = 0;
        for (int b = 0; b < r.pcols; ++b) {
            const int w = r.w0 + b * r.wstep;
            const bool inside = h >= 0 && h < H && w >= 0 && w < W;
            pixel_copy(inside ? src + (size_t)w * C : 0, row + (phase * r.pitch + column) * CB, C - c0);
            if (++phase == r.phases) {
                phase = 0;
                ++column;
            }
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

#if HAS_ADD
#define ADD_PARAM const __global float *restrict addend,
#define DO_ADD(v, L, o) v += L(addend + (o));
#else
#define ADD_PARAM
#define DO_ADD(v, L, o)
#endif
#define LOAD_SCALAR(p) (*(p))

INLINE int floor_div(int a, int b)
{
    return a >= 0 ? a / b : -((b - 1 - a) / b);
}

/* One tap, 16 output channels: rows of wt are written whole. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
conv2d_backward_data_weights(__global float *restrict wt, const __global float *restrict w, int taps, int C, int K)
{
    const int tap = get_global_id(0), k0 = get_global_id(1) * 16, kn = min(16, K - k0);
    const __global float *src = w + (size_t)tap * C * K + k0;
    __global float *dst = wt + ((size_t)tap * K + k0) * C;
    int c = 0;
    for (; c + 16 <= C; c += 16) {
        float block[16 * 16];
        for (int j = 0; j < 16; ++j)
            for (int k = 0; k < kn; ++k) block[k * 16 + j] = src[(size_t)(c + j) * K + k];
        for (int k = 0; k < kn; ++k) vstore16(vload16(k, block), 0, dst + (size_t)k * C + c);
    }
    for (; c < C; ++c)
        for (int k = 0; k < kn; ++k) dst[(size_t)k * C + c] = src[(size_t)c * K + k];
}

/* The taps of phase (h, l), pixels relative to dy's patch: how many; at: patch offset, row: row of dy, index: tap. */
static int taps_find(int h, int l, int KH, int KW, int SH, int SW, int DH, int DW, const region r, int patch_row,
                     int *at, int *row, int *index)
{
    int count = 0;
    for (int t = 0; t < KH * KW; ++t) {
        const int hs = h - t / KW * DH, ls = l - t % KW * DW;
        const int oh = floor_div(hs, SH), ow = floor_div(ls, SW);
        if (oh * SH != hs || ow * SW != ls) continue;
        at[count] = (oh - r.h0) * patch_row + (ow - r.w0) * CB;
        row[count] = oh;
        index[count++] = t;
    }
    return count;
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
conv2d_backward_data(__global float *restrict dx, const __global float *restrict dy, const __global float *restrict wt,
                     ADD_PARAM
                     int N, int H, int W, int C, int OH, int OW, int K, int KH, int KW,
                     int SH, int SW, int PH, int PW, int DH, int DW, int images, int rows, int cols, int pass)
{
    __local float patch[PATCH_FLOATS] __attribute__((aligned(64)));
    int tap_at[MAX_TAPS], tap_row[MAX_TAPS], tap_index[MAX_TAPS];

    const int col_blocks = (W + cols - 1) / cols, row_blocks = (H + rows - 1) / rows, group = get_global_id(0);
    const int n0 = group / (col_blocks * row_blocks) * images;
    const int h0 = group / col_blocks % row_blocks * rows, l0 = group % col_blocks * cols;
    const int nn = min(images, N - n0), hn = min(rows, H - h0), ln = min(cols, W - l0);
    const int kblocks = (K + CB - 1) / CB;

    region r = {n0, nn, floor_div(h0 + PH - (KH - 1) * DH, SH), floor_div(l0 + PW - (KW - 1) * DW, SW), 1, 1, 0, 0, 1, 0};
    r.prows = (h0 + hn - 1 + PH) / SH - r.h0 + 1;
    r.pcols = (l0 + ln - 1 + PW) / SW - r.w0 + 1;
    r.pitch = r.pcols + SEG - 1;
    const int patch_row = r.pitch * CB, patch_block = nn * r.prows * patch_row;
    for (int kb = 0; kb < kblocks; ++kb) patch_fill(dy, patch + kb * patch_block, r, OH, OW, K, kb * CB);

    for (int phase = 0; phase < min(SH, hn) * min(SW, ln); ++phase) {
        const int a = phase / min(SW, ln), b = phase % min(SW, ln);
        const int taps = taps_find(h0 + a + PH, l0 + b + PW, KH, KW, SH, SW, DH, DW, r, patch_row, tap_at, tap_row,
                                   tap_index);
        const int in = (hn - a + SH - 1) / SH, jn = (ln - b + SW - 1) / SW; /* rows and columns of the phase */
        const int segs = (jn + SEG - 1) / SEG, all_segs = nn * in * segs;
        for (int cb = get_global_id(1); cb * TN < C; cb += get_global_size(1)) {
            /* a last block that sticks out is moved back; the channels it shares with the one before are not stored */
            const int c0 = NARROW ? cb * TN : min(cb * TN, C - TN);
            for (int kb0 = 0; kb0 < kblocks; kb0 += pass) {
                const int kb1 = min(kb0 + pass, kblocks);
                int n = 0, i = 0, seg = 0;
                for (int t = 0; t < all_segs; t += NSEG) {
                    int at[NSEG];     /* patch offset of each segment */
                    size_t out[NSEG]; /* its element of dx */
                    int count[NSEG];  /* its pixels that exist */
                    int first = in, last = 0; /* range of the tile's rows */
                    #pragma unroll
                    for (int s = 0; s < NSEG; ++s) {
                        at[s] = (n * r.prows + i) * patch_row + seg * SEG * CB;
                        out[s] = (((size_t)(n0 + n) * H + h0 + a + i * SH) * W + l0 + b + seg * SEG * SW) * C + c0;
                        count[s] = t + s < all_segs ? min(SEG, jn - seg * SEG) : 0;
                        first = min(first, i);
                        last = max(last, i);
                        if (t + s + 1 < all_segs && ++seg == segs) {
                            seg = 0;
                            if (++i == in) {
                                i = 0;
                                ++n;
                            }
                        }
                    }

                    vec acc[NSEG * SEG * TQ];
                    #pragma unroll
                    for (int j = 0; j < NSEG * SEG * TQ; ++j) acc[j] = (vec)(0.0f);
                    for (int kb = kb0; kb < kb1; ++kb) {
                        for (int tap = 0; tap < taps; ++tap) {
                            if (tap_row[tap] + last < 0 || tap_row[tap] + first >= OH) continue; /* all outside dy */
                            tap_accumulate(acc, patch + kb * patch_block + tap_at[tap], at,
                                           wt + ((size_t)tap_index[tap] * K + kb * CB) * C + c0,
                                           wt + (size_t)KH * KW * C * K, min(CB, K - kb * CB), C);
                        }
                    }

                    bool whole = c0 == cb * TN && c0 + TN <= C; /* no element of the tile to be left out */
                    #pragma unroll
                    for (int s = 0; s < NSEG; ++s) whole = whole && count[s] == SEG;
                    if (whole) {
                        #pragma unroll
                        for (int j = 0; j < NSEG * SEG * TQ; ++j) {
                            const size_t o = out[j / TQ / SEG] + (size_t)(j / TQ % SEG) * SW * C + j % TQ * VW;
                            vec v = acc[j];
                            if (kb0 > 0) v += LOAD(dx + o);
                            if (kb1 == kblocks) {
                                DO_ADD(v, LOAD, o)
                            }
                            STORE(v, dx + o);
                        }
                        continue;
                    }
                    float lanes[NSEG * SEG * TN];
                    #pragma unroll
                    for (int j = 0; j < NSEG * SEG * TQ; ++j) STORE(acc[j], lanes + j * VW);
                    for (int j = 0; j < NSEG * SEG * TQ; ++j) {
                        const size_t o = out[j / TQ / SEG] + (size_t)(j / TQ % SEG) * SW * C + j % TQ * VW;
                        const int c = c0 + j % TQ * VW, begin = max(0, cb * TN - c), end = min(VW, C - c);
                        if (j / TQ % SEG >= count[j / TQ / SEG]) continue;
                        for (int l = begin; l < end; ++l) {
                            float v = lanes[j * VW + l];
                            if (kb0 > 0) v += dx[o + l];
                            if (kb1 == kblocks) {
                                DO_ADD(v, LOAD_SCALAR, o + l)
                            }
                            dx[o + l] = v;
                        }
                    }
                }
            }
        }
    }
}

/* groups == C == K. Work-group -> one row of dx; vectors run over channels. Cost: memory bound. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
conv2d_backward_data_depthwise(__global float *restrict dx, const __global float *restrict dy,
                               const __global float *restrict w, ADD_PARAM
                               int N, int H, int W, int C, int OH, int OW, int KH, int KW,
                               int SH, int SW, int PH, int PW, int DH, int DW)
{
    const int row = get_global_id(0), h = row % H + PH;
    const __global float *image = dy + (size_t)(row / H) * OH * OW * C;
    for (int l = 0; l < W; ++l) {
        const size_t o = ((size_t)row * W + l) * C;
        for (int c = 0; c < C; c += VW) {
            vec sum = (vec)(0.0f);
            float lanes[VW];
            const int cn = min(VW, C - c);
            for (int j = 0; j < VW; ++j) lanes[j] = 0.0f;
            for (int kh = 0; kh < KH; ++kh) {
                const int oh = floor_div(h - kh * DH, SH);
                if (oh < 0 || oh >= OH || oh * SH != h - kh * DH) continue;
                for (int kw = 0; kw < KW; ++kw) {
                    const int ow = floor_div(l + PW - kw * DW, SW);
                    if (ow < 0 || ow >= OW || ow * SW != l + PW - kw * DW) continue;
                    const __global float *src = image + ((size_t)oh * OW + ow) * C + c, *wp = w + (kh * KW + kw) * C + c;
                    if (cn == VW) {
                        sum = fma(LOAD(src), LOAD(wp), sum);
                    } else {
                        for (int j = 0; j < cn; ++j) lanes[j] = fma(src[j], wp[j], lanes[j]);
                    }
                }
            }
            if (cn == VW) {
                DO_ADD(sum, LOAD, o + c)
                STORE(sum, dx + o + c);
            } else {
                for (int j = 0; j < cn; ++j) {
                    DO_ADD(lanes[j], LOAD_SCALAR, o + c + j)
                    dx[o + c + j] = lanes[j];
                }
            }
        }
    }
}

/* conv2d, class gpu: 2-D convolution, channels last, with groups and a fused epilogue. Two kernels:
 * conv2d            implicit GEMM, per group: rows = N*OH*OW pixels, columns = K/G channels, reduction = KH*KW*(C/G)
 * conv2d_depthwise  G == C: one input channel per output channel, no local memory
 *
 *   y[n,oh,ow,k] = epilogue( sum over i<KH, j<KW, c<C/G of
 *                            x[n, oh*SH-PH+i*DH, ow*SW-PW+j*DW, g*(C/G)+c] * w[i,j,c,k] ),   g = k / (K/G)
 *   epilogue, in this order: + bias[k]; * scale[k] + shift[k]; + addend[n,oh,ow,k]; negative -> 0 (NaN is kept)
 *
 * Kernels (a parameter in brackets exists only when its macro is 1; both take the same arguments):
 *   conv2d, conv2d_depthwise(
 *          y[N,OH,OW,K], x[N,H,W,C], w[KH,KW,C/G,K], [bias[K]], [scale[K], shift[K]], [addend[N,OH,OW,K]],
 *          int N, H, W, C, OH, OW, K, KH, KW, SH, SW, PH, PW, DH, DW, G)
 *   addend may be the buffer y itself; nothing else may overlap y.
 *   Requires: C % G == 0, K % G == 0, every tensor below 2^31 elements; conv2d_depthwise also G == C.
 *
 * conv2d: work-group -> BM pixels x BN channels of one group; work-item -> TM x TN of them, in blocks of 4 x 4.
 *   local size:  (WG, 1), WG = (BM/TM)*(BN/TN)
 *   global size: (WG * ceil(N*OH*OW / BM) * ceil((K/G) / BN), G)
 *   local memory: 4*STAGES*BK*(BM+4+BN) bytes
 * conv2d_depthwise: work-item -> VEC channels x DTW neighbouring pixels of one output row.
 *   local size:  (DWG)
 *   global size: (N*OH*ceil(OW/DTW)*(K/VEC) rounded up to DWG)
 *
 * Macros:
 *   HAS_BIAS, HAS_SCALE, HAS_ADD, HAS_RELU  0 or 1, default 0: parameter bias; scale and shift; addend; negative -> 0
 *   VEC    1 (default) or 4: width of global accesses. 4 requires (C/G) % 4 == 0, (K/G) % 4 == 0 and buffers that
 *          start on 16 bytes; for conv2d_depthwise: K == C, C % 4 == 0.
 *   BM, BN, BK  128, 128, 16: tile of pixels, channels, reduction.  TM, TN  8, 8: register tile.  A smaller tile is
 *          BM 64, BN 64, BK 16, TM 4, TN 4; few channels: BM 128, BN 16 or 32, TM 4, TN 4.
 *          TM % 4 == 0, TN % 4 == 0, BM % TM == 0, BN % TN == 0, BK % VEC == 0, WG % (BK/VEC) == 0, WG % (BN/VEC) == 0.
 *   STAGES 1 (default) or 2: tiles in local memory; 2 halves the barriers. The next tile is prefetched into registers
 *          either way.
 *   DWG 128: local size of conv2d_depthwise.  DTW 4: its pixels per work-item.
 * Scratch: none.
 */
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
#ifndef VEC
#define VEC 1
#endif
#ifndef BM
#define BM 128
#endif
#ifndef BN
#define BN 128
#endif
#ifndef BK
#define BK 16
#endif
#ifndef TM
#define TM 8
#endif
#ifndef TN
#define TN 8
#endif
#ifndef STAGES
#define STAGES 1
#endif
#ifndef DWG
#define DWG 128
#endif
#ifndef DTW
#define DTW 4
#endif

#define RM (BM / TM) /* work-items along the rows of the tile */
#define RN (BN / TN)
#define WG (RM * RN)
#define LDA (BM + 4) /* the pad spreads the transposing stores over the banks */
#define LDB BN
#define A_SLOTS (BK / VEC) /* accesses per row of the A tile; work-items beyond them take further rows */
#define A_ROWS (WG / A_SLOTS)
#define A_LOADS ((BM + A_ROWS - 1) / A_ROWS)
#define B_SLOTS (BN / VEC)
#define B_ROWS (WG / B_SLOTS)
#define B_LOADS ((BK + B_ROWS - 1) / B_ROWS)

#if TM % 4 || TN % 4 || BM % TM || BN % TN || BK % VEC || WG % (BK / VEC) || WG % (BN / VEC)
#error "tile sizes do not fit together: see the head of this file"
#endif

#if VEC == 4
typedef float4 fvec;
#else
typedef float fvec;
#endif

#if HAS_BIAS
#define BIAS_PARAM __global const float *restrict bias,
#define BIAS_ARG bias,
#else
#define BIAS_PARAM
#define BIAS_ARG
#endif
#if HAS_SCALE
#define SCALE_PARAM __global const float *restrict scale, __global const float *restrict shift,
#define SCALE_ARG scale, shift,
#else
#define SCALE_PARAM
#define SCALE_ARG
#endif
#if HAS_ADD
#define ADD_PARAM __global const float *addend,
#define ADD_ARG addend,
#else
#define ADD_PARAM
#define ADD_ARG
#endif

static fvec load(__global const float *p)
{
    return *(__global const fvec *)p;
}

/* The epilogue for VEC channels from k on, then the store at y[at]. */
static void store_output(__global float *y, BIAS_PARAM SCALE_PARAM ADD_PARAM int at, int k, fvec v)
{
#if HAS_BIAS
    v += load(bias + k);
#endif
#if HAS_SCALE
    v = v * load(scale + k) + load(shift + k);
#endif
#if HAS_ADD
    v += load(addend + at);
#endif
#if HAS_RELU
    v = select(v, (fvec)0.0f, v < (fvec)0.0f);
#endif
    *(__global fvec *)(y + at) = v;
}

/* flat = (x*n1 + y)*n0 + z as three digits. */
static int3 digits(int flat, int n1, int n0)
{
    return (int3)(flat / n0 / n1, flat / n0 % n1, flat % n0);
}

/* a + b in the same digits: the reduction index walks on without a division. */
static int3 digits_add(int3 a, int3 b, int n1, int n0)
{
    a += b;
    if (a.z >= n0) {
        a.z -= n0;
        a.y += 1;
    }
    if (a.y >= n1) {
        a.y -= n1;
        a.x += 1;
    }
    return a;
}

/* VEC values of one row go to VEC rows of the transposed tile. */
static void store_transposed(__local float *to, int ld, fvec v)
{
#if VEC == 4
    to[0] = v.x;
    to[ld] = v.y;
    to[2 * ld] = v.z;
    to[3 * ld] = v.w;
#else
    to[0] = v;
#endif
}

/* acc[TM][TN] += a[BK][LDA]^T * b[BK][LDB], this work-item's rows and columns of it. */
static void tile_multiply(float4 acc[TM][TN / 4], __local const float4 *a, __local const float4 *b, int tm, int tn)
{
    for (int k = 0; k < BK; ++k, a += LDA / 4, b += LDB / 4) {
        float av[TM];
        float4 bv[TN / 4];
#pragma unroll
        for (int i = 0; i < TM / 4; ++i)
            vstore4(a[i * RM + tm], i, av);
#pragma unroll
        for (int j = 0; j < TN / 4; ++j)
            bv[j] = b[j * RN + tn];
#pragma unroll
        for (int i = 0; i < TM; ++i)
#pragma unroll
            for (int j = 0; j < TN / 4; ++j)
                acc[i][j] += av[i] * bv[j];
    }
}

__kernel __attribute__((reqd_work_group_size(WG, 1, 1))) void
conv2d(__global float *y, __global const float *restrict x, __global const float *restrict w,
       BIAS_PARAM SCALE_PARAM ADD_PARAM
       int N, int H, int W, int C, int OH, int OW, int K, int KH, int KW,
       int SH, int SW, int PH, int PW, int DH, int DW, int G)
{
    __local float4 a4[STAGES * BK * LDA / 4], b4[STAGES * BK * LDB / 4];
    __local float *a_tile = (__local float *)a4, *b_tile = (__local float *)b4;
    const int lid = (int)get_local_id(0), tm = lid / RN, tn = lid % RN;
    const int g = (int)get_group_id(1), cg = C / G, kg = K / G;
    const int columns = (kg + BN - 1) / BN; /* tiles; channels vary fastest: neighbouring groups read the same pixels */
    const int m0 = (int)get_group_id(0) / columns * BM, n0 = (int)get_group_id(0) % columns * BN;
    const int m_end = N * OH * OW, r_end = KH * KW * cg;

    /* This work-item's share of A: reduction indices r..r+VEC-1 of the pixels m0+am, m0+am+A_ROWS, ... */
    const int ar = lid % A_SLOTS * VEC, am = lid / A_SLOTS;
    int ah[A_LOADS], aw[A_LOADS], abase[A_LOADS];
#pragma unroll
    for (int i = 0; i < A_LOADS; ++i) {
        const int m = m0 + am + i * A_ROWS;
        const int3 pixel = digits(m, OH, OW);
        ah[i] = m < m_end ? pixel.y * SH - PH : INT_MIN / 2; /* no tap brings it back inside */
        aw[i] = pixel.z * SW - PW;
        abase[i] = ((pixel.x * H + pixel.y * SH - PH) * W + aw[i]) * C + g * cg;
    }
    const int3 tap_step = digits(BK, KW, cg);
    int3 tap = digits(ar, KW, cg);

    /* ... and of B: columns n..n+VEC-1 of the reduction indices br, br+B_ROWS, ... */
    const int bn = lid % B_SLOTS * VEC, br = lid / B_SLOTS;
    __global const float *wp = w + g * kg + n0 + bn;
    const int b_valid = n0 + bn < kg;

    float4 acc[TM][TN / 4];
#pragma unroll
    for (int i = 0; i < TM; ++i)
#pragma unroll
        for (int j = 0; j < TN / 4; ++j)
            acc[i][j] = (float4)0.0f;

    /* Round r0 fetches tile r0 into registers and multiplies the tile before it meanwhile. */
    for (int r0 = 0, stage = 0; r0 < r_end + BK; r0 += BK) {
        fvec av[A_LOADS], bv[B_LOADS];
#pragma unroll
        for (int i = 0; i < A_LOADS; ++i) {
            const int h = ah[i] + tap.x * DH, l = aw[i] + tap.y * DW;
            av[i] = (fvec)0.0f;
            if (r0 + ar < r_end && (uint)h < (uint)H && (uint)l < (uint)W)
                av[i] = load(x + abase[i] + (tap.x * DH * W + tap.y * DW) * C + tap.z);
        }
        tap = digits_add(tap, tap_step, KW, cg);
#pragma unroll
        for (int i = 0; i < B_LOADS; ++i) {
            const int r = r0 + br + i * B_ROWS;
            bv[i] = (fvec)0.0f;
            if (b_valid && r < r_end)
                bv[i] = load(wp + r * K);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (r0 > 0)
            tile_multiply(acc, a4 + stage * (BK * LDA / 4), b4 + stage * (BK * LDB / 4), tm, tn);
#if STAGES == 1
        barrier(CLK_LOCAL_MEM_FENCE);
#else
        stage ^= 1;
#endif
#pragma unroll
        for (int i = 0; i < A_LOADS; ++i)
            if (BM % A_ROWS == 0 || am + i * A_ROWS < BM)
                store_transposed(a_tile + (stage * BK + ar) * LDA + am + i * A_ROWS, LDA, av[i]);
#pragma unroll
        for (int i = 0; i < B_LOADS; ++i)
            if (BK % B_ROWS == 0 || br + i * B_ROWS < BK)
                *(__local fvec *)(b_tile + (stage * BK + br + i * B_ROWS) * LDB + bn) = bv[i];
    }

#pragma unroll
    for (int i = 0; i < TM; ++i) {
        const int m = m0 + (i / 4 * RM + tm) * 4 + i % 4;
        if (m >= m_end)
            continue;
#pragma unroll
        for (int j = 0; j < TN / 4; ++j) {
            const int n = n0 + (j * RN + tn) * 4, k = g * kg + n;
#if VEC == 4
            if (n < kg)
                store_output(y, BIAS_ARG SCALE_ARG ADD_ARG m * K + k, k, acc[i][j]);
#else
            float v[4];
            vstore4(acc[i][j], 0, v);
            for (int q = 0; q < 4 && n + q < kg; ++q)
                store_output(y, BIAS_ARG SCALE_ARG ADD_ARG m * K + k + q, k + q, v[q]);
#endif
        }
    }
}

__kernel __attribute__((reqd_work_group_size(DWG, 1, 1))) void
conv2d_depthwise(__global float *y, __global const float *restrict x, __global const float *restrict w,
                 BIAS_PARAM SCALE_PARAM ADD_PARAM
                 int N, int H, int W, int C, int OH, int OW, int K, int KH, int KW,
                 int SH, int SW, int PH, int PW, int DH, int DW, int G)
{
    const int id = (int)get_global_id(0), strips = (OW + DTW - 1) / DTW;
    const int k = id % (K / VEC) * VEC, c = k / (K / C), ow = id / (K / VEC) % strips * DTW;
    const int row = id / (K / VEC) / strips; /* n*OH + oh */
    if (row >= N * OH)
        return;

    fvec acc[DTW];
#pragma unroll
    for (int t = 0; t < DTW; ++t)
        acc[t] = (fvec)0.0f;
    for (int i = 0; i < KH; ++i) {
        const int h = row % OH * SH - PH + i * DH;
        if (h < 0 || h >= H)
            continue;
        for (int j = 0; j < KW; ++j) {
            const fvec wv = load(w + (i * KW + j) * K + k);
#pragma unroll
            for (int t = 0; t < DTW; ++t) {
                const int l = (ow + t) * SW - PW + j * DW;
                if (l >= 0 && l < W)
                    acc[t] += load(x + ((row / OH * H + h) * W + l) * C + c) * wv;
            }
        }
    }
#pragma unroll
    for (int t = 0; t < DTW; ++t)
        if (ow + t < OW)
            store_output(y, BIAS_ARG SCALE_ARG ADD_ARG (row * OW + ow + t) * K + k, k, acc[t]);
}

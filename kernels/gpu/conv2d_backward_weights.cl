/* conv2d_backward_weights, class gpu: gradient of conv2d with respect to its weights. Three kernels:
 * conv2d_backward_weights            implicit GEMM, per group: rows = KH*KW*(C/G) taps x input channels, columns = K/G
 *                                    output channels, reduction = N*OH*OW pixels, in S parts (split-K)
 * conv2d_backward_weights_narrow     for few channels per group (depthwise: one); the same arguments and result
 * conv2d_backward_weights_reduce     adds the S parts up in a fixed order
 *
 *   dw[i,j,c,k] = sum over n, oh, ow of x[n, oh*SH-PH+i*DH, ow*SW-PW+j*DW, g*(C/G)+c] * dy[n,oh,ow,k],   g = k / (K/G)
 *
 * Kernels:
 *   conv2d_backward_weights, conv2d_backward_weights_narrow(
 *          out, x[N,H,W,C], dy[N,OH,OW,K],
 *          int N, H, W, C, OH, OW, K, KH, KW, SH, SW, PH, PW, DH, DW, G, S)
 *     S == 1: out is dw[KH,KW,C/G,K] and no other kernel is needed.  S > 1: out is scratch[S,KH,KW,C/G,K].
 *   conv2d_backward_weights_reduce(dw[count], scratch[S,count], int count, S),   count = KH*KW*(C/G)*K
 *   Scratch: 4*S*KH*KW*(C/G)*K bytes when S > 1, else none. Every element of out and dw is written. No overlaps.
 *   Requires: C % G == 0, K % G == 0, S >= 1, every tensor and the scratch below 2^31 elements. The
 *   result depends on S in its rounding only; for one S it repeats bit for bit.
 *   A good S gives two to four work-groups per compute unit and leaves every part at least 8*BK (or 8*NP) pixels.
 *
 * conv2d_backward_weights: work-group -> BM rows x BN columns of one group and part; work-item -> TM x TN of them, in
 *   blocks of 4 x 4.
 *   local size:  (WG, 1), WG = (BM/TM)*(BN/TN)
 *   global size: (WG * ceil(KH*KW*(C/G) / BM) * ceil((K/G) / BN), G*S)
 *   local memory: 4*STAGES*BK*(BM+BN) bytes
 * conv2d_backward_weights_narrow: work-group -> NC output channels of one tap, input channel of their groups and part; its
 *   work-items take every NP-th pixel of the part and add up through local memory.
 *   local size:  (NC*NP, 1)
 *   global size: (NC*NP * ceil(K/NC) * KH*KW*(C/G), S)
 *   local memory: 4*NC*NP bytes
 * conv2d_backward_weights_reduce: work-item -> one element of dw.
 *   local size: (any); global size: (count rounded up to the local size)
 *
 * Macros:
 *   VEC    1 (default) or 4: width of global accesses of conv2d_backward_weights. 4 requires (C/G) % 4 == 0,
 *          (K/G) % 4 == 0 and buffers that start on 16 bytes.
 *   BM, BN, BK  128, 128, 16: tile of rows, columns, reduction.  TM, TN  8, 8: register tile.  A smaller tile is
 *          BM 64, BN 64, BK 16, TM 4, TN 4; few channels: BM 128, BN 16 or 32, TM 4, TN 4.
 *          TM % 4 == 0, TN % 4 == 0, BM % TM == 0, BN % TN == 0, WG % (BM/VEC) == 0, WG % (BN/VEC) == 0, and BK is a
 *          multiple or a divisor of WG/(BM/VEC).
 *   STAGES 1 (default) or 2: tiles in local memory; 2 halves the barriers. The next tile is prefetched into registers
 *          either way.
 *   NC, NP  32, 8: channels and pixel lanes of a work-group of the narrow kernel.
 */
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
#ifndef NC
#define NC 32
#endif
#ifndef NP
#define NP 8
#endif

#define RM (BM / TM) /* work-items along the rows of the tile */
#define RN (BN / TN)
#define WG (RM * RN)
#define LDA BM
#define LDB BN
#define A_SLOTS (BM / VEC) /* accesses per pixel of the A tile; work-items beyond them take further pixels */
#define A_ROWS (WG / A_SLOTS)
#define A_STEP (A_ROWS < BK ? A_ROWS : BK)
#define A_LOADS (BK / A_STEP)
#define B_SLOTS (BN / VEC)
#define B_ROWS (WG / B_SLOTS)
#define B_LOADS ((BK + B_ROWS - 1) / B_ROWS)

#if TM % 4 || TN % 4 || BM % TM || BN % TN || WG % (BM / VEC) || WG % (BN / VEC)
#error "tile sizes do not fit together: see the head of this file"
#endif
#if BK % (WG / (BM / VEC)) && WG / (BM / VEC) % BK
#error "BK must be a multiple or a divisor of the pixels that a work-group reads at once"
#endif

#if VEC == 4
typedef float4 fvec;
#else
typedef float fvec;
#endif

static fvec load(__global const float *p)
{
    return *(__global const fvec *)p;
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
conv2d_backward_weights(__global float *restrict out, __global const float *restrict x,
                        __global const float *restrict dy,
                        int N, int H, int W, int C, int OH, int OW, int K, int KH, int KW,
                        int SH, int SW, int PH, int PW, int DH, int DW, int G, int S)
{
    __local float4 a4[STAGES * BK * LDA / 4], b4[STAGES * BK * LDB / 4];
    __local float *a_tile = (__local float *)a4, *b_tile = (__local float *)b4;
    const int lid = (int)get_local_id(0), tm = lid / RN, tn = lid % RN;
    const int g = (int)get_group_id(1) % G, part = (int)get_group_id(1) / G, cg = C / G, kg = K / G;
    const int columns = (kg + BN - 1) / BN;
    const int m0 = (int)get_group_id(0) / columns * BM, n0 = (int)get_group_id(0) % columns * BN;
    const int m_end = KH * KW * cg;

    /* This part's pixels: whole tiles, the last part perhaps less or none. */
    const int pixels = N * OH * OW, length = ((pixels + S - 1) / S + BK - 1) / BK * BK;
    const int p0 = min(part * length, pixels), r_end = min(length, pixels - p0);

    /* This work-item's share of A: rows m..m+VEC-1, one tap, at the pixels p0+ap, p0+ap+A_STEP, ... */
    const int am = lid % A_SLOTS * VEC, ap = lid / A_SLOTS;
    const int3 tap = digits(m0 + am, KW, cg);
    const int h0 = tap.x * DH - PH, l0 = tap.y * DW - PW, a_valid = m0 + am < m_end && ap < BK;
    const int3 pixel_step = digits(A_STEP, OH, OW);
    int3 pixel = digits(p0 + ap, OH, OW);

    /* ... and of B: columns n..n+VEC-1 at the pixels p0+bp, p0+bp+B_ROWS, ... */
    const int bn = lid % B_SLOTS * VEC, bp = lid / B_SLOTS;
    __global const float *dyp = dy + g * kg + n0 + bn;
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
            const int h = pixel.y * SH + h0, l = pixel.z * SW + l0;
            av[i] = (fvec)0.0f;
            if (a_valid && r0 + ap + i * A_STEP < r_end && (uint)h < (uint)H && (uint)l < (uint)W)
                av[i] = load(x + ((pixel.x * H + h) * W + l) * C + g * cg + tap.z);
            pixel = digits_add(pixel, pixel_step, OH, OW);
        }
#pragma unroll
        for (int i = 0; i < B_LOADS; ++i) {
            const int r = r0 + bp + i * B_ROWS;
            bv[i] = (fvec)0.0f;
            if (b_valid && r < r_end)
                bv[i] = load(dyp + (p0 + r) * K);
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
            if (A_ROWS <= BK || ap < BK)
                *(__local fvec *)(a_tile + (stage * BK + ap + i * A_STEP) * LDA + am) = av[i];
#pragma unroll
        for (int i = 0; i < B_LOADS; ++i)
            if (BK % B_ROWS == 0 || bp + i * B_ROWS < BK)
                *(__local fvec *)(b_tile + (stage * BK + bp + i * B_ROWS) * LDB + bn) = bv[i];
    }

    out += part * m_end * K + g * kg;
#pragma unroll
    for (int i = 0; i < TM; ++i) {
        const int m = m0 + (i / 4 * RM + tm) * 4 + i % 4;
        if (m >= m_end)
            continue;
#pragma unroll
        for (int j = 0; j < TN / 4; ++j) {
            const int n = n0 + (j * RN + tn) * 4;
#if VEC == 4
            if (n < kg)
                *(__global float4 *)(out + m * K + n) = acc[i][j];
#else
            float v[4];
            vstore4(acc[i][j], 0, v);
            for (int q = 0; q < 4 && n + q < kg; ++q)
                out[m * K + n + q] = v[q];
#endif
        }
    }
}

__kernel __attribute__((reqd_work_group_size(NC * NP, 1, 1))) void
conv2d_backward_weights_narrow(__global float *restrict out, __global const float *restrict x,
                               __global const float *restrict dy,
                               int N, int H, int W, int C, int OH, int OW, int K, int KH, int KW,
                               int SH, int SW, int PH, int PW, int DH, int DW, int G, int S)
{
    __local float sums[NC * NP];
    const int lid = (int)get_local_id(0), lane = lid / NC, part = (int)get_group_id(1), cg = C / G;
    /* rows of dw vary fastest: neighbouring groups read the same pixels */
    const int rows = KH * KW * cg, row = (int)get_group_id(0) % rows, k = (int)get_group_id(0) / rows * NC + lid % NC;
    const int pixels = N * OH * OW, length = (pixels + S - 1) / S;
    const int end = min((part + 1) * length, pixels), c = k / (K / G) * cg + row % cg;
    const int h0 = row / cg / KW * DH - PH, l0 = row / cg % KW * DW - PW;
    const int3 step = digits(NP, OH, OW);
    int3 pixel = digits(part * length + lane, OH, OW);

    float sum = 0.0f;
    for (int p = part * length + lane; p < end && k < K; p += NP) {
        const int h = pixel.y * SH + h0, l = pixel.z * SW + l0;
        if ((uint)h < (uint)H && (uint)l < (uint)W)
            sum += x[((pixel.x * H + h) * W + l) * C + c] * dy[p * K + k];
        pixel = digits_add(pixel, step, OH, OW);
    }
    sums[lid] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lane == 0 && k < K) {
        for (int i = 1; i < NP; ++i)
            sum += sums[i * NC + lid];
        out[(part * rows + row) * K + k] = sum;
    }
}

__kernel void conv2d_backward_weights_reduce(__global float *restrict dw, __global const float *restrict scratch,
                                             int count, int S)
{
    const int at = (int)get_global_id(0);
    if (at >= count)
        return;
    float sum = 0.0f;
    for (int s = 0; s < S; ++s)
        sum += scratch[s * count + at];
    dw[at] = sum;
}

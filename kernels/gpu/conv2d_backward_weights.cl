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
 *          multiple or a divisor of WG/(BM/VEC), of PACK times that with MATRIX.
 *   STAGES 1 (default) or 2: tiles in local memory; 2 halves the barriers. The next tile is prefetched into registers
 *          either way.
 *   MATRIX 0 (default): float32. 1, 2, 3: both operands are rounded to TF32, float16, bfloat16 and multiplied by matrix units; this
 *          file then comes behind matrix_units.cl, TM x TN is the tile of a warp, which says what sizes it may have, BK a multiple
 *          of 8*PACK, WG = 32*(BM/TM)*(BN/TN), and local memory holds 4*STAGES*BK/PACK*(BM+8+BN+8) bytes.
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
#ifndef MATRIX
#define MATRIX 0
#endif
#ifndef NC
#define NC 32
#endif
#ifndef NP
#define NP 8
#endif

#if MATRIX
#define WG (32 * WARPS)
#else
#define PACK 1
#define RM (BM / TM) /* work-items along the rows of the tile */
#define RN (BN / TN)
#define WG (RM * RN)
#endif
#if MATRIX
#define LDA (BM + 8)
#define LDB (BN + 8)
#else
#define LDA BM
#define LDB BN
#endif
#define A_WORDS (BK / PACK * LDA) /* of a tile */
#define B_WORDS (BK / PACK * LDB)
#define A_SLOTS (BM / VEC) /* accesses per pixel of the A tile; work-items beyond them take further pixels */
#define A_ROWS (WG / A_SLOTS * PACK) /* at once, PACK neighbours of a work-item */
#define A_STEP (A_ROWS < BK ? A_ROWS : BK)
#define A_LOADS (BK / A_STEP * PACK)
#define A_ROW(i) ((i) / PACK * A_STEP + (i) % PACK)
#define B_SLOTS (BN / VEC)
#define B_ROWS (WG / B_SLOTS * PACK)
#define B_LOADS ((BK + B_ROWS - 1) / B_ROWS * PACK)
#define B_ROW(i) ((i) / PACK * B_ROWS + (i) % PACK)

#if TM % 4 || TN % 4 || BM % TM || BN % TN || WG % (BM / VEC) || WG % (BN / VEC)
#error "tile sizes do not fit together: see the head of this file"
#endif
#if BK % A_ROWS && A_ROWS % BK
#error "BK must be a multiple or a divisor of the pixels that a work-group reads at once"
#endif

#if !MATRIX /* the tile in float32; matrix_units.cl defines the same names */
#if VEC == 4
typedef float4 fvec;
#else
typedef float fvec;
#endif
typedef fvec ovec; /* of an access to out */
#define OVEC VEC
typedef float word; /* of the tile */

/* A work-item's share of the tile: ROWS x COLUMNS blocks, each BLOCK neighbours of one row. */
#define BLOCK 4
#define STORE_BLOCK vstore4
#define ROWS TM
#define COLUMNS (TN / 4)
typedef float4 block;
#define EXCHANGE_MEMORY
#define EXCHANGE_PARAM
#define EXCHANGE
#define UNROLL _Pragma("unroll")

static fvec load(__global const float *p)
{
    return *(__global const fvec *)p;
}

/* Row of the tile that block row i of this work-item is, and first column of block column j. */
static int own_row(int i)
{
    return (i / 4 * RM + (int)get_local_id(0) / RN) * 4 + i % 4;
}

static int own_column(int j)
{
    return (j * RN + (int)get_local_id(0) % RN) * 4;
}

/* VEC rows or columns from `at` on, at depth k. */
static void lay_along(__local word *tile, int ld, int k, int at, const fvec *v)
{
    *(__local fvec *)(tile + k * ld + at) = *v;
}

/* acc += a[depth][BM]^T * b[depth][BN], this work-item's rows and columns of it. */
static void multiply_tile(block acc[ROWS][COLUMNS], __local const word *a, int lda, __local const word *b, int ldb,
                          int depth)
{
    const int tm = (int)get_local_id(0) / RN * 4, tn = (int)get_local_id(0) % RN * 4;
    for (int k = 0; k < depth; ++k, a += lda, b += ldb) {
        float av[TM];
        float4 bv[TN / 4];
UNROLL
        for (int i = 0; i < TM / 4; ++i)
            vstore4(*(__local const float4 *)(a + i * RM * 4 + tm), i, av);
UNROLL
        for (int j = 0; j < TN / 4; ++j)
            bv[j] = *(__local const float4 *)(b + j * RN * 4 + tn);
UNROLL
        for (int i = 0; i < TM; ++i)
UNROLL
            for (int j = 0; j < TN / 4; ++j)
                acc[i][j] += av[i] * bv[j];
    }
}
#endif

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

__kernel __attribute__((reqd_work_group_size(WG, 1, 1))) void
conv2d_backward_weights(__global float *restrict out, __global const float *restrict x,
                        __global const float *restrict dy,
                        int N, int H, int W, int C, int OH, int OW, int K, int KH, int KW,
                        int SH, int SW, int PH, int PW, int DH, int DW, int G, int S)
{
    __local float4 a4[STAGES * A_WORDS / 4], b4[STAGES * B_WORDS / 4]; /* aligned to what is laid there */
    __local word *a_tile = (__local word *)a4, *b_tile = (__local word *)b4;
    EXCHANGE_MEMORY
    const int lid = (int)get_local_id(0);
    const int g = (int)get_group_id(1) % G, part = (int)get_group_id(1) / G, cg = C / G, kg = K / G;
    const int columns = (kg + BN - 1) / BN;
    const int m0 = (int)get_group_id(0) / columns * BM, n0 = (int)get_group_id(0) % columns * BN;
    const int m_end = KH * KW * cg;

    /* This part's pixels: whole tiles, the last part perhaps less or none. */
    const int pixels = N * OH * OW, length = ((pixels + S - 1) / S + BK - 1) / BK * BK;
    const int p0 = min(part * length, pixels), r_end = min(length, pixels - p0);

    /* This work-item's share of A: rows m..m+VEC-1, one tap, at the pixels p0+ap, p0+ap+A_STEP, ... */
    const int am = lid % A_SLOTS * VEC, ap = lid / A_SLOTS * PACK;
    const int3 tap = digits(m0 + am, KW, cg);
    const int h0 = tap.x * DH - PH, l0 = tap.y * DW - PW, a_valid = m0 + am < m_end && ap < BK;
    const int3 pixel_next = digits(1, OH, OW), pixel_step = digits(A_STEP - (PACK - 1), OH, OW);
    int3 pixel = digits(p0 + ap, OH, OW);

    /* ... and of B: columns n..n+VEC-1 at the pixels p0+bp, p0+bp+B_ROWS, ... */
    const int bn = lid % B_SLOTS * VEC, bp = lid / B_SLOTS * PACK;
    __global const float *dyp = dy + g * kg + n0 + bn;
    const int b_valid = n0 + bn < kg;

    block acc[ROWS][COLUMNS];
UNROLL
    for (int i = 0; i < ROWS; ++i)
UNROLL
        for (int j = 0; j < COLUMNS; ++j)
            acc[i][j] = (block)0.0f;

    /* Round r0 fetches tile r0 into registers and multiplies the tile before it meanwhile. */
    for (int r0 = 0, stage = 0; r0 < r_end + BK; r0 += BK) {
        fvec av[A_LOADS], bv[B_LOADS];
UNROLL
        for (int i = 0; i < A_LOADS; ++i) {
            const int h = pixel.y * SH + h0, l = pixel.z * SW + l0;
            av[i] = (fvec)0.0f;
            if (a_valid && r0 + ap + A_ROW(i) < r_end && (uint)h < (uint)H && (uint)l < (uint)W)
                av[i] = load(x + ((pixel.x * H + h) * W + l) * C + g * cg + tap.z);
            pixel = digits_add(pixel, (i + 1) % PACK ? pixel_next : pixel_step, OH, OW);
        }
UNROLL
        for (int i = 0; i < B_LOADS; ++i) {
            const int r = r0 + bp + B_ROW(i);
            bv[i] = (fvec)0.0f;
            if (b_valid && r < r_end)
                bv[i] = load(dyp + (p0 + r) * K);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (r0 > 0)
            multiply_tile(acc, a_tile + stage * A_WORDS, LDA, b_tile + stage * B_WORDS, LDB, BK EXCHANGE);
#if STAGES == 1
        barrier(CLK_LOCAL_MEM_FENCE);
#else
        stage ^= 1;
#endif
UNROLL
        for (int i = 0; i < A_LOADS; i += PACK)
            if (A_ROWS <= BK || ap < BK)
                lay_along(a_tile + stage * A_WORDS, LDA, ap + A_ROW(i), am, &av[i]);
UNROLL
        for (int i = 0; i < B_LOADS; i += PACK)
            if (BK % B_ROWS == 0 || bp + B_ROW(i) < BK)
                lay_along(b_tile + stage * B_WORDS, LDB, bp + B_ROW(i), bn, &bv[i]);
    }

    out += part * m_end * K + g * kg;
UNROLL
    for (int i = 0; i < ROWS; ++i) {
        const int m = m0 + own_row(i);
        if (m >= m_end)
            continue;
UNROLL
        for (int j = 0; j < COLUMNS; ++j) {
            const int n = n0 + own_column(j);
#if OVEC == BLOCK
            if (n < kg)
                *(__global ovec *)(out + m * K + n) = acc[i][j];
#else
            float v[BLOCK];
            STORE_BLOCK(acc[i][j], 0, v);
            for (int q = 0; q < BLOCK && n + q < kg; ++q)
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

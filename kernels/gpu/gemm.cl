/* gemm, class gpu: C = alpha*op(A)*op(B) + beta*C, row-major, with an optional epilogue, for a batch of such products.
 * Two kernels:
 * gemm         the whole product (S == 1), or, for small M, N and large K, S partial products (split-K)
 * gemm_reduce  for S > 1: adds the parts up in a fixed order, then alpha, beta, epilogue
 *
 *   C[m,n] = epilogue( alpha * sum over k<K of op(A)[m,k]*op(B)[k,n] + beta*C[m,n] )
 *   epilogue, in this order: + bias[n]; negative -> 0 (NaN is kept). With beta == 0, C is not read.
 *
 * Kernels:
 *   gemm(C, A, B, bias[N], int epilogue, scratch, float alpha, float beta, int M, N, K, lda, ldb, ldc,
 *        step_a, step_b, step_c, S)
 *     S == 1: writes C and leaves scratch alone (NULL or any buffer).
 *     S > 1:  writes scratch[products,S,M,N] and neither reads nor writes C; alpha, beta, bias and ReLU wait for gemm_reduce.
 *   gemm_reduce(C, bias[N], int epilogue, scratch[products,S,M,N], float alpha, float beta, int M, N, ldc, step_c, S)
 *     C[M,N], row stride ldc >= N; overlaps nothing
 *     A: TA 0: A[M,K], row stride lda >= K;   TA 1: A[K,M], row stride lda >= M
 *     B: TB 0: B[K,N], row stride ldb >= N;   TB 1: B[N,K], row stride ldb >= K
 *     epilogue: what there is of it, a sum of 1: bias; 2: negative -> 0. Without 1, bias is not read.
 *     step_a, step_b, step_c: elements from one product's A, B, C to the next one's
 *   Scratch: 4*S*M*N bytes a product when S > 1, else none.
 *   Requires: every matrix (rows times stride) and the scratch below 2^31 elements, S >= 1. The result depends on S in
 *   its rounding only; for one S it repeats bit for bit. A good S gives two to four work-groups per compute unit and
 *   leaves every part at least 8*BK of K.
 *
 * gemm: work-group -> BM x BN of C in one part of K; work-item -> TM x TN of it, in blocks of 4 x 4.
 *   local size:  (WG, 1, 1), WG = (BM/TM)*(BN/TN)
 *   global size: (WG * ceil(M/BM) * ceil(N/BN), S, products)
 *   local memory: 4*STAGES*BK*(LDA+LDB) bytes; LDA = BM, + 4 when TA is 0; LDB = BN, + 4 when TB is 1
 *   with MATRIX: WG = 32*(BM/TM)*(BN/TN); 4*STAGES*BK/PACK*(BM+8+BN+8) bytes of local memory
 * gemm_reduce: work-item -> one element of C.
 *   local size: (any, 1, 1); global size: (M*N rounded up to the local size, 1, products)
 *
 * Macros:
 *   TA, TB  0 or 1, default 0: A, B stored transposed
 *   VEC    1 (default) or 4: width of global accesses. 4 requires buffers that start on 16 bytes, lda, ldb, ldc, N
 *          and the steps multiples of 4, K too unless TA is 1 and TB is 0, and M too when TA is 1.
 *   BM, BN, BK  128, 128, 16: tile of rows, columns, reduction.  TM, TN  8, 8: register tile.  A smaller tile is
 *          BM 64, BN 64, BK 16, TM 4, TN 4; narrow products: BM 128, BN 16 or 32, TM 4, TN 4.
 *          TM % 4 == 0, TN % 4 == 0, BM % TM == 0, BN % TN == 0, BK % VEC == 0, WG % (BK/VEC) == 0, and WG % (BM/VEC)
 *          == 0 when TA is 1, WG % (BN/VEC) == 0 when TB is 0.
 *   MATRIX 0 (default): float32. 1, 2, 3: A and B are rounded to TF32, float16, bfloat16 and multiplied by matrix units; this file then
 *          comes behind matrix_units.cl, TM x TN is the tile of a warp, which says what sizes it may have, and BK a multiple of
 *          8*PACK.
 *   STAGES 1 (default) or 2: tiles in local memory; 2 halves the barriers. The next tile is prefetched into registers
 *          either way.
 */
#ifndef TA
#define TA 0
#endif
#ifndef TB
#define TB 0
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
#ifndef MATRIX
#define MATRIX 0
#endif

#if MATRIX
#define WG (32 * WARPS)
#else
#define PACK 1
#define RM (BM / TM) /* work-items along the rows of the tile */
#define RN (BN / TN)
#define WG (RM * RN)
#endif
/* A tile is read along its contiguous dimension: SLOTS accesses per line, COUNT lines, work-items beyond SLOTS take
 * further lines, PACK neighbours at a time where the lines are the reduction's. A tile whose contiguous dimension is the reduction
 * is transposed on the way; its pad spreads those stores over the banks. */
#if TA
#define LDA (MATRIX ? BM + 8 : BM)
#define A_SLOTS (BM / VEC)
#define A_COUNT BK
#define A_PACK PACK
#else
#define LDA (MATRIX ? BM + 8 : BM + 4)
#define A_SLOTS (BK / VEC)
#define A_COUNT BM
#define A_PACK 1
#endif
#if TB
#define LDB (MATRIX ? BN + 8 : BN + 4)
#define B_SLOTS (BK / VEC)
#define B_COUNT BN
#define B_PACK 1
#else
#define LDB (MATRIX ? BN + 8 : BN)
#define B_SLOTS (BN / VEC)
#define B_COUNT BK
#define B_PACK PACK
#endif
#define A_WORDS (BK / PACK * LDA) /* of a tile */
#define B_WORDS (BK / PACK * LDB)
#define A_LINES (WG / A_SLOTS * A_PACK) /* at once */
#define A_LOADS ((A_COUNT + A_LINES - 1) / A_LINES * A_PACK)
#define A_LINE(i) ((i) / A_PACK * A_LINES + (i) % A_PACK)
#define B_LINES (WG / B_SLOTS * B_PACK)
#define B_LOADS ((B_COUNT + B_LINES - 1) / B_LINES * B_PACK)
#define B_LINE(i) ((i) / B_PACK * B_LINES + (i) % B_PACK)

#if TM % 4 || TN % 4 || BM % TM || BN % TN || BK % VEC || WG % (BK / VEC)
#error "tile sizes do not fit together: see the head of this file"
#endif
#if (TA && WG % (BM / VEC)) || (!TB && WG % (BN / VEC))
#error "the work-group is no multiple of a line of the tile: see the head of this file"
#endif

#if !MATRIX /* the tile in float32; matrix_units.cl defines the same names */
#if VEC == 4
typedef float4 fvec;
#else
typedef float fvec;
#endif
typedef fvec ovec; /* of an access to C */
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

static ovec load_out(__global const float *p)
{
    return load(p);
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

/* VEC numbers of one row or column `at`, from depth k on. */
static void lay_across(__local word *tile, int ld, int k, int at, fvec v)
{
    __local word *to = tile + k * ld + at;
#if VEC == 4
    to[0] = v.x;
    to[ld] = v.y;
    to[2 * ld] = v.z;
    to[3 * ld] = v.w;
#else
    to[0] = v;
#endif
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

/* Bits of `epilogue`. */
#define BIAS 1
#define RELU 2

/* alpha, beta and the epilogue for OVEC columns from n on, then the store at C[at]. */
static void store_output(__global float *C, __global const float *bias, int epilogue, float alpha, float beta, int at,
                         int n, ovec v)
{
    v *= alpha;
    if (beta != 0.0f)
        v += beta * load_out(C + at);
    if (epilogue & BIAS)
        v += load_out(bias + n);
    if (epilogue & RELU)
        v = select(v, (ovec)0.0f, v < (ovec)0.0f);
    *(__global ovec *)(C + at) = v;
}

/* One line's access of a tile, [lines][contiguous]: VEC values at p, or zeros outside. */
static fvec load_inside(__global const float *p, int inside)
{
    fvec v = (fvec)0.0f;
    if (inside)
        v = load(p);
    return v;
}

/* acc = op(A)*op(B) over k0 <= k < k_end for the tile at (m0, n0). Every work-item of the group calls it: barriers. */
static void tile_product(block acc[ROWS][COLUMNS], __local word *a_tile, __local word *b_tile,
                         __global const float *restrict A, __global const float *restrict B,
                         int m0, int n0, int M, int N, int k0, int k_end, int lda, int ldb EXCHANGE_PARAM)
{
    const int lid = (int)get_local_id(0);
    const int a_at = lid % A_SLOTS * VEC, a_line = lid / A_SLOTS * A_PACK;
    const int b_at = lid % B_SLOTS * VEC, b_line = lid / B_SLOTS * B_PACK;

UNROLL
    for (int i = 0; i < ROWS; ++i)
UNROLL
        for (int j = 0; j < COLUMNS; ++j)
            acc[i][j] = (block)0.0f;

    /* Round k fetches tile k into registers and multiplies the tile before it meanwhile. */
    for (int k = k0, stage = 0; k < k_end + BK; k += BK) {
        fvec av[A_LOADS], bv[B_LOADS];
UNROLL
        for (int i = 0; i < A_LOADS; ++i) {
#if TA
            const int ak = k + a_line + A_LINE(i), am = m0 + a_at;
            av[i] = load_inside(A + ak * lda + am, am < M && ak < k_end);
#else
            const int ak = k + a_at, am = m0 + a_line + A_LINE(i);
            av[i] = load_inside(A + am * lda + ak, am < M && ak < k_end);
#endif
        }
UNROLL
        for (int i = 0; i < B_LOADS; ++i) {
#if TB
            const int bk = k + b_at, bn = n0 + b_line + B_LINE(i);
            bv[i] = load_inside(B + bn * ldb + bk, bn < N && bk < k_end);
#else
            const int bk = k + b_line + B_LINE(i), bn = n0 + b_at;
            bv[i] = load_inside(B + bk * ldb + bn, bn < N && bk < k_end);
#endif
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (k > k0)
            multiply_tile(acc, a_tile + stage * A_WORDS, LDA, b_tile + stage * B_WORDS, LDB, BK EXCHANGE);
#if STAGES == 1
        barrier(CLK_LOCAL_MEM_FENCE);
#else
        stage ^= 1;
#endif
UNROLL
        for (int i = 0; i < A_LOADS; i += A_PACK) {
            const int line = a_line + A_LINE(i);
            if (A_COUNT % A_LINES == 0 || line < A_COUNT)
#if TA
                lay_along(a_tile + stage * A_WORDS, LDA, line, a_at, &av[i]);
#else
                lay_across(a_tile + stage * A_WORDS, LDA, a_at, line, av[i]);
#endif
        }
UNROLL
        for (int i = 0; i < B_LOADS; i += B_PACK) {
            const int line = b_line + B_LINE(i);
            if (B_COUNT % B_LINES == 0 || line < B_COUNT)
#if TB
                lay_across(b_tile + stage * B_WORDS, LDB, b_at, line, bv[i]);
#else
                lay_along(b_tile + stage * B_WORDS, LDB, line, b_at, &bv[i]);
#endif
        }
    }
}

__kernel __attribute__((reqd_work_group_size(WG, 1, 1))) void
gemm(__global float *restrict C, __global const float *restrict A, __global const float *restrict B,
     __global const float *restrict bias, int epilogue,
     __global float *restrict scratch, float alpha, float beta, int M, int N, int K, int lda, int ldb, int ldc,
     int step_a, int step_b, int step_c, int S)
{
    __local float4 a4[STAGES * A_WORDS / 4], b4[STAGES * B_WORDS / 4]; /* aligned to what is laid there */
    EXCHANGE_MEMORY
    const int part = (int)get_group_id(1), columns = (N + BN - 1) / BN;
    const int m0 = (int)get_group_id(0) / columns * BM, n0 = (int)get_group_id(0) % columns * BN;
    const int length = ((K + S - 1) / S + BK - 1) / BK * BK; /* whole tiles; the last part perhaps less or none */
    const int k0 = min(part * length, K), k_end = min(k0 + length, K);
    block acc[ROWS][COLUMNS];
    A += get_group_id(2) * step_a;
    B += get_group_id(2) * step_b;
    C += get_group_id(2) * step_c;
    scratch += get_group_id(2) * S * M * N;
    tile_product(acc, (__local word *)a4, (__local word *)b4, A, B, m0, n0, M, N, k0, k_end, lda, ldb EXCHANGE);

UNROLL
    for (int i = 0; i < ROWS; ++i) {
        const int m = m0 + own_row(i);
        if (m >= M)
            continue;
UNROLL
        for (int j = 0; j < COLUMNS; ++j) {
            const int n = n0 + own_column(j);
#if OVEC == BLOCK
            const ovec v[1] = {acc[i][j]};
#else
            float v[BLOCK];
            STORE_BLOCK(acc[i][j], 0, v);
#endif
UNROLL
            for (int q = 0; q < BLOCK / OVEC; ++q)
                if (n + q < N) {
                    if (S > 1)
                        *(__global ovec *)(scratch + (part * M + m) * N + n + q) = v[q];
                    else
                        store_output(C, bias, epilogue, alpha, beta, m * ldc + n + q, n + q, v[q]);
                }
        }
    }
}

__kernel void gemm_reduce(__global float *restrict C, __global const float *restrict bias, int epilogue,
                          __global const float *restrict scratch, float alpha, float beta, int M, int N, int ldc, int step_c, int S)
{
    const int at = (int)get_global_id(0), m = at / N, n = at % N;
    if (m >= M)
        return;
    C += get_global_id(2) * step_c;
    scratch += get_global_id(2) * S * M * N;
    float v = 0.0f;
    for (int s = 0; s < S; ++s)
        v += scratch[s * M * N + at];
    v *= alpha;
    if (beta != 0.0f)
        v += beta * C[m * ldc + n];
    if (epilogue & BIAS)
        v += bias[n];
    C[m * ldc + n] = epilogue & RELU && v < 0.0f ? 0.0f : v;
}

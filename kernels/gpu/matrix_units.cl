/* Matrix units, class gpu: what a tile of gemm.cl, conv2d.cl and conv2d_backward_weights.cl is, and how it is multiplied, where these are
 * compiled with MATRIX. The host joins this file with one of theirs ("gpu/matrix_units+gpu/gemm"), and they take from here what
 * they define themselves for float32: fvec, ovec, word, block, PACK, load(), load_out(), lay_across(), lay_along(), own_row(),
 * own_column() and multiply_tile(). And a kernel with which the host tries a device's units out, by this very code.
 *
 * Numbers are rounded to nearest even when they are laid into the tile; a warp, 32 consecutive work-items, then multiplies
 * fragments of it by an instruction of PTX, products and sums in float32:
 *   MATRIX 1: TF32      mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32
 *   MATRIX 2: float16   mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
 *   MATRIX 3: bfloat16  mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
 * (PTX's own conversion to TF32, cvt.rna, takes ties away from zero: ours is by integers.)
 *
 * Fragments (PTX ISA, "Matrix Fragments for mma.m16n8k8" and "... for mma.m16n8k16 with floating point type"). The two
 * instructions share one table once it counts words of 32 bits: one number of TF32, or two of 16 bits, neighbours along the
 * reduction, the first in the lower half. Of 8 words of reduction, with g = lane / 4 and t = lane % 4, a lane holds
 *   of A[16 rows][8 words]     word i = 0..3:    row g + 8*(i%2), word t + 4*(i/2)
 *   of B[8 words][8 columns]   word i = 0..1:    word t + 4*i, column g
 *   of C[16 rows][8 columns]   number i = 0..3:  row g + 8*(i/2), column 2*t + i%2
 *
 * Tile in local memory: words[depth / PACK][ld], rows of A or columns of B side by side. With ld % 32 == 8 or 24 the lanes of
 * a warp read a fragment from 32 different banks.
 *
 * Kernel:
 *   matrix_units_trial(C[TM,TN], A[TM,K], B[K,TN], int K): C = A*B with A and B rounded; K % 16 == 0. One warp: BM == TM, BN == TN.
 *   local and global size: (32).  Local memory: 64*(BM+8+BN+8) / PACK bytes, and what PTX 0 needs.
 *
 * Macros:
 *   MATRIX  1 (default), 2 or 3: see above.
 *   PTX     1: fragments are multiplied by the instruction. 0 (default): in OpenCL C, on any device, lanes reading each other's
 *           fragments from 768*PACK bytes of local memory a warp: slow, for tests of everything but the instruction.
 *   VEC     1 (default) or 4: width of global reads
 *   BM, BN  32, 32: tile of the work-group.  TM, TN  32, 32: of a warp; TM % 16 == 0, TN % 8 == 0, BM % TM == 0, BN % TN == 0.
 *           Warps follow each other along the columns, then along the rows.
 */
#ifndef MATRIX
#define MATRIX 1
#endif
#ifndef PTX
#define PTX 0
#endif
#ifndef TM
#define TM 32
#endif
#ifndef TN
#define TN 32
#endif
#ifndef BM
#define BM 32
#endif
#ifndef BN
#define BN 32
#endif
#ifndef VEC
#define VEC 1
#endif

#if TM % 16 || TN % 8 || BM % TM || BN % TN
#error "tile sizes do not fit together: see the head of this file"
#endif

#define WARPS (BM / TM * (BN / TN))

#define LANE ((int)get_local_id(0) % 32)
#define WARP ((int)get_local_id(0) / 32)

#if VEC == 4
typedef float4 fvec; /* of a global read */
typedef float2 ovec; /* of a global access to the result */
#define OVEC 2
#else
typedef float fvec;
typedef float ovec;
#define OVEC 1
#endif

static fvec load(__global const float *p)
{
    return *(__global const fvec *)p;
}

static ovec load_out(__global const float *p)
{
    return *(__global const ovec *)p;
}

/* Numbers in a word, neighbours along the reduction. */
#if MATRIX == 1
#define PACK 1
#else
#define PACK 2
#endif
typedef uint word;

/* A lane's share of the warp's tile: ROWS x COLUMNS blocks, each BLOCK neighbours of one row. */
#define BLOCK 2
#define STORE_BLOCK vstore2
#define ROWS (TM / 8)
#define COLUMNS (TN / 8)
typedef float2 block;

/* Row of the work-group's tile that block row i of this work-item is, and first column of block column j. */
static int own_row(int i)
{
    return WARP / (BN / TN) * TM + i * 8 + LANE / 4;
}

static int own_column(int j)
{
    return WARP % (BN / TN) * TN + j * 8 + LANE % 4 * 2;
}

/* v to nearest even, in the lower bits of a word. A NaN stays one. */
#if MATRIX == 1
static uint round_number(float v)
{
    const uint bits = as_uint(v);
    return (bits & 0x7FFFFFFFu) > 0x7F800000u ? 0x7FC00000u : (bits + 0xFFFu + (bits >> 13 & 1u)) & ~0x1FFFu;
}
#define round_word(v0, v1) round_number(v0)
#else
#if PTX
#if MATRIX == 2
#define CONVERT "cvt.rn.f16x2.f32 %0, %1, %2;"
#else
#define CONVERT "cvt.rn.bf16x2.f32 %0, %1, %2;"
#endif
static uint round_word(float v0, float v1)
{
    uint word;
    asm(CONVERT : "=r"(word) : "f"(v1), "f"(v0));
    return word;
}

static uint round_number(float v)
{
    return round_word(v, 0.0f);
}
#else
static uint round_number(float v)
{
#if MATRIX == 2
    /* Below the smallest normal number, 2^-14, an addition rounds to the spacing there, which is that of floats above 1/2. */
    const uint bits = as_uint(v) & 0x7FFFFFFFu, sign = as_uint(v) >> 16 & 0x8000u;
    const uint small = as_uint(as_float(bits) + 0.5f) - as_uint(0.5f);
    const uint normal = (bits - 0x38000000u + 0xFFFu + (bits >> 13 & 1u)) >> 13;
    return sign | (bits > 0x7F800000u ? 0x7E00u : bits < 0x38800000u ? small : min(normal, 0x7C00u));
#else
    const uint bits = as_uint(v);
    return (bits & 0x7FFFFFFFu) > 0x7F800000u ? 0x7FC0u : (bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16;
#endif
}

static uint round_word(float v0, float v1)
{
    return round_number(v0) | round_number(v1) << 16;
}
#endif
#endif

/* The number at depth k of row or column `at`. */
static void lay_number(__local word *tile, int ld, int k, int at, float v)
{
#if PACK == 1
    tile[k * ld + at] = round_number(v);
#else
    ((__local ushort *)tile)[(k / 2 * ld + at) * 2 + k % 2] = (ushort)round_number(v);
#endif
}

/* The numbers at depths k to k + PACK - 1, k % PACK == 0; without a second one, v1 is not looked at. */
static void lay_word(__local word *tile, int ld, int k, int at, float v0, float v1)
{
    tile[k / PACK * ld + at] = round_word(v0, v1);
}

/* VEC numbers of one row or column `at`, from depth k on, k % VEC == 0. */
static void lay_across(__local word *tile, int ld, int k, int at, fvec v)
{
#if VEC == 1
    lay_number(tile, ld, k, at, v);
#elif PACK == 1
    lay_number(tile, ld, k, at, v.x);
    lay_number(tile, ld, k + 1, at, v.y);
    lay_number(tile, ld, k + 2, at, v.z);
    lay_number(tile, ld, k + 3, at, v.w);
#else
    lay_word(tile, ld, k, at, v.x, v.y);
    lay_word(tile, ld, k + 2, at, v.z, v.w);
#endif
}

/* VEC rows or columns from `at` on, at depths k to k + PACK - 1: v[PACK]. */
static void lay_along(__local word *tile, int ld, int k, int at, const fvec *v)
{
#if VEC == 1
    lay_word(tile, ld, k, at, v[0], v[PACK - 1]);
#else
    lay_word(tile, ld, k, at, v[0].x, v[PACK - 1].x);
    lay_word(tile, ld, k, at + 1, v[0].y, v[PACK - 1].y);
    lay_word(tile, ld, k, at + 2, v[0].z, v[PACK - 1].z);
    lay_word(tile, ld, k, at + 3, v[0].w, v[PACK - 1].w);
#endif
}

/* c += a * b, a fragment product. */
#if PTX
#if MATRIX == 1
#define MMA "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
#elif MATRIX == 2
#define MMA "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
#else
#define MMA "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
#endif
static float4 multiply_fragments(float4 c, const uint a[4], const uint b[2])
{
    float d0, d1, d2, d3;
    const uint a0 = a[0], a1 = a[1], a2 = a[2], a3 = a[3], b0 = b[0], b1 = b[1];
    const float c0 = c.x, c1 = c.y, c2 = c.z, c3 = c.w;
    asm volatile(MMA "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %11, %12, %13};"
                 : "=f"(d0), "=f"(d1), "=f"(d2), "=f"(d3)
                 : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1), "f"(c0), "f"(c1), "f"(c2), "f"(c3));
    return (float4)(d0, d1, d2, d3);
}
#define EXCHANGE_MEMORY
#define EXCHANGE_PARAM
#define EXCHANGE
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("unroll 1") /* it is to compile fast */
/* Declared in the kernel, handed down as a last argument. */
#define FRAGMENT (6 * PACK) /* numbers of A and B that a lane holds */
#define EXCHANGE_MEMORY __local float exchange[WARPS * 32 * FRAGMENT];
#define EXCHANGE_PARAM , __local float *exchange
#define EXCHANGE , exchange


/* The first or second number of a word. */
static float number_of(uint word, int i)
{
#if MATRIX == 1
    return as_float(word);
#elif MATRIX == 2
    const ushort bits = (ushort)(word >> 16 * i);
    return vload_half(0, (const half *)&bits);
#else
    return as_float(i ? word & 0xFFFF0000u : word << 16);
#endif
}

static float4 multiply_fragments(float4 c, const uint a[4], const uint b[2] EXCHANGE_PARAM)
{
    __local float *warp = exchange + WARP * (32 * FRAGMENT);
    const int lane = LANE;
    float sums[4];
UNROLL
    for (int i = 0; i < FRAGMENT; ++i)
        warp[lane * FRAGMENT + i] = number_of(i / PACK < 4 ? a[i / PACK] : b[i / PACK - 4], i % PACK);
    barrier(CLK_LOCAL_MEM_FENCE);
    vstore4(c, 0, sums);
UNROLL
    for (int i = 0; i < 4; ++i) {
        const int row = lane / 4 + 8 * (i / 2), column = lane % 4 * 2 + i % 2;
UNROLL
        for (int k = 0; k < 8 * PACK; ++k) {
            /* A[row][word] is word row/8 + word/4*2 of lane row%8*4 + word%4, B[word][column] word/4 of lane column*4 + word%4. */
            const int word = k / PACK;
            sums[i] += warp[(row % 8 * 4 + word % 4) * FRAGMENT + (row / 8 + word / 4 * 2) * PACK + k % PACK] *
                       warp[(column * 4 + word % 4) * FRAGMENT + (4 + word / 4) * PACK + k % PACK];
        }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return vload4(0, sums);
}
#endif

/* acc += a[depth][BM]^T * b[depth][BN], this warp's rows and columns of it; depth % (8*PACK) == 0. */
static void multiply_tile(block acc[ROWS][COLUMNS], __local const word *a, int lda, __local const word *b, int ldb,
                          int depth EXCHANGE_PARAM)
{
    const int row = WARP / (BN / TN) * TM + LANE / 4, column = WARP % (BN / TN) * TN + LANE / 4, t = LANE % 4;
    for (int k = 0; k < depth / PACK; k += 8) {
        uint af[TM / 16][4], bf[TN / 8][2];
UNROLL
        for (int i = 0; i < TM / 16; ++i)
UNROLL
            for (int w = 0; w < 4; ++w)
                af[i][w] = a[(k + t + 4 * (w / 2)) * lda + row + i * 16 + 8 * (w % 2)];
UNROLL
        for (int j = 0; j < TN / 8; ++j)
UNROLL
            for (int w = 0; w < 2; ++w)
                bf[j][w] = b[(k + t + 4 * w) * ldb + column + j * 8];
UNROLL
        for (int i = 0; i < TM / 16; ++i)
UNROLL
            for (int j = 0; j < TN / 8; ++j) {
                const float4 c = multiply_fragments((float4)(acc[2 * i][j], acc[2 * i + 1][j]), af[i], bf[j] EXCHANGE);
                acc[2 * i][j] = c.lo;
                acc[2 * i + 1][j] = c.hi;
            }
    }
}

#define TRIAL_DEPTH 16

__kernel __attribute__((reqd_work_group_size(32, 1, 1))) void
matrix_units_trial(__global float *restrict C, __global const float *restrict A, __global const float *restrict B, int K)
{
    __local word a[TRIAL_DEPTH / PACK * (BM + 8)], b[TRIAL_DEPTH / PACK * (BN + 8)];
    EXCHANGE_MEMORY
    block acc[ROWS][COLUMNS];
    for (int i = 0; i < ROWS; ++i)
        for (int j = 0; j < COLUMNS; ++j)
            acc[i][j] = (block)0.0f;
    for (int k0 = 0; k0 < K; k0 += TRIAL_DEPTH) {
        for (int i = LANE; i < TRIAL_DEPTH * BM; i += 32)
            lay_number(a, BM + 8, i % TRIAL_DEPTH, i / TRIAL_DEPTH, A[i / TRIAL_DEPTH * K + k0 + i % TRIAL_DEPTH]);
        for (int i = LANE; i < TRIAL_DEPTH / PACK * BN; i += 32) {
            const int k = i / BN * PACK, n = i % BN;
            lay_word(b, BN + 8, k, n, B[(k0 + k) * BN + n], B[(k0 + k + PACK - 1) * BN + n]);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        multiply_tile(acc, a, BM + 8, b, BN + 8, TRIAL_DEPTH EXCHANGE);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    for (int i = 0; i < ROWS; ++i)
        for (int j = 0; j < COLUMNS; ++j)
            vstore2(acc[i][j], 0, C + own_row(i) * BN + own_column(j));
}

/* conv2d, class gpu: convolution in gather form, channels last, with groups and an epilogue, as an implicit GEMM. The host's
 * numbers make it conv2d, or conv2d_backward_data, which is conv_transpose2d.
 *
 *   out[n,q,v,k] = epilogue( sum over i<KH, j<KW, c in k's group of in[n, row(q,i), column(v,j), c] * weight[i,j,c,k] )
 *   row(q,i) = (q*GH + FH + i*DH) / TH,  column(v,j) = (v*GW + FW + j*DW) / TW;  a tap counts where both are whole and inside
 *   forward:        G = stride, T = 1,      F = -padding, D = dilation;                             w[KH,KW,C/groups,K]
 *   backward data:  G = 1,      T = stride, F = padding,  D = -dilation, in = dy, out = dx;  BACKWARD, w[KH,KW,K/groups,C]
 *   epilogue, in this order: + bias[k]; * scale[k] + shift[k]; + addend[n,q,v,k]; negative -> 0 (NaN is kept)
 *
 * Kernel:
 *   conv2d(out[N,OH,OW,K], in[N,H,W,C], w, bias[K], scale[K], shift[K], addend[N,OH,OW,K], int epilogue,
 *          int N, H, W, C, OH, OW, K, KH, KW, GH, GW, TH, TW, FH, FW, DH, DW, groups)
 *   epilogue: what there is of it, a sum of 1: bias; 2: scale and shift; 4: addend; 8: negative -> 0. A buffer that is not
 *     there is not read.
 *   addend may be the buffer out itself; nothing else may overlap it. Every element of out is written.
 *   Requires: C % groups == 0, K % groups == 0, every tensor below 2^31 elements.
 *
 * Mapping: pixels of out with equal (q % TH, v % TW), a phase, have the same whole taps; so a work-group works on one phase, with
 *   its taps only, and a strided gradient wastes no multiplication. A phase without taps gives the epilogue of 0. Of a
 *   group and phase the GEMM's rows are the pixels, its columns the output channels, its reduction the taps times the
 *   input channels. Work-group -> BM rows x BN columns; work-item -> TM x TN of them, in blocks of 4 x 4.
 *   local size:  (WG, 1), WG = (BM/TM)*(BN/TN)
 *   global size: (WG * ceil(N*ceil(OH/TH)*ceil(OW/TW) / BM) * ceil((K/groups) / BN), groups*TH*TW)
 *   local memory: 4*STAGES*BK*(BM+4+LDB) bytes
 *
 * Macros:
 *   BACKWARD  0 or 1, default 0: how the weights lie
 *   VEC    1 (default) or 4: width of global accesses. 4 requires (C/groups) % 4 == 0, (K/groups) % 4 == 0 and buffers that
 *          start on 16 bytes.
 *   BM, BN, BK  128, 128, 16: tile of pixels, channels, reduction.  TM, TN  8, 8: register tile.  A smaller tile is
 *          BM 64, BN 64, BK 16, TM 4, TN 4; few channels: BM 128, BN 16 or 32, TM 4, TN 4.
 *          TM % 4 == 0, TN % 4 == 0, BM % TM == 0, BN % TN == 0, BK % VEC == 0, WG % (BK/VEC) == 0, WG % (BN/VEC) == 0.
 *   STAGES 1 (default) or 2: tiles in local memory; 2 halves the barriers. The next tile is prefetched into registers
 *          either way.
 *   MATRIX 0 (default): float32. 1, 2, 3: both operands are rounded to TF32, float16, bfloat16 and multiplied by matrix units; this
 *          file then comes behind matrix_units.cl, TM x TN is the tile of a warp, which says what sizes it may have, BK a multiple
 *          of 8*PACK, WG = 32*(BM/TM)*(BN/TN), and local memory holds 4*STAGES*BK/PACK*(BM+8+BN+8) bytes.
 * Scratch: none.
 */
#ifndef BACKWARD
#define BACKWARD 0
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
#if MATRIX
#define LDA (BM + 8)
#define LDB (BN + 8)
#else
#define LDA (BM + 4) /* the pad spreads the transposing stores over the banks */
#define LDB (BN + 4 * BACKWARD)
#endif
#define A_WORDS (BK / PACK * LDA) /* of a tile */
#define B_WORDS (BK / PACK * LDB)
#define A_SLOTS (BK / VEC) /* accesses per row of the A tile; work-items beyond them take further rows */
#define A_ROWS (WG / A_SLOTS)
#define A_LOADS ((BM + A_ROWS - 1) / A_ROWS)
#if BACKWARD
#define B_LOADS ((BN + A_ROWS - 1) / A_ROWS) /* w is read along the reduction, as A is */
#else
#define B_SLOTS (BN / VEC)
#define B_ROWS (WG / B_SLOTS * PACK) /* at once, PACK neighbours of a work-item */
#define B_LOADS ((BK + B_ROWS - 1) / B_ROWS * PACK)
#define B_ROW(i) ((i) / PACK * B_ROWS + (i) % PACK)
#endif

#if TM % 4 || TN % 4 || BM % TM || BN % TN || BK % VEC || WG % (BK / VEC) || WG % (BN / VEC)
#error "tile sizes do not fit together: see the head of this file"
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
#define SCALE 2
#define ADDEND 4
#define RELU 8

/* The epilogue for OVEC channels from k on; at: their place in out. */
static ovec finish(ovec v, __global const float *bias, __global const float *scale, __global const float *shift,
                   __global const float *addend, int epilogue, int k, int at)
{
    if (epilogue & BIAS)
        v += load_out(bias + k);
    if (epilogue & SCALE)
        v = v * load_out(scale + k) + load_out(shift + k);
    if (epilogue & ADDEND)
        v += load_out(addend + at);
    return epilogue & RELU ? select(v, (ovec)0.0f, v < (ovec)0.0f) : v;
}

/* One dimension of one phase: `count` outputs, of which the q-th meets place q*gather + first + t*step of `in` at the t-th of
 * its taps, which is tap tap0 + t*tap_step of the kernel. */
typedef struct {
    int count, taps, first, step, tap0, tap_step;
} phase;

static phase phase_of(int begin, int out, int taps, int gather, int divide, int first, int apart)
{
    phase p = {(out - begin + divide - 1) / divide, 0, 0, 0, 0, 0};
    const int start = begin * gather + first;
    for (int t = 0; t < taps; ++t)
        if ((start + t * apart) % divide == 0) {
            if (p.taps == 0)
                p.tap0 = t;
            else if (p.taps == 1)
                p.tap_step = t - p.tap0;
            p.taps += 1;
        }
    p.first = (start + p.tap0 * apart) / divide;
    p.step = p.tap_step * apart / divide;
    return p;
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

__kernel __attribute__((reqd_work_group_size(WG, 1, 1))) void
conv2d(__global float *out, __global const float *restrict in, __global const float *restrict w,
       __global const float *restrict bias, __global const float *restrict scale,
       __global const float *restrict shift, __global const float *addend, int epilogue,
       int N, int H, int W, int C, int OH, int OW, int K, int KH, int KW,
       int GH, int GW, int TH, int TW, int FH, int FW, int DH, int DW, int groups)
{
    __local float4 a4[STAGES * A_WORDS / 4], b4[STAGES * B_WORDS / 4]; /* aligned to what is laid there */
    __local word *a_tile = (__local word *)a4, *b_tile = (__local word *)b4;
    EXCHANGE_MEMORY
    const int lid = (int)get_local_id(0);
    const int g = (int)get_group_id(1) % groups, q0 = (int)get_group_id(1) / groups / TW;
    const int v0 = (int)get_group_id(1) / groups % TW;
    const phase ph = phase_of(q0, OH, KH, GH, TH, FH, DH), pw = phase_of(v0, OW, KW, GW, TW, FW, DW);
    const int cg = C / groups, kg = K / groups;
    const int columns = (kg + BN - 1) / BN; /* tiles; channels vary fastest: neighbouring groups read the same pixels */
    const int m0 = (int)get_group_id(0) / columns * BM, n0 = (int)get_group_id(0) % columns * BN;
    const int m_end = N * ph.count * pw.count, n_taps = max(pw.taps, 1);
    const int r_end = m0 < m_end ? ph.taps * pw.taps * cg : 0;

    /* This work-item's share of A: reduction indices r..r+VEC-1 of the pixels m0+am, m0+am+A_ROWS, ... */
    const int ar = lid % A_SLOTS * VEC, am = lid / A_SLOTS;
    int ah[A_LOADS], aw[A_LOADS], abase[A_LOADS];
UNROLL
    for (int i = 0; i < A_LOADS; ++i) {
        const int m = m0 + am + i * A_ROWS;
        const int3 pixel = digits(m, max(ph.count, 1), max(pw.count, 1));
        ah[i] = m < m_end ? pixel.y * GH + ph.first : INT_MIN / 2; /* no tap brings it back inside */
        aw[i] = pixel.z * GW + pw.first;
        abase[i] = ((pixel.x * H + pixel.y * GH + ph.first) * W + aw[i]) * C + g * cg;
    }
    const int3 tap_step = digits(BK, n_taps, cg);
    int3 tap = digits(ar, n_taps, cg);

#if !BACKWARD
    /* ... and of B: columns n..n+VEC-1 of the reduction indices br, br+B_ROWS, ... */
    const int bn = lid % B_SLOTS * VEC, br = lid / B_SLOTS * PACK;
    __global const float *wp = w + g * kg + n0 + bn;
    const int b_valid = n0 + bn < kg;
#endif

    block acc[ROWS][COLUMNS];
UNROLL
    for (int i = 0; i < ROWS; ++i)
UNROLL
        for (int j = 0; j < COLUMNS; ++j)
            acc[i][j] = (block)0.0f;

    /* Round r0 fetches tile r0 into registers and multiplies the tile before it meanwhile. */
    for (int r0 = 0, stage = 0; r0 < r_end + BK; r0 += BK) {
        fvec av[A_LOADS], bv[B_LOADS];
        const int inside = r0 + ar < r_end;
UNROLL
        for (int i = 0; i < A_LOADS; ++i) {
            const int h = ah[i] + tap.x * ph.step, l = aw[i] + tap.y * pw.step;
            av[i] = (fvec)0.0f;
            if (inside && (uint)h < (uint)H && (uint)l < (uint)W)
                av[i] = load(in + abase[i] + (tap.x * ph.step * W + tap.y * pw.step) * C + tap.z);
        }
#if BACKWARD
        const int wtap = (ph.tap0 + tap.x * ph.tap_step) * KW + pw.tap0 + tap.y * pw.tap_step;
#endif
UNROLL
        for (int i = 0; i < B_LOADS; ++i) {
            bv[i] = (fvec)0.0f;
#if BACKWARD
            const int n = n0 + am + i * A_ROWS;
            if (inside && n < kg)
                bv[i] = load(w + (wtap * kg + n) * C + g * cg + tap.z);
#else
            const int r = r0 + br + B_ROW(i);
            if (b_valid && r < r_end)
                bv[i] = load(wp + r * K);
#endif
        }
        tap = digits_add(tap, tap_step, n_taps, cg);
        barrier(CLK_LOCAL_MEM_FENCE);
        if (r0 > 0)
            multiply_tile(acc, a_tile + stage * A_WORDS, LDA, b_tile + stage * B_WORDS, LDB, BK EXCHANGE);
#if STAGES == 1
        barrier(CLK_LOCAL_MEM_FENCE);
#else
        stage ^= 1;
#endif
UNROLL
        for (int i = 0; i < A_LOADS; ++i)
            if (BM % A_ROWS == 0 || am + i * A_ROWS < BM)
                lay_across(a_tile + stage * A_WORDS, LDA, ar, am + i * A_ROWS, av[i]);
#if BACKWARD
UNROLL
        for (int i = 0; i < B_LOADS; ++i)
            if (BN % A_ROWS == 0 || am + i * A_ROWS < BN)
                lay_across(b_tile + stage * B_WORDS, LDB, ar, am + i * A_ROWS, bv[i]);
#else
UNROLL
        for (int i = 0; i < B_LOADS; i += PACK)
            if (BK % B_ROWS == 0 || br + B_ROW(i) < BK)
                lay_along(b_tile + stage * B_WORDS, LDB, br + B_ROW(i), bn, &bv[i]);
#endif
    }

UNROLL
    for (int i = 0; i < ROWS; ++i) {
        const int m = m0 + own_row(i);
        if (m >= m_end)
            continue;
        const int3 q = digits(m, ph.count, pw.count);
        const int pixel = (q.x * OH + q0 + q.y * TH) * OW + v0 + q.z * TW;
UNROLL
        for (int j = 0; j < COLUMNS; ++j) {
            const int n = n0 + own_column(j), k = g * kg + n, at = pixel * K + k;
#if OVEC == BLOCK
            if (n < kg)
                *(__global ovec *)(out + at) = finish(acc[i][j], bias, scale, shift, addend, epilogue, k, at);
#else
            float v[BLOCK];
            STORE_BLOCK(acc[i][j], 0, v);
            for (int p = 0; p < BLOCK && n + p < kg; ++p)
                out[at + p] = finish(v[p], bias, scale, shift, addend, epilogue, k + p, at + p);
#endif
        }
    }
}

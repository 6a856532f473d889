/* conv2d_backward_data, class gpu: gradient of conv2d with respect to its input, gather form (no atomics). Two kernels:
 * conv2d_backward_data            implicit GEMM, per group and phase: rows = the phase's pixels of dx, columns = C/G
 *                                 channels, reduction = the phase's taps times K/G
 * conv2d_backward_data_depthwise  G == C, no local memory
 *
 *   dx[n,h,l,c] = sum over i<KH, j<KW, k in c's group of dy[n,oh,ow,k] * w[i,j,c % (C/G),k]   (+ addend[n,h,l,c])
 *   over the taps for which oh = (h+PH-i*DH)/SH and ow = (l+PW-j*DW)/SW are whole and inside dy
 * Pixels with equal (h % SH, l % SW), a phase, have the same whole taps; so a work-group works on one phase, with
 * its taps only, and a strided convolution wastes no multiplication. A phase without taps stores zeros (+ addend).
 *
 * Kernels (the parameter in brackets exists only when its macro is 1; both take the same arguments):
 *   conv2d_backward_data, conv2d_backward_data_depthwise(
 *          dx[N,H,W,C], dy[N,OH,OW,K], w[KH,KW,C/G,K], [addend[N,H,W,C]],
 *          int N, H, W, C, OH, OW, K, KH, KW, SH, SW, PH, PW, DH, DW, G)
 *   addend may be the buffer dx itself (dx += result); nothing else may overlap dx. Every element of dx is written.
 *   Requires: C % G == 0, K % G == 0, every tensor below 2^31 elements; the depthwise kernel also G == C.
 *
 * conv2d_backward_data: work-group -> BM pixels x BN channels of one group and phase; work-item -> TM x TN of them, in
 *   blocks of 4 x 4.
 *   local size:  (WG, 1), WG = (BM/TM)*(BN/TN)
 *   global size: (WG * ceil(N*ceil(H/SH)*ceil(W/SW) / BM) * ceil((C/G) / BN), G*SH*SW)
 *   local memory: 4*STAGES*BK*(BM+4+BN+4) bytes
 * conv2d_backward_data_depthwise: work-item -> VEC channels of one pixel of dx.
 *   local size:  (DWG)
 *   global size: (N*H*W*(C/VEC) rounded up to DWG)
 *
 * Macros:
 *   HAS_ADD 0 or 1, default 0: parameter addend
 *   VEC    1 (default) or 4: width of global accesses. 4 requires (C/G) % 4 == 0, (K/G) % 4 == 0 and buffers that
 *          start on 16 bytes; for the depthwise kernel: K == C, C % 4 == 0.
 *   BM, BN, BK  128, 128, 16: tile of pixels, channels, reduction.  TM, TN  8, 8: register tile.  A smaller tile is
 *          BM 64, BN 64, BK 16, TM 4, TN 4; few channels: BM 128, BN 16 or 32, TM 4, TN 4.
 *          TM % 4 == 0, TN % 4 == 0, BM % TM == 0, BN % TN == 0, BK % VEC == 0, WG % (BK/VEC) == 0.
 *   STAGES 1 (default) or 2: tiles in local memory; 2 halves the barriers. The next tile is prefetched into registers
 *          either way.
 *   DWG 128: local size of the depthwise kernel.
 * Scratch: none.
 */
#ifndef HAS_ADD
#define HAS_ADD 0
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

#define RM (BM / TM) /* work-items along the rows of the tile */
#define RN (BN / TN)
#define WG (RM * RN)
#define LDA (BM + 4) /* the pad spreads the transposing stores over the banks */
#define LDB (BN + 4)
#define SLOTS (BK / VEC) /* accesses per row of either tile; work-items beyond them take further rows */
#define ROWS (WG / SLOTS)
#define A_LOADS ((BM + ROWS - 1) / ROWS)
#define B_LOADS ((BN + ROWS - 1) / ROWS)

#if TM % 4 || TN % 4 || BM % TM || BN % TN || BK % VEC || WG % (BK / VEC)
#error "tile sizes do not fit together: see the head of this file"
#endif

#if VEC == 4
typedef float4 fvec;
#else
typedef float fvec;
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

static void store_output(__global float *dx, ADD_PARAM int at, fvec v)
{
#if HAS_ADD
    v += load(addend + at);
#endif
    *(__global fvec *)(dx + at) = v;
}

/* The taps t < taps with (p - t*dilation) divisible by stride: they are x, x+y, x+2y, ...; z counts them. */
static int3 phase_taps(int p, int taps, int stride, int dilation)
{
    int3 found = (int3)(0, 0, 0);
    for (int t = 0; t < taps; ++t)
        if ((p - t * dilation) % stride == 0) {
            if (found.z == 0)
                found.x = t;
            else if (found.z == 1)
                found.y = t - found.x;
            found.z += 1;
        }
    return found;
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
conv2d_backward_data(__global float *dx, __global const float *restrict dy, __global const float *restrict w, ADD_PARAM
                     int N, int H, int W, int C, int OH, int OW, int K, int KH, int KW,
                     int SH, int SW, int PH, int PW, int DH, int DW, int G)
{
    __local float4 a4[STAGES * BK * LDA / 4], b4[STAGES * BK * LDB / 4];
    __local float *a_tile = (__local float *)a4, *b_tile = (__local float *)b4;
    const int lid = (int)get_local_id(0), tm = lid / RN, tn = lid % RN;
    const int g = (int)get_group_id(1) % G, phase = (int)get_group_id(1) / G;
    const int phase_h = phase / SW, phase_w = phase % SW;
    const int cg = C / G, kg = K / G;
    const int columns = (cg + BN - 1) / BN; /* tiles; channels vary fastest: neighbouring groups read the same pixels */
    const int m0 = (int)get_group_id(0) / columns * BM, n0 = (int)get_group_id(0) % columns * BN;

    /* The phase: a dense convolution over rows x cols pixels per image, h = q*SH + phase_h, with taph.z x tapw.z taps,
     * of which number t reads row q + oh0 - t*step_h of dy. */
    const int rows = (H - phase_h + SH - 1) / SH, cols = (W - phase_w + SW - 1) / SW;
    const int3 taph = phase_taps(phase_h + PH, KH, SH, DH), tapw = phase_taps(phase_w + PW, KW, SW, DW);
    const int oh0 = (phase_h + PH - taph.x * DH) / SH, ow0 = (phase_w + PW - tapw.x * DW) / SW;
    const int step_h = taph.y * DH / SH, step_w = tapw.y * DW / SW;
    const int m_end = N * rows * cols, n_taps = max(tapw.z, 1);
    const int r_end = m0 < m_end ? taph.z * tapw.z * kg : 0;

    /* This work-item's share: reduction indices r..r+VEC-1 of the pixels m0+row, m0+row+ROWS, ... in A and of the
     * channels n0+row, n0+row+ROWS, ... in B. */
    const int ar = lid % SLOTS * VEC, row = lid / SLOTS;
    int ah[A_LOADS], aw[A_LOADS], abase[A_LOADS];
#pragma unroll
    for (int i = 0; i < A_LOADS; ++i) {
        const int m = m0 + row + i * ROWS;
        const int3 pixel = digits(m, max(rows, 1), max(cols, 1));
        ah[i] = m < m_end ? pixel.y + oh0 : INT_MIN / 2; /* no tap brings it back inside */
        aw[i] = pixel.z + ow0;
        abase[i] = ((pixel.x * OH + pixel.y + oh0) * OW + aw[i]) * K + g * kg;
    }
    const int3 tap_step = digits(BK, n_taps, kg);
    int3 tap = digits(ar, n_taps, kg);

    float4 acc[TM][TN / 4];
#pragma unroll
    for (int i = 0; i < TM; ++i)
#pragma unroll
        for (int j = 0; j < TN / 4; ++j)
            acc[i][j] = (float4)0.0f;

    /* Round r0 fetches tile r0 into registers and multiplies the tile before it meanwhile. */
    for (int r0 = 0, stage = 0; r0 < r_end + BK; r0 += BK) {
        fvec av[A_LOADS], bv[B_LOADS];
        const int inside = r0 + ar < r_end;
#pragma unroll
        for (int i = 0; i < A_LOADS; ++i) {
            const int oh = ah[i] - tap.x * step_h, ow = aw[i] - tap.y * step_w;
            av[i] = (fvec)0.0f;
            if (inside && (uint)oh < (uint)OH && (uint)ow < (uint)OW)
                av[i] = load(dy + abase[i] - (tap.x * step_h * OW + tap.y * step_w) * K + tap.z);
        }
        const int wtap = (taph.x + tap.x * taph.y) * KW + tapw.x + tap.y * tapw.y;
#pragma unroll
        for (int i = 0; i < B_LOADS; ++i) {
            const int n = n0 + row + i * ROWS;
            bv[i] = (fvec)0.0f;
            if (inside && n < cg)
                bv[i] = load(w + (wtap * cg + n) * K + g * kg + tap.z);
        }
        tap = digits_add(tap, tap_step, n_taps, kg);
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
            if (BM % ROWS == 0 || row + i * ROWS < BM)
                store_transposed(a_tile + (stage * BK + ar) * LDA + row + i * ROWS, LDA, av[i]);
#pragma unroll
        for (int i = 0; i < B_LOADS; ++i)
            if (BN % ROWS == 0 || row + i * ROWS < BN)
                store_transposed(b_tile + (stage * BK + ar) * LDB + row + i * ROWS, LDB, bv[i]);
    }

#pragma unroll
    for (int i = 0; i < TM; ++i) {
        const int m = m0 + (i / 4 * RM + tm) * 4 + i % 4;
        if (m >= m_end)
            continue;
        const int3 q = digits(m, rows, cols);
        const int at = ((q.x * H + q.y * SH + phase_h) * W + q.z * SW + phase_w) * C + g * cg;
#pragma unroll
        for (int j = 0; j < TN / 4; ++j) {
            const int n = n0 + (j * RN + tn) * 4;
#if VEC == 4
            if (n < cg)
                store_output(dx, ADD_ARG at + n, acc[i][j]);
#else
            float v[4];
            vstore4(acc[i][j], 0, v);
            for (int p = 0; p < 4 && n + p < cg; ++p)
                store_output(dx, ADD_ARG at + n + p, v[p]);
#endif
        }
    }
}

__kernel __attribute__((reqd_work_group_size(DWG, 1, 1))) void
conv2d_backward_data_depthwise(__global float *dx, __global const float *restrict dy, __global const float *restrict w,
                               ADD_PARAM
                               int N, int H, int W, int C, int OH, int OW, int K, int KH, int KW,
                               int SH, int SW, int PH, int PW, int DH, int DW, int G)
{
    const int id = (int)get_global_id(0), c = id % (C / VEC) * VEC, pixel = id / (C / VEC);
    const int each = K / C; /* output channels per input channel; 1 when VEC is 4 */
    if (pixel >= N * H * W)
        return;
    const int3 at = digits(pixel, H, W);

    fvec acc = (fvec)0.0f;
    for (int i = 0; i < KH; ++i) {
        const int hs = at.y + PH - i * DH, oh = hs / SH;
        if (hs < 0 || hs % SH != 0 || oh >= OH)
            continue;
        for (int j = 0; j < KW; ++j) {
            const int ls = at.z + PW - j * DW, ow = ls / SW;
            if (ls < 0 || ls % SW != 0 || ow >= OW)
                continue;
            for (int k = c * each; k < (c + 1) * each; ++k)
                acc += load(dy + ((at.x * OH + oh) * OW + ow) * K + k) * load(w + (i * KW + j) * K + k);
        }
    }
    store_output(dx, ADD_ARG pixel * C + c, acc);
}

/* gemm, class cpu: C = alpha*op(A)*op(B) + beta*C, row-major, with an optional epilogue, for a batch of such products.
 *
 *   C[m,n] = epilogue( alpha * sum over k<K of op(A)[m,k]*op(B)[k,n] + beta*C[m,n] )
 *   epilogue, in this order: + bias[n]; negative -> 0 (NaN is kept). With beta == 0, C is not read.
 *
 * Kernels. Local size (1,1,1), no barriers.
 *   gemm_pack_a(pa, A, int M, K, lda, step_a)      TA 1 alone
 *       global size (ceil(M/TM), ceil(K/KP), products);  pa: 4 * ceil(M/TM)*TM * K bytes a product
 *   gemm_pack_b(pb, B, int N, K, ldb, step_b)
 *       global size (ceil(N/TN), ceil(K/KP), products);  pb: 4 * ceil(N/TN)*TN * K bytes a product
 *   gemm_packed(C, A, pb, bias[N], int epilogue, float alpha, beta, int M, N, K, lda, ldc, step_a, step_c, int mpanels,
 *               npanels, kblock)
 *       global size (ceil(ceil(M/TM)/mpanels), ceil(ceil(N/TN)/npanels), products); kblock is a multiple of 16;
 *       A: TA 0: as it is, with at least TM rows;  TA 1: pa, lda and step_a are not read
 *   gemm_direct(C, A, B, bias[N], int epilogue, float alpha, beta, int M, N, K, lda, ldb, ldc, step_a, step_b, step_c)
 *       global size (ceil(M/TD), ceil(N/VW), products); for small ones, which packing would cost more than it saves
 *     C[M,N], row stride ldc >= N; overlaps nothing
 *     A: TA 0: A[M,K], row stride lda >= K;   TA 1: A[K,M], row stride lda >= M
 *     B: TB 0: B[K,N], row stride ldb >= N;   TB 1: B[N,K], row stride ldb >= K
 *     epilogue: what there is of it, a sum of 1: bias; 2: negative -> 0. Without 1, bias is not read.
 *     step_a, step_b, step_c: elements from one product's A, B, C to the next one's
 *
 * Mapping of gemm_packed: work-group -> mpanels*TM x npanels*TN of C; register tile TM x TQ vectors. TM rows of A are read in
 * place, as TM streams of scalars; a transposed A, whose columns lie a row apart, is kept as panels [K][TM], B as panels [K][TN],
 * zero padded. gemm_direct: work-group -> TD x VW of C, operands read in place.
 *
 * Cost: a tile issues TM*TQ fma per k against TM broadcasts and TQ loads. A k block of one B panel (kblock*TN*4 bytes)
 * stays in L1 while mpanels tiles of A pass by from L2; between k blocks the tile waits in C. Packing moves
 * 2*K*N floats, and 2*M*K of a transposed A, against M*N*K fma.
 *
 * Macros
 *   TA, TB  0 or 1, default 0
 *   VW 16  floats per vector: 4, 8 or 16
 *   TQ  2  vectors per tile row
 *   TM 12  rows per tile; TM*TQ + TQ + 1 vector registers are live
 *   TD  8  rows per tile of gemm_direct
 *   KP 32  rows of op(A)^T or op(B) that a work-group packs: few, for a narrow piece of each is read
 */
#ifndef TA
#define TA 0
#endif
#ifndef TB
#define TB 0
#endif
#ifndef VW
#define VW 16
#endif
#ifndef TQ
#define TQ 2
#endif
#ifndef TM
#define TM 12
#endif
#ifndef TD
#define TD 8
#endif
#ifndef KP
#define KP 32
#endif

#define TN (TQ * VW)
#define GROUP 16 /* steps of k that are unrolled */
#define ROUND_UP(a, b) (((a) + (b) - 1) / (b) * (b))
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

/* Bits of `epilogue`. */
#define BIAS 1
#define RELU 2

#if TA
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
gemm_pack_a(__global float *restrict pa, const __global float *restrict A, int M, int K, int lda, int step_a)
{
    const int m0 = get_global_id(0) * TM, rows = min(TM, M - m0);
    const int begin = get_global_id(1) * KP, end = min(begin + KP, K);
    __global float *dst = pa + (get_global_id(2) * ROUND_UP(M, TM) + m0) * K;
    A += get_global_id(2) * step_a + m0;
    for (int k = begin; k < end; ++k) {
        const __global float *src = A + (size_t)k * lda;
        if (rows == TM) {
            #pragma unroll
            for (int r = 0; r < TM; ++r) dst[(size_t)k * TM + r] = src[r];
        } else {
            for (int r = 0; r < TM; ++r) dst[(size_t)k * TM + r] = r < rows ? src[r] : 0.0f;
        }
    }
}
#endif

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
gemm_pack_b(__global float *restrict pb, const __global float *restrict B, int N, int K, int ldb, int step_b)
{
    const int n0 = get_global_id(0) * TN, columns = min(TN, N - n0);
    const int begin = get_global_id(1) * KP, end = min(begin + KP, K);
    __global float *dst = pb + (get_global_id(2) * ROUND_UP(N, TN) + n0) * K;
    B += get_global_id(2) * step_b;
#if TB
    int k = begin;
    for (; k + 16 <= end; k += 16) {
        float block[16 * TN];
        for (int n = 0; n < TN; ++n) {
            float16 row = (float16)(0.0f);
            if (n < columns) row = vload16(0, B + (size_t)(n0 + n) * ldb + k);
            float lanes[16];
            vstore16(row, 0, lanes);
            #pragma unroll
            for (int j = 0; j < 16; ++j) block[j * TN + n] = lanes[j];
        }
        for (int j = 0; j < 16 * TN; j += VW) STORE(LOAD(block + j), dst + (size_t)k * TN + j);
    }
    for (; k < end; ++k)
        for (int n = 0; n < TN; ++n) dst[(size_t)k * TN + n] = n < columns ? B[(size_t)(n0 + n) * ldb + k] : 0.0f;
#else
    for (int k = begin; k < end; ++k) {
        const __global float *src = B + (size_t)k * ldb + n0;
        __global float *row = dst + (size_t)k * TN;
        if (columns == TN) {
            #pragma unroll
            for (int j = 0; j < TN; j += VW) STORE(LOAD(src + j), row + j);
        } else {
            for (int j = 0; j < TN; ++j) row[j] = j < columns ? src[j] : 0.0f;
        }
    }
#endif
}

/* Row r of the tile whose group begins at a, u steps of k later: of a panel, or of A itself. */
#if TA
#define TILE_AT(r, u) a[(u) * TM + (r)]
#define NEXT_GROUP (TM * GROUP)
#else
#define TILE_AT(r, u) a[(size_t)(r) * lda + (u)]
#define NEXT_GROUP GROUP
#endif

/* acc += row k of the tile: a and b point to its group, u: k within the group. */
#define RANK_ONE(u)                                                                                             \
    {                                                                                                           \
        vec bv[TQ];                                                                                             \
        _Pragma("unroll") for (int q = 0; q < TQ; ++q) bv[q] = LOAD(b + (u) * TN + q * VW);                     \
        _Pragma("unroll") for (int r = 0; r < TM; ++r) {                                                        \
            const vec av = (vec)(TILE_AT(r, u));                                                                \
            _Pragma("unroll") for (int q = 0; q < TQ; ++q) acc[r * TQ + q] = fma(av, bv[q], acc[r * TQ + q]);   \
        }                                                                                                       \
    }

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
gemm_packed(__global float *restrict C, const __global float *restrict A, const __global float *restrict pb,
            const __global float *restrict bias, int epilogue, float alpha, float beta, int M, int N, int K, int lda,
            int ldc, int step_a, int step_c, int mpanels, int npanels, int kblock)
{
    const int m_begin = get_global_id(0) * mpanels * TM, m_end = min(M, m_begin + mpanels * TM);
    const int n_begin = get_global_id(1) * npanels * TN, n_end = min(N, n_begin + npanels * TN);
    A += TA ? get_global_id(2) * ROUND_UP(M, TM) * (size_t)K : get_global_id(2) * (size_t)step_a;
    pb += get_global_id(2) * ROUND_UP(N, TN) * K;
    C += get_global_id(2) * step_c;

    for (int k0 = 0; k0 < K; k0 += kblock) {
        const int k1 = min(k0 + kblock, K);
        for (int n0 = n_begin; n0 < n_end; n0 += TN) {
            for (int m0 = m_begin; m0 < m_end; m0 += TM) {
                const int m = TA ? m0 : min(m0, M - TM); /* the last tile reads rows of the one before */
                const __global float *a = TA ? A + (size_t)m * K + (size_t)k0 * TM : A + (size_t)m * lda + k0;
                const __global float *b = pb + (size_t)n0 * K + (size_t)k0 * TN;
                vec acc[TM * TQ];
                #pragma unroll
                for (int j = 0; j < TM * TQ; ++j) acc[j] = (vec)(0.0f);
                int k = k0;
                for (; k + GROUP <= k1; k += GROUP) {
                    #pragma unroll
                    for (int u = 0; u < GROUP; ++u) RANK_ONE(u)
                    a += NEXT_GROUP;
                    b += TN * GROUP;
                }
                for (int u = 0; k + u < k1; ++u) RANK_ONE(u)

                #pragma unroll
                for (int r = 0; r < TM; ++r) {
                    if (m + r < m0 || m + r >= M) continue;
                    #pragma unroll
                    for (int q = 0; q < TQ; ++q) {
                        const int n = n0 + q * VW;
                        __global float *c = C + (size_t)(m + r) * ldc + n;
                        vec v = acc[r * TQ + q] * alpha;
                        if (n + VW <= N) {
                            if (k0 > 0) v += LOAD(c);
                            else if (beta != 0.0f) v += beta * LOAD(c);
                            if (k1 == K && epilogue & BIAS) v += LOAD(bias + n);
                            if (k1 == K && epilogue & RELU) v = v < (vec)(0.0f) ? (vec)(0.0f) : v;
                            STORE(v, c);
                            continue;
                        }
                        float lanes[VW];
                        STORE(v, lanes);
                        for (int j = 0; n + j < N; ++j) {
                            float f = lanes[j];
                            if (k0 > 0) f += c[j];
                            else if (beta != 0.0f) f += beta * c[j];
                            if (k1 == K && epilogue & BIAS) f += bias[n + j];
                            c[j] = k1 == K && epilogue & RELU && f < 0.0f ? 0.0f : f;
                        }
                    }
                }
            }
        }
    }
}

#if TA
#define A_AT(m, k) A[(size_t)(k) * lda + (m)]
#else
#define A_AT(m, k) A[(size_t)(m) * lda + (k)]
#endif

/* sums[rows][VW] = op(A)[m0.., :] * op(B)[:, n0..]; rows of the tile beyond M repeat the last, columns beyond N are
 * not defined. */
INLINE void direct_sum(float *sums, const __global float *A, const __global float *B, int m0, int n0, int M, int N, int K,
                       int lda, int ldb)
{
    const int columns = min(VW, N - n0);
    int row[TD];
    #pragma unroll
    for (int r = 0; r < TD; ++r) row[r] = min(m0 + r, M - 1);
#if TB
    for (int j = 0; j < columns; ++j) {
        const __global float *b = B + (size_t)(n0 + j) * ldb;
        vec acc[TD];
        #pragma unroll
        for (int r = 0; r < TD; ++r) acc[r] = (vec)(0.0f);
        int k = 0;
#if !TA
        for (; k + VW <= K; k += VW) {
            #pragma unroll
            for (int r = 0; r < TD; ++r) acc[r] = fma(LOAD(&A_AT(row[r], k)), LOAD(b + k), acc[r]);
        }
#endif
        #pragma unroll
        for (int r = 0; r < TD; ++r) {
            float lanes[VW], sum = 0.0f;
            STORE(acc[r], lanes);
            for (int l = 0; l < VW; ++l) sum += lanes[l];
            for (int l = k; l < K; ++l) sum = fma(A_AT(row[r], l), b[l], sum);
            sums[r * VW + j] = sum;
        }
    }
#else
    vec acc[TD];
    #pragma unroll
    for (int r = 0; r < TD; ++r) acc[r] = (vec)(0.0f);
    for (int k = 0; k < K; ++k) {
        const __global float *src = B + (size_t)k * ldb + n0;
        vec b;
        if (columns == VW || k + 1 < K && ldb >= VW) { /* whole, or runs into the next row, which exists */
            b = LOAD(src);
        } else {
            float lanes[VW];
            for (int j = 0; j < VW; ++j) lanes[j] = j < columns ? src[j] : 0.0f;
            b = LOAD(lanes);
        }
        #pragma unroll
        for (int r = 0; r < TD; ++r) acc[r] = fma((vec)(A_AT(row[r], k)), b, acc[r]);
    }
    #pragma unroll
    for (int r = 0; r < TD; ++r) STORE(acc[r], sums + r * VW);
#endif
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
gemm_direct(__global float *restrict C, const __global float *restrict A, const __global float *restrict B,
            const __global float *restrict bias, int epilogue, float alpha, float beta, int M, int N, int K, int lda,
            int ldb, int ldc, int step_a, int step_b, int step_c)
{
    const int m0 = get_global_id(0) * TD, n0 = get_global_id(1) * VW;
    float sums[TD * VW];
    A += get_global_id(2) * step_a;
    B += get_global_id(2) * step_b;
    C += get_global_id(2) * step_c;
    direct_sum(sums, A, B, m0, n0, M, N, K, lda, ldb);
    for (int r = 0; r < TD && m0 + r < M; ++r) {
        for (int j = 0; j < VW && n0 + j < N; ++j) {
            __global float *c = C + (size_t)(m0 + r) * ldc + n0 + j;
            float v = alpha * sums[r * VW + j];
            if (beta != 0.0f) v += beta * *c;
            if (epilogue & BIAS) v += bias[n0 + j];
            *c = epilogue & RELU && v < 0.0f ? 0.0f : v;
        }
    }
}

/* gemm, class generic: C = alpha*op(A)*op(B) + beta*C, row-major, with an optional epilogue, for a batch of such products.
 *
 *   C[m,n] = epilogue( alpha * sum over k<K of op(A)[m,k]*op(B)[k,n] + beta*C[m,n] )
 *   epilogue, in this order: + bias[n]; negative -> 0 (NaN is kept). With beta == 0, C is not read.
 *
 * Mapping: one work-item per element of C, get_global_id(0) = m*N + n, so neighbours are neighbouring columns;
 * get_global_id(2) is the product.
 *
 * Kernel:
 *   gemm(C, A, B, bias[N], int epilogue, float alpha, float beta, int M, N, K, lda, ldb, ldc, step_a, step_b, step_c)
 *     C[M,N], row stride ldc >= N; overlaps nothing
 *     A: TA 0: A[M,K], row stride lda >= K;   TA 1: A[K,M], row stride lda >= M
 *     B: TB 0: B[K,N], row stride ldb >= N;   TB 1: B[N,K], row stride ldb >= K
 *     epilogue: what there is of it, a sum of 1: bias; 2: negative -> 0. Without 1, bias is not read.
 *     step_a, step_b, step_c: elements from one product's A, B, C to the next one's
 *   global size: (M*N rounded up to the local size, 1, products); local size: (any, 1, 1)
 * Requires: M*N, M*lda, ... below 2^31.
 *
 * Macros, each 0 or 1, default 0: TA, TB: A, B stored transposed.
 * Scratch: none. No local memory, no barrier, no double, no vector type.
 */
#ifndef TA
#define TA 0
#endif
#ifndef TB
#define TB 0
#endif

/* Bits of `epilogue`. */
#define BIAS 1
#define RELU 2

__kernel void gemm(__global float *restrict C, __global const float *restrict A, __global const float *restrict B,
                   __global const float *restrict bias, int epilogue, float alpha, float beta, int M, int N, int K,
                   int lda, int ldb, int ldc, int step_a, int step_b, int step_c) {
    const int at = (int)get_global_id(0);
    if (at >= M * N)
        return;
    const int m = at / N, n = at % N;
    A += get_global_id(2) * step_a;
    B += get_global_id(2) * step_b;
    C += get_global_id(2) * step_c;

    float v = 0.0f;
    for (int k = 0; k < K; ++k) {
#if TA
        const float a = A[k * lda + m];
#else
        const float a = A[m * lda + k];
#endif
#if TB
        v += a * B[n * ldb + k];
#else
        v += a * B[k * ldb + n];
#endif
    }
    v *= alpha;
    if (beta != 0.0f)
        v += beta * C[m * ldc + n];
    if (epilogue & BIAS)
        v += bias[n];
    C[m * ldc + n] = epilogue & RELU && v < 0.0f ? 0.0f : v;
}

/* gemm, class generic: C = alpha*op(A)*op(B) + beta*C, row-major, with an optional epilogue, for a batch of such products.
 *
 *   C[m,n] = epilogue( alpha * sum over k<K of op(A)[m,k]*op(B)[k,n] + beta*C[m,n] )
 *   epilogue, in this order: + bias[n]; negative -> 0 (NaN is kept). With beta == 0, C is not read.
 *
 * Mapping: one work-item per element of C, get_global_id(0) = m*N + n, so neighbours are neighbouring columns;
 * get_global_id(2) is the product.
 *
 * Kernel (the parameter in brackets exists only when its macro is 1):
 *   gemm(C, A, B, [bias[N]], float alpha, float beta, int M, N, K, lda, ldb, ldc, step_a, step_b, step_c)
 *     C[M,N], row stride ldc >= N; overlaps nothing
 *     A: TA 0: A[M,K], row stride lda >= K;   TA 1: A[K,M], row stride lda >= M
 *     B: TB 0: B[K,N], row stride ldb >= N;   TB 1: B[N,K], row stride ldb >= K
 *     step_a, step_b, step_c: elements from one product's A, B, C to the next one's
 *   global size: (M*N rounded up to the local size, 1, products); local size: (any, 1, 1)
 * Requires: M*N, M*lda, ... below 2^31.
 *
 * Macros, each 0 or 1, default 0: TA, TB: A, B stored transposed; HAS_BIAS: parameter bias; HAS_RELU.
 * Scratch: none. No local memory, no barrier, no double, no vector type.
 */
#ifndef TA
#define TA 0
#endif
#ifndef TB
#define TB 0
#endif
#ifndef HAS_BIAS
#define HAS_BIAS 0
#endif
#ifndef HAS_RELU
#define HAS_RELU 0
#endif

__kernel void gemm(__global float *restrict C, __global const float *restrict A, __global const float *restrict B,
#if HAS_BIAS
                   __global const float *restrict bias,
#endif
                   float alpha, float beta, int M, int N, int K, int lda, int ldb, int ldc, int step_a, int step_b,
                   int step_c) {
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
#if HAS_BIAS
    v += bias[n];
#endif
#if HAS_RELU
    v = v < 0.0f ? 0.0f : v;
#endif
    C[m * ldc + n] = v;
}

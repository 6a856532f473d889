/* C = relu( alpha * op(A) * op(B) + beta * C + bias ): the launches of one matrix product, or of a batch of products of
 * one size, for ops that are one. */
#ifndef LBK_OPS_GEMM_H
#define LBK_OPS_GEMM_H

#include "ops/support.h"

/* Row-major: op(A)[m,k], op(B)[k,n], C[m,n]; ld*: elements from one row of the stored matrix to the next. */
typedef struct lbk_gemm {
    int64_t m, n, k, lda, ldb, ldc;
    int64_t batch, step_a, step_b, step_c; /* products; elements from one's matrix to the next one's. bias is common */
    bool trans_a, trans_b;                 /* A is stored [k,m], B is stored [n,k] */
    double alpha, beta;                    /* with beta 0, C is not read */
    lbk_arg c, a, b, bias;                 /* kind INPUT, OUTPUT or SCRATCH and index; bias[n] only if has_bias */
    bool has_bias, relu;
} lbk_gemm;

/* Dense operands (no padding between rows), alpha 1, beta 0, no bias, one product; its steps suit a dense batch. */
lbk_gemm lbk_gemm_of(int64_t m, int64_t n, int64_t k, bool trans_a, bool trans_b, lbk_arg c, lbk_arg a, lbk_arg b);
static inline lbk_arg lbk_gemm_input(int index) {
    return (lbk_arg){LBK_ARG_INPUT, index, 0};
}
static inline lbk_arg lbk_gemm_output(int index) {
    return (lbk_arg){LBK_ARG_OUTPUT, index, 0};
}
static inline lbk_arg lbk_gemm_scratch(int index) {
    return (lbk_arg){LBK_ARG_SCRATCH, index, 0};
}

/* Ways to compute it: our kernels of each class, and what the tuner measures against them. */
typedef enum lbk_gemm_way {
    LBK_GEMM_GENERIC,
    LBK_GEMM_CPU,        /* operands read in place or packed first, by a rule of thumb */
    LBK_GEMM_CPU_DIRECT, /* in place, where the rule says packed */
    LBK_GEMM_CPU_PACKED, /* packed, where the rule says in place */
    LBK_GEMM_GPU_UNITS,  /* as LBK_GEMM_GPU, by matrix units, in the graph's arithmetic */
    LBK_GEMM_GPU,
    LBK_GEMM_CLBLAST,
} lbk_gemm_way;

static inline lbk_class lbk_gemm_class(lbk_gemm_way way) {
    if (way == LBK_GEMM_GENERIC)
        return LBK_CLASS_GENERIC;
    return way == LBK_GEMM_CPU || way == LBK_GEMM_CPU_DIRECT || way == LBK_GEMM_CPU_PACKED ? LBK_CLASS_CPU
                                                                                           : LBK_CLASS_GPU;
}

/* Appends the calls; scratch memory is asked for as needed. Declines what cannot be computed that way. */
lbk_status lbk_gemm_emit(lbk_emit *e, lbk_gemm_way way, const lbk_gemm *g);

/* The variants of an op that is one product: name##_emit(e, way) must exist, name##_variants is defined. */
#define LBK_GEMM_VARIANT_(name, suffix, way)                                                                           \
    static lbk_status name##_emit_##suffix(lbk_emit *e) {                                                              \
        return name##_emit(e, way);                                                                                    \
    }
#define LBK_GEMM_VARIANTS(name)                                                                                        \
    LBK_GEMM_VARIANT_(name, cpu, LBK_GEMM_CPU)                                                                         \
    LBK_GEMM_VARIANT_(name, cpu_direct, LBK_GEMM_CPU_DIRECT)                                                           \
    LBK_GEMM_VARIANT_(name, cpu_packed, LBK_GEMM_CPU_PACKED)                                                           \
    LBK_GEMM_VARIANT_(name, gpu_units, LBK_GEMM_GPU_UNITS)                                                             \
    LBK_GEMM_VARIANT_(name, gpu, LBK_GEMM_GPU)                                                                         \
    LBK_GEMM_VARIANT_(name, clblast, LBK_GEMM_CLBLAST)                                                                 \
    LBK_GEMM_VARIANT_(name, generic, LBK_GEMM_GENERIC)                                                                 \
    static const lbk_variant name##_variants[] = {{LBK_CLASS_CPU, "gemm", name##_emit_cpu},                            \
                                                  {LBK_CLASS_CPU, "gemm-direct", name##_emit_cpu_direct},              \
                                                  {LBK_CLASS_CPU, "gemm-packed", name##_emit_cpu_packed},              \
                                                  {LBK_CLASS_GPU, "matrix-units", name##_emit_gpu_units},              \
                                                  {LBK_CLASS_GPU, "gemm", name##_emit_gpu},                            \
                                                  {LBK_CLASS_GPU, "clblast", name##_emit_clblast},                     \
                                                  {LBK_CLASS_GENERIC, "gemm", name##_emit_generic},                    \
                                                  {.emit = NULL}};

#endif

/* What several op files need: checks on input shapes, sizes, and the commonest kernel call. */
#ifndef LBK_OPS_SUPPORT_H
#define LBK_OPS_SUPPORT_H

#include "ops/emit.h"
#include "ops/gradient.h"

/* Rows of a tensor seen as a matrix [rows, last dimension]. */
int64_t lbk_ops_rows(const lbk_shape *shape);
int64_t lbk_ops_count(const lbk_tensor_desc *desc);
static inline int64_t lbk_ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}
static inline int64_t lbk_clamp(int64_t a, int64_t low, int64_t high) {
    return a > high ? high : a < low ? low : a;
}
static inline bool lbk_ops_present(const lbk_tensor_desc *desc) {
    return desc->shape.rank >= 0;
}

/* Element i of a tensor by its coordinates, the last running fastest, and back. For references. */
void lbk_ops_coordinates(const lbk_shape *shape, int64_t i, int64_t *at);
int64_t lbk_ops_place(const lbk_shape *shape, const int64_t *at);
/* Dimension that `axis` means in a tensor of this rank; negative ones count from the end, as in Python. */
static inline int lbk_ops_axis(int axis, int rank) {
    return axis < 0 ? axis + rank : axis;
}
/* The same with a check: LBK_ERR_INPUT when tensor `name` has no such dimension. */
lbk_status lbk_ops_axis_find(const lbk_shape *shape, const char *name, int axis, int *out);
/* A shape as a parameter: of ops whose result's shape no input tells. lbk_shape_of_ints() refuses more dimensions than there can
 * be, and none. */
lbk_ints lbk_ints_of_shape(const lbk_shape *shape);
lbk_status lbk_shape_of_ints(const lbk_ints *ints, lbk_shape *shape);
/* Elements that are next to each other behind one index of the dimensions before `axis`: the product of the others. */
int64_t lbk_ops_run(const lbk_shape *shape, int axis);

static inline bool lbk_infer_has(const lbk_infer *infer, int input) {
    return input < infer->input_count && lbk_ops_present(&infer->input[input]);
}
/* Appends an output. */
void lbk_infer_output(lbk_infer *infer, lbk_dtype dtype, lbk_shape shape);
/* LBK_ERR_INPUT unless input `input` has this rank; `name` ("x") goes into the message. Messages of infer need not name
 * the op: whoever calls it does. */
lbk_status lbk_infer_rank(const lbk_infer *infer, int input, const char *name, int rank);
/* LBK_ERR_INPUT unless input `input` has this shape. */
lbk_status lbk_infer_shape(const lbk_infer *infer, int input, const char *name, lbk_shape shape);

/* Every present operand read or written once, `flops_per_element` per element of input 0. */
void lbk_cost_elementwise(const lbk_infer *shapes, double flops_per_element, lbk_cost *cost);

/* One work-item per element: kernel `name` of `file` with all present inputs, then output 0, then int `count`. Further
 * arguments may be added to *call. */
lbk_status lbk_emit_elementwise(lbk_emit *e, const char *file, const char *name, int64_t count, lbk_call **call);

/* The variants, by these names, of an op whose launches depend on the class only by numbers: prefix_emit(e, cls) must
 * exist, prefix_variants is defined. */
#define LBK_VARIANTS_BY_CLASS(prefix, cpu, gpu, generic)                                                               \
    static lbk_status prefix##_emit_cpu(lbk_emit *e) {                                                                 \
        return prefix##_emit(e, LBK_CLASS_CPU);                                                                        \
    }                                                                                                                  \
    static lbk_status prefix##_emit_gpu(lbk_emit *e) {                                                                 \
        return prefix##_emit(e, LBK_CLASS_GPU);                                                                        \
    }                                                                                                                  \
    static lbk_status prefix##_emit_generic(lbk_emit *e) {                                                             \
        return prefix##_emit(e, LBK_CLASS_GENERIC);                                                                    \
    }                                                                                                                  \
    static const lbk_variant prefix##_variants[] = {{LBK_CLASS_CPU, cpu, prefix##_emit_cpu},                           \
                                                    {LBK_CLASS_GPU, gpu, prefix##_emit_gpu},                           \
                                                    {LBK_CLASS_GENERIC, generic, prefix##_emit_generic},               \
                                                    {.emit = NULL}};

/* Vector width that class cpu's kernels are compiled for: 4, 8 or 16 floats. */
int lbk_emit_vector_width(const lbk_emit *e);

/* One work-group per row of a reduction: the power of two that covers `length`, at least 32, at most the local size of
 * lbk_emit_local(). */
size_t lbk_emit_group(const lbk_emit *e, int64_t length);

/* The same where the generic kernel is as good as any on a GPU. */
#define LBK_VARIANTS_CPU_GENERIC(prefix, cpu, generic)                                                                 \
    static lbk_status prefix##_emit_cpu(lbk_emit *e) {                                                                 \
        return prefix##_emit(e, LBK_CLASS_CPU);                                                                        \
    }                                                                                                                  \
    static lbk_status prefix##_emit_generic(lbk_emit *e) {                                                             \
        return prefix##_emit(e, LBK_CLASS_GENERIC);                                                                    \
    }                                                                                                                  \
    static const lbk_variant prefix##_variants[] = {                                                                   \
        {LBK_CLASS_CPU, cpu, prefix##_emit_cpu}, {LBK_CLASS_GENERIC, generic, prefix##_emit_generic}, {.emit = NULL}};

/* Trailing arguments, sizes and build options of a kernel over rows[rows][length]: int rows, length; class generic has a
 * work-item per row, gpu a work-group (option GROUP), cpu a work-item per `each` rows (int each; option VW), so many that it
 * is worth its launch and all cores have some. */
lbk_status lbk_rows_call(lbk_call *call, const lbk_emit *e, lbk_class cls, int64_t rows, int64_t length);

#endif

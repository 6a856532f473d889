/* What several op files need: checks on input shapes, sizes, and the commonest kernel call. */
#ifndef LBK_OPS_SUPPORT_H
#define LBK_OPS_SUPPORT_H

#include "ops/emit.h"
#include "ops/gradient.h"

/* Rows of a tensor seen as a matrix [rows, last dimension]. */
int64_t lbk_ops_rows(const lbk_shape *shape);
int64_t lbk_ops_count(const lbk_tensor_desc *desc);
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

/* Vector width that class cpu's kernels are compiled for: 4, 8 or 16 floats. */
int lbk_emit_vector_width(const lbk_emit *e);

/* One work-group per row of a reduction: the power of two that covers `length`, at least 32, at most the local size of
 * lbk_emit_local(). */
size_t lbk_emit_group(const lbk_emit *e, int64_t length);

#endif

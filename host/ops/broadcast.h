/* Broadcasting as in NumPy: shapes are aligned at their last dimensions, and a dimension that is absent or 1 repeats. What
 * ops of two operands share: shapes, launches, references, and the way back of gradients. */
#ifndef LBK_OPS_BROADCAST_H
#define LBK_OPS_BROADCAST_H

#include "ops/reduce.h"

/* The shape of `a` and `b` together into *out. LBK_ERR_INPUT when a dimension differs and is 1 in neither. */
lbk_status lbk_broadcast_shape(const lbk_shape *a, const lbk_shape *b, lbk_shape *out);
/* Whether `shape` repeated is `out`. */
bool lbk_broadcast_fits(const lbk_shape *shape, const lbk_shape *out);

/* Element of a tensor of `shape` that stands at element i of `out`; for references. */
int64_t lbk_broadcast_index(const lbk_shape *shape, const lbk_shape *out, int64_t i);

/* The launch for class `cls` of kernels/generic/binary.cl's `kernel`, "value" (inputs a, b) or "backward" (dy, a, b), with
 * its function of two operands. With one input that is both. `options`: "-DFUNCTION=value_sub". */
lbk_status lbk_broadcast_emit(lbk_emit *e, lbk_class cls, const char *kernel, const char *options);

/* Summing `from` to the smaller shape `to`, the last run of dimensions that to repeats first: what that sum runs over, and the
 * shape it leaves, which is `to` when there was one run. */
void lbk_broadcast_last_run(const lbk_shape *from, const lbk_shape *to, lbk_slices *slices, lbk_shape *next);

/* Parameters of sum_to, expand and reshape. */
typedef struct lbk_shape_params {
    lbk_ints shape; /* of the output; reshape.c explains its 0 and -1 */
} lbk_shape_params;

/* In a rule: `gradient` has output 0's shape; what input `input` gets of it is its sum over what was repeated. */
lbk_status lbk_broadcast_sum(lbk_gradient *g, lbk_value gradient, int input, lbk_value *out);

#endif

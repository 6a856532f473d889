/* What the losses share. A loss is a scalar {1}; its derivative with respect to one operand comes out of the same pass as
 * output 1, already divided as the loss is. */
#ifndef LBK_OPS_LOSS_H
#define LBK_OPS_LOSS_H

#include "ops/support.h"

/* Of the losses between two tensors. `operand` is the input that output 1 is the derivative with respect to; the rule asks for
 * the other one with a second node. */
typedef struct lbk_loss_params {
    int reduction, operand;
    double beta;
} lbk_loss_params;

enum { LBK_LOSS_MEAN, LBK_LOSS_SUM, LBK_LOSS_BATCHMEAN }; /* reduction */
extern const char *const lbk_loss_reductions[];           /* "mean", "sum" */
extern const char *const lbk_loss_row_reductions[];       /* and "batchmean" */
extern const char *const lbk_loss_operands[];             /* "first", "second" */

#define LBK_LOSS_PARAM_REDUCTION(S)                                                                                    \
    LBK_PARAM_CHOICE(S, reduction, "mean", lbk_loss_reductions, "divide by the number of terms, or do not", NULL)
#define LBK_LOSS_PARAM_OPERAND                                                                                         \
    LBK_PARAM_CHOICE(lbk_loss_params, operand, "first", lbk_loss_operands,                                             \
                     "input that the second output is the derivative with respect to", NULL)

/* *out = derivative * dL/d(output 0). */
lbk_status lbk_loss_scale(lbk_gradient *g, lbk_value derivative, lbk_value *out);
/* The rule of a loss between its first two inputs, with lbk_loss_params. */
lbk_status lbk_loss_differentiate(lbk_gradient *g);

/* The same where output 1 has a gradient too: its contributions to the two inputs, found by the caller, are added. */
lbk_status lbk_loss_differentiate_twice(lbk_gradient *g, const lbk_value second[2]);

/* Appends the call that sums `count` floats of scratch memory into output 0: by one work-item (group 1), or by a work-group
 * of `group` work-items, a power of two. */
lbk_status lbk_loss_emit_sum(lbk_emit *e, int scratch, int64_t count, size_t group);

#endif

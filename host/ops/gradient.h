/* The context in which an op states its derivative: given dL/d(outputs), emit nodes that compute dL/d(inputs).
 *
 *     static lbk_status relu_differentiate(lbk_gradient *g) {
 *         lbk_value dx;
 *         LBK_TRY(lbk_gradient_emit(g, "relu_backward", NULL, 2, (lbk_value[]){g->output_grad[0], g->output[0]}, &dx));
 *         g->input_grad[0] = dx;
 *         return LBK_OK;
 *     }
 */
#ifndef LBK_OPS_GRADIENT_H
#define LBK_OPS_GRADIENT_H

#include "ops/op.h"

typedef int lbk_value; /* a tensor of a graph; LBK_NONE: none */
#define LBK_NONE (-1)

struct lbk_gradient {
    void *graph; /* lbk_graph, seen from below */
    const lbk_op *op;
    const void *params;
    int input_count, output_count;
    lbk_value input[LBK_MAX_INPUTS], output[LBK_MAX_OUTPUTS];
    const lbk_tensor_desc *input_desc, *output_desc;
    /* dL/d(output i); LBK_NONE where it is zero or there is no such output. For a scalar loss {1} it may be LBK_ONE: the constant 1. */
    lbk_value output_grad[LBK_MAX_OUTPUTS];
    bool rounded; /* what the rule names again will have been rounded: a sign is safe, a sign found anew is not */
    bool wanted[LBK_MAX_INPUTS];          /* whether dL/d(input i) is needed; leave the others LBK_NONE */
    lbk_value input_grad[LBK_MAX_INPUTS]; /* to fill; starts as LBK_NONE */
};
#define LBK_ONE (-2)

/* Adds a node `op` with inputs and params (a struct of the op's params type, copied; NULL: the defaults); fills its
 * outputs. */
lbk_status lbk_gradient_emit(lbk_gradient *g, const char *op, const void *params, int input_count,
                             const lbk_value *inputs, lbk_value *outputs);
const lbk_tensor_desc *lbk_gradient_desc(lbk_gradient *g, lbk_value value);

#endif

/* For rules of differentiation that are made of several ops: nodes as expressions. LBK_NONE stands for zero, so that terms of
 * absent gradients cost no node. The first failure is kept in `status`; later calls then do nothing and give LBK_NONE.
 *
 *     lbk_compose c = {g, LBK_OK};
 *     g->input_grad[0] = lbk_compose_add(&c, lbk_compose_mul(&c, dy, w), dx);
 *     return c.status;
 */
#ifndef LBK_OPS_COMPOSE_H
#define LBK_OPS_COMPOSE_H

#include "ops/gradient.h"

typedef struct lbk_compose {
    lbk_gradient *g;
    lbk_status status;
} lbk_compose;

/* Output 0 of a node; params as of lbk_gradient_emit(). */
lbk_value lbk_compose_apply(lbk_compose *c, const char *op, const void *params, int count, const lbk_value *inputs);
/* The same for an op of one tensor without parameters; zero of zero. */
lbk_value lbk_compose_unary(lbk_compose *c, const char *op, lbk_value x);

/* The same with params as in a model file, numbers only. */
lbk_value lbk_compose_text(lbk_compose *c, const char *op, const char *params, int count, const lbk_value *inputs);

/* With broadcasting. */
lbk_value lbk_compose_add(lbk_compose *c, lbk_value a, lbk_value b);
lbk_value lbk_compose_sub(lbk_compose *c, lbk_value a, lbk_value b);
lbk_value lbk_compose_mul(lbk_compose *c, lbk_value a, lbk_value b);
/* factor * x + offset; the offset is left out where x is zero. */
lbk_value lbk_compose_scale(lbk_compose *c, lbk_value x, double factor, double offset);

/* Sum over what is 1 or missing in `shape`, neighbouring dimensions; over the last dimension, which stays with size 1; over all
 * dimensions but the last; over all, a {1}. */
lbk_value lbk_compose_sum_to(lbk_compose *c, lbk_value x, const lbk_shape *shape);
lbk_value lbk_compose_sum_last(lbk_compose *c, lbk_value x);
lbk_value lbk_compose_sum_rows(lbk_compose *c, lbk_value x);
lbk_value lbk_compose_sum_all(lbk_compose *c, lbk_value x);
lbk_value lbk_compose_reshape(lbk_compose *c, lbk_value x, const lbk_shape *shape);
/* x repeated where it is not of this shape yet. */
lbk_value lbk_compose_expand(lbk_compose *c, lbk_value x, const lbk_shape *shape);

#endif

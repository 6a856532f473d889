/* Parameters of sum_to and expand, for rules that emit them. */
#ifndef LBK_OPS_SUM_TO_H
#define LBK_OPS_SUM_TO_H

#include "ops/op.h"

typedef struct lbk_shape_params {
    lbk_ints shape; /* of the output */
} lbk_shape_params;

static inline lbk_shape_params lbk_shape_params_of(const lbk_shape *shape) {
    lbk_shape_params params = {.shape = {.count = shape->rank}};
    for (int d = 0; d < shape->rank; d++)
        params.shape.items[d] = (int)shape->dim[d];
    return params;
}

#endif

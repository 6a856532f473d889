/* What gather and selection_backward, each the other's derivative, share. */
#ifndef LBK_OPS_GATHER_H
#define LBK_OPS_GATHER_H

#include "ops/reduce.h"

/* Of gather. keepdims: the index has the axis, of any size; otherwise it names one element of each slice. */
typedef struct lbk_gather_axis_params {
    int axis;
    bool keepdims;
} lbk_gather_axis_params;

/* Of selection_backward: the same, and x's shape. */
typedef struct lbk_selection_params {
    int axis;
    bool keepdims;
    lbk_ints shape;
} lbk_selection_params;

#endif

/* What layer_norm and layer_norm_backward share. */
#ifndef LBK_OPS_LAYER_NORM_H
#define LBK_OPS_LAYER_NORM_H

#include "ops/gradient.h"
#include "ops/support.h"

/* Parameters of layer_norm_backward, which layer_norm's derivative fills in. */
typedef struct lbk_layer_norm_backward_params {
    int dims;
    bool bias;
} lbk_layer_norm_backward_params;

/* x as rows[length]: `row` is the shape of the last dimensions, `saved` that of one number per row. */
typedef struct lbk_layer_norm {
    lbk_shape row, saved;
    int64_t rows, length;
} lbk_layer_norm;

/* LBK_ERR_INPUT when x has fewer than `dims` dimensions. */
lbk_status lbk_layer_norm_rows(const lbk_shape *x, int dims, lbk_layer_norm *norm);

extern const char *const lbk_layer_norm_files[]; /* of kernels, by class */

/* Gradients of layer_norm's outputs mean and rstd, in g->output_grad, as one of x. */
lbk_status lbk_layer_norm_statistics_differentiate(lbk_gradient *g, int dims, lbk_value *dx);
/* The rule of layer_norm_backward. */
lbk_status lbk_layer_norm_backward_differentiate(lbk_gradient *g);

#endif

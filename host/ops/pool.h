/* Parameters and index arithmetic that max_pool2d and avg_pool2d share. */
#ifndef LBK_OPS_POOL_H
#define LBK_OPS_POOL_H

#include "ops/support.h"

typedef struct lbk_pool_params {
    int kernel[2], stride[2], padding[2]; /* height, width; stride 0: as kernel */
    bool ceil_mode;
    bool count_include_pad; /* avg_pool2d only */
} lbk_pool_params;

/* Of the backward ops: the forward parameters and the input's size, which dy alone does not tell. */
typedef struct lbk_pool_backward_params {
    int kernel[2], stride[2], padding[2];
    bool ceil_mode, count_include_pad;
    int height, width;
} lbk_pool_backward_params;

/* Sizes of one pooling. */
typedef struct lbk_pool_size {
    int64_t n, h, w, c, oh, ow; /* batch, input, channels, output */
    int kh, kw, sh, sw, ph, pw;
} lbk_pool_size;

/* Shared rows of the parameter tables. */
#define LBK_POOL_ROWS(S)                                                                                               \
    LBK_PARAM_PAIR(S, kernel, NULL, 1, 1024, "pixels", "window height,width; one number for both", NULL),              \
        LBK_PARAM_PAIR(S, stride, "0", 0, 1024, "pixels", "step of the window; 0: the window's size", NULL),           \
        LBK_PARAM_PAIR(S, padding, "0", 0, 512, "pixels", "border on each side, at most half the window", NULL),       \
        LBK_PARAM_BOOL(S, ceil_mode, "no", "a last window may reach beyond the border, if it begins inside of it",     \
                       "PyTorch's meaning")
#define LBK_POOL_BACKWARD_ROWS(S)                                                                                      \
    LBK_PARAM_INT(S, height, NULL, 1, 1 << 20, "pixels", "height of the pooled input", NULL),                          \
        LBK_PARAM_INT(S, width, NULL, 1, 1 << 20, "pixels", "width of the pooled input", NULL)

/* From parameters and x[N,H,W,C]; LBK_ERR_INPUT when the window does not fit or padding exceeds half of it. */
lbk_status lbk_pool_size_init(lbk_pool_size *size, const lbk_pool_params *params, const lbk_shape *x);
/* From the backward parameters and dy[N,OH,OW,C], which must be of the shape they imply. */
lbk_status lbk_pool_size_backward(lbk_pool_size *size, const lbk_pool_backward_params *params, const lbk_shape *dy);
/* Backward parameters for the derivative of a forward node with input x, and back. */
lbk_pool_backward_params lbk_pool_backward_of(const lbk_pool_params *params, const lbk_shape *x);
lbk_pool_params lbk_pool_forward_of(const lbk_pool_backward_params *params);

/* Appends ints h, w, c, oh, ow, kh, kw, sh, sw, ph, pw and then `count` work-items over `items` elements. */
void lbk_pool_call(lbk_call *call, const lbk_emit *e, const lbk_pool_size *size, int64_t items);

#endif

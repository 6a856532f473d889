/* What conv2d and its two backward ops share: sizes, the loop of the references, and the launches of their kernels. */
#ifndef LBK_OPS_CONV_H
#define LBK_OPS_CONV_H

#include "ops/support.h"

/* How the kernel moves over x, each as height,width in pixels. */
typedef struct lbk_conv_window {
    int stride[2], padding[2], dilation[2];
    int groups;
} lbk_conv_window;

typedef enum lbk_conv_init { LBK_CONV_INIT_DEFAULT, LBK_CONV_INIT_KAIMING } lbk_conv_init;

/* Parameters of conv2d. */
typedef struct lbk_conv2d_params {
    int out, kernel[2];
    lbk_conv_window window;
    bool bias; /* only says whether a model's layer owns one; the op looks at its inputs */
    bool relu;
    int init; /* lbk_conv_init */
} lbk_conv2d_params;

/* Parameters of conv2d_backward_data (extent: height,width of x) and conv2d_backward_weights (extent: of the kernel). */
typedef struct lbk_conv_backward_params {
    int extent[2];
    lbk_conv_window window;
} lbk_conv_backward_params;

/* Rows of a parameter table that describe `window`, a field of the struct S. */
#define LBK_CONV_WINDOW_PARAMS(S)                                                                                      \
    {"stride", LBK_TYPE_PAIR, offsetof(S, window.stride), "1", 1, 1024, NULL, "pixels", "step of the kernel", NULL},   \
        {"padding", LBK_TYPE_PAIR, offsetof(S, window.padding),    "0", 0, 1024,                                       \
         NULL,      "pixels",      "zeros around x, on each side", NULL},                                              \
        {"dilation",                                                                                                   \
         LBK_TYPE_PAIR,                                                                                                \
         offsetof(S, window.dilation),                                                                                 \
         "1",                                                                                                          \
         1,                                                                                                            \
         1024,                                                                                                         \
         NULL,                                                                                                         \
         "pixels",                                                                                                     \
         "distance of the kernel's taps",                                                                              \
         "Yu and Koltun 2016, arXiv 1511.07122"},                                                                      \
    {                                                                                                                  \
        "groups", LBK_TYPE_INT, offsetof(S, window.groups), "1", 1, 1 << 20, NULL, NULL,                               \
            "channels are split into this many independent convolutions", NULL                                         \
    }

/* x[n,h,w,c], weight[kh,kw,c/groups,k], y[n,oh,ow,k]; s, p, d: stride, padding, dilation. */
typedef struct lbk_conv_sizes {
    int64_t n, h, w, c, oh, ow, k, kh, kw, sh, sw, ph, pw, dh, dw, groups;
} lbk_conv_sizes;

/* From shapes whose ranks are 4. */
lbk_conv_sizes lbk_conv_sizes_of(const lbk_conv_window *window, const lbk_shape *x, const lbk_shape *weight,
                                 const lbk_shape *y);
/* Output pixels of one dimension; 0 or less when the dilated kernel does not fit. */
int64_t lbk_conv_extent(int64_t extent, int kernel, int stride, int padding, int dilation);
/* LBK_ERR_INPUT unless x, weight and y fit each other (the descs are those of the forward convolution). */
lbk_status lbk_conv_check(const lbk_conv_window *window, const lbk_shape *x, const lbk_shape *weight,
                          const lbk_shape *y);
double lbk_conv_flops(const lbk_conv_sizes *s); /* 2 per multiply-add; taps on padding counted */
static inline bool lbk_conv_is_depthwise(const lbk_conv_sizes *s) {
    return s->groups > 1 && s->groups == s->c && s->groups == s->k;
}

/* Calls visit(user, x element, weight element, y element) for every product of the convolution. */
void lbk_conv_visit(const lbk_conv_sizes *s, void (*visit)(void *user, int64_t x, int64_t w, int64_t y), void *user);

/* Blocks of class cpu's kernels conv2d and conv2d_backward_data over the tensor they write. */
typedef struct lbk_conv_blocks {
    int tq, narrow;             /* vectors of channels per tile; whether there are fewer channels than that */
    int segment;                /* neighbouring pixels of a tile */
    int64_t images, rows, cols; /* of one work-group */
    int64_t pass;               /* blocks of reduction channels per pass */
    size_t groups, splits;      /* global size */
} lbk_conv_blocks;
/* false: no block fits local memory. `backward`: of conv2d_backward_data. */
bool lbk_conv_blocks_find(const lbk_emit *e, const lbk_conv_sizes *s, bool backward, lbk_conv_blocks *out);
/* Adds the options that fit the blocks and device to the call. */
lbk_status lbk_conv_blocks_options(const lbk_emit *e, const lbk_conv_blocks *b, lbk_call *call);
int64_t lbk_conv_local_floats(const lbk_emit *e); /* local memory they may use, floats */

/* Begins a call: the epilogue's options, then the node's tensors, scratch memory `weights` for the weights; -1: they
 * themselves. conv2d and conv2d_backward_data each have one. */
typedef lbk_status (*lbk_conv_begin)(lbk_emit *e, const char *file, const char *name, int weights, lbk_call **call);
/* Class cpu's Winograd convolution; declines what does not suit it. s: of the forward convolution; `backward`: for
 * conv2d_backward_data. The node's input 0 is the tensor convolved, input 1 the weights. */
lbk_status lbk_conv_winograd_emit(lbk_emit *e, const lbk_conv_sizes *s, bool backward, lbk_conv_begin begin);

/* Appends the sixteen, or for depthwise == true the fourteen, sizes that every conv kernel of a class takes. */
void lbk_conv_call_sizes(lbk_call *call, const lbk_conv_sizes *s, bool depthwise);
void lbk_conv_call_groups(lbk_call *call, const lbk_conv_sizes *s);

/* Tile of class gpu's implicit GEMMs. */
typedef struct lbk_conv_tile {
    int bm, bn, tm, tn, vec;
    size_t group; /* work-items */
} lbk_conv_tile;
/* rows x columns: the GEMM's result per group. false: the device cannot run it. */
bool lbk_conv_tile_find(const lbk_emit *e, const lbk_conv_sizes *s, int64_t rows, int64_t columns, lbk_conv_tile *out);
lbk_status lbk_conv_tile_options(lbk_call *call, const lbk_conv_tile *tile);
size_t lbk_conv_tile_count(const lbk_conv_tile *tile, int64_t rows, int64_t columns);

#endif

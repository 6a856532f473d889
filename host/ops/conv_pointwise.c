/* Class cpu's 1x1 convolution of stride 1: the launches of kernels/cpu/conv2d_pointwise.cl. */
#include "ops/conv.h"

#define KERNEL_FILE "cpu/vector+cpu/conv2d_epilogue+cpu/conv2d_tile+cpu/conv2d_pointwise"

enum {
    LINE = 16, /* the kernel's */
    MOST_TQ = 4,
    LEAST_PIXELS = 64,
    PIXELS = 1024,          /* of a work-group: amortise the weights' way into L1 */
    INPUT_FLOATS = 65536,   /* of a work-group, which every few panels read again: a quarter of a small L2 cache */
    NEAR_BYTES = 128 << 10, /* of weights that a work-group's tiles pass by together: a sixteenth of a usual L2 cache */
};

/* Names in capitals are the kernel's. */
typedef struct work {
    int64_t p, c, k;   /* P, C, K */
    int width, tq, tm; /* VW, TQ, TM */
    int64_t pixels, near, depth, panels, groups, splits;
} work;

/* A broadcast serves all vectors of a tile: two, or more where no more of them are idle then. */
static void choose_tile(const lbk_emit *e, work *w) {
    w->width = lbk_emit_vector_width(e);
    int64_t vectors = lbk_ceil_div(w->k, w->width);
    int registers = w->width == 16 ? 24 : 12; /* of 32 or 16: sums */
    w->tq = vectors == 1 ? 1 : 2;
    for (int tq = 3; tq <= MOST_TQ && vectors > 2 && w->width == 16; tq++)
        if (lbk_ceil_div(vectors, tq) * tq <= lbk_ceil_div(vectors, w->tq) * w->tq)
            w->tq = tq;
    w->tm = registers / w->tq;
    w->panels = lbk_ceil_div(vectors, w->tq);
}

static void choose_blocks(const lbk_emit *e, work *w) {
    int64_t cores = e->caps->compute_units, panel_bytes = w->c * w->tq * w->width * (int64_t)sizeof(float);
    w->pixels = lbk_clamp(w->p / (4 * cores), LEAST_PIXELS, PIXELS);
    w->pixels = lbk_clamp(INPUT_FLOATS / w->c, w->tm, w->pixels) / w->tm * w->tm;
    w->near = lbk_clamp(NEAR_BYTES / panel_bytes, 1, w->panels);
    w->depth = panel_bytes <= NEAR_BYTES ? w->c : NEAR_BYTES * w->c / panel_bytes / LINE * LINE;
    w->groups = lbk_ceil_div(w->p, w->pixels);
    w->splits = lbk_clamp(lbk_ceil_div(4 * cores, w->groups), 1, w->panels);
}

/* The same for both kernels: one program. */
static lbk_status options(const work *w, lbk_call *call) {
    return lbk_call_option(call, "-DVW=%d -DTQ=%d -DSEG=%d -DNSEG=1", w->width, w->tq, w->tm);
}

static void call_ints(lbk_call *call, const int64_t *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        lbk_call_int(call, values[i]);
}

lbk_status lbk_conv_emit_pointwise(lbk_emit *e, const lbk_conv *conv) {
    lbk_conv_gather g = lbk_conv_gather_of(conv);
    if (conv->s.groups > 1 || !lbk_conv_flatten(&g))
        return lbk_emit_decline(e);
    work w = {.p = g.w.in, .c = g.c, .k = g.k};
    lbk_call *call;
    choose_tile(e, &w);
    if (w.p < w.tm)
        return lbk_emit_decline(e);
    choose_blocks(e, &w);
    int panels = lbk_emit_scratch(e, sizeof(float) * (size_t)(w.panels * w.c * w.tq * w.width));
    LBK_TRY(lbk_emit_kernel(e, KERNEL_FILE, "conv2d_pointwise_pack", &call));
    LBK_TRY(options(&w, call));
    lbk_call_scratch(call, panels);
    lbk_call_input(call, 1);
    call_ints(call, (int64_t[]){w.c, w.k, conv->result == LBK_CONV_X}, 3);
    lbk_call_range_2d(call, (size_t)w.panels, (size_t)lbk_ceil_div(w.c, LINE), 1, 1);
    LBK_TRY(lbk_conv_begin(e, conv, KERNEL_FILE, "conv2d_pointwise", panels, &call));
    LBK_TRY(options(&w, call));
    call_ints(call, (int64_t[]){w.p, w.c, w.k, w.pixels, w.near, w.depth}, 6);
    lbk_call_range_2d(call, (size_t)w.groups, (size_t)w.splits, 1, 1);
    return LBK_OK;
}

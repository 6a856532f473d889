/* Class cpu's depthwise convolution, whose limits kernels/cpu/conv2d_depthwise.cl states. */
#include "ops/conv.h"

#define KERNEL_FILE "cpu/vector+cpu/conv2d_epilogue+cpu/conv2d_depthwise"

enum { TILE = 8, LEAST_ROWS = 4 };

static bool fits(const lbk_emit *e, const lbk_conv *conv, const lbk_conv_gather *g) {
    const lbk_conv_axis *h = &g->h, *w = &g->w;
    bool depthwise = conv->s.groups == g->c && g->c == g->k && g->c >= lbk_emit_vector_width(e);
    bool taps = (w->taps == 3 || w->taps == 5 || w->taps == 7) && (w->apart == 1 || w->apart == -1);
    return depthwise && taps && w->gather <= 2 && h->divide == 1 && w->divide == 1;
}

lbk_status lbk_conv_emit_depthwise(lbk_emit *e, const lbk_conv *conv) {
    const lbk_conv_gather g = lbk_conv_gather_of(conv);
    if (!fits(e, conv, &g))
        return lbk_emit_decline(e);
    /* Whole images where there are enough of them for all cores. */
    int64_t bands = lbk_ceil_div(4 * (int64_t)e->caps->compute_units, g.n);
    int64_t rows = lbk_clamp(lbk_ceil_div(g.h.out, bands), g.h.out < LEAST_ROWS ? g.h.out : LEAST_ROWS, g.h.out);
    lbk_call *call;
    LBK_TRY(lbk_conv_begin(e, conv, KERNEL_FILE, "conv2d_depthwise", -1, &call));
    LBK_TRY(lbk_call_option(call, "-DVW=%d -DKW=%d -DGW=%d -DTILE=%d", lbk_emit_vector_width(e), (int)g.w.taps,
                            (int)g.w.gather, TILE));
    lbk_conv_call_gather(call, &g);
    lbk_call_int(call, rows);
    lbk_call_range_1d(call, (size_t)(g.n * lbk_ceil_div(g.h.out, rows)), 1);
    return LBK_OK;
}

/* The choice among the ways to compute a convolution, what their calls have in common, and class generic's. */
#include "ops/conv.h"

#include <string.h>

/* The bits are those of the kernels. They do not read a buffer whose bit is not set, so input 1 stands in for it: a program
 * for every combination would be dozens of compilations for a network. */
static void call_epilogue(lbk_call *call, const lbk_conv *conv) {
    enum { BIAS = 1, SCALE = 2, ADDEND = 4, RELU = 8 };
    bool bias = conv->bias >= 0, scale = conv->scale >= 0, addend = conv->addend >= 0;
    lbk_call_input(call, bias ? conv->bias : 1);
    lbk_call_input(call, scale ? conv->scale : 1);
    lbk_call_input(call, scale ? conv->scale + 1 : 1);
    lbk_call_input(call, addend ? conv->addend : 1);
    lbk_call_int(call, (bias ? BIAS : 0) | (scale ? SCALE : 0) | (addend ? ADDEND : 0) | (conv->relu ? RELU : 0));
}

lbk_status lbk_conv_begin(lbk_emit *e, const lbk_conv *conv, const char *file, const char *name, int weights,
                          lbk_call **call) {
    LBK_TRY(lbk_emit_kernel(e, file, name, call));
    if (conv->aside)
        lbk_call_scratch(*call, conv->aside - 1);
    else
        lbk_call_output(*call, 0);
    lbk_call_input(*call, 0);
    if (weights >= 0)
        lbk_call_scratch(*call, weights);
    else
        lbk_call_input(*call, 1);
    call_epilogue(*call, conv);
    return LBK_OK;
}

lbk_status lbk_conv_begin_weight(lbk_emit *e, const char *file, const char *name, int64_t parts, lbk_call **call) {
    LBK_TRY(lbk_emit_kernel(e, file, name, call));
    if (parts > 1)
        lbk_call_scratch(*call, lbk_emit_scratch(e, (size_t)parts * lbk_tensor_bytes(&e->output[0])));
    else
        lbk_call_output(*call, 0);
    lbk_call_input(*call, 0);
    lbk_call_input(*call, 1);
    return LBK_OK;
}

lbk_status lbk_conv_reduce(lbk_emit *e, int64_t parts) {
    if (parts == 1)
        return LBK_OK;
    const lbk_call main = e->calls[e->call_count - 1];
    int64_t count = lbk_ops_count(&e->output[0]);
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, main.file, "conv2d_backward_weights_reduce", &call));
    memcpy(call->options, main.options, sizeof call->options); /* the same program */
    lbk_call_output(call, 0);
    lbk_call_scratch(call, main.arg[0].index);
    lbk_call_int(call, count);
    lbk_call_int(call, parts);
    lbk_call_range_1d(call, (size_t)count, lbk_emit_local(e));
    return LBK_OK;
}

lbk_conv_gather lbk_conv_gather_of(const lbk_conv *conv) {
    const lbk_conv_sizes *s = &conv->s;
    if (conv->result == LBK_CONV_X)
        return (lbk_conv_gather){.n = s->n,
                                 .c = s->k,
                                 .k = s->c,
                                 .h = {s->oh, s->h, s->kh, 1, s->sh, s->ph, -s->dh},
                                 .w = {s->ow, s->w, s->kw, 1, s->sw, s->pw, -s->dw}};
    return (lbk_conv_gather){.n = s->n,
                             .c = s->c,
                             .k = s->k,
                             .h = {s->h, s->oh, s->kh, s->sh, 1, -s->ph, s->dh},
                             .w = {s->w, s->ow, s->kw, s->sw, 1, -s->pw, s->dw}};
}

void lbk_conv_call_gather(lbk_call *call, const lbk_conv_gather *g) {
    const lbk_conv_axis *h = &g->h, *w = &g->w;
    const int64_t all[] = {g->n,      h->in,     w->in,     g->c,      h->out,   w->out,   g->k,     h->taps, w->taps,
                           h->gather, w->gather, h->divide, w->divide, h->first, w->first, h->apart, w->apart};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        lbk_call_int(call, all[i]);
}

void lbk_conv_call_sizes(lbk_call *call, const lbk_conv_sizes *s) {
    const int64_t all[] = {s->n,  s->h,  s->w,  s->c,  s->oh, s->ow, s->k,  s->kh,
                           s->kw, s->sh, s->sw, s->ph, s->pw, s->dh, s->dw, s->groups};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        lbk_call_int(call, all[i]);
}

static lbk_status emit_generic(lbk_emit *e, const lbk_conv *conv) {
    lbk_call *call;
    LBK_TRY(lbk_conv_begin(e, conv, "generic/conv2d", conv->result == LBK_CONV_Y ? "conv2d" : "conv2d_backward_data",
                           -1, &call));
    lbk_conv_call_sizes(call, &conv->s);
    lbk_call_range_1d(call, (size_t)lbk_ops_count(&e->output[0]), lbk_emit_local(e));
    return LBK_OK;
}

/* Small weights of large images are summed in parts, so that there are some thousands of work-items. */
static lbk_status emit_generic_weight(lbk_emit *e, const lbk_conv *conv) {
    enum { ITEMS = 8192 };
    const lbk_conv_sizes *s = &conv->s;
    int64_t items = lbk_ops_count(&e->output[0]) / s->k * lbk_ceil_div(s->k, 4), rows = s->n * s->oh;
    int64_t wanted = ITEMS / items, parts = wanted < 1 ? 1 : wanted < rows ? wanted : rows;
    lbk_call *call;
    LBK_TRY(lbk_conv_begin_weight(e, "generic/conv2d_backward_weights", "conv2d_backward_weights", parts, &call));
    lbk_conv_call_sizes(call, s);
    lbk_call_int(call, parts);
    lbk_call_range_2d(call, (size_t)items, (size_t)parts, lbk_emit_local(e), 1);
    return lbk_conv_reduce(e, parts);
}

lbk_status lbk_conv_emit(lbk_emit *e, lbk_conv_way way, const lbk_conv *conv) {
    bool weight = conv->result == LBK_CONV_WEIGHT;
    switch (way) {
    case LBK_CONV_CPU_DEPTHWISE:
        return weight ? lbk_emit_decline(e) : lbk_conv_emit_depthwise(e, conv);
    case LBK_CONV_CPU_POINTWISE:
        return weight ? lbk_conv_emit_pointwise_weight(e, conv) : lbk_conv_emit_pointwise(e, conv);
    case LBK_CONV_CPU_LANES:
    case LBK_CONV_CPU_DIRECT:
        if (way == LBK_CONV_CPU_DIRECT && lbk_conv_folds(conv))
            return lbk_conv_emit_folded(e, conv);
        return weight ? lbk_conv_emit_cpu_weight(e, conv, way == LBK_CONV_CPU_LANES)
                      : lbk_conv_emit_cpu(e, conv, way == LBK_CONV_CPU_LANES);
    case LBK_CONV_CPU_WINOGRAD:
        return weight ? lbk_emit_decline(e) : lbk_conv_emit_winograd(e, conv);
    case LBK_CONV_CPU_WINOGRAD_ROWS:
        return weight ? lbk_conv_emit_winograd_weight(e, conv) : lbk_conv_emit_winograd_rows(e, conv);
    case LBK_CONV_GPU_NARROW:
        return lbk_conv_emit_gpu_narrow(e, conv);
    case LBK_CONV_GPU_UNITS:
        return e->arithmetic == LBK_ARITHMETIC_FLOAT32 ? lbk_emit_decline(e)
                                                       : lbk_conv_emit_gpu(e, conv, e->arithmetic);
    case LBK_CONV_GPU_GEMM:
        return lbk_conv_emit_gpu(e, conv, LBK_ARITHMETIC_FLOAT32);
    default:
        return weight ? emit_generic_weight(e, conv) : emit_generic(e, conv);
    }
}

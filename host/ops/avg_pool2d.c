/* avg_pool2d over x[N,H,W,C]. count_include_pad as in PyTorch: whether padded pixels count in the divisor. */
#include "ops/pool.h"

#define COUNT_ROW(S)                                                                                                   \
    LBK_PARAM_BOOL(S, count_include_pad, "yes", "divide by the window's size, padding included", "PyTorch's meaning")
static const lbk_param avg_pool_table[] = {LBK_POOL_ROWS(lbk_pool_params), COUNT_ROW(lbk_pool_params), LBK_PARAM_END};
static const lbk_param avg_pool_backward_table[] = {LBK_POOL_ROWS(lbk_pool_backward_params),
                                                    COUNT_ROW(lbk_pool_backward_params),
                                                    LBK_POOL_BACKWARD_ROWS(lbk_pool_backward_params), LBK_PARAM_END};

static lbk_status avg_pool_infer(lbk_infer *infer) {
    lbk_pool_size s;
    LBK_TRY(lbk_infer_rank(infer, 0, "x", 4));
    LBK_TRY(lbk_pool_size_init(&s, infer->params, &infer->input[0].shape));
    lbk_infer_output(infer, LBK_F32, lbk_shape_4(s.n, s.oh, s.ow, s.c));
    return LBK_OK;
}

static lbk_status avg_pool_backward_infer(lbk_infer *infer) {
    lbk_pool_size s;
    LBK_TRY(lbk_infer_rank(infer, 0, "dy", 4));
    LBK_TRY(lbk_pool_size_backward(&s, infer->params, &infer->input[0].shape));
    lbk_infer_output(infer, LBK_F32, lbk_shape_4(s.n, s.h, s.w, s.c));
    return LBK_OK;
}

static void avg_pool_cost(const lbk_infer *shapes, lbk_cost *cost) {
    const lbk_pool_params *p = shapes->params;
    lbk_cost_elementwise(shapes, 0, cost);
    cost->flops = (double)lbk_ops_count(&shapes->output[0]) * p->kernel[0] * p->kernel[1];
}

static void avg_pool_backward_cost(const lbk_infer *shapes, lbk_cost *cost) {
    const lbk_pool_backward_params *p = shapes->params;
    lbk_cost_elementwise(shapes, (double)p->kernel[0] * p->kernel[1], cost);
}

/* Pixels that count for the window at (oh, ow). */
static double window_divisor(const lbk_pool_size *s, bool include_pad, int64_t oh, int64_t ow) {
    int count = 0;
    for (int k = 0; k < s->kh * s->kw; k++) {
        int64_t h = oh * s->sh - s->ph + k / s->kw, w = ow * s->sw - s->pw + k % s->kw;
        count += include_pad || (h >= 0 && h < s->h && w >= 0 && w < s->w);
    }
    return count;
}

/* y += x / divisor, or, backward, x += y / divisor, over all pairs of a window and a pixel in it. */
static void reference_pairs(const lbk_pool_size *s, bool include_pad, double *x, double *y, bool backward) {
    for (int64_t o = 0; o < s->n * s->oh * s->ow * s->c; o++) {
        int64_t c = o % s->c, ow = o / s->c % s->ow, oh = o / s->c / s->ow % s->oh, n = o / s->c / s->ow / s->oh;
        double divisor = window_divisor(s, include_pad, oh, ow);
        for (int k = 0; k < s->kh * s->kw; k++) {
            int64_t h = oh * s->sh - s->ph + k / s->kw, w = ow * s->sw - s->pw + k % s->kw;
            if (h < 0 || h >= s->h || w < 0 || w >= s->w)
                continue;
            int64_t i = ((n * s->h + h) * s->w + w) * s->c + c;
            if (backward)
                x[i] += y[o] / divisor;
            else
                y[o] += x[i] / divisor;
        }
    }
}

static void avg_pool_reference(const lbk_reference *r) {
    const lbk_pool_params *p = r->params;
    lbk_pool_size s;
    if (lbk_pool_size_init(&s, p, &r->input[0].shape) == LBK_OK)
        reference_pairs(&s, p->count_include_pad, r->in[0], r->out[0], false);
}

static void avg_pool_backward_reference(const lbk_reference *r) {
    const lbk_pool_backward_params *p = r->params;
    lbk_pool_size s;
    if (lbk_pool_size_backward(&s, p, &r->input[0].shape) == LBK_OK)
        reference_pairs(&s, p->count_include_pad, r->out[0], r->in[0], true);
}

static lbk_status avg_pool_differentiate(lbk_gradient *g) {
    lbk_pool_backward_params params = lbk_pool_backward_of(g->params, &g->input_desc[0].shape);
    return lbk_gradient_emit(g, "avg_pool2d_backward", &params, 1, &g->output_grad[0], &g->input_grad[0]);
}

static lbk_status emit_call(lbk_emit *e, const char *name, const lbk_pool_size *s, bool include_pad) {
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, "generic/avg_pool2d", name, &call));
    lbk_call_input(call, 0);
    lbk_call_output(call, 0);
    lbk_pool_call(call, e, s, lbk_ops_count(&e->output[0]));
    lbk_call_int(call, include_pad);
    return LBK_OK;
}

static lbk_status avg_pool_emit(lbk_emit *e) {
    const lbk_pool_params *p = e->params;
    lbk_pool_size s;
    LBK_TRY(lbk_pool_size_init(&s, p, &e->input[0].shape));
    return emit_call(e, "avg_pool2d", &s, p->count_include_pad);
}

static lbk_status avg_pool_backward_emit(lbk_emit *e) {
    const lbk_pool_backward_params *p = e->params;
    lbk_pool_size s;
    LBK_TRY(lbk_pool_size_backward(&s, p, &e->input[0].shape));
    return emit_call(e, "avg_pool2d_backward", &s, p->count_include_pad);
}

static const lbk_variant avg_pool_variants[] = {{LBK_CLASS_GENERIC, "gather", avg_pool_emit}, {.emit = NULL}};
static const lbk_variant avg_pool_backward_variants[] = {{LBK_CLASS_GENERIC, "gather", avg_pool_backward_emit},
                                                         {.emit = NULL}};

static const lbk_op_example avg_pool_examples[] = {
    {.params = "kernel=2", .input = {{4, {2, 8, 8, 16}}}, .input_count = 1},
    {.params = "kernel=3 stride=2 padding=1", .input = {{4, {3, 11, 7, 5}}}, .input_count = 1},
    {.params = "kernel=3 stride=1 padding=1 count_include_pad=no", .input = {{4, {1, 1, 1, 1}}}, .input_count = 1},
    {.params = "kernel=2,3 stride=1,2 padding=1,0 count_include_pad=no",
     .input = {{4, {2, 5, 9, 3}}},
     .input_count = 1},
};

static const lbk_op_example avg_pool_backward_examples[] = {
    {.params = "kernel=2 height=8 width=8", .input = {{4, {2, 4, 4, 16}}}, .input_count = 1},
    {.params = "kernel=3 stride=2 padding=1 height=11 width=7", .input = {{4, {3, 6, 4, 5}}}, .input_count = 1},
    {.params = "kernel=3 stride=1 padding=1 height=1 width=1 count_include_pad=no",
     .input = {{4, {1, 1, 1, 1}}},
     .input_count = 1},
    {.params = "kernel=2,3 stride=1,2 padding=1,0 height=5 width=9 count_include_pad=no",
     .input = {{4, {2, 6, 4, 3}}},
     .input_count = 1},
};

static const lbk_op avg_pool_op = {
    .name = "avg_pool2d",
    .summary = "mean over windows of pixels",
    .formula = "y[n,h,w,c] = sum over i < KH, j < KW of x[n, h*SH - PH + i, w*SW - PW + j, c] / count",
    .inputs = "x[N,H,W,C]",
    .outputs = "y[N,OH,OW,C]",
    .params = avg_pool_table,
    .params_size = sizeof(lbk_pool_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .layer = true,
    .infer = avg_pool_infer,
    .cost = avg_pool_cost,
    .differentiate = avg_pool_differentiate,
    .reference = avg_pool_reference,
    .variants = avg_pool_variants,
    .examples = avg_pool_examples,
    .example_count = 4,
};

static const lbk_op avg_pool_backward_op = {
    .name = "avg_pool2d_backward",
    .summary = "derivative of avg_pool2d",
    .formula = "dx[n,h,w,c] = sum of dy / count over the windows that hold (h, w)",
    .inputs = "dy[N,OH,OW,C]",
    .outputs = "dx[N,H,W,C]",
    .params = avg_pool_backward_table,
    .params_size = sizeof(lbk_pool_backward_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = avg_pool_backward_infer,
    .cost = avg_pool_backward_cost,
    .reference = avg_pool_backward_reference,
    .variants = avg_pool_backward_variants,
    .examples = avg_pool_backward_examples,
    .example_count = 4,
};

const lbk_op *const lbk_ops_avg_pool2d[] = {&avg_pool_op, &avg_pool_backward_op, NULL};

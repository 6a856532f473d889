/* max_pool2d over x[N,H,W,C]. The second output says where in its window (row * KW + column) each maximum was, the first of
 * equals in row-major order as in PyTorch; the backward op needs nothing else. */
#include "ops/pool.h"

#include <math.h>

static const lbk_param max_pool_table[] = {LBK_POOL_ROWS(lbk_pool_params), LBK_PARAM_END};
static const lbk_param max_pool_backward_table[] = {LBK_POOL_ROWS(lbk_pool_backward_params),
                                                    LBK_POOL_BACKWARD_ROWS(lbk_pool_backward_params), LBK_PARAM_END};

static lbk_status max_pool_infer(lbk_infer *infer) {
    lbk_pool_size s;
    LBK_TRY(lbk_infer_rank(infer, 0, "x", 4));
    LBK_TRY(lbk_pool_size_init(&s, infer->params, &infer->input[0].shape));
    lbk_infer_output(infer, LBK_F32, lbk_shape_4(s.n, s.oh, s.ow, s.c));
    lbk_infer_output(infer, LBK_I32, lbk_shape_4(s.n, s.oh, s.ow, s.c));
    return LBK_OK;
}

static lbk_status max_pool_backward_infer(lbk_infer *infer) {
    lbk_pool_size s;
    LBK_TRY(lbk_infer_rank(infer, 0, "dy", 4));
    LBK_TRY(lbk_infer_shape(infer, 1, "where", infer->input[0].shape));
    LBK_TRY(lbk_pool_size_backward(&s, infer->params, &infer->input[0].shape));
    lbk_infer_output(infer, LBK_F32, lbk_shape_4(s.n, s.h, s.w, s.c));
    return LBK_OK;
}

static lbk_status max_pool_gather_infer(lbk_infer *infer) {
    lbk_pool_size s;
    LBK_TRY(lbk_infer_rank(infer, 0, "x", 4));
    LBK_TRY(lbk_pool_size_init(&s, infer->params, &infer->input[0].shape));
    LBK_TRY(lbk_infer_shape(infer, 1, "where", lbk_shape_4(s.n, s.oh, s.ow, s.c)));
    lbk_infer_output(infer, LBK_F32, infer->input[1].shape);
    return LBK_OK;
}

static void max_pool_gather_cost(const lbk_infer *shapes, lbk_cost *cost) {
    *cost = (lbk_cost){0, 3 * (double)lbk_tensor_bytes(&shapes->output[0])};
}

static void max_pool_cost(const lbk_infer *shapes, lbk_cost *cost) {
    const lbk_pool_params *p = shapes->params;
    lbk_cost_elementwise(shapes, 0, cost);
    cost->flops = (double)lbk_ops_count(&shapes->output[0]) * p->kernel[0] * p->kernel[1];
}

static void max_pool_backward_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 1, cost);
}

static int64_t at(const lbk_pool_size *s, int64_t n, int64_t h, int64_t w, int64_t c) {
    return ((n * s->h + h) * s->w + w) * s->c + c;
}

static void max_pool_reference(const lbk_reference *r) {
    lbk_pool_size s;
    if (lbk_pool_size_init(&s, r->params, &r->input[0].shape) != LBK_OK)
        return;
    for (int64_t o = 0; o < s.n * s.oh * s.ow * s.c; o++) {
        int64_t c = o % s.c, ow = o / s.c % s.ow, oh = o / s.c / s.ow % s.oh, n = o / s.c / s.ow / s.oh;
        r->out[0][o] = -INFINITY;
        for (int k = 0; k < s.kh * s.kw; k++) {
            int64_t h = oh * s.sh - s.ph + k / s.kw, w = ow * s.sw - s.pw + k % s.kw;
            if (h < 0 || h >= s.h || w < 0 || w >= s.w || r->in[0][at(&s, n, h, w, c)] <= r->out[0][o])
                continue;
            r->out[0][o] = r->in[0][at(&s, n, h, w, c)];
            r->out[1][o] = k;
        }
    }
}

/* The element of x that `where` of output o names; -1 in the padding. */
static int64_t place(const lbk_pool_size *s, int64_t o, int64_t k) {
    int64_t c = o % s->c, ow = o / s->c % s->ow, oh = o / s->c / s->ow % s->oh, n = o / s->c / s->ow / s->oh;
    int64_t h = oh * s->sh - s->ph + k / s->kw, w = ow * s->sw - s->pw + k % s->kw;
    return h >= 0 && h < s->h && w >= 0 && w < s->w ? at(s, n, h, w, c) : -1;
}

/* Scatters, where the kernel gathers. A `where` that points into the padding has no effect. */
static void max_pool_backward_reference(const lbk_reference *r) {
    lbk_pool_size s;
    if (lbk_pool_size_backward(&s, r->params, &r->input[0].shape) != LBK_OK)
        return;
    for (int64_t o = 0; o < s.n * s.oh * s.ow * s.c; o++) {
        int64_t i = place(&s, o, (int64_t)r->in[1][o]);
        if (i >= 0)
            r->out[0][i] += r->in[0][o];
    }
}

static void max_pool_gather_reference(const lbk_reference *r) {
    lbk_pool_size s;
    if (lbk_pool_size_init(&s, r->params, &r->input[0].shape) != LBK_OK)
        return;
    for (int64_t o = 0; o < s.n * s.oh * s.ow * s.c; o++) {
        int64_t i = place(&s, o, (int64_t)r->in[1][o]);
        r->out[0][o] = i >= 0 ? r->in[0][i] : 0;
    }
}

static lbk_status max_pool_differentiate(lbk_gradient *g) {
    lbk_pool_backward_params params = lbk_pool_backward_of(g->params, &g->input_desc[0].shape);
    const lbk_value inputs[] = {g->output_grad[0], g->output[1]};
    if (g->output_grad[1] != LBK_NONE)
        return lbk_fail(LBK_ERR_UNSUPPORTED, "output where has no derivative");
    return lbk_gradient_emit(g, "max_pool2d_backward", &params, 2, inputs, &g->input_grad[0]);
}

/* The derivatives of the other two are each other: both are linear in their first input. */
static lbk_status max_pool_backward_differentiate(lbk_gradient *g) {
    lbk_pool_params params = lbk_pool_forward_of(g->params);
    const lbk_value inputs[] = {g->output_grad[0], g->input[1]};
    return lbk_gradient_emit(g, "max_pool2d_gather", &params, 2, inputs, &g->input_grad[0]);
}

static lbk_status max_pool_gather_differentiate(lbk_gradient *g) {
    lbk_pool_backward_params params = lbk_pool_backward_of(g->params, &g->input_desc[0].shape);
    const lbk_value inputs[] = {g->output_grad[0], g->input[1]};
    return lbk_gradient_emit(g, "max_pool2d_backward", &params, 2, inputs, &g->input_grad[0]);
}

static lbk_status emit_kernel(lbk_emit *e, lbk_class cls, const char *name, lbk_call **call) {
    LBK_TRY(lbk_emit_kernel(e, cls == LBK_CLASS_CPU ? "cpu/max_pool2d" : "generic/max_pool2d", name, call));
    return cls == LBK_CLASS_CPU ? lbk_call_option(*call, "-DVW=%d", lbk_emit_vector_width(e)) : LBK_OK;
}

/* Sizes: class cpu takes a row of pixels per work-item, generic a number. */
static void call_sizes(lbk_call *call, const lbk_emit *e, const lbk_pool_size *s, lbk_class cls, int64_t rows,
                       int64_t items) {
    lbk_pool_call(call, e, s, cls == LBK_CLASS_CPU ? rows : items);
    if (cls == LBK_CLASS_CPU)
        lbk_call_range_1d(call, (size_t)rows, 1);
}

static lbk_status max_pool_emit(lbk_emit *e, lbk_class cls) {
    lbk_pool_size s;
    lbk_call *call;
    LBK_TRY(lbk_pool_size_init(&s, e->params, &e->input[0].shape));
    LBK_TRY(emit_kernel(e, cls, "max_pool2d", &call));
    lbk_call_input(call, 0);
    lbk_call_output(call, 0);
    lbk_call_output(call, 1);
    call_sizes(call, e, &s, cls, s.n * s.oh, lbk_ops_count(&e->output[0]));
    return LBK_OK;
}

static lbk_status max_pool_backward_emit(lbk_emit *e, lbk_class cls) {
    lbk_pool_size s;
    lbk_call *call;
    LBK_TRY(lbk_pool_size_backward(&s, e->params, &e->input[0].shape));
    LBK_TRY(emit_kernel(e, cls, "max_pool2d_backward", &call));
    lbk_call_input(call, 0);
    lbk_call_input(call, 1);
    lbk_call_output(call, 0);
    call_sizes(call, e, &s, cls, s.n * s.h, lbk_ops_count(&e->output[0]));
    return LBK_OK;
}

static lbk_status max_pool_gather_emit(lbk_emit *e) {
    lbk_pool_size s;
    lbk_call *call;
    LBK_TRY(lbk_pool_size_init(&s, e->params, &e->input[0].shape));
    LBK_TRY(emit_kernel(e, LBK_CLASS_GENERIC, "max_pool2d_gather", &call));
    lbk_call_input(call, 0);
    lbk_call_input(call, 1);
    lbk_call_output(call, 0);
    lbk_pool_call(call, e, &s, lbk_ops_count(&e->output[0]));
    return LBK_OK;
}

static lbk_status max_pool_emit_cpu(lbk_emit *e) {
    return max_pool_emit(e, LBK_CLASS_CPU);
}

static lbk_status max_pool_emit_generic(lbk_emit *e) {
    return max_pool_emit(e, LBK_CLASS_GENERIC);
}

static lbk_status max_pool_backward_emit_cpu(lbk_emit *e) {
    return max_pool_backward_emit(e, LBK_CLASS_CPU);
}

static lbk_status max_pool_backward_emit_generic(lbk_emit *e) {
    return max_pool_backward_emit(e, LBK_CLASS_GENERIC);
}

static const lbk_variant max_pool_variants[] = {
    {LBK_CLASS_CPU, "rows", max_pool_emit_cpu}, {LBK_CLASS_GENERIC, "gather", max_pool_emit_generic}, {.emit = NULL}};
static const lbk_variant max_pool_backward_variants[] = {{LBK_CLASS_CPU, "rows", max_pool_backward_emit_cpu},
                                                         {LBK_CLASS_GENERIC, "gather", max_pool_backward_emit_generic},
                                                         {.emit = NULL}};

static const lbk_variant max_pool_gather_variants[] = {{LBK_CLASS_GENERIC, "element", max_pool_gather_emit},
                                                       {.emit = NULL}};

static const lbk_op_example max_pool_examples[] = {
    {.params = "kernel=2", .input = {{4, {2, 8, 8, 16}}}, .input_count = 1},
    {.params = "kernel=3 stride=2 padding=1", .input = {{4, {3, 11, 7, 5}}}, .input_count = 1},
    {.params = "kernel=1", .input = {{4, {1, 1, 1, 1}}}, .input_count = 1},
    {.params = "kernel=2,3 stride=1,2 padding=1,0", .input = {{4, {2, 5, 9, 3}}}, .input_count = 1},
    {.params = "kernel=3 stride=2 padding=1,0 ceil_mode=yes", .input = {{4, {2, 6, 8, 18}}}, .input_count = 1},
};

#define POOL_TWICE(...)                                                                                                \
    { __VA_ARGS__, __VA_ARGS__ }
static const lbk_op_example max_pool_backward_examples[] = {
    {.params = "kernel=2 height=8 width=8",
     .input = POOL_TWICE({4, {2, 4, 4, 16}}),
     .input_count = 2,
     .integer_below = 4},
    {.params = "kernel=3 stride=2 padding=1 height=11 width=7",
     .input = POOL_TWICE({4, {3, 6, 4, 5}}),
     .input_count = 2,
     .integer_below = 9},
    {.params = "kernel=1 height=1 width=1",
     .input = POOL_TWICE({4, {1, 1, 1, 1}}),
     .input_count = 2,
     .integer_below = 1},
    {.params = "kernel=2,3 stride=1,2 padding=1,0 height=5 width=9",
     .input = POOL_TWICE({4, {2, 6, 4, 3}}),
     .input_count = 2,
     .integer_below = 6},
    {.params = "kernel=3 stride=2 padding=1,0 ceil_mode=yes height=6 width=8",
     .input = POOL_TWICE({4, {2, 4, 4, 18}}),
     .input_count = 2,
     .integer_below = 4},
};

static const lbk_op_example max_pool_gather_examples[] = {
    {.params = "kernel=2", .input = {{4, {2, 8, 8, 16}}, {4, {2, 4, 4, 16}}}, .input_count = 2, .integer_below = 4},
    {.params = "kernel=3 stride=2 padding=1",
     .input = {{4, {3, 11, 7, 5}}, {4, {3, 6, 4, 5}}},
     .input_count = 2,
     .integer_below = 9},
    {.params = "kernel=1", .input = {{4, {1, 1, 1, 1}}, {4, {1, 1, 1, 1}}}, .input_count = 2, .integer_below = 1},
};

static const lbk_op max_pool_op = {
    .name = "max_pool2d",
    .summary = "maximum over windows of pixels",
    .formula = "y[n,h,w,c] = max over i < KH, j < KW of x[n, h*SH - PH + i, w*SW - PW + j, c]",
    .inputs = "x[N,H,W,C]",
    .outputs = "y[N,OH,OW,C] where[N,OH,OW,C]:i32",
    .params = max_pool_table,
    .params_size = sizeof(lbk_pool_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .layer = true,
    .infer = max_pool_infer,
    .cost = max_pool_cost,
    .differentiate = max_pool_differentiate,
    .reference = max_pool_reference,
    .variants = max_pool_variants,
    .examples = max_pool_examples,
    .example_count = sizeof max_pool_examples / sizeof *max_pool_examples,
};

static const lbk_op max_pool_backward_op = {
    .name = "max_pool2d_backward",
    .summary = "derivative of max_pool2d",
    .formula = "dx[n,h,w,c] = sum of dy over the windows whose maximum was at (h, w)",
    .inputs = "dy[N,OH,OW,C] where[N,OH,OW,C]:i32",
    .outputs = "dx[N,H,W,C]",
    .params = max_pool_backward_table,
    .params_size = sizeof(lbk_pool_backward_params),
    .min_inputs = 2,
    .max_inputs = 2,
    .integers = 1u << 1,
    .infer = max_pool_backward_infer,
    .cost = max_pool_backward_cost,
    .differentiate = max_pool_backward_differentiate,
    .reference = max_pool_backward_reference,
    .variants = max_pool_backward_variants,
    .examples = max_pool_backward_examples,
    .example_count = sizeof max_pool_backward_examples / sizeof *max_pool_backward_examples,
};

static const lbk_op max_pool_gather_op = {
    .name = "max_pool2d_gather",
    .summary = "derivative of max_pool2d_backward: what lies where the maxima were; 0 for a place in the padding",
    .formula = "y[n,h,w,c] = x[n, h*SH - PH + i, w*SW - PW + j, c], i KW + j = where[n,h,w,c]",
    .inputs = "x[N,H,W,C] where[N,OH,OW,C]:i32",
    .outputs = "y[N,OH,OW,C]",
    .params = max_pool_table,
    .params_size = sizeof(lbk_pool_params),
    .min_inputs = 2,
    .max_inputs = 2,
    .integers = 1u << 1,
    .infer = max_pool_gather_infer,
    .cost = max_pool_gather_cost,
    .differentiate = max_pool_gather_differentiate,
    .reference = max_pool_gather_reference,
    .variants = max_pool_gather_variants,
    .examples = max_pool_gather_examples,
    .example_count = sizeof max_pool_gather_examples / sizeof *max_pool_gather_examples,
};

const lbk_op *const lbk_ops_max_pool2d[] = {&max_pool_op, &max_pool_backward_op, &max_pool_gather_op, NULL};

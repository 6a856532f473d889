/* avg_pool2d over x[N,H,W,C]. count_include_pad as in PyTorch: whether padded pixels count in the divisor. */
#include "ops/pool.h"
#include "ops/resample.h"

#define COUNT_ROW(S)                                                                                                   \
    LBK_PARAM_BOOL(S, count_include_pad, "yes", "divide by the window's size, padding included", "PyTorch's meaning")
static const lbk_param pool_table[] = {LBK_POOL_ROWS(lbk_pool_params), COUNT_ROW(lbk_pool_params), LBK_PARAM_END};
static const lbk_param backward_table[] = {LBK_POOL_ROWS(lbk_pool_backward_params), COUNT_ROW(lbk_pool_backward_params),
                                           LBK_POOL_BACKWARD_ROWS(lbk_pool_backward_params), LBK_PARAM_END};

static lbk_resample map_of(const lbk_pool_size *s, bool include_pad) {
    return (lbk_resample){.kind = include_pad ? LBK_RESAMPLE_AVERAGE : LBK_RESAMPLE_AVERAGE_INSIDE,
                          .n = s->n,
                          .c = s->c,
                          .axis = {{s->h, s->oh, s->sh, -s->ph, s->kh}, {s->w, s->ow, s->sw, -s->pw, s->kw}}};
}

static lbk_status pool_map(const lbk_pool_params *p, const lbk_shape *x, lbk_resample *map) {
    lbk_pool_size s;
    LBK_TRY(lbk_pool_size_init(&s, p, x));
    *map = map_of(&s, p->count_include_pad);
    return lbk_resample_check(map);
}

static lbk_status backward_map(const lbk_pool_backward_params *p, const lbk_shape *dy, lbk_resample *map) {
    lbk_pool_size s;
    LBK_TRY(lbk_pool_size_backward(&s, p, dy));
    *map = map_of(&s, p->count_include_pad);
    return lbk_resample_check(map);
}

static lbk_status pool_infer(lbk_infer *infer) {
    lbk_resample map;
    LBK_TRY(lbk_infer_rank(infer, 0, "x", 4));
    LBK_TRY(pool_map(infer->params, &infer->input[0].shape, &map));
    lbk_infer_output(infer, LBK_F32, lbk_resample_shape(&map, true));
    return LBK_OK;
}

static lbk_status backward_infer(lbk_infer *infer) {
    lbk_resample map;
    LBK_TRY(lbk_infer_rank(infer, 0, "dy", 4));
    LBK_TRY(backward_map(infer->params, &infer->input[0].shape, &map));
    lbk_infer_output(infer, LBK_F32, lbk_resample_shape(&map, false));
    return LBK_OK;
}

static void pool_cost(const lbk_infer *shapes, lbk_cost *cost) {
    const lbk_pool_params *p = shapes->params;
    lbk_cost_elementwise(shapes, 0, cost);
    cost->flops = (double)lbk_ops_count(&shapes->output[0]) * p->kernel[0] * p->kernel[1];
}

static void backward_cost(const lbk_infer *shapes, lbk_cost *cost) {
    const lbk_pool_backward_params *p = shapes->params;
    lbk_cost_elementwise(shapes, (double)p->kernel[0] * p->kernel[1], cost);
}

static void pool_reference(const lbk_reference *r) {
    lbk_resample map;
    if (pool_map(r->params, &r->input[0].shape, &map) == LBK_OK)
        lbk_resample_reference(&map, r->in[0], r->out[0], false);
}

static void backward_reference(const lbk_reference *r) {
    lbk_resample map;
    if (backward_map(r->params, &r->input[0].shape, &map) == LBK_OK)
        lbk_resample_reference(&map, r->in[0], r->out[0], true);
}

static lbk_status pool_differentiate(lbk_gradient *g) {
    lbk_pool_backward_params params = lbk_pool_backward_of(g->params, &g->input_desc[0].shape);
    return lbk_gradient_emit(g, "avg_pool2d_backward", &params, 1, &g->output_grad[0], &g->input_grad[0]);
}

static lbk_status backward_differentiate(lbk_gradient *g) {
    lbk_pool_params params = lbk_pool_forward_of(g->params);
    return lbk_gradient_emit(g, "avg_pool2d", &params, 1, &g->output_grad[0], &g->input_grad[0]);
}

static lbk_status pool_emit(lbk_emit *e, lbk_class cls) {
    lbk_resample map;
    LBK_TRY(pool_map(e->params, &e->input[0].shape, &map));
    return lbk_resample_emit(e, cls, &map, false);
}

static lbk_status backward_emit(lbk_emit *e, lbk_class cls) {
    lbk_resample map;
    LBK_TRY(backward_map(e->params, &e->input[0].shape, &map));
    return lbk_resample_emit(e, cls, &map, true);
}

LBK_RESAMPLE_VARIANTS(pool)
LBK_RESAMPLE_VARIANTS(backward)

static const lbk_op_example pool_examples[] = {
    {.params = "kernel=2", .input = {{4, {2, 8, 8, 16}}}, .input_count = 1},
    {.params = "kernel=3 stride=2 padding=1", .input = {{4, {3, 11, 7, 5}}}, .input_count = 1},
    {.params = "kernel=3 stride=1 padding=1 count_include_pad=no", .input = {{4, {1, 1, 1, 1}}}, .input_count = 1},
    {.params = "kernel=2,3 stride=1,2 padding=1,0 count_include_pad=no",
     .input = {{4, {2, 5, 9, 3}}},
     .input_count = 1},
    {.params = "kernel=3 stride=2 padding=1 ceil_mode=yes", .input = {{4, {2, 8, 5, 20}}}, .input_count = 1},
};

static const lbk_op_example backward_examples[] = {
    {.params = "kernel=2 height=8 width=8", .input = {{4, {2, 4, 4, 16}}}, .input_count = 1},
    {.params = "kernel=3 stride=2 padding=1 height=11 width=7", .input = {{4, {3, 6, 4, 5}}}, .input_count = 1},
    {.params = "kernel=3 stride=1 padding=1 height=1 width=1 count_include_pad=no",
     .input = {{4, {1, 1, 1, 1}}},
     .input_count = 1},
    {.params = "kernel=2,3 stride=1,2 padding=1,0 height=5 width=9 count_include_pad=no",
     .input = {{4, {2, 6, 4, 3}}},
     .input_count = 1},
    {.params = "kernel=3 stride=2 padding=1 ceil_mode=yes height=8 width=5",
     .input = {{4, {2, 5, 3, 20}}},
     .input_count = 1},
};

static const lbk_op pool_op = {
    .name = "avg_pool2d",
    .summary = "mean over windows of pixels",
    .formula = "y[n,h,w,c] = sum over i < KH, j < KW of x[n, h*SH - PH + i, w*SW - PW + j, c] / count",
    .inputs = "x[N,H,W,C]",
    .outputs = "y[N,OH,OW,C]",
    .params = pool_table,
    .params_size = sizeof(lbk_pool_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .layer = true,
    .infer = pool_infer,
    .cost = pool_cost,
    .differentiate = pool_differentiate,
    .reference = pool_reference,
    .variants = pool_variants,
    .examples = pool_examples,
    .example_count = sizeof pool_examples / sizeof *pool_examples,
};

static const lbk_op backward_op = {
    .name = "avg_pool2d_backward",
    .summary = "derivative of avg_pool2d",
    .formula = "dx[n,h,w,c] = sum of dy / count over the windows that hold (h, w)",
    .inputs = "dy[N,OH,OW,C]",
    .outputs = "dx[N,H,W,C]",
    .params = backward_table,
    .params_size = sizeof(lbk_pool_backward_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = backward_infer,
    .cost = backward_cost,
    .differentiate = backward_differentiate,
    .reference = backward_reference,
    .variants = backward_variants,
    .examples = backward_examples,
    .example_count = sizeof backward_examples / sizeof *backward_examples,
};

const lbk_op *const lbk_ops_avg_pool2d[] = {&pool_op, &backward_op, NULL};

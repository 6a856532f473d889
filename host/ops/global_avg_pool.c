/* global_avg_pool: the mean over all pixels, [N,H,W,C] -> [N,C]. */
#include "ops/reduce.h"

/* The pooled input's size, which dy alone does not tell. */
typedef struct backward_params {
    int height, width;
} backward_params;

static const lbk_param backward_table[] = {
    LBK_PARAM_INT(backward_params, height, NULL, 1, 1 << 20, "pixels", "height of the pooled input", NULL),
    LBK_PARAM_INT(backward_params, width, NULL, 1, 1 << 20, "pixels", "width of the pooled input", NULL),
    LBK_PARAM_END};

static lbk_status pool_infer(lbk_infer *infer) {
    const lbk_shape *x = &infer->input[0].shape;
    LBK_TRY(lbk_infer_rank(infer, 0, "x", 4));
    lbk_infer_output(infer, LBK_F32, lbk_shape_2(x->dim[0], x->dim[3]));
    return LBK_OK;
}

static lbk_status backward_infer(lbk_infer *infer) {
    const backward_params *p = infer->params;
    const lbk_shape *dy = &infer->input[0].shape;
    LBK_TRY(lbk_infer_rank(infer, 0, "dy", 2));
    lbk_infer_output(infer, LBK_F32, lbk_shape_4(dy->dim[0], p->height, p->width, dy->dim[1]));
    return LBK_OK;
}

static void pool_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 1, cost);
}

static void pool_reference(const lbk_reference *r) {
    const lbk_shape *x = &r->input[0].shape;
    int64_t pixels = x->dim[1] * x->dim[2], c = x->dim[3];
    for (int64_t i = 0; i < lbk_ops_count(&r->input[0]); i++)
        r->out[0][i / (pixels * c) * c + i % c] += r->in[0][i] / (double)pixels;
}

static void backward_reference(const lbk_reference *r) {
    const backward_params *p = r->params;
    int64_t pixels = (int64_t)p->height * p->width, c = r->input[0].shape.dim[1];
    for (int64_t i = 0; i < lbk_ops_count(&r->output[0]); i++)
        r->out[0][i] = r->in[0][i / (pixels * c) * c + i % c] / (double)pixels;
}

static lbk_status pool_differentiate(lbk_gradient *g) {
    const lbk_shape *x = &g->input_desc[0].shape;
    backward_params params = {(int)x->dim[1], (int)x->dim[2]};
    return lbk_gradient_emit(g, "global_avg_pool_backward", &params, 1, &g->output_grad[0], &g->input_grad[0]);
}

static lbk_status backward_differentiate(lbk_gradient *g) {
    return lbk_gradient_emit(g, "global_avg_pool", NULL, 1, &g->output_grad[0], &g->input_grad[0]);
}

static lbk_slices slices_of(const lbk_shape *x) {
    return (lbk_slices){x->dim[0], x->dim[1] * x->dim[2], x->dim[3]};
}

static lbk_status pool_emit(lbk_emit *e, lbk_class cls) {
    lbk_slices slices = slices_of(&e->input[0].shape);
    return lbk_sum_emit(e, cls, &slices, 1 / (double)slices.length);
}

static lbk_status backward_emit(lbk_emit *e, lbk_class cls) {
    lbk_slices slices = slices_of(&e->output[0].shape);
    return lbk_spread_emit(e, cls, &slices, 1 / (double)slices.length);
}

LBK_VARIANTS_BY_CLASS(pool, "vector", "tree", "columns")
LBK_VARIANTS_CPU_GENERIC(backward, "rows", "elementwise")

static const lbk_op_example pool_examples[] = {
    {.params = "", .input = {{4, {4, 8, 8, 64}}}, .input_count = 1},
    {.params = "", .input = {{4, {1, 1, 1, 1}}}, .input_count = 1},
    {.params = "", .input = {{4, {3, 7, 5, 13}}}, .input_count = 1},
};

static const lbk_op_example backward_examples[] = {
    {.params = "height=8 width=8", .input = {{2, {4, 64}}}, .input_count = 1},
    {.params = "height=1 width=1", .input = {{2, {1, 1}}}, .input_count = 1},
    {.params = "height=7 width=5", .input = {{2, {3, 13}}}, .input_count = 1},
};

static const lbk_op pool_op = {
    .name = "global_avg_pool",
    .summary = "mean over all pixels",
    .formula = "y[n,c] = sum_hw x[n,h,w,c] / (H W)",
    .inputs = "x[N,H,W,C]",
    .outputs = "y[N,C]",
    .min_inputs = 1,
    .max_inputs = 1,
    .layer = true,
    .infer = pool_infer,
    .cost = pool_cost,
    .differentiate = pool_differentiate,
    .reference = pool_reference,
    .variants = pool_variants,
    .examples = pool_examples,
    .example_count = 3,
};

static const lbk_op backward_op = {
    .name = "global_avg_pool_backward",
    .summary = "derivative of global_avg_pool",
    .formula = "dx[n,h,w,c] = dy[n,c] / (H W)",
    .inputs = "dy[N,C]",
    .outputs = "dx[N,H,W,C]",
    .params = backward_table,
    .params_size = sizeof(backward_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = backward_infer,
    .cost = pool_cost,
    .differentiate = backward_differentiate,
    .reference = backward_reference,
    .variants = backward_variants,
    .examples = backward_examples,
    .example_count = 3,
};

const lbk_op *const lbk_ops_global_avg_pool[] = {&pool_op, &backward_op, NULL};

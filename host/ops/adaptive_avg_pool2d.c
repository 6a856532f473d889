/* adaptive_avg_pool2d: the mean over windows that cut an image into height x width parts, as torch.nn.AdaptiveAvgPool2d. Parts
 * share pixels where the sizes do not divide. An image that has the size already passes as it is. */
#include "ops/resample.h"

typedef struct pool_params {
    int size[2]; /* height, width of y */
} pool_params;

/* The pooled image's size, which dy alone does not tell. */
typedef struct backward_params {
    int height, width;
} backward_params;

static const lbk_param pool_table[] = {LBK_PARAM_PAIR(pool_params, size, NULL, 1, LBK_RESAMPLE_MOST, "pixels",
                                                      "height,width of y; one number for both", NULL),
                                       LBK_PARAM_END};

static const lbk_param backward_table[] = {
    LBK_PARAM_INT(backward_params, height, NULL, 1, LBK_RESAMPLE_MOST, "pixels", "height of x", NULL),
    LBK_PARAM_INT(backward_params, width, NULL, 1, LBK_RESAMPLE_MOST, "pixels", "width of x", NULL), LBK_PARAM_END};

static lbk_resample pool_map(const pool_params *p, const lbk_shape *x) {
    return (lbk_resample){.kind = LBK_RESAMPLE_ADAPTIVE,
                          .n = x->dim[0],
                          .c = x->dim[3],
                          .axis = {{x->dim[1], p->size[0], 0, 0, 1}, {x->dim[2], p->size[1], 0, 0, 1}}};
}

static lbk_resample backward_map(const backward_params *p, const lbk_shape *dy) {
    return (lbk_resample){.kind = LBK_RESAMPLE_ADAPTIVE,
                          .n = dy->dim[0],
                          .c = dy->dim[3],
                          .axis = {{p->height, dy->dim[1], 0, 0, 1}, {p->width, dy->dim[2], 0, 0, 1}}};
}

static lbk_status pool_infer(lbk_infer *infer) {
    LBK_TRY(lbk_infer_rank(infer, 0, "x", 4));
    lbk_resample map = pool_map(infer->params, &infer->input[0].shape);
    LBK_TRY(lbk_resample_check(&map));
    lbk_infer_output(infer, LBK_F32, lbk_resample_shape(&map, true));
    return LBK_OK;
}

static lbk_status backward_infer(lbk_infer *infer) {
    LBK_TRY(lbk_infer_rank(infer, 0, "dy", 4));
    lbk_resample map = backward_map(infer->params, &infer->input[0].shape);
    LBK_TRY(lbk_resample_check(&map));
    lbk_infer_output(infer, LBK_F32, lbk_resample_shape(&map, false));
    return LBK_OK;
}

static void pool_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_resample map = pool_map(shapes->params, &shapes->input[0].shape);
    lbk_resample_cost(&map, shapes, cost);
}

static void backward_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_resample map = backward_map(shapes->params, &shapes->input[0].shape);
    lbk_resample_cost(&map, shapes, cost);
}

static void pool_reference(const lbk_reference *r) {
    lbk_resample map = pool_map(r->params, &r->input[0].shape);
    lbk_resample_reference(&map, r->in[0], r->out[0], false);
}

static void backward_reference(const lbk_reference *r) {
    lbk_resample map = backward_map(r->params, &r->input[0].shape);
    lbk_resample_reference(&map, r->in[0], r->out[0], true);
}

static lbk_status pool_differentiate(lbk_gradient *g) {
    const lbk_shape *x = &g->input_desc[0].shape;
    backward_params params = {(int)x->dim[1], (int)x->dim[2]};
    return lbk_gradient_emit(g, "adaptive_avg_pool2d_backward", &params, 1, &g->output_grad[0], &g->input_grad[0]);
}

static lbk_status backward_differentiate(lbk_gradient *g) {
    const lbk_shape *dy = &g->input_desc[0].shape;
    pool_params params = {{(int)dy->dim[1], (int)dy->dim[2]}};
    return lbk_gradient_emit(g, "adaptive_avg_pool2d", &params, 1, &g->output_grad[0], &g->input_grad[0]);
}

static bool is_still(const lbk_emit *e) {
    return lbk_shape_equal(&e->input[0].shape, &e->output[0].shape);
}

static lbk_status pool_emit(lbk_emit *e, lbk_class cls) {
    lbk_resample map = pool_map(e->params, &e->input[0].shape);
    return is_still(e) ? LBK_OK : lbk_resample_emit(e, cls, &map, false);
}

static lbk_status backward_emit(lbk_emit *e, lbk_class cls) {
    lbk_resample map = backward_map(e->params, &e->input[0].shape);
    return is_still(e) ? LBK_OK : lbk_resample_emit(e, cls, &map, true);
}

LBK_RESAMPLE_VARIANTS(pool)
LBK_RESAMPLE_VARIANTS(backward)

static const lbk_op_example pool_examples[] = {
    {.params = "size=3", .input = {{4, {2, 7, 12, 37}}}, .input_count = 1},
    {.params = "size=5,4", .input = {{4, {3, 3, 4, 5}}}, .input_count = 1},
    {.params = "size=6", .input = {{4, {2, 6, 6, 16}}}, .input_count = 1},
    {.params = "size=1", .input = {{4, {2, 13, 11, 40}}}, .input_count = 1},
};

static const lbk_op_example backward_examples[] = {
    {.params = "height=7 width=12", .input = {{4, {2, 3, 3, 37}}}, .input_count = 1},
    {.params = "height=3 width=4", .input = {{4, {3, 5, 4, 5}}}, .input_count = 1},
    {.params = "height=6 width=6", .input = {{4, {2, 6, 6, 16}}}, .input_count = 1},
    {.params = "height=13 width=11", .input = {{4, {2, 1, 1, 40}}}, .input_count = 1},
};

static const lbk_op pool_op = {
    .name = "adaptive_avg_pool2d",
    .summary = "mean over windows that cut an image into parts of given number",
    .formula = "y[n,i,j,c] = mean of x[n,r,s,c], floor(i H / OH) <= r < ceil((i + 1) H / OH), s alike",
    .inputs = "x[N,H,W,C]",
    .outputs = "y[N,OH,OW,C]",
    .params = pool_table,
    .params_size = sizeof(pool_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .alias = 1,
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
    .name = "adaptive_avg_pool2d_backward",
    .summary = "derivative of adaptive_avg_pool2d",
    .formula = "dx[n,r,s,c] = sum of dy / (pixels of the window) over the windows that hold (r, s)",
    .inputs = "dy[N,OH,OW,C]",
    .outputs = "dx[N,height,width,C]",
    .params = backward_table,
    .params_size = sizeof(backward_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .alias = 1,
    .infer = backward_infer,
    .cost = backward_cost,
    .differentiate = backward_differentiate,
    .reference = backward_reference,
    .variants = backward_variants,
    .examples = backward_examples,
    .example_count = sizeof backward_examples / sizeof *backward_examples,
};

const lbk_op *const lbk_ops_adaptive_avg_pool2d[] = {&pool_op, &backward_op, NULL};

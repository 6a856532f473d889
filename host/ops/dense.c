/* dense: a fully connected layer, y = x * weight + bias over the last dimension, and its two derivatives. */
#include "ops/gemm.h"

typedef struct dense_params {
    int out;
    bool bias, relu, transposed;
} dense_params;

static const lbk_param dense_table[] = {
    LBK_PARAM_INT(dense_params, out, NULL, 1, 1 << 24, "units", "output units", NULL),
    LBK_PARAM_BOOL(dense_params, bias, "yes", "add a bias per output unit", NULL),
    LBK_PARAM_BOOL(dense_params, relu, "no", "y = max(y, 0) in the same pass", NULL),
    LBK_PARAM_BOOL(dense_params, transposed, "no", "the weight lies as [N,K], like an embedding's: to share one", NULL),
    LBK_PARAM_END};

enum { X, WEIGHT, BIAS }; /* inputs of dense */

/* `shape` with another last dimension. */
static lbk_shape with_last(lbk_shape shape, int64_t last) {
    shape.dim[shape.rank - 1] = last;
    return shape;
}

static lbk_shape weight_shape(const dense_params *p, int64_t in) {
    return p->transposed ? lbk_shape_2(p->out, in) : lbk_shape_2(in, p->out);
}

static lbk_status dense_infer(lbk_infer *infer) {
    const dense_params *p = infer->params;
    const lbk_shape *x = &infer->input[X].shape;
    if (x->rank < 2)
        return lbk_fail(LBK_ERR_INPUT, "x has %d dimensions, expected at least 2", x->rank);
    LBK_TRY(lbk_infer_shape(infer, WEIGHT, "weight", weight_shape(p, lbk_shape_last(x))));
    if (lbk_infer_has(infer, BIAS))
        LBK_TRY(lbk_infer_shape(infer, BIAS, "bias", lbk_shape_1(p->out)));
    lbk_infer_output(infer, LBK_F32, with_last(*x, p->out));
    return LBK_OK;
}

static void dense_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 2.0 * (double)lbk_shape_last(&shapes->output[0].shape), cost);
}

static void dense_reference(const lbk_reference *r) {
    const dense_params *p = r->params;
    int64_t rows = lbk_ops_rows(&r->input[X].shape), in = lbk_shape_last(&r->input[X].shape), out = p->out;
    const double *bias = r->input_count > BIAS ? r->in[BIAS] : NULL;
    for (int64_t m = 0; m < rows; m++)
        for (int64_t n = 0; n < out; n++) {
            double sum = bias ? bias[n] : 0;
            for (int64_t k = 0; k < in; k++)
                sum += r->in[X][m * in + k] * r->in[WEIGHT][p->transposed ? n * in + k : k * out + n];
            r->out[0][m * out + n] = p->relu && sum < 0 ? 0 : sum;
        }
}

static lbk_status dense_differentiate(lbk_gradient *g) {
    const dense_params *p = g->params;
    lbk_value dy = g->output_grad[0];
    if (p->relu)
        LBK_TRY(lbk_gradient_emit(g, "relu_backward", NULL, 2, (lbk_value[]){dy, g->output[0]}, &dy));
    /* With the weight transposed, dense and its derivative by x are each other's. */
    const lbk_value factors[] = {dy, g->input[WEIGHT]}, pair[] = {g->input[X], dy}, swapped[] = {dy, g->input[X]};
    const dense_params back = {.out = (int)lbk_shape_last(&g->input_desc[X].shape)};
    if (g->wanted[X])
        LBK_TRY(lbk_gradient_emit(g, p->transposed ? "dense" : "dense_backward_data", p->transposed ? &back : NULL, 2,
                                  factors, &g->input_grad[X]));
    if (g->wanted[WEIGHT])
        LBK_TRY(lbk_gradient_emit(g, "dense_backward_weights", NULL, 2, p->transposed ? swapped : pair,
                                  &g->input_grad[WEIGHT]));
    if (g->input_count > BIAS && g->wanted[BIAS])
        LBK_TRY(lbk_gradient_emit(g, "reduce_rows", NULL, 1, &dy, &g->input_grad[BIAS]));
    return LBK_OK;
}

static lbk_status dense_weights(const void *params, const lbk_tensor_desc *input, lbk_weight_list *list) {
    const dense_params *p = params;
    int64_t in = lbk_shape_last(&input->shape);
    list->count = p->bias ? 2 : 1;
    list->item[0] = (lbk_weight){.suffix = "weight",
                                 .kind = LBK_WEIGHT_PARAM,
                                 .input = WEIGHT,
                                 .shape = weight_shape(p, in),
                                 .layout = p->transposed ? LBK_LAYOUT_SAME : LBK_LAYOUT_OI,
                                 .init = LBK_INIT_UNIFORM_FAN_IN,
                                 .fan_in = in,
                                 .fan_out = p->out};
    list->item[1] = (lbk_weight){.suffix = "bias",
                                 .kind = LBK_WEIGHT_PARAM,
                                 .input = BIAS,
                                 .shape = lbk_shape_1(p->out),
                                 .init = LBK_INIT_UNIFORM_FAN_IN,
                                 .fan_in = in,
                                 .fan_out = p->out};
    return LBK_OK;
}

static lbk_status dense_emit(lbk_emit *e, lbk_gemm_way way) {
    const dense_params *p = e->params;
    const lbk_shape *x = &e->input[X].shape;
    lbk_gemm g = lbk_gemm_of(lbk_ops_rows(x), p->out, lbk_shape_last(x), false, p->transposed, lbk_gemm_output(0),
                             lbk_gemm_input(X), lbk_gemm_input(WEIGHT));
    g.has_bias = lbk_emit_has(e, BIAS);
    g.bias = lbk_gemm_input(BIAS);
    g.relu = p->relu;
    return lbk_gemm_emit(e, way, &g);
}

/* dx = dy * weight^T; inputs dy[..., out], weight[in, out]. */
static lbk_status data_infer(lbk_infer *infer) {
    const lbk_shape *dy = &infer->input[0].shape, *weight = &infer->input[1].shape;
    LBK_TRY(lbk_infer_rank(infer, 1, "weight", 2));
    if (dy->rank < 2)
        return lbk_fail(LBK_ERR_INPUT, "dy has %d dimensions, expected at least 2", dy->rank);
    LBK_TRY(lbk_infer_shape(infer, 1, "weight", lbk_shape_2(weight->dim[0], lbk_shape_last(dy))));
    lbk_infer_output(infer, LBK_F32, with_last(*dy, weight->dim[0]));
    return LBK_OK;
}

static void data_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 2.0 * (double)shapes->input[1].shape.dim[0], cost);
}

static void data_reference(const lbk_reference *r) {
    int64_t rows = lbk_ops_rows(&r->input[0].shape), in = r->input[1].shape.dim[0], out = r->input[1].shape.dim[1];
    for (int64_t m = 0; m < rows; m++)
        for (int64_t k = 0; k < in; k++)
            for (int64_t n = 0; n < out; n++)
                r->out[0][m * in + k] += r->in[0][m * out + n] * r->in[1][k * out + n];
}

static lbk_status data_differentiate(lbk_gradient *g) {
    lbk_value ddx = g->output_grad[0];
    dense_params forward = {.out = (int)g->input_desc[1].shape.dim[1]};
    if (g->wanted[0])
        LBK_TRY(lbk_gradient_emit(g, "dense", &forward, 2, (lbk_value[]){ddx, g->input[1]}, &g->input_grad[0]));
    if (g->wanted[1])
        LBK_TRY(lbk_gradient_emit(g, "dense_backward_weights", NULL, 2, (lbk_value[]){ddx, g->input[0]},
                                  &g->input_grad[1]));
    return LBK_OK;
}

static lbk_status data_emit(lbk_emit *e, lbk_gemm_way way) {
    const lbk_shape *dy = &e->input[0].shape;
    lbk_gemm g = lbk_gemm_of(lbk_ops_rows(dy), e->input[1].shape.dim[0], lbk_shape_last(dy), false, true,
                             lbk_gemm_output(0), lbk_gemm_input(0), lbk_gemm_input(1));
    return lbk_gemm_emit(e, way, &g);
}

/* dweight = x^T * dy; inputs x[..., in], dy[..., out]. */
static lbk_status weights_infer(lbk_infer *infer) {
    const lbk_shape *x = &infer->input[0].shape, *dy = &infer->input[1].shape;
    if (x->rank < 2)
        return lbk_fail(LBK_ERR_INPUT, "x has %d dimensions, expected at least 2", x->rank);
    LBK_TRY(lbk_infer_rank(infer, 1, "dy", x->rank));
    LBK_TRY(lbk_infer_shape(infer, 1, "dy", with_last(*x, lbk_shape_last(dy))));
    lbk_infer_output(infer, LBK_F32, lbk_shape_2(lbk_shape_last(x), lbk_shape_last(dy)));
    return LBK_OK;
}

static void weights_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 2.0 * (double)lbk_shape_last(&shapes->input[1].shape), cost);
}

static void weights_reference(const lbk_reference *r) {
    int64_t rows = lbk_ops_rows(&r->input[0].shape), in = r->output[0].shape.dim[0], out = r->output[0].shape.dim[1];
    for (int64_t m = 0; m < rows; m++)
        for (int64_t k = 0; k < in; k++)
            for (int64_t n = 0; n < out; n++)
                r->out[0][k * out + n] += r->in[0][m * in + k] * r->in[1][m * out + n];
}

static lbk_status weights_differentiate(lbk_gradient *g) {
    lbk_value ddw = g->output_grad[0];
    dense_params forward = {.out = (int)lbk_shape_last(&g->input_desc[1].shape)};
    if (g->wanted[0])
        LBK_TRY(
            lbk_gradient_emit(g, "dense_backward_data", NULL, 2, (lbk_value[]){g->input[1], ddw}, &g->input_grad[0]));
    if (g->wanted[1])
        LBK_TRY(lbk_gradient_emit(g, "dense", &forward, 2, (lbk_value[]){g->input[0], ddw}, &g->input_grad[1]));
    return LBK_OK;
}

static lbk_status weights_emit(lbk_emit *e, lbk_gemm_way way) {
    const lbk_shape *x = &e->input[0].shape;
    lbk_gemm g = lbk_gemm_of(lbk_shape_last(x), lbk_shape_last(&e->input[1].shape), lbk_ops_rows(x), true, false,
                             lbk_gemm_output(0), lbk_gemm_input(0), lbk_gemm_input(1));
    return lbk_gemm_emit(e, way, &g);
}

LBK_GEMM_VARIANTS(dense)
LBK_GEMM_VARIANTS(data)
LBK_GEMM_VARIANTS(weights)

static const lbk_op_example dense_examples[] = {
    {.params = "out=10", .input = {{2, {64, 64}}, {2, {64, 10}}, {1, {10}}}, .input_count = 3},
    {.params = "out=1 bias=no", .input = {{2, {3, 5}}, {2, {5, 1}}}, .input_count = 2},
    {.params = "out=65 relu=yes", .input = {{3, {5, 29, 131}}, {2, {131, 65}}, {1, {65}}}, .input_count = 3},
    {.params = "out=19 transposed=yes relu=yes", .input = {{2, {33, 40}}, {2, {19, 40}}, {1, {19}}}, .input_count = 3},
    {.params = "out=300", .input = {{2, {130, 270}}, {2, {270, 300}}, {1, {300}}}, .input_count = 3},
};
static const lbk_op_example data_examples[] = {
    {.params = "", .input = {{2, {64, 10}}, {2, {64, 10}}}, .input_count = 2},
    {.params = "", .input = {{2, {3, 1}}, {2, {5, 1}}}, .input_count = 2},
    {.params = "", .input = {{3, {5, 29, 65}}, {2, {131, 65}}}, .input_count = 2},
    {.params = "", .input = {{2, {130, 300}}, {2, {270, 300}}}, .input_count = 2},
};
static const lbk_op_example weights_examples[] = {
    {.params = "", .input = {{2, {64, 64}}, {2, {64, 10}}}, .input_count = 2},
    {.params = "", .input = {{2, {3, 5}}, {2, {3, 1}}}, .input_count = 2},
    {.params = "", .input = {{3, {5, 29, 131}}, {3, {5, 29, 65}}}, .input_count = 2},
    {.params = "", .input = {{2, {130, 270}}, {2, {130, 300}}}, .input_count = 2},
};

static const lbk_op dense_op = {
    .name = "dense",
    .summary = "fully connected layer over the last dimension",
    .formula = "y[...,n] = sum over k of x[...,k] * weight[k,n] + bias[n]",
    .inputs = "x[...,K] weight[K,N] bias[N]?",
    .outputs = "y[...,N]",
    .params = dense_table,
    .params_size = sizeof(dense_params),
    .multiplied = 3,
    .min_inputs = 2,
    .max_inputs = 3,
    .layer = true,
    .infer = dense_infer,
    .cost = dense_cost,
    .differentiate = dense_differentiate,
    .reference = dense_reference,
    .variants = dense_variants,
    .examples = dense_examples,
    .example_count = 5,
    .weights = dense_weights,
};

static const lbk_op data_op = {
    .name = "dense_backward_data",
    .summary = "derivative of dense with respect to x",
    .formula = "dx[...,k] = sum over n of dy[...,n] * weight[k,n]",
    .inputs = "dy[...,N] weight[K,N]",
    .outputs = "dx[...,K]",
    .multiplied = 3,
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = data_infer,
    .cost = data_cost,
    .differentiate = data_differentiate,
    .reference = data_reference,
    .variants = data_variants,
    .examples = data_examples,
    .example_count = 4,
};

static const lbk_op weights_op = {
    .name = "dense_backward_weights",
    .summary = "derivative of dense with respect to its weights",
    .formula = "dweight[k,n] = sum over rows of x[...,k] * dy[...,n]",
    .inputs = "x[...,K] dy[...,N]",
    .outputs = "dweight[K,N]",
    .multiplied = 3,
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = weights_infer,
    .cost = weights_cost,
    .differentiate = weights_differentiate,
    .reference = weights_reference,
    .variants = weights_variants,
    .examples = weights_examples,
    .example_count = 4,
};

const lbk_op *const lbk_ops_dense[] = {&dense_op, &data_op, &weights_op, NULL};

/* prelu: a rectifier that learns its slope on the negative side (He et al., "Delving deep into rectifiers", 2015), one for
 * all channels or one each. */
#include "ops/broadcast.h"

typedef struct prelu_params {
    int num_parameters;
} prelu_params;

static const lbk_param prelu_table[] = {LBK_PARAM_INT(prelu_params, num_parameters, "1", 1, 1 << 24, "channels",
                                                      "slopes: 1, or as many as channels", "PyTorch's PReLU"),
                                        LBK_PARAM_END};

/* `x` and the weight behind it are inputs `at` and at + 1. */
static lbk_status check_weight(const lbk_infer *infer, int at) {
    int64_t channels = lbk_shape_last(&infer->input[at].shape);
    int64_t count = ((const prelu_params *)infer->params)->num_parameters;
    if (count != 1 && count != channels)
        return lbk_fail(LBK_ERR_INPUT, "num_parameters is %lld, expected 1 or the number of channels, %lld",
                        (long long)count, (long long)channels);
    return lbk_infer_shape(infer, at + 1, "weight", lbk_shape_1(count));
}

static lbk_status prelu_infer(lbk_infer *infer) {
    LBK_TRY(check_weight(infer, 0));
    lbk_infer_output(infer, LBK_F32, infer->input[0].shape);
    return LBK_OK;
}

static lbk_status backward_infer(lbk_infer *infer) {
    LBK_TRY(check_weight(infer, 1));
    LBK_TRY(lbk_infer_shape(infer, 0, "dy", infer->input[1].shape));
    lbk_infer_output(infer, LBK_F32, infer->input[0].shape);
    return LBK_OK;
}

static void prelu_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 1, cost);
}

static void prelu_reference(const lbk_reference *r) {
    int64_t slopes = ((const prelu_params *)r->params)->num_parameters;
    for (int64_t i = 0; i < lbk_ops_count(&r->input[0]); i++)
        r->out[0][i] = r->in[0][i] > 0 ? r->in[0][i] : r->in[1][i % slopes] * r->in[0][i];
}

static void backward_x_reference(const lbk_reference *r) {
    int64_t slopes = ((const prelu_params *)r->params)->num_parameters;
    for (int64_t i = 0; i < lbk_ops_count(&r->input[0]); i++)
        r->out[0][i] = r->in[0][i] * (r->in[1][i] > 0 ? 1 : r->in[2][i % slopes]);
}

static void backward_weight_reference(const lbk_reference *r) {
    for (int64_t i = 0; i < lbk_ops_count(&r->input[0]); i++)
        r->out[0][i] = r->in[0][i] * (r->in[1][i] > 0 ? 0 : r->in[1][i]);
}

static lbk_status prelu_differentiate(lbk_gradient *g) {
    const lbk_value inputs[] = {g->output_grad[0], g->input[0], g->input[1]};
    lbk_value full;
    if (g->wanted[0])
        LBK_TRY(lbk_gradient_emit(g, "prelu_backward_x", g->params, 3, inputs, &g->input_grad[0]));
    if (!g->wanted[1])
        return LBK_OK;
    LBK_TRY(lbk_gradient_emit(g, "prelu_backward_weight", g->params, 3, inputs, &full));
    return lbk_broadcast_sum(g, full, 1, &g->input_grad[1]);
}

static lbk_status prelu_emit(lbk_emit *e, lbk_class cls) {
    return lbk_broadcast_emit(e, cls, "value", "-DFUNCTION=value_prelu");
}

static lbk_status backward_x_emit(lbk_emit *e, lbk_class cls) {
    return lbk_broadcast_emit(e, cls, "backward", "-DFUNCTION=slope_a_prelu");
}

static lbk_status backward_weight_emit(lbk_emit *e, lbk_class cls) {
    return lbk_broadcast_emit(e, cls, "backward", "-DFUNCTION=slope_b_prelu");
}

LBK_VARIANTS_BY_CLASS(prelu, "vector", "float4", "element")
LBK_VARIANTS_BY_CLASS(backward_x, "vector", "float4", "element")
LBK_VARIANTS_BY_CLASS(backward_weight, "vector", "float4", "element")

static const lbk_op_example prelu_examples[] = {
    {.params = "num_parameters=24", .input = {{4, {2, 7, 5, 24}}, {1, {24}}}, .input_count = 2},
    {.params = "", .input = {{2, {13, 1021}}, {1, {1}}}, .input_count = 2},
    {.params = "", .input = {{1, {1}}, {1, {1}}}, .input_count = 2},
};

static const lbk_op_example backward_examples[] = {
    {.params = "num_parameters=24", .input = {{4, {2, 7, 5, 24}}, {4, {2, 7, 5, 24}}, {1, {24}}}, .input_count = 3},
    {.params = "", .input = {{2, {13, 1021}}, {2, {13, 1021}}, {1, {1}}}, .input_count = 3},
    {.params = "", .input = {{1, {1}}, {1, {1}}, {1, {1}}}, .input_count = 3},
};

static lbk_status prelu_weights(const void *params, const lbk_tensor_desc *input, lbk_weight_list *list) {
    (void)input;
    const lbk_shape shape = lbk_shape_1(((const prelu_params *)params)->num_parameters);
    list->count = 1;
    list->item[0] = (lbk_weight){.suffix = "weight",
                                 .kind = LBK_WEIGHT_PARAM,
                                 .input = 1,
                                 .shape = shape,
                                 .init = LBK_INIT_NORMAL, /* 0.25 each: He et al. 2015 */
                                 .mean = 0.25};
    return LBK_OK;
}

static const lbk_op prelu_op = {
    .name = "prelu",
    .summary = "rectified linear unit with a trained slope on the negative side (He et al. 2015)",
    .formula = "y = x where x > 0, else weight[c] * x",
    .inputs = "x[...,C] weight[1 or C]",
    .outputs = "y[...,C]",
    .params = prelu_table,
    .params_size = sizeof(prelu_params),
    .min_inputs = 2,
    .max_inputs = 2,
    .inplace = 1,
    .layer = true,
    .infer = prelu_infer,
    .cost = prelu_cost,
    .differentiate = prelu_differentiate,
    .reference = prelu_reference,
    .variants = prelu_variants,
    .examples = prelu_examples,
    .example_count = 3,
    .weights = prelu_weights,
};

static const lbk_op backward_x_op = {
    .name = "prelu_backward_x",
    .summary = "derivative of prelu with respect to x",
    .formula = "dx = dy where x > 0, else weight[c] * dy",
    .inputs = "dy[...,C] x[...,C] weight[1 or C]",
    .outputs = "dx[...,C]",
    .params = prelu_table,
    .params_size = sizeof(prelu_params),
    .min_inputs = 3,
    .max_inputs = 3,
    .inplace = 1,
    .infer = backward_infer,
    .cost = prelu_cost,
    .reference = backward_x_reference,
    .variants = backward_x_variants,
    .examples = backward_examples,
    .example_count = 3,
};

static const lbk_op backward_weight_op = {
    .name = "prelu_backward_weight",
    .summary = "derivative of prelu with respect to the weight, not yet summed over what shares one",
    .formula = "dweight = 0 where x > 0, else x * dy",
    .inputs = "dy[...,C] x[...,C] weight[1 or C]",
    .outputs = "dweight[...,C]",
    .params = prelu_table,
    .params_size = sizeof(prelu_params),
    .min_inputs = 3,
    .max_inputs = 3,
    .inplace = 1,
    .infer = backward_infer,
    .cost = prelu_cost,
    .reference = backward_weight_reference,
    .variants = backward_weight_variants,
    .examples = backward_examples,
    .example_count = 3,
};

const lbk_op *const lbk_ops_prelu[] = {&prelu_op, &backward_x_op, &backward_weight_op, NULL};

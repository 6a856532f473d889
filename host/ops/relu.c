/* relu: y = max(x, 0). A NaN stays a NaN, so that a diverged run shows. */
#include "ops/support.h"

static lbk_status relu_infer(lbk_infer *infer) {
    lbk_infer_output(infer, LBK_F32, infer->input[0].shape);
    return LBK_OK;
}

static lbk_status relu_backward_infer(lbk_infer *infer) {
    LBK_TRY(lbk_infer_shape(infer, 1, "y", infer->input[0].shape));
    lbk_infer_output(infer, LBK_F32, infer->input[0].shape);
    return LBK_OK;
}

static void relu_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 1, cost);
}

static void relu_reference(const lbk_reference *r) {
    for (int64_t i = 0; i < lbk_ops_count(&r->input[0]); i++)
        r->out[0][i] = r->in[0][i] > 0 ? r->in[0][i] : 0;
}

static void relu_backward_reference(const lbk_reference *r) {
    for (int64_t i = 0; i < lbk_ops_count(&r->input[0]); i++)
        r->out[0][i] = r->in[1][i] > 0 ? r->in[0][i] : 0;
}

/* At x = 0 the derivative is taken as 0, as in PyTorch. */
static lbk_status relu_differentiate(lbk_gradient *g) {
    const lbk_value inputs[] = {g->output_grad[0], g->output[0]};
    return lbk_gradient_emit(g, "relu_backward", NULL, 2, inputs, &g->input_grad[0]);
}

/* Linear in dy; y only says where. */
static lbk_status relu_backward_differentiate(lbk_gradient *g) {
    const lbk_value inputs[] = {g->output_grad[0], g->input[1]};
    if (!g->wanted[0])
        return LBK_OK;
    return lbk_gradient_emit(g, "relu_backward", NULL, 2, inputs, &g->input_grad[0]);
}

static lbk_status relu_emit(lbk_emit *e) {
    lbk_call *call;
    return lbk_emit_elementwise(e, "generic/relu", "relu", lbk_ops_count(&e->input[0]), &call);
}

static lbk_status relu_backward_emit(lbk_emit *e) {
    lbk_call *call;
    return lbk_emit_elementwise(e, "generic/relu", "relu_backward", lbk_ops_count(&e->input[0]), &call);
}

static const lbk_variant relu_variants[] = {{LBK_CLASS_GENERIC, "elementwise", relu_emit}, {.emit = NULL}};
static const lbk_variant relu_backward_variants[] = {{LBK_CLASS_GENERIC, "elementwise", relu_backward_emit},
                                                     {.emit = NULL}};

static const lbk_op_example relu_examples[] = {
    {.params = "", .input = {{4, {2, 5, 7, 3}}}, .input_count = 1},
    {.params = "", .input = {{1, {1}}}, .input_count = 1},
    {.params = "", .input = {{2, {13, 1021}}}, .input_count = 1},
};

static const lbk_op_example relu_backward_examples[] = {
    {.params = "", .input = {{4, {2, 5, 7, 3}}, {4, {2, 5, 7, 3}}}, .input_count = 2},
    {.params = "", .input = {{1, {1}}, {1, {1}}}, .input_count = 2},
    {.params = "", .input = {{2, {13, 1021}}, {2, {13, 1021}}}, .input_count = 2},
};

static const lbk_op relu_op = {
    .name = "relu",
    .summary = "rectified linear unit",
    .formula = "y = max(x, 0)",
    .inputs = "x[...]",
    .outputs = "y[...]",
    .min_inputs = 1,
    .max_inputs = 1,
    .inplace = 1,
    .layer = true,
    .infer = relu_infer,
    .cost = relu_cost,
    .differentiate = relu_differentiate,
    .reference = relu_reference,
    .variants = relu_variants,
    .examples = relu_examples,
    .example_count = 3,
};

static const lbk_op relu_backward_op = {
    .name = "relu_backward",
    .summary = "derivative of relu",
    .formula = "dx = dy where y > 0, else 0",
    .inputs = "dy[...] y[...]",
    .outputs = "dx[...]",
    .min_inputs = 2,
    .max_inputs = 2,
    .inplace = 1,
    .infer = relu_backward_infer,
    .cost = relu_cost,
    .differentiate = relu_backward_differentiate,
    .reference = relu_backward_reference,
    .variants = relu_backward_variants,
    .examples = relu_backward_examples,
    .example_count = 3,
};

const lbk_op *const lbk_ops_relu[] = {&relu_op, &relu_backward_op, NULL};

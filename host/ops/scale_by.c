/* scale_by: a tensor times a scalar that is read when the kernel runs (a scheduled weight, an incoming gradient). */
#include "ops/broadcast.h"

static lbk_status scale_by_infer(lbk_infer *infer) {
    LBK_TRY(lbk_infer_shape(infer, 1, "s", lbk_shape_1(1)));
    lbk_infer_output(infer, LBK_F32, infer->input[0].shape);
    return LBK_OK;
}

static void scale_by_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 1, cost);
}

static void scale_by_reference(const lbk_reference *r) {
    for (int64_t i = 0; i < lbk_ops_count(&r->input[0]); i++)
        r->out[0][i] = r->in[0][i] * r->in[1][0];
}

static lbk_status scale_by_differentiate(lbk_gradient *g) {
    if (g->wanted[1])
        return lbk_fail(LBK_ERR_UNSUPPORTED, "no derivative with respect to the scalar is defined");
    if (!g->wanted[0])
        return LBK_OK;
    if (g->output_grad[0] == LBK_ONE) { /* x is {1} and d(x s)/dx = s */
        g->input_grad[0] = g->input[1];
        return LBK_OK;
    }
    const lbk_value inputs[] = {g->output_grad[0], g->input[1]};
    return lbk_gradient_emit(g, "scale_by", NULL, 2, inputs, &g->input_grad[0]);
}

static lbk_status scale_by_emit(lbk_emit *e, lbk_class cls) {
    return lbk_broadcast_emit(e, cls, "value", "-DFUNCTION=value_mul");
}

LBK_VARIANTS_BY_CLASS(scale_by, "vector", "float4", "element")

static const lbk_op_example scale_by_examples[] = {
    {.params = "", .input = {{4, {2, 5, 7, 3}}, {1, {1}}}, .input_count = 2},
    {.params = "", .input = {{1, {1}}, {1, {1}}}, .input_count = 2},
    {.params = "", .input = {{2, {13, 1021}}, {1, {1}}}, .input_count = 2},
};

static const lbk_op scale_by_op = {
    .name = "scale_by",
    .summary = "tensor times a run-time scalar",
    .formula = "y = x * s[0]",
    .inputs = "x[...] s[1]",
    .outputs = "y[...]",
    .min_inputs = 2,
    .max_inputs = 2,
    .scalars = 1u << 1,
    .inplace = 1,
    .infer = scale_by_infer,
    .cost = scale_by_cost,
    .differentiate = scale_by_differentiate,
    .reference = scale_by_reference,
    .variants = scale_by_variants,
    .examples = scale_by_examples,
    .example_count = 3,
};

const lbk_op *const lbk_ops_scale_by[] = {&scale_by_op, NULL};

/* scale_by: a tensor times a scalar that is read when the kernel runs (a scheduled weight, an incoming gradient). */
#include "ops/broadcast.h"
#include "ops/compose.h"

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
    lbk_compose c = {g, LBK_OK};
    lbk_value dy = g->output_grad[0];
    bool one = dy == LBK_ONE; /* x is {1} */
    if (g->wanted[0])
        g->input_grad[0] =
            one ? g->input[1] : lbk_compose_apply(&c, "scale_by", NULL, 2, (lbk_value[]){dy, g->input[1]});
    if (g->wanted[1])
        g->input_grad[1] = one ? g->input[0] : lbk_compose_sum_all(&c, lbk_compose_mul(&c, dy, g->input[0]));
    return c.status;
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

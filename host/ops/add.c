/* add: the sum of two tensors with broadcasting, or of up to four of one shape; residual connections and the accumulation of
 * gradients. */
#include "ops/broadcast.h"

static lbk_status add_infer(lbk_infer *infer) {
    lbk_shape shape = infer->input[0].shape;
    if (infer->input_count == 2)
        LBK_TRY(lbk_broadcast_shape(&shape, &infer->input[1].shape, &shape));
    else
        for (int i = 1; i < infer->input_count; i++)
            LBK_TRY(lbk_infer_shape(infer, i, "each of more than two inputs", shape));
    lbk_infer_output(infer, LBK_F32, shape);
    return LBK_OK;
}

static void add_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 0, cost);
    cost->flops = (double)lbk_ops_count(&shapes->output[0]) * (shapes->input_count - 1);
}

static void add_reference(const lbk_reference *r) {
    for (int64_t i = 0; i < lbk_ops_count(&r->output[0]); i++)
        for (int k = 0; k < r->input_count; k++)
            r->out[0][i] += r->in[k][lbk_broadcast_index(&r->input[k].shape, &r->output[0].shape, i)];
}

/* The gradient of an operand that is not repeated is dy itself: no node. */
static lbk_status add_differentiate(lbk_gradient *g) {
    for (int i = 0; i < g->input_count; i++)
        if (g->wanted[i])
            LBK_TRY(lbk_broadcast_sum(g, g->output_grad[0], i, &g->input_grad[i]));
    return LBK_OK;
}

static lbk_status add_emit(lbk_emit *e, lbk_class cls) {
    lbk_call *call;
    if (e->input_count == 2)
        return lbk_broadcast_emit(e, cls, "value", "-DFUNCTION=value_add");
    return lbk_emit_elementwise(e, "generic/add", e->input_count == 3 ? "add3" : "add4", lbk_ops_count(&e->input[0]),
                                &call);
}

LBK_VARIANTS_BY_CLASS(add, "vector", "float4", "element")

static const lbk_op_example add_examples[] = {
    {.params = "", .input = {{4, {2, 5, 7, 3}}, {4, {2, 5, 7, 3}}}, .input_count = 2},
    {.params = "", .input = {{1, {1}}, {1, {1}}, {1, {1}}}, .input_count = 3},
    {.params = "", .input = {{2, {11, 509}}, {2, {11, 509}}, {2, {11, 509}}, {2, {11, 509}}}, .input_count = 4},
    {.params = "", .input = {{4, {2, 5, 7, 24}}, {1, {24}}}, .input_count = 2},
    {.params = "", .input = {{3, {2, 1, 9}}, {3, {1, 5, 1}}}, .input_count = 2},
};

static const lbk_op add_op = {
    .name = "add",
    .summary = "sum of two tensors with broadcasting, or of up to four of one shape",
    .formula = "y = a + b (+ c (+ d))",
    .inputs = "a[...] b[...] c[...]? d[...]?",
    .outputs = "y[...]",
    .min_inputs = 2,
    .max_inputs = 4,
    .inplace = 1,
    .layer = true,
    .infer = add_infer,
    .cost = add_cost,
    .differentiate = add_differentiate,
    .reference = add_reference,
    .variants = add_variants,
    .examples = add_examples,
    .example_count = 5,
};

const lbk_op *const lbk_ops_add[] = {&add_op, NULL};

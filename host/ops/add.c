/* add: the sum of two to four tensors of one shape; residual connections and the accumulation of gradients. */
#include "ops/support.h"

static lbk_status add_infer(lbk_infer *infer) {
    for (int i = 1; i < infer->input_count; i++)
        LBK_TRY(lbk_infer_shape(infer, i, "each input", infer->input[0].shape));
    lbk_infer_output(infer, LBK_F32, infer->input[0].shape);
    return LBK_OK;
}

static void add_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, shapes->input_count - 1, cost);
}

static void add_reference(const lbk_reference *r) {
    for (int64_t i = 0; i < lbk_ops_count(&r->input[0]); i++)
        for (int k = 0; k < r->input_count; k++)
            r->out[0][i] += r->in[k][i];
}

/* Each operand's gradient is dy itself: no node. */
static lbk_status add_differentiate(lbk_gradient *g) {
    for (int i = 0; i < g->input_count; i++)
        if (g->wanted[i])
            g->input_grad[i] = g->output_grad[0];
    return LBK_OK;
}

static lbk_status add_emit(lbk_emit *e) {
    static const char *const names[] = {"add2", "add3", "add4"};
    lbk_call *call;
    return lbk_emit_elementwise(e, "generic/add", names[e->input_count - 2], lbk_ops_count(&e->input[0]), &call);
}

static const lbk_variant add_variants[] = {{LBK_CLASS_GENERIC, "elementwise", add_emit}, {.emit = NULL}};

static const lbk_op_example add_examples[] = {
    {.params = "", .input = {{4, {2, 5, 7, 3}}, {4, {2, 5, 7, 3}}}, .input_count = 2},
    {.params = "", .input = {{1, {1}}, {1, {1}}, {1, {1}}}, .input_count = 3},
    {.params = "", .input = {{2, {11, 509}}, {2, {11, 509}}, {2, {11, 509}}, {2, {11, 509}}}, .input_count = 4},
};

static const lbk_op add_op = {
    .name = "add",
    .summary = "sum of two to four tensors",
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
    .example_count = 3,
};

const lbk_op *const lbk_ops_add[] = {&add_op, NULL};

/* detach: the same tensor, but a constant to derivatives (stop-gradient, torch.Tensor.detach); no kernel, the result is the
 * input's memory. */
#include "ops/support.h"

static lbk_status detach_infer(lbk_infer *infer) {
    lbk_infer_output(infer, LBK_F32, infer->input[0].shape);
    return LBK_OK;
}

static void detach_cost(const lbk_infer *shapes, lbk_cost *cost) {
    (void)shapes;
    *cost = (lbk_cost){0, 0};
}

static void detach_reference(const lbk_reference *r) {
    for (int64_t i = 0; i < lbk_ops_count(&r->input[0]); i++)
        r->out[0][i] = r->in[0][i];
}

/* No calls: an alias of x. */
static lbk_status detach_emit(lbk_emit *e) {
    (void)e;
    return LBK_OK;
}

static const lbk_variant detach_variants[] = {{LBK_CLASS_GENERIC, "alias", detach_emit}, {.emit = NULL}};

static const lbk_op_example detach_examples[] = {
    {.params = "", .input = {{4, {3, 2, 5, 7}}}, .input_count = 1},
    {.params = "", .input = {{1, {1}}}, .input_count = 1},
    {.params = "", .input = {{2, {13, 1021}}}, .input_count = 1},
};

static const lbk_op detach_op = {
    .name = "detach",
    .summary = "the same tensor, but a constant to derivatives",
    .formula = "y = x; no gradient passes",
    .inputs = "x[...]",
    .outputs = "y[...]",
    .min_inputs = 1,
    .max_inputs = 1,
    .alias = 1,
    .detached = 1u << 0,
    .infer = detach_infer,
    .cost = detach_cost,
    .reference = detach_reference,
    .variants = detach_variants,
    .examples = detach_examples,
    .example_count = sizeof detach_examples / sizeof *detach_examples,
};

const lbk_op *const lbk_ops_detach[] = {&detach_op, NULL};

/* constant: a number as a tensor {1}, for derivatives that need an explicit incoming 1. */
#include "ops/support.h"

typedef struct constant_params {
    double value;
} constant_params;

static const lbk_param constant_table[] = {
    LBK_PARAM_FLOAT(constant_params, value, "1", -1e30, 1e30, NULL, "the number", NULL), LBK_PARAM_END};

static lbk_status constant_infer(lbk_infer *infer) {
    lbk_infer_output(infer, LBK_F32, lbk_shape_1(1));
    return LBK_OK;
}

static void constant_cost(const lbk_infer *shapes, lbk_cost *cost) {
    (void)shapes;
    *cost = (lbk_cost){0, sizeof(float)};
}

static void constant_reference(const lbk_reference *r) {
    r->out[0][0] = ((const constant_params *)r->params)->value;
}

static lbk_status constant_emit(lbk_emit *e) {
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, "generic/constant", "constant_write", &call));
    lbk_call_output(call, 0);
    lbk_call_float(call, ((const constant_params *)e->params)->value);
    lbk_call_range_1d(call, 1, 1);
    return LBK_OK;
}

static const lbk_variant constant_variants[] = {{LBK_CLASS_GENERIC, "single", constant_emit}, {.emit = NULL}};

static const lbk_op_example constant_examples[] = {{.params = "", .input_count = 0},
                                                   {.params = "value=-2.5", .input_count = 0},
                                                   {.params = "value=0", .input_count = 0}};

static const lbk_op constant_op = {
    .name = "constant",
    .summary = "a fixed number",
    .formula = "y = value",
    .inputs = "",
    .outputs = "y[1]",
    .params = constant_table,
    .params_size = sizeof(constant_params),
    .infer = constant_infer,
    .cost = constant_cost,
    .reference = constant_reference,
    .variants = constant_variants,
    .examples = constant_examples,
    .example_count = sizeof constant_examples / sizeof *constant_examples,
};

const lbk_op *const lbk_ops_constant[] = {&constant_op, NULL};

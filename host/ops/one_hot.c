/* one_hot: labels as rows with a single 1, as torch.nn.functional.one_hot, but in floats; a label without a class, such as -1 for
 * "none", gives a row of zeros. */
#include "ops/one_hot.h"

#include "ops/support.h"

typedef lbk_one_hot_params one_hot_params;

static const lbk_param one_hot_table[] = {
    LBK_PARAM_INT(one_hot_params, classes, NULL, 1, 1 << 24, "classes", "how many: labels are 0 to classes - 1", NULL),
    LBK_PARAM_END};

static lbk_status one_hot_infer(lbk_infer *infer) {
    const one_hot_params *p = infer->params;
    lbk_shape y = infer->input[0].shape;
    if (y.rank == LBK_MAX_RANK)
        return lbk_fail(LBK_ERR_INPUT, "labels have %d dimensions, the result can have no more", y.rank);
    y.dim[y.rank++] = p->classes;
    lbk_infer_output(infer, LBK_F32, y);
    return LBK_OK;
}

static void one_hot_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 0, cost);
}

static void one_hot_reference(const lbk_reference *r) {
    int64_t classes = lbk_shape_last(&r->output[0].shape);
    for (int64_t i = 0; i < lbk_ops_count(&r->output[0]); i++)
        r->out[0][i] = r->in[0][i / classes] == (double)(i % classes);
}

static lbk_status one_hot_emit(lbk_emit *e) {
    lbk_call *call;
    LBK_TRY(lbk_emit_elementwise(e, "generic/one_hot", "one_hot", lbk_ops_count(&e->output[0]), &call));
    lbk_call_int(call, lbk_shape_last(&e->output[0].shape));
    return LBK_OK;
}

static const lbk_variant one_hot_variants[] = {{LBK_CLASS_GENERIC, "element", one_hot_emit}, {.emit = NULL}};

static const lbk_op_example one_hot_examples[] = {
    {.params = "classes=5", .input = {{1, {7}}}, .input_count = 1, .integer_below = 9},
    {.params = "classes=1", .input = {{1, {1}}}, .input_count = 1, .integer_below = 2},
    {.params = "classes=101", .input = {{2, {19, 7}}}, .input_count = 1, .integer_below = 101},
};

static const lbk_op one_hot_op = {
    .name = "one_hot",
    .summary = "labels as rows with a single 1; zeros for a label without a class",
    .formula = "y[...,k] = 1 where labels[...] = k, else 0",
    .inputs = "labels[...]:i32",
    .outputs = "y[...,classes]",
    .params = one_hot_table,
    .params_size = sizeof(one_hot_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .integers = 1u << 0,
    .infer = one_hot_infer,
    .cost = one_hot_cost,
    .reference = one_hot_reference,
    .variants = one_hot_variants,
    .examples = one_hot_examples,
    .example_count = sizeof one_hot_examples / sizeof *one_hot_examples,
};

const lbk_op *const lbk_ops_one_hot[] = {&one_hot_op, NULL};

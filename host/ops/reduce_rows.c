/* reduce_rows: the sum over all dimensions but the last; the gradient of a bias. */
#include "ops/reduce.h"

static lbk_status rows_infer(lbk_infer *infer) {
    lbk_infer_output(infer, LBK_F32, lbk_shape_1(lbk_shape_last(&infer->input[0].shape)));
    return LBK_OK;
}

static void rows_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 1, cost);
}

static void rows_reference(const lbk_reference *r) {
    for (int64_t i = 0; i < lbk_ops_count(&r->input[0]); i++)
        r->out[0][i % lbk_shape_last(&r->input[0].shape)] += r->in[0][i];
}

static lbk_status rows_emit(lbk_emit *e, lbk_class cls) {
    const lbk_shape *x = &e->input[0].shape;
    return lbk_sum_emit(e, cls, &(lbk_slices){1, lbk_ops_rows(x), lbk_shape_last(x)}, 1);
}

LBK_CLASS_VARIANTS(rows, "lanes", "tree", "columns")

static const lbk_op_example rows_examples[] = {
    {.params = "", .input = {{2, {128, 100}}}, .input_count = 1},
    {.params = "", .input = {{4, {8, 16, 16, 32}}}, .input_count = 1},
    {.params = "", .input = {{1, {1}}}, .input_count = 1},
    {.params = "", .input = {{3, {13, 101, 7}}}, .input_count = 1},
};

static const lbk_op rows_op = {
    .name = "reduce_rows",
    .summary = "sum over all dimensions but the last",
    .formula = "y[c] = sum_r x[r,c]",
    .inputs = "x[...,C]",
    .outputs = "y[C]",
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = rows_infer,
    .cost = rows_cost,
    .reference = rows_reference,
    .variants = rows_variants,
    .examples = rows_examples,
    .example_count = 4,
};

const lbk_op *const lbk_ops_reduce_rows[] = {&rows_op, NULL};

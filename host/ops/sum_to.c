/* sum_to: the sum over what broadcasting repeats, which is how a gradient comes back to an operand's shape; reduce_rows: the
 * case of a bias; expand: the way there. lbk_broadcast_sum() sums over several runs of dimensions one after the other. */
#include "ops/broadcast.h"

static const lbk_param shape_table[] = {
    LBK_PARAM_INTS(lbk_shape_params, shape, NULL, 1, 1 << 30, NULL, "the output's shape", NULL), LBK_PARAM_END};

static lbk_status shape_of(const lbk_infer *infer, lbk_shape *shape) {
    return lbk_shape_of_ints(&((const lbk_shape_params *)infer->params)->shape, shape);
}

/* From `small` to `large` by broadcasting. */
static lbk_status check_fit(const lbk_shape *small, const lbk_shape *large) {
    char small_text[LBK_SHAPE_TEXT], large_text[LBK_SHAPE_TEXT];
    if (lbk_broadcast_fits(small, large))
        return LBK_OK;
    return lbk_fail(LBK_ERR_INPUT, "%s repeated cannot be %s: aligned at the right, dimensions must be equal or 1",
                    lbk_shape_print(small, small_text), lbk_shape_print(large, large_text));
}

static lbk_status sum_infer(lbk_infer *infer) {
    const lbk_shape *x = &infer->input[0].shape;
    lbk_slices slices;
    lbk_shape shape, next;
    LBK_TRY(shape_of(infer, &shape));
    LBK_TRY(check_fit(&shape, x));
    lbk_broadcast_last_run(x, &shape, &slices, &next);
    if (!lbk_shape_equal(&next, &shape))
        return lbk_fail(LBK_ERR_INPUT,
                        "the dimensions to sum over are no neighbours; sum over one run after the other");
    lbk_infer_output(infer, LBK_F32, shape);
    return LBK_OK;
}

static lbk_status rows_infer(lbk_infer *infer) {
    lbk_infer_output(infer, LBK_F32, lbk_shape_1(lbk_shape_last(&infer->input[0].shape)));
    return LBK_OK;
}

static lbk_status expand_infer(lbk_infer *infer) {
    lbk_shape shape;
    LBK_TRY(shape_of(infer, &shape));
    LBK_TRY(check_fit(&infer->input[0].shape, &shape));
    lbk_infer_output(infer, LBK_F32, shape);
    return LBK_OK;
}

static void sum_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 1, cost);
}

static void expand_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 0, cost);
}

static void sum_reference(const lbk_reference *r) {
    for (int64_t i = 0; i < lbk_ops_count(&r->input[0]); i++)
        r->out[0][lbk_broadcast_index(&r->output[0].shape, &r->input[0].shape, i)] += r->in[0][i];
}

static void expand_reference(const lbk_reference *r) {
    for (int64_t i = 0; i < lbk_ops_count(&r->output[0]); i++)
        r->out[0][i] = r->in[0][lbk_broadcast_index(&r->input[0].shape, &r->output[0].shape, i)];
}

static lbk_status sum_differentiate(lbk_gradient *g) {
    const lbk_shape_params params = {lbk_ints_of_shape(&g->input_desc[0].shape)};
    return lbk_gradient_emit(g, "expand", &params, 1, &g->output_grad[0], &g->input_grad[0]);
}

static lbk_status expand_differentiate(lbk_gradient *g) {
    return lbk_broadcast_sum(g, g->output_grad[0], 0, &g->input_grad[0]);
}

static lbk_status sum_emit(lbk_emit *e, lbk_class cls) {
    lbk_slices slices;
    lbk_shape next;
    lbk_broadcast_last_run(&e->input[0].shape, &e->output[0].shape, &slices, &next);
    return lbk_sum_emit(e, cls, &slices, 1);
}

static lbk_status expand_emit(lbk_emit *e, lbk_class cls) {
    return lbk_broadcast_emit(e, cls, "value", "-DFUNCTION=value_first");
}

LBK_VARIANTS_BY_CLASS(sum, "vector", "tree", "columns")
LBK_VARIANTS_BY_CLASS(expand, "vector", "float4", "element")

static const lbk_op_example sum_examples[] = {
    {.params = "shape=5", .input = {{4, {2, 7, 3, 5}}}, .input_count = 1},
    {.params = "shape=4,1,1,24", .input = {{4, {4, 7, 9, 24}}}, .input_count = 1},
    {.params = "shape=1", .input = {{2, {13, 1021}}}, .input_count = 1},
    {.params = "shape=61,1", .input = {{3, {1, 61, 307}}}, .input_count = 1},
    {.params = "shape=1,5,6", .input = {{5, {2, 7, 1, 5, 6}}}, .input_count = 1},
    {.params = "shape=1", .input = {{1, {1}}}, .input_count = 1},
    {.params = "shape=7", .input = {{2, {1, 7}}}, .input_count = 1},
};

static const lbk_op_example rows_examples[] = {
    {.params = "", .input = {{2, {128, 100}}}, .input_count = 1},
    {.params = "", .input = {{4, {8, 16, 16, 32}}}, .input_count = 1},
    {.params = "", .input = {{1, {1}}}, .input_count = 1},
    {.params = "", .input = {{3, {13, 101, 7}}}, .input_count = 1},
};

static const lbk_op_example expand_examples[] = {
    {.params = "shape=2,7,3,5", .input = {{1, {5}}}, .input_count = 1},
    {.params = "shape=4,7,9,24", .input = {{4, {4, 1, 1, 24}}}, .input_count = 1},
    {.params = "shape=13,1021", .input = {{1, {1}}}, .input_count = 1},
    {.params = "shape=2,7,3,4,5,6", .input = {{5, {1, 3, 1, 5, 1}}}, .input_count = 1},
};

static const lbk_op sum_op = {
    .name = "sum_to",
    .summary = "sum over neighbouring dimensions that are missing or 1 in a smaller shape",
    .formula = "y = sum of the elements of x that broadcasting makes of one",
    .inputs = "x[...]",
    .outputs = "y[shape]",
    .params = shape_table,
    .params_size = sizeof(lbk_shape_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = sum_infer,
    .cost = sum_cost,
    .differentiate = sum_differentiate,
    .reference = sum_reference,
    .variants = sum_variants,
    .examples = sum_examples,
    .example_count = sizeof sum_examples / sizeof *sum_examples,
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
    .cost = sum_cost,
    .differentiate = sum_differentiate,
    .reference = sum_reference,
    .variants = sum_variants,
    .examples = rows_examples,
    .example_count = sizeof rows_examples / sizeof *rows_examples,
};

static const lbk_op expand_op = {
    .name = "expand",
    .summary = "repeats a tensor to a larger shape, as broadcasting does",
    .formula = "y = x where x has one element for several of y",
    .inputs = "x[...]",
    .outputs = "y[shape]",
    .params = shape_table,
    .params_size = sizeof(lbk_shape_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = expand_infer,
    .cost = expand_cost,
    .differentiate = expand_differentiate,
    .reference = expand_reference,
    .variants = expand_variants,
    .examples = expand_examples,
    .example_count = sizeof expand_examples / sizeof *expand_examples,
};

const lbk_op *const lbk_ops_sum_to[] = {&sum_op, &rows_op, &expand_op, NULL};

/* reduce_rows: the sum over all dimensions but the last; the gradient of a bias. Rows are split into blocks whose sums are
 * added in a fixed order. */
#include "ops/batch_norm.h"

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

static lbk_status emit_class(lbk_emit *e, lbk_class cls) {
    static const char *const files[] = {"generic/reduce_rows", "cpu/reduce_rows", "gpu/reduce_rows"};
    lbk_norm_split s;
    bool fits;
    lbk_call *call;
    lbk_norm_split_init(&s, e, cls, &e->input[0].shape, &fits);
    if (!fits)
        return lbk_emit_decline(e);
    int partial = lbk_emit_scratch(e, (size_t)(s.groups * s.channels) * sizeof(float));
    LBK_TRY(lbk_emit_kernel(e, files[cls], "blocks_sum", &call));
    if (cls == LBK_CLASS_GPU)
        LBK_TRY(lbk_norm_option_group(call, &s));
    lbk_call_input(call, 0);
    lbk_call_scratch(call, partial);
    lbk_norm_call_pass(call, &s, cls, true);
    LBK_TRY(lbk_emit_kernel(e, cls == LBK_CLASS_GPU ? files[cls] : files[0], "finish", &call));
    if (cls == LBK_CLASS_GPU)
        LBK_TRY(lbk_norm_option_group(call, &s));
    lbk_call_scratch(call, partial);
    lbk_call_output(call, 0);
    lbk_call_int(call, s.channels);
    lbk_call_int(call, s.groups);
    lbk_norm_call_finish(call, e, &s, cls == LBK_CLASS_GPU ? cls : LBK_CLASS_GENERIC);
    return LBK_OK;
}

static lbk_status rows_emit_generic(lbk_emit *e) {
    return emit_class(e, LBK_CLASS_GENERIC);
}

static lbk_status rows_emit_cpu(lbk_emit *e) {
    return emit_class(e, LBK_CLASS_CPU);
}

static lbk_status rows_emit_gpu(lbk_emit *e) {
    return emit_class(e, LBK_CLASS_GPU);
}

static const lbk_variant rows_variants[] = {{LBK_CLASS_CPU, "lanes", rows_emit_cpu},
                                            {LBK_CLASS_GPU, "tree", rows_emit_gpu},
                                            {LBK_CLASS_GENERIC, "columns", rows_emit_generic},
                                            {.emit = NULL}};

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

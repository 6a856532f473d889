/* mean: over all elements, to a scalar {1}; in two stages of fixed order. */
#include "ops/support.h"

#define MAX_PARTS 1024 /* numbers left by the first stage */
#define PART 64        /* elements one work-item sums at least */

static lbk_status mean_infer(lbk_infer *infer) {
    lbk_infer_output(infer, LBK_F32, lbk_shape_1(1));
    return LBK_OK;
}

static lbk_status mean_backward_infer(lbk_infer *infer) {
    if (lbk_infer_has(infer, 1))
        LBK_TRY(lbk_infer_shape(infer, 1, "dy", lbk_shape_1(1)));
    lbk_infer_output(infer, LBK_F32, infer->input[0].shape);
    return LBK_OK;
}

static void mean_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 1, cost);
}

static void mean_backward_cost(const lbk_infer *shapes, lbk_cost *cost) {
    *cost = (lbk_cost){0, (double)lbk_tensor_bytes(&shapes->output[0])};
}

static void mean_reference(const lbk_reference *r) {
    int64_t count = lbk_ops_count(&r->input[0]);
    for (int64_t i = 0; i < count; i++)
        r->out[0][0] += r->in[0][i] / (double)count;
}

static void mean_backward_reference(const lbk_reference *r) {
    int64_t count = lbk_ops_count(&r->input[0]);
    for (int64_t i = 0; i < count; i++)
        r->out[0][i] = (r->input_count > 1 ? r->in[1][0] : 1) / (double)count;
}

static lbk_status mean_differentiate(lbk_gradient *g) {
    const lbk_value inputs[] = {g->input[0], g->output_grad[0]};
    return lbk_gradient_emit(g, "mean_backward", NULL, g->output_grad[0] == LBK_ONE ? 1 : 2, inputs, &g->input_grad[0]);
}

static lbk_status mean_emit(lbk_emit *e) {
    int64_t count = lbk_ops_count(&e->input[0]), parts = (count + PART - 1) / PART;
    lbk_call *call;
    parts = parts < MAX_PARTS ? parts : MAX_PARTS;
    int partial = lbk_emit_scratch(e, (size_t)parts * sizeof(float));
    LBK_TRY(lbk_emit_kernel(e, "generic/mean", "partial_sums", &call));
    lbk_call_input(call, 0);
    lbk_call_scratch(call, partial);
    lbk_call_int(call, count);
    lbk_call_int(call, parts);
    lbk_call_range_1d(call, (size_t)parts, lbk_emit_local(e));
    LBK_TRY(lbk_emit_kernel(e, "generic/mean", "finish", &call));
    lbk_call_scratch(call, partial);
    lbk_call_output(call, 0);
    lbk_call_int(call, count);
    lbk_call_int(call, parts);
    lbk_call_range_1d(call, 1, 1);
    return LBK_OK;
}

static lbk_status mean_backward_emit(lbk_emit *e) {
    int64_t count = lbk_ops_count(&e->input[0]);
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, "generic/mean", lbk_emit_has(e, 1) ? "fill_from" : "fill", &call));
    if (lbk_emit_has(e, 1))
        lbk_call_input(call, 1);
    lbk_call_output(call, 0);
    lbk_call_float(call, 1 / (double)count);
    lbk_call_int(call, count);
    lbk_call_range_1d(call, (size_t)count, lbk_emit_local(e));
    return LBK_OK;
}

static const lbk_variant mean_variants[] = {{LBK_CLASS_GENERIC, "two-stage", mean_emit}, {.emit = NULL}};
static const lbk_variant mean_backward_variants[] = {{LBK_CLASS_GENERIC, "elementwise", mean_backward_emit},
                                                     {.emit = NULL}};

static const lbk_op_example mean_examples[] = {
    {.params = "", .input = {{2, {7, 10}}}, .input_count = 1},
    {.params = "", .input = {{1, {1}}}, .input_count = 1},
    {.params = "", .input = {{4, {3, 101, 103, 7}}}, .input_count = 1, .low = 0.5, .high = 1.5},
};

static const lbk_op_example mean_backward_examples[] = {
    {.params = "", .input = {{2, {7, 10}}, {1, {1}}}, .input_count = 2},
    {.params = "", .input = {{1, {1}}}, .input_count = 1},
    {.params = "", .input = {{3, {3, 101, 7}}, {1, {1}}}, .input_count = 2},
};

static const lbk_op mean_op = {
    .name = "mean",
    .summary = "mean over all elements",
    .formula = "y = sum x / count",
    .inputs = "x[...]",
    .outputs = "y[1]",
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = mean_infer,
    .cost = mean_cost,
    .differentiate = mean_differentiate,
    .reference = mean_reference,
    .variants = mean_variants,
    .examples = mean_examples,
    .example_count = 3,
};

static const lbk_op mean_backward_op = {
    .name = "mean_backward",
    .summary = "derivative of mean; only the shape of x is used",
    .formula = "dx = dy / count (dy = 1 when absent)",
    .inputs = "x[...] dy[1]?",
    .outputs = "dx[...]",
    .min_inputs = 1,
    .max_inputs = 2,
    .infer = mean_backward_infer,
    .cost = mean_backward_cost,
    .reference = mean_backward_reference,
    .variants = mean_backward_variants,
    .examples = mean_backward_examples,
    .example_count = 3,
};

const lbk_op *const lbk_ops_mean[] = {&mean_op, &mean_backward_op, NULL};

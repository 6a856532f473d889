/* softmax over the last dimension. */
#include "ops/support.h"

#include <math.h>

static lbk_status softmax_infer(lbk_infer *infer) {
    lbk_infer_output(infer, LBK_F32, infer->input[0].shape);
    return LBK_OK;
}

static lbk_status softmax_backward_infer(lbk_infer *infer) {
    LBK_TRY(lbk_infer_shape(infer, 1, "y", infer->input[0].shape));
    lbk_infer_output(infer, LBK_F32, infer->input[0].shape);
    return LBK_OK;
}

/* An exponential counts as 10 operations. */
static void softmax_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, shapes->input_count == 1 ? 14 : 4, cost);
}

static void softmax_reference(const lbk_reference *r) {
    int64_t length = lbk_shape_last(&r->input[0].shape), rows = lbk_ops_rows(&r->input[0].shape);
    for (int64_t row = 0; row < rows; row++) {
        const double *x = r->in[0] + row * length;
        double top = x[0], sum = 0;
        for (int64_t k = 1; k < length; k++)
            top = fmax(top, x[k]);
        for (int64_t k = 0; k < length; k++)
            sum += exp(x[k] - top);
        for (int64_t k = 0; k < length; k++)
            r->out[0][row * length + k] = exp(x[k] - top) / sum;
    }
}

/* dx_k = sum_j dy_j y_j ([j = k] - y_k), the Jacobian written out. */
static void softmax_backward_reference(const lbk_reference *r) {
    int64_t length = lbk_shape_last(&r->input[0].shape), rows = lbk_ops_rows(&r->input[0].shape);
    for (int64_t row = 0; row < rows; row++)
        for (int64_t k = 0; k < length; k++)
            for (int64_t j = 0; j < length; j++) {
                const double *y = r->in[1] + row * length;
                r->out[0][row * length + k] += r->in[0][row * length + j] * y[j] * ((j == k) - y[k]);
            }
}

static lbk_status softmax_differentiate(lbk_gradient *g) {
    const lbk_value inputs[] = {g->output_grad[0], g->output[0]};
    return lbk_gradient_emit(g, "softmax_backward", NULL, 2, inputs, &g->input_grad[0]);
}

static lbk_status emit_rows(lbk_emit *e, const char *file, size_t group, bool per_group) {
    const lbk_shape *x = &e->input[0].shape;
    size_t rows = (size_t)lbk_ops_rows(x);
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, file, e->input_count == 1 ? "softmax" : "softmax_backward", &call));
    if (per_group)
        LBK_TRY(lbk_call_option(call, "-DGROUP=%zu", group));
    for (int i = 0; i < e->input_count; i++)
        lbk_call_input(call, i);
    lbk_call_output(call, 0);
    lbk_call_int(call, lbk_ops_rows(x));
    lbk_call_int(call, lbk_shape_last(x));
    lbk_call_range_1d(call, per_group ? rows * group : rows, group);
    return LBK_OK;
}

static lbk_status softmax_emit_generic(lbk_emit *e) {
    return emit_rows(e, "generic/softmax", lbk_emit_local(e), false);
}

static lbk_status softmax_emit_gpu(lbk_emit *e) {
    return emit_rows(e, "gpu/softmax", lbk_emit_group(e, lbk_shape_last(&e->input[0].shape)), true);
}

static const lbk_variant softmax_variants[] = {
    {LBK_CLASS_GPU, "group", softmax_emit_gpu}, {LBK_CLASS_GENERIC, "row", softmax_emit_generic}, {.emit = NULL}};

static const lbk_op_example softmax_examples[] = {
    {.params = "", .input = {{2, {7, 10}}}, .input_count = 1, .low = -5, .high = 5},
    {.params = "", .input = {{1, {1}}}, .input_count = 1},
    {.params = "", .input = {{3, {3, 5, 307}}}, .input_count = 1, .low = 60, .high = 110},
};

static const lbk_op_example softmax_backward_examples[] = {
    {.params = "", .input = {{2, {7, 10}}, {2, {7, 10}}}, .input_count = 2},
    {.params = "", .input = {{1, {1}}, {1, {1}}}, .input_count = 2},
    {.params = "", .input = {{3, {3, 5, 307}}, {3, {3, 5, 307}}}, .input_count = 2},
};

static const lbk_op softmax_op = {
    .name = "softmax",
    .summary = "softmax over the last dimension",
    .formula = "y_k = exp(x_k) / sum_j exp(x_j)",
    .inputs = "x[...,K]",
    .outputs = "y[...,K]",
    .min_inputs = 1,
    .max_inputs = 1,
    .inplace = 1,
    .layer = true,
    .infer = softmax_infer,
    .cost = softmax_cost,
    .differentiate = softmax_differentiate,
    .reference = softmax_reference,
    .variants = softmax_variants,
    .examples = softmax_examples,
    .example_count = 3,
};

static const lbk_op softmax_backward_op = {
    .name = "softmax_backward",
    .summary = "derivative of softmax",
    .formula = "dx_k = y_k (dy_k - sum_j dy_j y_j)",
    .inputs = "dy[...,K] y[...,K]",
    .outputs = "dx[...,K]",
    .min_inputs = 2,
    .max_inputs = 2,
    .inplace = 1,
    .infer = softmax_backward_infer,
    .cost = softmax_cost,
    .reference = softmax_backward_reference,
    .variants = softmax_variants,
    .examples = softmax_backward_examples,
    .example_count = 3,
};

const lbk_op *const lbk_ops_softmax[] = {&softmax_op, &softmax_backward_op, NULL};

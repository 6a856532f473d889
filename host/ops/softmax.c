/* softmax, log_softmax and logsumexp over the last dimension, and their derivatives. A kernel is called as its op. */
#include "ops/compose.h"
#include "ops/support.h"

#include <math.h>

typedef struct logsumexp_params {
    bool keepdims;
} logsumexp_params;

static const lbk_param logsumexp_table[] = {
    LBK_PARAM_BOOL(logsumexp_params, keepdims, "no", "keep the last dimension with size 1", NULL), LBK_PARAM_END};

static lbk_status softmax_infer(lbk_infer *infer) {
    lbk_infer_output(infer, LBK_F32, infer->input[0].shape);
    return LBK_OK;
}

static lbk_status backward_infer(lbk_infer *infer) {
    LBK_TRY(lbk_infer_shape(infer, 1, "y", infer->input[0].shape));
    lbk_infer_output(infer, LBK_F32, infer->input[0].shape);
    return LBK_OK;
}

/* x without its last dimension, or with 1 in its place. */
static lbk_shape row_results(const lbk_shape *x, bool keepdims) {
    lbk_shape y = *x;
    if (keepdims || y.rank == 1)
        y.dim[y.rank - 1] = 1;
    else
        y.rank--;
    return y;
}

static lbk_status logsumexp_infer(lbk_infer *infer) {
    const logsumexp_params *p = infer->params;
    lbk_infer_output(infer, LBK_F32, row_results(&infer->input[0].shape, p->keepdims));
    return LBK_OK;
}

/* Inputs dy, x, y. */
static lbk_status logsumexp_backward_infer(lbk_infer *infer) {
    const logsumexp_params *p = infer->params;
    lbk_shape y = row_results(&infer->input[1].shape, p->keepdims);
    LBK_TRY(lbk_infer_shape(infer, 0, "dy", y));
    LBK_TRY(lbk_infer_shape(infer, 2, "y", y));
    lbk_infer_output(infer, LBK_F32, infer->input[1].shape);
    return LBK_OK;
}

/* An exponential counts as 10 operations. */
static void forward_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 14, cost);
}

static void backward_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 4, cost);
}

static void exponential_backward_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 0, cost);
    cost->flops = 13 * (double)lbk_ops_count(&shapes->output[0]);
}

/* ln sum_k exp(x_k), by way of the largest x_k. */
static double reference_logsumexp(const double *x, int64_t length) {
    double top = x[0], sum = 0;
    for (int64_t k = 1; k < length; k++)
        top = fmax(top, x[k]);
    for (int64_t k = 0; k < length; k++)
        sum += exp(x[k] - (isinf(top) ? 0 : top));
    return log(sum) + (isinf(top) ? 0 : top);
}

static void log_softmax_reference(const lbk_reference *r) {
    int64_t length = lbk_shape_last(&r->input[0].shape);
    for (int64_t i = 0; i < lbk_ops_count(&r->input[0]); i++)
        r->out[0][i] = r->in[0][i] - reference_logsumexp(r->in[0] + i / length * length, length);
}

static void softmax_reference(const lbk_reference *r) {
    log_softmax_reference(r);
    for (int64_t i = 0; i < lbk_ops_count(&r->input[0]); i++)
        r->out[0][i] = exp(r->out[0][i]);
}

static void logsumexp_reference(const lbk_reference *r) {
    int64_t length = lbk_shape_last(&r->input[0].shape);
    for (int64_t row = 0; row < lbk_ops_rows(&r->input[0].shape); row++)
        r->out[0][row] = reference_logsumexp(r->in[0] + row * length, length);
}

/* dx_k = sum_j dy_j dy_j/dx_k, the Jacobian written out: that of softmax is y_j ([j = k] - y_k), that of log_softmax
 * [j = k] - exp(y_k). */
static void jacobian_reference(const lbk_reference *r, bool log) {
    int64_t length = lbk_shape_last(&r->input[0].shape), rows = lbk_ops_rows(&r->input[0].shape);
    for (int64_t row = 0; row < rows; row++)
        for (int64_t k = 0; k < length; k++)
            for (int64_t j = 0; j < length; j++) {
                const double *y = r->in[1] + row * length;
                r->out[0][row * length + k] +=
                    r->in[0][row * length + j] * (log ? (j == k) - exp(y[k]) : y[j] * ((j == k) - y[k]));
            }
}

static void softmax_backward_reference(const lbk_reference *r) {
    jacobian_reference(r, false);
}

static void log_softmax_backward_reference(const lbk_reference *r) {
    jacobian_reference(r, true);
}

static void logsumexp_backward_reference(const lbk_reference *r) {
    int64_t length = lbk_shape_last(&r->input[1].shape);
    for (int64_t i = 0; i < lbk_ops_count(&r->input[1]); i++)
        r->out[0][i] = r->in[0][i / length] * exp(r->in[1][i] - r->in[2][i / length]);
}

static lbk_status softmax_differentiate(lbk_gradient *g) {
    const lbk_value inputs[] = {g->output_grad[0], g->output[0]};
    return lbk_gradient_emit(g, "softmax_backward", NULL, 2, inputs, &g->input_grad[0]);
}

static lbk_status log_softmax_differentiate(lbk_gradient *g) {
    const lbk_value inputs[] = {g->output_grad[0], g->output[0]};
    return lbk_gradient_emit(g, "log_softmax_backward", NULL, 2, inputs, &g->input_grad[0]);
}

static lbk_status logsumexp_differentiate(lbk_gradient *g) {
    const lbk_value inputs[] = {g->output_grad[0], g->input[0], g->output[0]};
    return lbk_gradient_emit(g, "logsumexp_backward", g->params, 3, inputs, &g->input_grad[0]);
}

/* dx = y (dy - dy.y), symmetric in dy. */
static lbk_status softmax_backward_differentiate(lbk_gradient *g) {
    lbk_compose c = {g, LBK_OK};
    lbk_value in = g->output_grad[0], dy = g->input[0], y = g->input[1];
    if (g->wanted[0])
        g->input_grad[0] = lbk_compose_apply(&c, "softmax_backward", NULL, 2, (lbk_value[]){in, y});
    if (!g->wanted[1])
        return c.status;
    lbk_value dot = lbk_compose_sum_last(&c, lbk_compose_mul(&c, dy, y));
    lbk_value in_dot = lbk_compose_sum_last(&c, lbk_compose_mul(&c, in, y));
    lbk_value first = lbk_compose_mul(&c, in, lbk_compose_sub(&c, dy, dot));
    g->input_grad[1] = lbk_compose_sub(&c, first, lbk_compose_mul(&c, dy, in_dot));
    return c.status;
}

/* dx = dy - exp(y) sum(dy). */
static lbk_status log_softmax_backward_differentiate(lbk_gradient *g) {
    lbk_compose c = {g, LBK_OK};
    lbk_value in = g->output_grad[0];
    lbk_value scaled = lbk_compose_mul(&c, in, lbk_compose_unary(&c, "exp", g->input[1]));
    if (g->wanted[0])
        g->input_grad[0] = lbk_compose_sub(&c, in, lbk_compose_sum_last(&c, scaled));
    if (g->wanted[1])
        g->input_grad[1] =
            lbk_compose_unary(&c, "neg", lbk_compose_mul(&c, scaled, lbk_compose_sum_last(&c, g->input[0])));
    return c.status;
}

/* dx = dy exp(x - y). */
static lbk_status logsumexp_backward_differentiate(lbk_gradient *g) {
    lbk_compose c = {g, LBK_OK};
    const lbk_shape kept = row_results(&g->input_desc[1].shape, true), *row = &g->input_desc[0].shape;
    lbk_value dy = lbk_compose_reshape(&c, g->input[0], &kept), y = lbk_compose_reshape(&c, g->input[2], &kept);
    lbk_value p = lbk_compose_unary(&c, "exp", lbk_compose_sub(&c, g->input[1], y));
    lbk_value scaled = lbk_compose_mul(&c, g->output_grad[0], p), sum = lbk_compose_sum_last(&c, scaled);
    if (g->wanted[0])
        g->input_grad[0] = lbk_compose_reshape(&c, sum, row);
    if (g->wanted[1])
        g->input_grad[1] = lbk_compose_mul(&c, scaled, dy);
    if (g->wanted[2])
        g->input_grad[2] = lbk_compose_reshape(&c, lbk_compose_unary(&c, "neg", lbk_compose_mul(&c, sum, dy)), row);
    return c.status;
}

static lbk_status softmax_emit(lbk_emit *e, lbk_class cls) {
    static const char *const files[] = {"generic/softmax", "cpu/softmax", "gpu/softmax"};
    const lbk_shape *x = &e->input[e->input_count == 3 ? 1 : 0].shape;
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, files[cls], e->op->name, &call));
    for (int i = 0; i < e->input_count; i++)
        lbk_call_input(call, i);
    lbk_call_output(call, 0);
    return lbk_rows_call(call, e, cls, lbk_ops_rows(x), lbk_shape_last(x));
}

LBK_VARIANTS_BY_CLASS(softmax, "vector", "group", "row")

static const lbk_op_example forward_examples[] = {
    {.params = "", .input = {{2, {7, 10}}}, .input_count = 1, .low = -5, .high = 5},
    {.params = "", .input = {{1, {1}}}, .input_count = 1},
    {.params = "", .input = {{3, {3, 5, 307}}}, .input_count = 1, .low = 60, .high = 110},
};

static const lbk_op_example logsumexp_examples[] = {
    {.params = "", .input = {{2, {7, 10}}}, .input_count = 1, .low = -5, .high = 5},
    {.params = "", .input = {{1, {1}}}, .input_count = 1},
    {.params = "keepdims=yes", .input = {{3, {3, 5, 307}}}, .input_count = 1, .low = 60, .high = 110},
};

static const lbk_op_example backward_examples[] = {
    {.params = "", .input = {{2, {7, 10}}, {2, {7, 10}}}, .input_count = 2},
    {.params = "", .input = {{1, {1}}, {1, {1}}}, .input_count = 2},
    {.params = "", .input = {{3, {3, 5, 307}}, {3, {3, 5, 307}}}, .input_count = 2},
};

static const lbk_op_example logsumexp_backward_examples[] = {
    {.params = "", .input = {{1, {7}}, {2, {7, 10}}, {1, {7}}}, .input_count = 3},
    {.params = "", .input = {{1, {1}}, {1, {1}}, {1, {1}}}, .input_count = 3},
    {.params = "keepdims=yes", .input = {{3, {3, 5, 1}}, {3, {3, 5, 307}}, {3, {3, 5, 1}}}, .input_count = 3},
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
    .cost = forward_cost,
    .differentiate = softmax_differentiate,
    .reference = softmax_reference,
    .variants = softmax_variants,
    .examples = forward_examples,
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
    .infer = backward_infer,
    .cost = backward_cost,
    .differentiate = softmax_backward_differentiate,
    .reference = softmax_backward_reference,
    .variants = softmax_variants,
    .examples = backward_examples,
    .example_count = 3,
};

static const lbk_op log_softmax_op = {
    .name = "log_softmax",
    .summary = "logarithm of softmax over the last dimension",
    .formula = "y_k = x_k - ln sum_j exp(x_j)",
    .inputs = "x[...,K]",
    .outputs = "y[...,K]",
    .min_inputs = 1,
    .max_inputs = 1,
    .inplace = 1,
    .layer = true,
    .infer = softmax_infer,
    .cost = forward_cost,
    .differentiate = log_softmax_differentiate,
    .reference = log_softmax_reference,
    .variants = softmax_variants,
    .examples = forward_examples,
    .example_count = 3,
};

static const lbk_op log_softmax_backward_op = {
    .name = "log_softmax_backward",
    .summary = "derivative of log_softmax",
    .formula = "dx_k = dy_k - exp(y_k) sum_j dy_j",
    .inputs = "dy[...,K] y[...,K]",
    .outputs = "dx[...,K]",
    .min_inputs = 2,
    .max_inputs = 2,
    .inplace = 1,
    .infer = backward_infer,
    .cost = exponential_backward_cost,
    .differentiate = log_softmax_backward_differentiate,
    .reference = log_softmax_backward_reference,
    .variants = softmax_variants,
    .examples = backward_examples,
    .example_count = 3,
};

static const lbk_op logsumexp_op = {
    .name = "logsumexp",
    .summary = "logarithm of the sum of exponentials over the last dimension",
    .formula = "y = ln sum_k exp(x_k)",
    .inputs = "x[...,K]",
    .outputs = "y[...]",
    .params = logsumexp_table,
    .params_size = sizeof(logsumexp_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .layer = true,
    .infer = logsumexp_infer,
    .cost = forward_cost,
    .differentiate = logsumexp_differentiate,
    .reference = logsumexp_reference,
    .variants = softmax_variants,
    .examples = logsumexp_examples,
    .example_count = 3,
};

static const lbk_op logsumexp_backward_op = {
    .name = "logsumexp_backward",
    .summary = "derivative of logsumexp",
    .formula = "dx_k = dy exp(x_k - y)",
    .inputs = "dy[...] x[...,K] y[...]",
    .outputs = "dx[...,K]",
    .params = logsumexp_table,
    .params_size = sizeof(logsumexp_params),
    .min_inputs = 3,
    .max_inputs = 3,
    .infer = logsumexp_backward_infer,
    .cost = exponential_backward_cost,
    .differentiate = logsumexp_backward_differentiate,
    .reference = logsumexp_backward_reference,
    .variants = softmax_variants,
    .examples = logsumexp_backward_examples,
    .example_count = 3,
};

const lbk_op *const lbk_ops_softmax[] = {
    &softmax_op, &softmax_backward_op, &log_softmax_op, &log_softmax_backward_op, &logsumexp_op, &logsumexp_backward_op,
    NULL};

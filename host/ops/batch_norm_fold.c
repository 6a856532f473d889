/* batch_norm_fold: evaluation-mode batch normalisation as one multiply-add per channel, to be fused into a convolution. */
#include "ops/compose.h"
#include "ops/support.h"

#include <math.h>

typedef struct fold_params {
    double eps;
} fold_params;

static const lbk_param fold_table[] = {
    LBK_PARAM_FLOAT(fold_params, eps, "1e-5", 0, 1, NULL, "added to the variance", NULL), LBK_PARAM_END};

static lbk_status fold_infer(lbk_infer *infer) {
    static const char *const names[] = {"weight", "bias", "mean", "var"};
    LBK_TRY(lbk_infer_rank(infer, 0, names[0], 1));
    for (int i = 1; i < 4; i++)
        LBK_TRY(lbk_infer_shape(infer, i, names[i], infer->input[0].shape));
    lbk_infer_output(infer, LBK_F32, infer->input[0].shape);
    lbk_infer_output(infer, LBK_F32, infer->input[0].shape);
    return LBK_OK;
}

static void fold_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 5, cost);
}

static void fold_reference(const lbk_reference *r) {
    const fold_params *p = r->params;
    for (int64_t c = 0; c < lbk_ops_count(&r->input[0]); c++) {
        r->out[0][c] = r->in[0][c] / sqrt(r->in[3][c] + p->eps);
        r->out[1][c] = r->in[1][c] - r->in[2][c] * r->out[0][c];
    }
}

/* shift has -mean as a factor of scale, so scale gets G = dscale - dshift mean in all; with r = (var + eps)^(-1/2) dweight = G r,
 * dvar = -G weight r^3 / 2, dmean = -dshift scale, dbias = dshift. */
static lbk_status fold_differentiate(lbk_gradient *g) {
    enum { WEIGHT, BIAS, MEAN, VAR };
    const fold_params *p = g->params;
    lbk_compose c = {g, LBK_OK};
    lbk_value dshift = g->output_grad[1];
    lbk_value dscale = lbk_compose_sub(&c, g->output_grad[0], lbk_compose_mul(&c, dshift, g->input[MEAN]));
    lbk_value r = lbk_compose_unary(&c, "rsqrt", lbk_compose_scale(&c, g->input[VAR], 1, p->eps));
    if (g->wanted[WEIGHT])
        g->input_grad[WEIGHT] = lbk_compose_mul(&c, dscale, r);
    if (g->wanted[BIAS])
        g->input_grad[BIAS] = dshift;
    if (g->wanted[MEAN])
        g->input_grad[MEAN] = lbk_compose_unary(&c, "neg", lbk_compose_mul(&c, dshift, g->output[0]));
    if (g->wanted[VAR]) {
        lbk_value cube = lbk_compose_mul(&c, lbk_compose_unary(&c, "square", r), g->output[0]);
        g->input_grad[VAR] = lbk_compose_scale(&c, lbk_compose_mul(&c, dscale, cube), -0.5, 0);
    }
    return c.status;
}

static lbk_status fold_emit(lbk_emit *e) {
    const fold_params *p = e->params;
    int64_t channels = lbk_ops_count(&e->input[0]);
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, "generic/batch_norm_fold", "batch_norm_fold", &call));
    for (int i = 0; i < 4; i++)
        lbk_call_input(call, i);
    lbk_call_output(call, 0);
    lbk_call_output(call, 1);
    lbk_call_int(call, channels);
    lbk_call_float(call, p->eps);
    lbk_call_range_1d(call, (size_t)channels, lbk_emit_local(e));
    return LBK_OK;
}

static const lbk_variant fold_variants[] = {{LBK_CLASS_GENERIC, "elementwise", fold_emit}, {.emit = NULL}};

#define EXAMPLE(c)                                                                                                     \
    { .params = "", .input = {{1, {c}}, {1, {c}}, {1, {c}}, {1, {c}}}, .input_count = 4, .low = 0.05, .high = 2 }
static const lbk_op_example fold_examples[] = {EXAMPLE(1), EXAMPLE(61), EXAMPLE(256)};

static const lbk_op fold_op = {
    .name = "batch_norm_fold",
    .summary = "scale and shift of a batch normalisation with constant statistics",
    .formula = "scale = weight / sqrt(var + eps), shift = bias - mean * scale",
    .inputs = "weight[C] bias[C] mean[C] var[C]",
    .outputs = "scale[C] shift[C]",
    .params = fold_table,
    .params_size = sizeof(fold_params),
    .min_inputs = 4,
    .max_inputs = 4,
    .infer = fold_infer,
    .differentiate = fold_differentiate,
    .cost = fold_cost,
    .reference = fold_reference,
    .variants = fold_variants,
    .examples = fold_examples,
    .example_count = 3,
};

const lbk_op *const lbk_ops_batch_norm_fold[] = {&fold_op, NULL};

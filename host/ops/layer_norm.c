/* layer_norm (Ba, Kiros, Hinton, "Layer normalization", 2016) over the last dimensions:
 * y = weight * (x - mean) / sqrt(var + eps) + bias, mean and variance (biased) those of each row. */
#include "ops/layer_norm.h"

#include "ops/compose.h"

#include <math.h>

typedef struct layer_norm_params {
    int dims;
    double eps;
    bool affine, bias;
} layer_norm_params;

static const lbk_param layer_norm_table[] = {
    LBK_PARAM_INT(layer_norm_params, dims, "1", 1, LBK_MAX_RANK, NULL, "how many of the last dimensions form a row",
                  NULL),
    LBK_PARAM_FLOAT(layer_norm_params, eps, "1e-5", 0, 1, NULL, "added to the variance", "Ba et al. 2016"),
    LBK_PARAM_BOOL(layer_norm_params, affine, "yes", "a weight, and with it a bias, per element of a row", NULL),
    LBK_PARAM_BOOL(layer_norm_params, bias, "yes", "with affine: a bias too", NULL), LBK_PARAM_END};

enum { X, WEIGHT, BIAS }; /* inputs */

const char *const lbk_layer_norm_files[] = {"generic/layer_norm", "cpu/layer_norm", "gpu/layer_norm"};

lbk_status lbk_layer_norm_rows(const lbk_shape *x, int dims, lbk_layer_norm *norm) {
    char text[LBK_SHAPE_TEXT];
    if (dims > x->rank)
        return lbk_fail(LBK_ERR_INPUT, "dims=%d: x has %d dimensions (%s)", dims, x->rank, lbk_shape_print(x, text));
    *norm = (lbk_layer_norm){.row = lbk_shape_of(dims, x->dim + x->rank - dims),
                             .saved = dims == x->rank ? lbk_shape_1(1) : lbk_shape_of(x->rank - dims, x->dim)};
    norm->rows = lbk_shape_count(&norm->saved);
    norm->length = lbk_shape_count(&norm->row);
    return LBK_OK;
}

static lbk_status layer_norm_infer(lbk_infer *infer) {
    const layer_norm_params *p = infer->params;
    lbk_layer_norm norm;
    LBK_TRY(lbk_layer_norm_rows(&infer->input[X].shape, p->dims, &norm));
    if (lbk_infer_has(infer, WEIGHT))
        LBK_TRY(lbk_infer_shape(infer, WEIGHT, "weight", norm.row));
    if (lbk_infer_has(infer, BIAS))
        LBK_TRY(lbk_infer_shape(infer, BIAS, "bias", norm.row));
    if (lbk_infer_has(infer, BIAS) && !lbk_infer_has(infer, WEIGHT))
        return lbk_fail(LBK_ERR_INPUT, "a bias needs a weight beside it");
    lbk_infer_output(infer, LBK_F32, infer->input[X].shape);
    lbk_infer_output(infer, LBK_F32, norm.saved); /* mean */
    lbk_infer_output(infer, LBK_F32, norm.saved); /* rstd */
    return LBK_OK;
}

static void layer_norm_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 7, cost);
}

static void layer_norm_reference(const lbk_reference *r) {
    const layer_norm_params *p = r->params;
    int64_t rows = lbk_ops_count(&r->output[1]), length = lbk_ops_count(&r->input[X]) / rows;
    const double *weight = r->input_count > WEIGHT ? r->in[WEIGHT] : NULL;
    const double *bias = r->input_count > BIAS ? r->in[BIAS] : NULL;
    for (int64_t row = 0; row < rows; row++) {
        const double *x = r->in[X] + row * length;
        double mean = 0, var = 0;
        for (int64_t k = 0; k < length; k++)
            mean += x[k] / (double)length;
        for (int64_t k = 0; k < length; k++)
            var += (x[k] - mean) * (x[k] - mean) / (double)length;
        r->out[1][row] = mean;
        r->out[2][row] = 1 / sqrt(var + p->eps);
        for (int64_t k = 0; k < length; k++)
            r->out[0][row * length + k] =
                (x[k] - mean) * r->out[2][row] * (weight ? weight[k] : 1) + (bias ? bias[k] : 0);
    }
}

static lbk_status layer_norm_differentiate(lbk_gradient *g) {
    const layer_norm_params *p = g->params;
    bool weight = g->input_count > WEIGHT && lbk_ops_present(&g->input_desc[WEIGHT]);
    bool bias = g->input_count > BIAS && lbk_ops_present(&g->input_desc[BIAS]);
    const lbk_layer_norm_backward_params params = {.dims = p->dims, .bias = bias};
    const lbk_value inputs[] = {g->output_grad[0], g->input[X], g->output[1], g->output[2], g->input[WEIGHT]};
    lbk_value outputs[LBK_MAX_OUTPUTS], dx;
    if (g->output_grad[0] != LBK_NONE)
        LBK_TRY(lbk_gradient_emit(g, "layer_norm_backward", &params, weight ? 5 : 4, inputs, outputs));
    for (int i = X; i <= BIAS && g->output_grad[0] != LBK_NONE; i++)
        if (g->wanted[i])
            g->input_grad[i] = outputs[i];
    if (!g->wanted[X] || (g->output_grad[1] == LBK_NONE && g->output_grad[2] == LBK_NONE))
        return LBK_OK;
    LBK_TRY(lbk_layer_norm_statistics_differentiate(g, p->dims, &dx));
    lbk_compose c = {g, LBK_OK};
    g->input_grad[X] = lbk_compose_add(&c, g->input_grad[X], dx);
    return c.status;
}

static lbk_status layer_norm_weights(const void *params, const lbk_tensor_desc *input, lbk_weight_list *list) {
    const layer_norm_params *p = params;
    lbk_layer_norm norm;
    LBK_TRY(lbk_layer_norm_rows(&input->shape, p->dims, &norm));
    list->count = p->affine ? 1 + p->bias : 0;
    list->item[0] = (lbk_weight){
        .suffix = "weight", .kind = LBK_WEIGHT_PARAM, .input = WEIGHT, .shape = norm.row, .init = LBK_INIT_ONE};
    list->item[1] = (lbk_weight){
        .suffix = "bias", .kind = LBK_WEIGHT_PARAM, .input = BIAS, .shape = norm.row, .init = LBK_INIT_ZERO};
    return LBK_OK;
}

/* An absent input is passed as x and not read. */
static void call_optional(lbk_call *call, const lbk_emit *e, int input) {
    lbk_call_input(call, lbk_emit_has(e, input) ? input : X);
}

static lbk_status layer_norm_emit(lbk_emit *e, lbk_class cls) {
    const layer_norm_params *p = e->params;
    lbk_layer_norm norm;
    lbk_call *call;
    LBK_TRY(lbk_layer_norm_rows(&e->input[X].shape, p->dims, &norm));
    LBK_TRY(lbk_emit_kernel(e, lbk_layer_norm_files[cls], "layer_norm", &call));
    lbk_call_input(call, X);
    call_optional(call, e, WEIGHT);
    call_optional(call, e, BIAS);
    for (int i = 0; i < 3; i++)
        lbk_call_output(call, i);
    lbk_call_int(call, lbk_emit_has(e, WEIGHT) + lbk_emit_has(e, BIAS));
    lbk_call_float(call, p->eps);
    return lbk_rows_call(call, e, cls, norm.rows, norm.length);
}

LBK_VARIANTS_BY_CLASS(layer_norm, "vector", "group", "row")

static const lbk_op_example layer_norm_examples[] = {
    {.params = "", .input = {{3, {2, 7, 48}}, {1, {48}}, {1, {48}}}, .input_count = 3},
    {.params = "eps=0.1", .input = {{1, {1}}, {1, {1}}, {1, {1}}}, .input_count = 3},
    {.params = "dims=2 eps=0.001",
     .input = {{3, {37, 5, 67}}, {2, {5, 67}}, {2, {5, 67}}},
     .input_count = 3,
     .low = -3,
     .high = 5},
    {.params = "affine=no", .input = {{2, {13, 31}}}, .input_count = 1},
    {.params = "bias=no dims=2", .input = {{2, {11, 93}}, {2, {11, 93}}}, .input_count = 2},
};

static const lbk_op layer_norm_op = {
    .name = "layer_norm",
    .summary = "normalisation of each row by its own mean and variance",
    .formula = "y = weight * (x - mean) * rstd + bias, rstd = 1 / sqrt(var + eps), over the last `dims` dimensions",
    .inputs = "x[...,L] weight[L]? bias[L]? (L: the last `dims` dimensions)",
    .outputs = "y[...,L] mean[...] rstd[...]",
    .params = layer_norm_table,
    .params_size = sizeof(layer_norm_params),
    .min_inputs = 1,
    .max_inputs = 3,
    .inplace = 1 + X,
    .layer = true,
    .infer = layer_norm_infer,
    .cost = layer_norm_cost,
    .differentiate = layer_norm_differentiate,
    .reference = layer_norm_reference,
    .variants = layer_norm_variants,
    .examples = layer_norm_examples,
    .example_count = sizeof layer_norm_examples / sizeof *layer_norm_examples,
    .weights = layer_norm_weights,
};

const lbk_op *const lbk_ops_layer_norm[] = {&layer_norm_op, NULL};

/* group_norm (Wu and He, "Group normalization", 2018) and instance_norm (Ulyanov et al. 2016), which has a group per channel:
 * y = weight * (x - mean) / sqrt(var + eps) + bias, mean and variance (biased) those of a group of channels of one image. */
#include "ops/group_norm.h"

#include <math.h>

typedef struct group_norm_params {
    int groups; /* 0, which the table does not allow: one per channel (instance_norm) */
    double eps;
    bool affine;
} group_norm_params;

#define EPS_ROW LBK_PARAM_FLOAT(group_norm_params, eps, "1e-5", 0, 1, NULL, "added to the variance", "Wu and He 2018")
static const lbk_param group_norm_table[] = {
    LBK_PARAM_INT(group_norm_params, groups, NULL, 1, 1 << 24, "groups", "how many; must divide the channels", NULL),
    EPS_ROW, LBK_PARAM_BOOL(group_norm_params, affine, "yes", "a weight and a bias per channel", NULL), LBK_PARAM_END};

static const lbk_param instance_norm_table[] = {
    EPS_ROW, LBK_PARAM_BOOL(group_norm_params, affine, "no", "a weight and a bias per channel", NULL), LBK_PARAM_END};

enum { X, WEIGHT, BIAS }; /* inputs */

static lbk_status group_norm_infer(lbk_infer *infer) {
    const group_norm_params *p = infer->params;
    lbk_group_norm norm;
    LBK_TRY(lbk_group_norm_init(&norm, &infer->input[X].shape, p->groups));
    if (lbk_infer_has(infer, WEIGHT) != lbk_infer_has(infer, BIAS))
        return lbk_fail(LBK_ERR_INPUT, "a weight and a bias belong together");
    if (lbk_infer_has(infer, WEIGHT)) {
        LBK_TRY(lbk_infer_shape(infer, WEIGHT, "weight", lbk_shape_1(norm.channels)));
        LBK_TRY(lbk_infer_shape(infer, BIAS, "bias", lbk_shape_1(norm.channels)));
    }
    lbk_infer_output(infer, LBK_F32, infer->input[X].shape);
    lbk_infer_output(infer, LBK_F32, lbk_group_norm_saved(&norm)); /* mean */
    lbk_infer_output(infer, LBK_F32, lbk_group_norm_saved(&norm)); /* rstd */
    return LBK_OK;
}

/* x is read twice. */
static void group_norm_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 7, cost);
    cost->bytes += (double)lbk_tensor_bytes(&shapes->input[X]);
}

static void group_norm_reference(const lbk_reference *r) {
    const group_norm_params *p = r->params;
    lbk_group_norm norm;
    if (lbk_group_norm_init(&norm, &r->input[X].shape, p->groups) != LBK_OK)
        return;
    double count = (double)(norm.pixels * norm.each);
    int64_t elements = lbk_ops_count(&r->input[X]), image = norm.pixels * norm.channels;
    double *mean = r->out[1], *rstd = r->out[2];
    for (int64_t i = 0; i < elements; i++)
        mean[i / image * norm.groups + i % norm.channels / norm.each] += r->in[X][i] / count;
    for (int64_t i = 0; i < elements; i++) {
        int64_t s = i / image * norm.groups + i % norm.channels / norm.each;
        rstd[s] += (r->in[X][i] - mean[s]) * (r->in[X][i] - mean[s]) / count;
    }
    for (int64_t s = 0; s < norm.images * norm.groups; s++)
        rstd[s] = 1 / sqrt(rstd[s] + p->eps);
    for (int64_t i = 0; i < elements; i++) {
        int64_t s = i / image * norm.groups + i % norm.channels / norm.each, c = i % norm.channels;
        r->out[0][i] = (r->in[X][i] - mean[s]) * rstd[s];
        if (r->input_count > WEIGHT)
            r->out[0][i] = r->out[0][i] * r->in[WEIGHT][c] + r->in[BIAS][c];
    }
}

static lbk_status group_norm_differentiate(lbk_gradient *g) {
    bool affine = g->input_count > WEIGHT;
    const lbk_group_norm_backward_params params = {.groups = (int)lbk_shape_last(&g->output_desc[1].shape)};
    const lbk_value inputs[] = {g->output_grad[0], g->input[X], g->output[1], g->output[2], g->input[WEIGHT]};
    lbk_value outputs[LBK_MAX_OUTPUTS];
    if (g->output_grad[1] != LBK_NONE || g->output_grad[2] != LBK_NONE)
        return lbk_fail(LBK_ERR_UNSUPPORTED, "outputs mean and rstd have no derivative");
    LBK_TRY(lbk_gradient_emit(g, "group_norm_backward", &params, affine ? 5 : 4, inputs, outputs));
    for (int i = X; i <= BIAS; i++)
        if (g->wanted[i])
            g->input_grad[i] = outputs[i];
    return LBK_OK;
}

static lbk_status group_norm_weights(const void *params, const lbk_tensor_desc *input, lbk_weight_list *list) {
    const group_norm_params *p = params;
    lbk_shape vector = lbk_shape_1(lbk_shape_last(&input->shape));
    list->count = p->affine ? 2 : 0;
    list->item[0] = (lbk_weight){
        .suffix = "weight", .kind = LBK_WEIGHT_PARAM, .input = WEIGHT, .shape = vector, .init = LBK_INIT_ONE};
    list->item[1] =
        (lbk_weight){.suffix = "bias", .kind = LBK_WEIGHT_PARAM, .input = BIAS, .shape = vector, .init = LBK_INIT_ZERO};
    return LBK_OK;
}

/* Mean and squared deviations of every channel of every block; classes other than cpu have batch_norm's kernel. */
static lbk_status emit_moments(lbk_emit *e, const lbk_group_norm *norm, lbk_class cls, int partial) {
    static const char *const files[] = {"generic/batch_norm", "cpu/group_norm", "gpu/batch_norm"};
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, files[cls], "moments", &call));
    lbk_call_input(call, X);
    lbk_call_scratch(call, partial);
    return lbk_group_norm_pass(call, e, norm, cls, true);
}

static lbk_status emit_finish(lbk_emit *e, const lbk_group_norm *norm, lbk_class cls, int partial, int table) {
    const group_norm_params *p = e->params;
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, cls == LBK_CLASS_GPU ? "gpu/group_norm" : "generic/group_norm", "finish", &call));
    lbk_call_scratch(call, partial);
    lbk_call_input(call, lbk_emit_has(e, WEIGHT) ? WEIGHT : X); /* X: not read */
    lbk_call_output(call, 1);
    lbk_call_output(call, 2);
    lbk_call_scratch(call, table);
    lbk_call_int(call, lbk_emit_has(e, WEIGHT));
    lbk_call_float(call, p->eps);
    return lbk_group_norm_over_groups(call, e, norm, cls);
}

static lbk_status emit_apply(lbk_emit *e, const lbk_group_norm *norm, lbk_class cls, int table) {
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, cls == LBK_CLASS_CPU ? "cpu/group_norm" : "generic/group_norm", "apply", &call));
    lbk_call_input(call, X);
    lbk_call_scratch(call, table);
    lbk_call_input(call, lbk_emit_has(e, BIAS) ? BIAS : X); /* X: not read */
    lbk_call_output(call, 0);
    lbk_call_int(call, lbk_emit_has(e, BIAS));
    return lbk_group_norm_pass(call, e, norm, cls, false);
}

static lbk_status group_norm_emit(lbk_emit *e, lbk_class cls) {
    const group_norm_params *p = e->params;
    lbk_group_norm norm;
    LBK_TRY(lbk_group_norm_init(&norm, &e->input[X].shape, p->groups));
    lbk_group_norm_split(&norm, e, cls);
    int table = lbk_group_norm_table(e, &norm, 2), partial = lbk_group_norm_partial(e, &norm);
    LBK_TRY(emit_moments(e, &norm, cls, partial));
    LBK_TRY(emit_finish(e, &norm, cls, partial, table));
    return emit_apply(e, &norm, cls, table);
}

LBK_VARIANTS_BY_CLASS(group_norm, "vector", "tree", "columns")

static const lbk_op_example group_norm_examples[] = {
    {.params = "groups=4", .input = {{4, {2, 8, 8, 32}}, {1, {32}}, {1, {32}}}, .input_count = 3},
    {.params = "groups=1 eps=0.1", .input = {{2, {1, 2}}, {1, {2}}, {1, {2}}}, .input_count = 3},
    {.params = "groups=3", .input = {{4, {5, 1, 7, 21}}, {1, {21}}, {1, {21}}}, .input_count = 3, .low = 1, .high = 5},
    {.params = "groups=1", .input = {{3, {2, 527, 67}}, {1, {67}}, {1, {67}}}, .input_count = 3},
    {.params = "groups=10 affine=no", .input = {{4, {4, 5, 5, 100}}}, .input_count = 1},
};

static const lbk_op_example instance_norm_examples[] = {
    {.params = "", .input = {{4, {2, 8, 8, 32}}}, .input_count = 1},
    {.params = "eps=0.1", .input = {{3, {1, 2, 1}}}, .input_count = 1},
    {.params = "affine=yes", .input = {{4, {3, 17, 19, 67}}, {1, {67}}, {1, {67}}}, .input_count = 3},
};

static const lbk_op group_norm_op = {
    .name = "group_norm",
    .summary = "normalisation of each image's groups of channels by their own mean and variance",
    .formula = "y = weight * (x - mean) * rstd + bias, rstd = 1 / sqrt(var + eps), per image and group",
    .inputs = "x[N,...,C] weight[C]? bias[C]?",
    .outputs = "y[N,...,C] mean[N,groups] rstd[N,groups]",
    .params = group_norm_table,
    .params_size = sizeof(group_norm_params),
    .min_inputs = 1,
    .max_inputs = 3,
    .inplace = 1 + X,
    .layer = true,
    .infer = group_norm_infer,
    .cost = group_norm_cost,
    .differentiate = group_norm_differentiate,
    .reference = group_norm_reference,
    .variants = group_norm_variants,
    .examples = group_norm_examples,
    .example_count = sizeof group_norm_examples / sizeof *group_norm_examples,
    .weights = group_norm_weights,
};

static const lbk_op instance_norm_op = {
    .name = "instance_norm",
    .summary = "normalisation of each image's channels by their own mean and variance",
    .formula = "y = weight * (x - mean) * rstd + bias, rstd = 1 / sqrt(var + eps), per image and channel",
    .inputs = "x[N,...,C] weight[C]? bias[C]?",
    .outputs = "y[N,...,C] mean[N,C] rstd[N,C]",
    .params = instance_norm_table,
    .params_size = sizeof(group_norm_params),
    .min_inputs = 1,
    .max_inputs = 3,
    .inplace = 1 + X,
    .layer = true,
    .infer = group_norm_infer,
    .cost = group_norm_cost,
    .differentiate = group_norm_differentiate,
    .reference = group_norm_reference,
    .variants = group_norm_variants,
    .examples = instance_norm_examples,
    .example_count = sizeof instance_norm_examples / sizeof *instance_norm_examples,
    .weights = group_norm_weights,
};

const lbk_op *const lbk_ops_group_norm[] = {&group_norm_op, &instance_norm_op, NULL};

/* group_norm_backward: the derivative of group_norm and instance_norm. With g = dy * weight, x^ = (x - mean) * rstd and M
 * elements in a group:  dx = rstd (g - sum(g) / M - x^ sum(g x^) / M),  dweight = sum dy x^,  dbias = sum dy. */
#include "ops/group_norm.h"

typedef lbk_group_norm_backward_params backward_params;

static const lbk_param backward_table[] = {
    LBK_PARAM_INT(backward_params, groups, NULL, 1, 1 << 24, "groups", "how many; must divide the channels", NULL),
    LBK_PARAM_END};

enum { DY, X, MEAN, RSTD, WEIGHT }; /* inputs */

static lbk_status backward_infer(lbk_infer *infer) {
    const backward_params *p = infer->params;
    const lbk_shape *x = &infer->input[X].shape;
    lbk_group_norm norm;
    LBK_TRY(lbk_group_norm_init(&norm, x, p->groups));
    LBK_TRY(lbk_infer_shape(infer, DY, "dy", *x));
    LBK_TRY(lbk_infer_shape(infer, MEAN, "mean", lbk_group_norm_saved(&norm)));
    LBK_TRY(lbk_infer_shape(infer, RSTD, "rstd", lbk_group_norm_saved(&norm)));
    lbk_infer_output(infer, LBK_F32, *x);
    if (!lbk_infer_has(infer, WEIGHT))
        return LBK_OK;
    LBK_TRY(lbk_infer_shape(infer, WEIGHT, "weight", lbk_shape_1(norm.channels)));
    lbk_infer_output(infer, LBK_F32, lbk_shape_1(norm.channels));
    lbk_infer_output(infer, LBK_F32, lbk_shape_1(norm.channels));
    return LBK_OK;
}

/* dy and x are read twice. */
static void backward_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 12, cost);
    cost->bytes += 2 * (double)lbk_tensor_bytes(&shapes->input[X]);
}

static void reference_group(const lbk_reference *r, const lbk_group_norm *norm, int64_t image, int64_t group) {
    const double *weight = r->input_count > WEIGHT ? r->in[WEIGHT] : NULL;
    double mean = r->in[MEAN][image * norm->groups + group], rstd = r->in[RSTD][image * norm->groups + group];
    double sum = 0, dot = 0, count = (double)(norm->pixels * norm->each);
    int64_t first = image * norm->pixels * norm->channels + group * norm->each;
    for (int64_t k = 0; k < norm->pixels * norm->each; k++) {
        int64_t c = group * norm->each + k % norm->each, i = first + k / norm->each * norm->channels + k % norm->each;
        double dy = r->in[DY][i], x_hat = (r->in[X][i] - mean) * rstd;
        sum += dy * (weight ? weight[c] : 1);
        dot += dy * (weight ? weight[c] : 1) * x_hat;
        if (weight) {
            r->out[1][c] += dy * x_hat;
            r->out[2][c] += dy;
        }
    }
    for (int64_t k = 0; k < norm->pixels * norm->each; k++) {
        int64_t c = group * norm->each + k % norm->each, i = first + k / norm->each * norm->channels + k % norm->each;
        double g = r->in[DY][i] * (weight ? weight[c] : 1), x_hat = (r->in[X][i] - mean) * rstd;
        r->out[0][i] = rstd * (g - (sum + x_hat * dot) / count);
    }
}

static void backward_reference(const lbk_reference *r) {
    const backward_params *p = r->params;
    lbk_group_norm norm;
    if (lbk_group_norm_init(&norm, &r->input[X].shape, p->groups) != LBK_OK)
        return;
    for (int64_t s = 0; s < norm.images * norm.groups; s++)
        reference_group(r, &norm, s / norm.groups, s % norm.groups);
}

static lbk_status emit_sums(lbk_emit *e, const lbk_group_norm *norm, lbk_class cls, int partial) {
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, lbk_group_norm_files[cls], "sums", &call));
    lbk_call_input(call, DY);
    lbk_call_input(call, X);
    lbk_call_input(call, MEAN);
    lbk_call_scratch(call, partial);
    lbk_call_int(call, norm->each);
    return lbk_group_norm_pass(call, e, norm, cls, true);
}

static lbk_status emit_finish_groups(lbk_emit *e, const lbk_group_norm *norm, lbk_class cls, int partial, int table) {
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, cls == LBK_CLASS_GPU ? "gpu/group_norm" : "generic/group_norm", "finish_groups", &call));
    lbk_call_scratch(call, partial);
    lbk_call_input(call, MEAN);
    lbk_call_input(call, RSTD);
    lbk_call_input(call, lbk_emit_has(e, WEIGHT) ? WEIGHT : X); /* X: not read */
    lbk_call_scratch(call, table);
    lbk_call_int(call, lbk_emit_has(e, WEIGHT));
    return lbk_group_norm_over_groups(call, e, norm, cls);
}

static lbk_status emit_finish_channels(lbk_emit *e, const lbk_group_norm *norm, lbk_class cls, int partial) {
    lbk_call *call;
    LBK_TRY(
        lbk_emit_kernel(e, cls == LBK_CLASS_GPU ? "gpu/group_norm" : "generic/group_norm", "finish_channels", &call));
    lbk_call_scratch(call, partial);
    lbk_call_input(call, RSTD);
    lbk_call_output(call, 1);
    lbk_call_output(call, 2);
    lbk_call_int(call, norm->channels);
    lbk_call_int(call, norm->each);
    lbk_call_int(call, norm->parts);
    lbk_call_int(call, norm->split.blocks);
    lbk_norm_call_finish(call, e, &norm->split, cls == LBK_CLASS_GPU ? cls : LBK_CLASS_GENERIC);
    return cls == LBK_CLASS_GPU ? lbk_norm_option_group(call, &norm->split) : LBK_OK;
}

static lbk_status emit_apply(lbk_emit *e, const lbk_group_norm *norm, lbk_class cls, int table) {
    lbk_call *call;
    LBK_TRY(
        lbk_emit_kernel(e, cls == LBK_CLASS_CPU ? "cpu/group_norm" : "generic/group_norm", "apply_backward", &call));
    lbk_call_input(call, DY);
    lbk_call_input(call, X);
    lbk_call_scratch(call, table);
    lbk_call_output(call, 0);
    lbk_call_int(call, norm->images);
    return lbk_group_norm_pass(call, e, norm, cls, false);
}

static lbk_status backward_emit(lbk_emit *e, lbk_class cls) {
    const backward_params *p = e->params;
    lbk_group_norm norm;
    LBK_TRY(lbk_group_norm_init(&norm, &e->input[X].shape, p->groups));
    lbk_group_norm_split(&norm, e, cls);
    int table = lbk_group_norm_table(e, &norm, 4), partial = lbk_group_norm_partial(e, &norm);
    LBK_TRY(emit_sums(e, &norm, cls, partial));
    LBK_TRY(emit_finish_groups(e, &norm, cls, partial, table));
    if (lbk_emit_has(e, WEIGHT))
        LBK_TRY(emit_finish_channels(e, &norm, cls, partial));
    return emit_apply(e, &norm, cls, table);
}

LBK_VARIANTS_BY_CLASS(backward, "vector", "tree", "columns")

#define EXAMPLE(text, n, groups, c, ...)                                                                               \
    {                                                                                                                  \
        .params = text, .input = {__VA_ARGS__, __VA_ARGS__, {2, {n, groups}}, {2, {n, groups}}, {1, {c}}},             \
        .input_count = 5, .low = 0.05, .high = 2                                                                       \
    }
static const lbk_op_example backward_examples[] = {
    EXAMPLE("groups=4", 2, 4, 32, {4, {2, 8, 4, 32}}),
    EXAMPLE("groups=1", 1, 1, 2, {2, {1, 2}}),
    EXAMPLE("groups=67", 3, 67, 67, {4, {3, 17, 19, 67}}),
    EXAMPLE("groups=1", 2, 1, 35, {3, {2, 527, 35}}),
    {.params = "groups=10",
     .input = {{4, {4, 5, 5, 100}}, {4, {4, 5, 5, 100}}, {2, {4, 10}}, {2, {4, 10}}},
     .input_count = 4},
};

static const lbk_op backward_op = {
    .name = "group_norm_backward",
    .summary = "derivative of group_norm and instance_norm",
    .formula = "dx = rstd (g - mean(g) - x^ mean(g x^)), g = dy * weight, x^ = (x - mean) rstd; dweight = sum dy x^, "
               "dbias = sum dy",
    .inputs = "dy[N,...,C] x[N,...,C] mean[N,groups] rstd[N,groups] weight[C]?",
    .outputs = "dx[N,...,C] dweight[C] dbias[C] (the last two only with a weight)",
    .params = backward_table,
    .params_size = sizeof(backward_params),
    .min_inputs = 4,
    .max_inputs = 5,
    .inplace = 1 + DY,
    .infer = backward_infer,
    .cost = backward_cost,
    .reference = backward_reference,
    .variants = backward_variants,
    .examples = backward_examples,
    .example_count = sizeof backward_examples / sizeof *backward_examples,
};

const lbk_op *const lbk_ops_group_norm_backward[] = {&backward_op, NULL};

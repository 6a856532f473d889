/* batch_norm (Ioffe and Szegedy, "Batch normalization", 2015) over all dimensions but the last, with an optional fused
 * residual addend and relu:  y = max(0, weight * (x - mean) / sqrt(var + eps) + bias + addend).
 *
 * Training uses the batch's own statistics and moves the running ones, where it is given them, towards these, with the
 * unbiased variance, as PyTorch does; evaluation uses the running ones. */
#include "ops/batch_norm.h"
#include "ops/compose.h"

#include <math.h>

typedef struct batch_norm_params {
    double eps, momentum;
    bool training, relu;
} batch_norm_params;

static const lbk_param batch_norm_table[] = {
    LBK_PARAM_FLOAT(batch_norm_params, eps, "1e-5", 0, 1, NULL, "added to the variance", "Ioffe and Szegedy 2015"),
    LBK_PARAM_FLOAT(batch_norm_params, momentum, "0.1", 0, 1, NULL,
                    "running = (1 - momentum) * running + momentum * batch", "PyTorch's meaning"),
    LBK_PARAM_BOOL(batch_norm_params, training, "yes", "normalise by the batch's statistics, update the running ones",
                   NULL),
    LBK_PARAM_BOOL(batch_norm_params, relu, "no", "y = max(y, 0) in the same pass", NULL), LBK_PARAM_END};

enum { X, WEIGHT, BIAS, RUNNING_MEAN, RUNNING_VAR, ADDEND }; /* inputs */

static lbk_status batch_norm_infer(lbk_infer *infer) {
    const batch_norm_params *p = infer->params;
    const lbk_shape *x = &infer->input[X].shape;
    static const char *const names[] = {"x", "weight", "bias", "running_mean", "running_var"};
    lbk_shape vector = lbk_shape_1(lbk_shape_last(x));
    if (x->rank < 2)
        return lbk_fail(LBK_ERR_INPUT, "x has %d dimensions, expected at least 2", x->rank);
    for (int i = WEIGHT; i <= RUNNING_VAR; i++)
        if (lbk_infer_has(infer, i) || !p->training)
            LBK_TRY(lbk_infer_shape(infer, i, names[i], vector));
    if (lbk_infer_has(infer, RUNNING_MEAN) != lbk_infer_has(infer, RUNNING_VAR))
        return lbk_fail(LBK_ERR_INPUT, "running_mean and running_var come together");
    if (lbk_infer_has(infer, ADDEND))
        LBK_TRY(lbk_infer_shape(infer, ADDEND, "addend", *x));
    if (p->training && lbk_ops_rows(x) < 2)
        return lbk_fail(LBK_ERR_INPUT, "training needs more than one value per channel");
    lbk_infer_output(infer, LBK_F32, *x);
    if (p->training) {
        lbk_infer_output(infer, LBK_F32, vector); /* save_mean */
        lbk_infer_output(infer, LBK_F32, vector); /* save_rstd */
    }
    return LBK_OK;
}

/* Training reads x twice. */
static void batch_norm_cost(const lbk_infer *shapes, lbk_cost *cost) {
    const batch_norm_params *p = shapes->params;
    lbk_cost_elementwise(shapes, p->training ? 7 : 3, cost);
    if (p->training)
        cost->bytes += (double)lbk_tensor_bytes(&shapes->input[X]);
}

static void reference_statistics(const lbk_reference *r, int64_t c, double *mean, double *var) {
    int64_t channels = lbk_shape_last(&r->input[X].shape), rows = lbk_ops_rows(&r->input[X].shape);
    *mean = *var = 0;
    for (int64_t row = 0; row < rows; row++)
        *mean += r->in[X][row * channels + c] / (double)rows;
    for (int64_t row = 0; row < rows; row++)
        *var += pow(r->in[X][row * channels + c] - *mean, 2) / (double)rows;
}

static void reference_running(const lbk_reference *r, int64_t c, double mean, double var) {
    const batch_norm_params *p = r->params;
    double rows = (double)lbk_ops_rows(&r->input[X].shape);
    r->in[RUNNING_MEAN][c] = (1 - p->momentum) * r->in[RUNNING_MEAN][c] + p->momentum * mean;
    r->in[RUNNING_VAR][c] = (1 - p->momentum) * r->in[RUNNING_VAR][c] + p->momentum * var * rows / (rows - 1);
}

static void batch_norm_reference(const lbk_reference *r) {
    const batch_norm_params *p = r->params;
    int64_t channels = lbk_shape_last(&r->input[X].shape), rows = lbk_ops_rows(&r->input[X].shape);
    bool add = r->input_count > ADDEND && r->in[ADDEND] != NULL;
    bool running = r->input_count > RUNNING_VAR && r->in[RUNNING_MEAN] != NULL;
    for (int64_t c = 0; c < channels; c++) {
        double mean = running ? r->in[RUNNING_MEAN][c] : 0, var = running ? r->in[RUNNING_VAR][c] : 0;
        if (p->training) {
            reference_statistics(r, c, &mean, &var);
            if (running)
                reference_running(r, c, mean, var);
            r->out[1][c] = mean;
            r->out[2][c] = 1 / sqrt(var + p->eps);
        }
        for (int64_t i = c; i < rows * channels; i += channels) {
            double y = (r->in[X][i] - mean) / sqrt(var + p->eps) * r->in[WEIGHT][c] + r->in[BIAS][c];
            y += add ? r->in[ADDEND][i] : 0;
            r->out[0][i] = p->relu && y < 0 ? 0 : y;
        }
    }
}

/* Behind a relu with an addend the sign of y decides and the op returns the addend's gradient; an addend without relu passes
 * dy on. */
static lbk_status differentiate_y(lbk_gradient *g) {
    const batch_norm_params *p = g->params;
    bool add = g->input_count > ADDEND && lbk_ops_present(&g->input_desc[ADDEND]);
    lbk_norm_backward_params params = {.eps = p->eps, .training = p->training, .relu = p->relu, .addend = add};
    const lbk_value inputs[] = {g->output_grad[0],
                                g->input[X],
                                g->input[WEIGHT],
                                g->input[BIAS],
                                p->training ? g->output[1] : g->input[RUNNING_MEAN],
                                p->training ? g->output[2] : g->input[RUNNING_VAR],
                                g->output[0]};
    lbk_value outputs[LBK_MAX_OUTPUTS];
    bool from_y = p->relu && (add || g->rounded); /* near zero a rounded x has the other sign */
    LBK_TRY(lbk_gradient_emit(g, "batch_norm_backward", &params, from_y ? 7 : 6, inputs, outputs));
    for (int i = X; i <= BIAS; i++)
        if (g->wanted[i])
            g->input_grad[i] = outputs[i];
    if (add && g->wanted[ADDEND])
        g->input_grad[ADDEND] = p->relu ? outputs[3] : g->output_grad[0];
    return LBK_OK;
}

static lbk_status batch_norm_differentiate(lbk_gradient *g) {
    lbk_compose c = {g, LBK_OK};
    lbk_value by_statistics;
    if (g->output_grad[0] != LBK_NONE)
        LBK_TRY(differentiate_y(g));
    if (!g->wanted[X] || (g->output_grad[1] == LBK_NONE && g->output_grad[2] == LBK_NONE))
        return LBK_OK;
    LBK_TRY(lbk_norm_statistics_differentiate(g, g->output_grad[1], g->output_grad[2], &by_statistics));
    g->input_grad[X] = lbk_compose_add(&c, g->input_grad[X], by_statistics);
    return c.status;
}

static lbk_status batch_norm_weights(const void *params, const lbk_tensor_desc *input, lbk_weight_list *list) {
    (void)params;
    lbk_shape vector = lbk_shape_1(lbk_shape_last(&input->shape));
    static const struct {
        const char *suffix;
        lbk_weight_kind kind;
        int input;
        lbk_init init;
    } weights[] = {{"weight", LBK_WEIGHT_PARAM, WEIGHT, LBK_INIT_ONE},
                   {"bias", LBK_WEIGHT_PARAM, BIAS, LBK_INIT_ZERO},
                   {"running_mean", LBK_WEIGHT_STATE, RUNNING_MEAN, LBK_INIT_ZERO},
                   {"running_var", LBK_WEIGHT_STATE, RUNNING_VAR, LBK_INIT_ONE},
                   {"num_batches_tracked", LBK_WEIGHT_COUNTER, -1, LBK_INIT_ZERO}};
    const lbk_shape none = {.rank = 0};
    list->count = sizeof weights / sizeof *weights;
    for (int i = 0; i < list->count; i++)
        list->item[i] = (lbk_weight){.suffix = weights[i].suffix,
                                     .kind = weights[i].kind,
                                     .input = weights[i].input,
                                     .shape = weights[i].input < 0 ? none : vector,
                                     .init = weights[i].init};
    return LBK_OK;
}

static lbk_status emit_moments(lbk_emit *e, const lbk_norm_split *s, lbk_class cls, int partial) {
    static const char *const files[] = {"generic/batch_norm", "cpu/batch_norm", "gpu/batch_norm"};
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, files[cls], "moments", &call));
    if (cls == LBK_CLASS_GPU)
        LBK_TRY(lbk_norm_option_group(call, s));
    lbk_call_input(call, X);
    lbk_call_scratch(call, partial);
    if (cls != LBK_CLASS_CPU)
        lbk_call_int(call, s->rows);
    lbk_norm_call_pass(call, s, cls, true);
    return LBK_OK;
}

static void finish_numbers(lbk_call *call, const lbk_norm_split *s, lbk_class cls) {
    lbk_call_int(call, s->rows);
    lbk_call_int(call, s->channels);
    if (cls != LBK_CLASS_GPU) {
        lbk_call_int(call, s->groups);
        lbk_call_int(call, s->repeat);
    }
    lbk_call_int(call, s->blocks);
    lbk_call_int(call, s->full);
    lbk_call_int(call, s->last);
    if (cls != LBK_CLASS_GPU)
        lbk_call_int(call, s->lanes);
}

static lbk_status emit_finish(lbk_emit *e, const lbk_norm_split *s, lbk_class cls, int partial, int table) {
    static const char *const files[] = {"generic/batch_norm", "cpu/batch_norm", "gpu/batch_norm"};
    const batch_norm_params *p = e->params;
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, files[cls], "finish", &call));
    if (cls == LBK_CLASS_GPU)
        LBK_TRY(lbk_norm_option_group(call, s));
    lbk_call_scratch(call, partial);
    for (int i = WEIGHT; i <= RUNNING_VAR; i++) {
        if (lbk_emit_has(e, i))
            lbk_call_input(call, i);
        else /* moved all the same, and forgotten */
            lbk_call_scratch(call, lbk_emit_scratch(e, (size_t)s->channels * sizeof(float)));
    }
    lbk_call_output(call, 1);
    lbk_call_output(call, 2);
    lbk_call_scratch(call, table);
    finish_numbers(call, s, cls);
    lbk_call_float(call, p->eps);
    lbk_call_float(call, p->momentum);
    lbk_norm_call_finish(call, e, s, cls);
    return LBK_OK;
}

static lbk_status emit_apply(lbk_emit *e, const lbk_norm_split *s, lbk_class cls, int table) {
    static const char *const names[2][2] = {{"apply", "apply_relu"}, {"apply_add", "apply_add_relu"}};
    const batch_norm_params *p = e->params;
    bool add = lbk_emit_has(e, ADDEND);
    lbk_call *call;
    LBK_TRY(
        lbk_emit_kernel(e, cls == LBK_CLASS_CPU ? "cpu/batch_norm" : "generic/batch_norm", names[add][p->relu], &call));
    lbk_call_input(call, X);
    lbk_call_input(call, add ? ADDEND : X); /* X: not read */
    lbk_call_scratch(call, table);
    lbk_call_output(call, 0);
    lbk_norm_call_pass(call, s, cls, false);
    return LBK_OK;
}

static lbk_status batch_norm_emit(lbk_emit *e, lbk_class cls) {
    const batch_norm_params *p = e->params;
    lbk_norm_split split;
    bool fits;
    lbk_norm_split_init(&split, e, cls, &e->input[X].shape, &fits);
    if (!fits)
        return lbk_emit_decline(e);
    int table = lbk_norm_table(e, &split, 3);
    if (p->training) {
        int partial = lbk_norm_partial(e, &split);
        LBK_TRY(emit_moments(e, &split, cls, partial));
        LBK_TRY(emit_finish(e, &split, cls, partial, table));
    } else {
        const int inputs[] = {RUNNING_MEAN, RUNNING_VAR, WEIGHT, BIAS};
        LBK_TRY(lbk_norm_emit_tables(e, &split, inputs, table, true, p->eps));
    }
    return emit_apply(e, &split, cls, table);
}

static lbk_status batch_norm_emit_generic(lbk_emit *e) {
    return batch_norm_emit(e, LBK_CLASS_GENERIC);
}

static lbk_status batch_norm_emit_cpu(lbk_emit *e) {
    return batch_norm_emit(e, LBK_CLASS_CPU);
}

static lbk_status batch_norm_emit_gpu(lbk_emit *e) {
    return batch_norm_emit(e, LBK_CLASS_GPU);
}

static const lbk_variant batch_norm_variants[] = {{LBK_CLASS_CPU, "lanes", batch_norm_emit_cpu},
                                                  {LBK_CLASS_GPU, "tree", batch_norm_emit_gpu},
                                                  {LBK_CLASS_GENERIC, "columns", batch_norm_emit_generic},
                                                  {.emit = NULL}};

#define NORM_INPUTS(x, c)                                                                                              \
    {                                                                                                                  \
        x, {1, {c}}, {1, {c}}, {1, {c}}, {                                                                             \
            1, {                                                                                                       \
                c                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }
#define SHAPE4(a, b, c, d)                                                                                             \
    {                                                                                                                  \
        4, {                                                                                                           \
            a, b, c, d                                                                                                 \
        }                                                                                                              \
    }
static const lbk_op_example batch_norm_examples[] = {
    {.params = "", .input = NORM_INPUTS(SHAPE4(4, 9, 7, 16), 16), .input_count = 5, .low = 0.05, .high = 2},
    {.params = "", .input = NORM_INPUTS(SHAPE4(3, 13, 11, 5), 5), .input_count = 5, .low = 0.05, .high = 2},
    {.params = "", .input = NORM_INPUTS(SHAPE4(2, 1, 1, 1), 1), .input_count = 5, .low = 0.05, .high = 2},
    {.params = "relu=yes momentum=0.3",
     .input = NORM_INPUTS(SHAPE4(8, 16, 16, 32), 32),
     .input_count = 5,
     .low = 0.05,
     .high = 2},
    {.params = "eps=0.001",
     .input = {{2, {1201, 67}}, {1, {67}}, {1, {67}}, {1, {67}}, {1, {67}}, {2, {1201, 67}}},
     .input_count = 6,
     .low = 0.05,
     .high = 2},
    {.params = "relu=yes",
     .input = {SHAPE4(5, 6, 7, 64), {1, {64}}, {1, {64}}, {1, {64}}, {1, {64}}, SHAPE4(5, 6, 7, 64)},
     .input_count = 6,
     .low = 0.05,
     .high = 2},
    {.params = "relu=yes", .input = {SHAPE4(3, 4, 5, 9), {1, {9}}, {1, {9}}}, .input_count = 3, .low = 0.05, .high = 2},
    {.params = "training=no", .input = NORM_INPUTS(SHAPE4(1, 1, 1, 3), 3), .input_count = 5, .low = 0.05, .high = 2},
    {.params = "training=no relu=yes",
     .input = {SHAPE4(3, 5, 7, 48), {1, {48}}, {1, {48}}, {1, {48}}, {1, {48}}, SHAPE4(3, 5, 7, 48)},
     .input_count = 6,
     .low = 0.05,
     .high = 2},
};

static const lbk_op batch_norm_op = {
    .name = "batch_norm",
    .summary = "batch normalisation, optionally with a residual addend and relu",
    .formula = "y = f(weight * (x - mean) / sqrt(var + eps) + bias + addend), f identity or max(., 0)",
    .inputs = "x[...,C] weight[C] bias[C] running_mean[C]? running_var[C]? addend[...,C]?",
    .outputs = "y[...,C] save_mean[C] save_rstd[C] (the last two in training only)",
    .params = batch_norm_table,
    .params_size = sizeof(batch_norm_params),
    .min_inputs = 3,
    .max_inputs = 6,
    .updates = 1u << RUNNING_MEAN | 1u << RUNNING_VAR,
    .inplace = 1 + X,
    .addend = 1 + ADDEND,
    .layer = true,
    .infer = batch_norm_infer,
    .cost = batch_norm_cost,
    .differentiate = batch_norm_differentiate,
    .reference = batch_norm_reference,
    .variants = batch_norm_variants,
    .examples = batch_norm_examples,
    .example_count = sizeof batch_norm_examples / sizeof *batch_norm_examples,
    .weights = batch_norm_weights,
};

const lbk_op *const lbk_ops_batch_norm[] = {&batch_norm_op, NULL};

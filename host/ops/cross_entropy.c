/* cross_entropy: softmax and negative log-likelihood of the labels in one op, as torch.nn.CrossEntropyLoss, with the classes in
 * the last dimension. Rows with a negative label never count. The derivative comes out of the same pass as the second
 * output. */
#include "ops/compose.h"
#include "ops/loss.h"
#include "ops/one_hot.h"
#include "ops/unary.h"

#include <limits.h>
#include <math.h>
#include <string.h>

typedef struct cross_entropy_params {
    double label_smoothing;
    int ignore_index, reduction;
} cross_entropy_params;

static const lbk_param cross_entropy_table[] = {
    LBK_PARAM_FLOAT(cross_entropy_params, label_smoothing, "0", 0, 1, NULL, "weight of the uniform target",
                    "Szegedy et al., \"Rethinking the Inception architecture\", 2016, section 7"),
    LBK_PARAM_INT(cross_entropy_params, ignore_index, "-100", INT_MIN, INT_MAX, NULL,
                  "label that does not count, as negative ones do not", NULL),
    LBK_PARAM_CHOICE(cross_entropy_params, reduction, "mean", lbk_loss_reductions,
                     "divide by the weights of the labels that count, or do not", NULL),
    LBK_PARAM_END};

enum { LOGITS, LABELS, WEIGHT }; /* inputs */

static lbk_status cross_entropy_infer(lbk_infer *infer) {
    lbk_shape labels = infer->input[LOGITS].shape;
    if (labels.rank < 2)
        return lbk_fail(LBK_ERR_INPUT, "logits has %d dimensions, expected at least 2", labels.rank);
    labels.rank--;
    labels.dim[labels.rank] = 0;
    LBK_TRY(lbk_infer_shape(infer, LABELS, "labels", labels));
    if (lbk_infer_has(infer, WEIGHT))
        LBK_TRY(lbk_infer_shape(infer, WEIGHT, "weight", lbk_shape_1(lbk_shape_last(&infer->input[LOGITS].shape))));
    lbk_infer_output(infer, LBK_F32, lbk_shape_1(1));
    lbk_infer_output(infer, LBK_F32, infer->input[LOGITS].shape);
    return LBK_OK;
}

/* An exponential counts as 10 operations. */
static void cross_entropy_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 26, cost);
}

static double class_weight(const lbk_reference *r, int64_t k) {
    return r->input_count > WEIGHT ? r->in[WEIGHT][k] : 1;
}

static bool row_counts(const lbk_reference *r, int64_t row) {
    const cross_entropy_params *p = r->params;
    return r->in[LABELS][row] >= 0 && r->in[LABELS][row] != p->ignore_index;
}

/* loss = sum_k target_k (-ln p_k); its derivative is p sum_k target_k - target. */
static void reference_row(const lbk_reference *r, int64_t row, int64_t label, double share) {
    const cross_entropy_params *p = r->params;
    int64_t classes = lbk_shape_last(&r->input[LOGITS].shape);
    const double *z = r->in[LOGITS] + row * classes;
    double top = z[0], sum = 0, all = 0;
    for (int64_t k = 1; k < classes; k++)
        top = fmax(top, z[k]);
    for (int64_t k = 0; k < classes; k++)
        sum += exp(z[k] - top);
    for (int64_t k = 0; k < classes; k++) {
        double one_hot = k == label, even = 1 / (double)classes, s = p->label_smoothing;
        double target = class_weight(r, k) * ((1 - s) * one_hot + s * even);
        all += target;
        r->out[0][0] -= share * target * (z[k] - top - log(sum));
        r->out[1][row * classes + k] = -share * target;
    }
    for (int64_t k = 0; k < classes; k++)
        r->out[1][row * classes + k] += share * all * exp(z[k] - top) / sum;
}

static void cross_entropy_reference(const lbk_reference *r) {
    const cross_entropy_params *p = r->params;
    int64_t rows = lbk_ops_rows(&r->input[LOGITS].shape);
    double sum = 0;
    for (int64_t row = 0; row < rows; row++)
        if (row_counts(r, row))
            sum += class_weight(r, (int64_t)r->in[LABELS][row]);
    for (int64_t row = 0; row < rows; row++)
        if (row_counts(r, row))
            reference_row(r, row, (int64_t)r->in[LABELS][row], p->reduction == LBK_LOSS_SUM ? 1 : 1 / sum);
}

/* dlogits = share (softmax(logits) - target) of rows that count; only the softmax depends on the logits. */
static lbk_status differentiate_again(lbk_gradient *g, lbk_value *out) {
    const cross_entropy_params *p = g->params;
    const lbk_one_hot_params classes = {(int)lbk_shape_last(&g->input_desc[LOGITS].shape)};
    const lbk_unary_params at_least_one = {.min = 1, .max = 3.4e38};
    lbk_compose c = {g, LBK_OK};
    if (p->ignore_index >= 0 || g->input_count > WEIGHT)
        return lbk_fail(LBK_ERR_UNSUPPORTED, "with ignore_index or weight the derivative has no derivative");
    lbk_value prediction = lbk_compose_unary(&c, "softmax", g->input[LOGITS]);
    lbk_value dlogits =
        lbk_compose_apply(&c, "softmax_backward", NULL, 2, (lbk_value[]){g->output_grad[1], prediction});
    lbk_value counts = lbk_compose_apply(&c, "one_hot", &classes, 1, &g->input[LABELS]);
    lbk_value share = lbk_compose_sum_last(&c, counts);
    if (p->reduction != LBK_LOSS_SUM) {
        lbk_value sum = lbk_compose_sum_all(&c, share);
        sum = lbk_compose_apply(&c, "clamp", &at_least_one, 1, &sum);
        share = lbk_compose_apply(&c, "div", NULL, 2, (lbk_value[]){share, sum});
    }
    *out = lbk_compose_mul(&c, dlogits, share);
    return c.status;
}

static lbk_status cross_entropy_differentiate(lbk_gradient *g) {
    lbk_compose c = {g, LBK_OK};
    lbk_value first = LBK_NONE, second = LBK_NONE;
    if (g->input_count > WEIGHT && g->wanted[WEIGHT])
        return lbk_fail(LBK_ERR_UNSUPPORTED, "no derivative with respect to weight");
    if (!g->wanted[LOGITS])
        return LBK_OK;
    if (g->output_grad[0] != LBK_NONE)
        LBK_TRY(lbk_loss_scale(g, g->output[1], &first));
    if (g->output_grad[1] != LBK_NONE)
        LBK_TRY(differentiate_again(g, &second));
    g->input_grad[LOGITS] = lbk_compose_add(&c, first, second);
    return c.status;
}

/* Who computes a row's share of the mean: nobody for a sum, every row for itself, or one launch before for all rows, which
 * pays where there are many. */
enum { SHARE_ONE, SHARE_OWN, SHARE_READ, MANY_ROWS = 1024 };

typedef struct launches {
    const char *file, *share_file; /* "cpu/cross_entropy" */
    size_t group;                  /* work-items of a work-group */
    bool per_group;                /* a row is a work-group's, not a work-item's */
    int share, row_loss;           /* scratch memory */
    int64_t rows, classes;
} launches;

static lbk_status begin(lbk_emit *e, const launches *l, const char *file, const char *name, lbk_call **call) {
    LBK_TRY(lbk_emit_kernel(e, file, name, call));
    LBK_TRY(lbk_call_option(*call, "-DHAS_WEIGHT=%d", lbk_emit_has(e, WEIGHT)));
    if (l->per_group && l->group > 1)
        LBK_TRY(lbk_call_option(*call, "-DGROUP=%zu", l->group));
    if (strcmp(name, "rows") == 0)
        lbk_call_input(*call, LOGITS);
    lbk_call_input(*call, LABELS);
    if (lbk_emit_has(e, WEIGHT))
        lbk_call_input(*call, WEIGHT);
    lbk_call_scratch(*call, l->share);
    return LBK_OK;
}

static lbk_status emit_share(lbk_emit *e, const launches *l) {
    const cross_entropy_params *p = e->params;
    size_t group = l->per_group ? l->group : 1;
    lbk_call *call;
    LBK_TRY(begin(e, l, l->share_file, "share", &call));
    lbk_call_int(call, l->rows);
    lbk_call_int(call, l->classes);
    lbk_call_int(call, p->ignore_index);
    lbk_call_range_1d(call, group, group);
    return LBK_OK;
}

static lbk_status emit_launches(lbk_emit *e, launches l) {
    const cross_entropy_params *p = e->params;
    lbk_call *call;
    l.rows = lbk_ops_rows(&e->input[LOGITS].shape);
    l.classes = lbk_shape_last(&e->input[LOGITS].shape);
    l.share = lbk_emit_scratch(e, sizeof(float));
    l.row_loss = lbk_emit_scratch(e, (size_t)l.rows * sizeof(float));
    int mode = p->reduction == LBK_LOSS_SUM ? SHARE_ONE : l.rows < MANY_ROWS ? SHARE_OWN : SHARE_READ;
    if (mode == SHARE_READ)
        LBK_TRY(emit_share(e, &l));
    LBK_TRY(begin(e, &l, l.file, "rows", &call));
    lbk_call_scratch(call, l.row_loss);
    lbk_call_output(call, 1);
    lbk_call_int(call, l.rows);
    lbk_call_int(call, l.classes);
    lbk_call_float(call, p->label_smoothing);
    lbk_call_int(call, p->ignore_index);
    lbk_call_int(call, mode);
    lbk_call_range_1d(call, (size_t)l.rows * (l.per_group ? l.group : 1), l.group);
    return lbk_loss_emit_sum(e, l.row_loss, l.rows, l.per_group ? l.group : 1);
}

static lbk_status cross_entropy_emit_generic(lbk_emit *e) {
    return emit_launches(
        e,
        (launches){.file = "generic/cross_entropy", .share_file = "generic/cross_entropy", .group = lbk_emit_local(e)});
}

static lbk_status cross_entropy_emit_cpu(lbk_emit *e) {
    return emit_launches(
        e,
        (launches){.file = "cpu/cross_entropy", .share_file = "generic/cross_entropy", .group = 1, .per_group = true});
}

static lbk_status cross_entropy_emit_gpu(lbk_emit *e) {
    return emit_launches(e, (launches){.file = "gpu/cross_entropy",
                                       .share_file = "gpu/cross_entropy",
                                       .group = lbk_emit_group(e, lbk_shape_last(&e->input[LOGITS].shape)),
                                       .per_group = true});
}

static const lbk_variant cross_entropy_variants[] = {{LBK_CLASS_CPU, "vector", cross_entropy_emit_cpu},
                                                     {LBK_CLASS_GPU, "group", cross_entropy_emit_gpu},
                                                     {LBK_CLASS_GENERIC, "row", cross_entropy_emit_generic},
                                                     {.emit = NULL}};

static const lbk_op_example cross_entropy_examples[] = {
    {.params = "", .input = {{2, {7, 10}}, {1, {7}}}, .input_count = 2, .low = -5, .high = 5, .integer_below = 10},
    {.params = "label_smoothing=0.1",
     .input = {{2, {128, 100}}, {1, {128}}},
     .input_count = 2,
     .low = -20,
     .high = 20,
     .integer_below = 100},
    {.params = "", .input = {{2, {1, 1}}, {1, {1}}}, .input_count = 2, .integer_below = 1},
    {.params = "label_smoothing=0.3 reduction=sum",
     .input = {{2, {3, 1009}}, {1, {3}}},
     .input_count = 2,
     .low = 60,
     .high = 110,
     .integer_below = 1009},
    {.params = "label_smoothing=0.2 ignore_index=3",
     .input = {{3, {5, 9, 21}}, {2, {5, 9}}, {1, {21}}},
     .input_count = 3,
     .low = 0.1,
     .high = 4,
     .integer_below = 21},
    {.params = "",
     .input = {{3, {2, 520, 3}}, {2, {2, 520}}},
     .input_count = 2,
     .low = -4,
     .high = 4,
     .integer_below = 3},
};

static const lbk_op cross_entropy_op = {
    .name = "cross_entropy",
    .summary = "cross-entropy of logits against class labels, as torch.nn.CrossEntropyLoss",
    .formula =
        "loss = sum of w_k t_ik (-ln softmax(z_i)_k) over rows that count / sum of their w_label, t = (1-s) onehot + "
        "s/K, s = label_smoothing, w = weight or 1; labels < 0 do not count; dlogits = dloss/dz",
    .inputs = "logits[...,K] labels[...]:i32 weight[K]?",
    .outputs = "loss[1] dlogits[...,K]",
    .params = cross_entropy_table,
    .params_size = sizeof(cross_entropy_params),
    .min_inputs = 2,
    .max_inputs = 3,
    .integers = 1u << LABELS,
    .infer = cross_entropy_infer,
    .cost = cross_entropy_cost,
    .differentiate = cross_entropy_differentiate,
    .reference = cross_entropy_reference,
    .variants = cross_entropy_variants,
    .examples = cross_entropy_examples,
    .example_count = 6,
};

const lbk_op *const lbk_ops_cross_entropy[] = {&cross_entropy_op, NULL};

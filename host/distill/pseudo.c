/* Lee, "Pseudo-label", ICML workshop 2013, with the confidence threshold of Sohn et al., "FixMatch", NeurIPS 2020, equation 4; here the
 * labels are the teacher's. Lee and FixMatch divide by all rows; this divides by those in use, so that the weight keeps its meaning
 * when few are. */
#include "distill/method.h"

#include <stdio.h>

typedef struct pseudo_params {
    lbk_ramp weight;
    lbk_ramp threshold;
    int rows;
} pseudo_params;

enum { ROWS_ALL, ROWS_UNLABELLED };
static const char *const row_choices[] = {"all", "unlabelled", NULL};

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(pseudo_params, weight, "1", 0, 1e6, NULL, "factor of this loss in the objective",
                       "FixMatch: lambda_u = 1"),
    LBK_PARAM_SCHEDULE(pseudo_params, threshold, "0.95", 0, 1, NULL,
                       "a row is used where the teacher's largest probability is higher", "FixMatch: tau = 0.95"),
    LBK_PARAM_CHOICE(pseudo_params, rows, "all", row_choices, "which rows may be used: all, or those without a label",
                     "FixMatch: all"),
    LBK_PARAM_END,
};

/* The teacher's answers and the rows where it is sure of them. */
static lbk_status confident(lbk_method_context *c, lbk_value threshold, lbk_rows *rows) {
    char classes[48];
    lbk_value probabilities, most, which;
    snprintf(classes, sizeof classes, "classes=%lld",
             (long long)lbk_shape_last(lbk_method_shape(c, c->teacher_logits)));
    LBK_TRY(lbk_method_op(c, "softmax", &probabilities, "", 1, c->teacher_logits));
    LBK_TRY(lbk_method_op(c, "max", &most, "axis=1 keepdims=yes", 1, probabilities));
    LBK_TRY(lbk_method_op(c, "argmax", &which, "axis=1", 1, c->teacher_logits));
    LBK_TRY(lbk_method_op(c, "one_hot", &rows->one_hot, classes, 1, which));
    return lbk_method_op(c, "greater", &rows->mask, "", 2, most, threshold);
}

static lbk_status leave_out_labelled(lbk_method_context *c, lbk_rows *rows) {
    lbk_rows labelled;
    lbk_value rest;
    LBK_TRY(lbk_method_labelled(c, &labelled));
    LBK_TRY(lbk_method_op(c, "scale", &rest, "factor=-1 offset=1", 1, labelled.mask));
    return lbk_method_op(c, "mul", &rows->mask, "", 2, rows->mask, rest);
}

static lbk_status build(lbk_method_context *c) {
    const pseudo_params *p = c->params;
    lbk_rows rows;
    lbk_value threshold, loss;
    LBK_TRY(lbk_method_scheduled(c, "threshold", p->threshold, &threshold));
    LBK_TRY(confident(c, threshold, &rows));
    if (p->rows == ROWS_UNLABELLED)
        LBK_TRY(leave_out_labelled(c, &rows));
    LBK_TRY(lbk_method_mask(c, rows.mask, &rows));
    LBK_TRY(lbk_method_op(c, "mul", &rows.one_hot, "", 2, rows.one_hot, rows.mask));
    LBK_TRY(lbk_method_cross_entropy(c, c->student_logits, rows.one_hot, &loss));
    LBK_TRY(lbk_method_op(c, "sum", &loss, "", 1, loss));
    LBK_TRY(lbk_method_op(c, "div", &loss, "", 2, loss, rows.count));
    return lbk_method_finish(c, loss);
}

/* Untrained networks are sure of little. */
static const char *const example[] = {"distill.pseudo.threshold=0.2", NULL};

const lbk_method lbk_method_pseudo = {
    .name = "pseudo",
    .summary = "pseudo-labels: the teacher's answers as labels, where it is sure of them; no labels are needed",
    .formula = "mean of -ln softmax(z_s)_y, y = argmax z_t, over the rows with max softmax(z_t) > threshold; 0 when "
               "there is none",
    .source = "Lee 2013; Sohn et al. 2020",
    .example = example,
    .params = table,
    .params_size = sizeof(pseudo_params),
    .build = build,
};

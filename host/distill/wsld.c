/* Zhou et al., "Rethinking soft labels for knowledge distillation: a bias-variance tradeoff perspective", ICLR 2021, equations 8 and 9, as in the
 * authors' code. A row weighs more the worse the student does on it compared with the teacher. That needs the label, so rows
 * without one do not count. */
#include "distill/method.h"

typedef struct wsld_params {
    lbk_ramp weight;
    lbk_ramp temperature;
} wsld_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(wsld_params, weight, "2.5", 0, 1e6, NULL, "factor of this loss in the objective",
                       "Zhou et al.: alpha = 2.5, beside hard_weight = 1"),
    LBK_PARAM_SCHEDULE(wsld_params, temperature, "2", 0.01, 1000, NULL,
                       "T, softens both networks' outputs; the loss is scaled by T^2", "Zhou et al.: 2"),
    LBK_PARAM_END,
};

/* [B,1]: 1 - exp(-CE_s / (CE_t + 1e-7)), CE with the label and a constant to derivatives; 0 without a label. */
static lbk_status row_weights(lbk_method_context *c, const lbk_rows *rows, lbk_value *out) {
    lbk_value detached, student, teacher, ratio;
    LBK_TRY(lbk_method_op(c, "detach", &detached, "", 1, c->student_logits));
    LBK_TRY(lbk_method_cross_entropy(c, detached, rows->one_hot, &student));
    LBK_TRY(lbk_method_cross_entropy(c, c->teacher_logits, rows->one_hot, &teacher));
    LBK_TRY(lbk_method_op(c, "scale", &teacher, "offset=1e-7", 1, teacher));
    LBK_TRY(lbk_method_op(c, "div", &ratio, "", 2, student, teacher));
    LBK_TRY(lbk_method_op(c, "neg", &ratio, "", 1, ratio));
    LBK_TRY(lbk_method_op(c, "exp", out, "", 1, ratio));
    return lbk_method_op(c, "scale", out, "factor=-1 offset=1", 1, *out);
}

static lbk_status build(lbk_method_context *c) {
    const wsld_params *p = c->params;
    lbk_rows rows[2];
    int count;
    lbk_value t, weights, soft_s, soft_t, targets, row, part, loss = LBK_NONE;
    LBK_TRY(lbk_method_scheduled(c, "temperature", p->temperature, &t));
    LBK_TRY(lbk_method_soften(c, c->student_logits, t, &soft_s));
    LBK_TRY(lbk_method_soften(c, c->teacher_logits, t, &soft_t));
    LBK_TRY(lbk_method_op(c, "softmax", &targets, "", 1, soft_t));
    LBK_TRY(lbk_method_cross_entropy(c, soft_s, targets, &row));
    LBK_TRY(lbk_method_labels(c, rows, &count));
    for (int i = 0; i < count; i++) {
        LBK_TRY(row_weights(c, &rows[i], &weights));
        LBK_TRY(lbk_method_op(c, "mul", &part, "", 2, row, weights));
        LBK_TRY(lbk_method_sum_rows(c, &rows[i], part, &part));
        LBK_TRY(lbk_method_add(c, &loss, part));
    }
    LBK_TRY(lbk_method_op(c, "div", &loss, "", 2, loss, rows[0].count));
    LBK_TRY(lbk_method_times_square(c, loss, t, &loss));
    return lbk_method_finish(c, loss);
}

const lbk_method lbk_method_wsld = {
    .name = "wsld",
    .summary = "weighted soft labels: soft targets count where the student is worse than the teacher; rows without a "
               "label do not count",
    .formula = "T^2 * mean over labelled rows of (1 - exp(-CE_s / CE_t)) * (-sum_k p_t ln p_s), CE the cross entropy "
               "with the label, p = softmax(z / T)",
    .source = "Zhou et al. 2021",
    .params = table,
    .params_size = sizeof(wsld_params),
    .build = build,
};

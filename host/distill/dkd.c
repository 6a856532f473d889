/* Zhao et al., "Decoupled knowledge distillation", CVPR 2022, equation 7, constants of mdistiller. TCKD compares how probable the target
 * class is, NCKD the distribution over the other classes. Both need the target, so rows without a label count in neither. */
#include "distill/method.h"

typedef struct dkd_params {
    lbk_ramp weight;
    lbk_ramp alpha, beta;
    lbk_ramp temperature;
    bool standardise;
} dkd_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(dkd_params, weight, "1 warmup 20", 0, 1e6, NULL, "factor of this loss in the objective",
                       "mdistiller: 1, warm-up of 20 epochs; of 1 epoch on ImageNet"),
    LBK_PARAM_SCHEDULE(dkd_params, alpha, "1", 0, 1e6, NULL, "factor of the target class's part (TCKD)", "paper: 1"),
    LBK_PARAM_SCHEDULE(dkd_params, beta, "8", 0, 1e6, NULL, "factor of the other classes' part (NCKD)",
                       "mdistiller: 8; 6 for WRN-40-2 and VGG13, 2 for ResNet56 and ResNet110, 0.5 on ImageNet"),
    LBK_PARAM_SCHEDULE(dkd_params, temperature, "4", 0.01, 1000, NULL,
                       "T, softens both networks' outputs; the loss is scaled by T^2", "mdistiller: 4; 1 on ImageNet"),
    LBK_PARAM_BOOL(dkd_params, standardise, "no", "standardise each row of logits first, as logit_std does",
                   "Sun et al. 2024, with weight = 9 and temperature = 2"),
    LBK_PARAM_END,
};

/* z with the target's logit moved out of the way: out of reach of softmax(z / T). */
static lbk_status without_target(lbk_method_context *c, lbk_value z, const lbk_rows *rows, lbk_value t,
                                 lbk_value *out) {
    lbk_value shift;
    LBK_TRY(lbk_method_scale(c, rows->one_hot, -1000, &shift));
    LBK_TRY(lbk_method_op(c, "scale_by", &shift, "", 2, shift, t));
    return lbk_method_op(c, "add", out, "", 2, z, shift);
}

/* [B,1]: ln p_target - ln (1 - p_target), 0 in rows without a label; `others` from without_target(). */
static lbk_status log_odds(lbk_method_context *c, lbk_value z, lbk_value others, const lbk_rows *rows, lbk_value t,
                           lbk_value *out) {
    lbk_value target, rest;
    LBK_TRY(lbk_method_op(c, "mul", &target, "", 2, z, rows->one_hot));
    LBK_TRY(lbk_method_op(c, "sum", &target, "axes=1 keepdims=yes", 1, target));
    LBK_TRY(lbk_method_soften(c, target, t, &target));
    LBK_TRY(lbk_method_soften(c, others, t, &rest));
    LBK_TRY(lbk_method_op(c, "logsumexp", &rest, "keepdims=yes", 1, rest));
    LBK_TRY(lbk_method_op(c, "sub", out, "", 2, target, rest));
    return lbk_method_op(c, "mul", out, "", 2, *out, rows->mask);
}

/* Adds both parts of the rows' labels to *tckd and *nckd. */
static lbk_status add_parts(lbk_method_context *c, const lbk_rows *rows, lbk_value student, lbk_value teacher,
                            lbk_value t, lbk_value *tckd, lbk_value *nckd) {
    lbk_value others_s, others_t, odds_s, odds_t, target, others;
    LBK_TRY(without_target(c, student, rows, t, &others_s));
    LBK_TRY(without_target(c, teacher, rows, t, &others_t));
    LBK_TRY(lbk_method_masked_kl(c, rows, others_s, others_t, t, &others));
    LBK_TRY(log_odds(c, student, others_s, rows, t, &odds_s));
    LBK_TRY(log_odds(c, teacher, others_t, rows, t, &odds_t));
    LBK_TRY(lbk_method_binary_kl(c, rows, odds_s, odds_t, &target));
    LBK_TRY(lbk_method_op(c, "div", &target, "", 2, target, rows->count));
    LBK_TRY(lbk_method_times_square(c, target, t, &target));
    LBK_TRY(lbk_method_add(c, tckd, target));
    return lbk_method_add(c, nckd, others);
}

static lbk_status build(lbk_method_context *c) {
    const dkd_params *p = c->params;
    lbk_value alpha, beta, t, loss, student = c->student_logits, teacher = c->teacher_logits;
    lbk_value tckd = LBK_NONE, nckd = LBK_NONE;
    lbk_rows rows[2];
    int count;
    LBK_TRY(lbk_method_scheduled(c, "alpha", p->alpha, &alpha));
    LBK_TRY(lbk_method_scheduled(c, "beta", p->beta, &beta));
    LBK_TRY(lbk_method_scheduled(c, "temperature", p->temperature, &t));
    if (p->standardise) {
        LBK_TRY(lbk_method_standardise(c, student, &student));
        LBK_TRY(lbk_method_standardise(c, teacher, &teacher));
    }
    LBK_TRY(lbk_method_labels(c, rows, &count));
    for (int i = 0; i < count; i++)
        LBK_TRY(add_parts(c, &rows[i], student, teacher, t, &tckd, &nckd));
    LBK_TRY(lbk_method_op(c, "weighted_sum", &loss, "", 4, tckd, alpha, nckd, beta));
    return lbk_method_finish(c, loss);
}

const lbk_method lbk_method_dkd = {
    .name = "dkd",
    .summary = "soft targets in two parts, the target class and the others; rows without a label do not count",
    .formula = "alpha TCKD + beta NCKD, both T^2 * mean over labelled rows of KL(t, s): of (p_y, 1 - p_y), and of "
               "softmax(z / T) without class y",
    .source = "Zhao et al. 2022",
    .params = table,
    .params_size = sizeof(dkd_params),
    .build = build,
};

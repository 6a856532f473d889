/* Huang et al., "Knowledge distillation from a stronger teacher", NeurIPS 2022, equations 7 to 10, constants of DIST_KD for CIFAR. */
#include "distill/method.h"

typedef struct dist_params {
    lbk_ramp weight;
    lbk_ramp beta, gamma;
    lbk_ramp temperature;
} dist_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(dist_params, weight, "2", 0, 1e6, NULL, "factor of this loss in the objective",
                       "DIST_KD: kd_loss_weight = 2"),
    LBK_PARAM_SCHEDULE(dist_params, beta, "1", 0, 1e6, NULL, "factor of the relations between classes of one sample",
                       "DIST_KD: 1"),
    LBK_PARAM_SCHEDULE(dist_params, gamma, "1", 0, 1e6, NULL, "factor of the relations between samples of one class",
                       "DIST_KD: 1"),
    LBK_PARAM_SCHEDULE(dist_params, temperature, "4", 0.01, 1000, NULL,
                       "T, softens both networks' outputs; the loss is scaled by T^2",
                       "DIST_KD: 4 on CIFAR-100, 1 on ImageNet"),
    LBK_PARAM_END,
};

static lbk_status centre_rows(lbk_method_context *c, lbk_value x, lbk_value *out) {
    lbk_value mean;
    LBK_TRY(lbk_method_op(c, "mean", &mean, "axes=1 keepdims=yes", 1, x));
    return lbk_method_op(c, "sub", out, "", 2, x, mean);
}

/* Mean over rows of 1 - Pearson's correlation: that is the cosine of centred rows. */
static lbk_status correlation_loss(lbk_method_context *c, lbk_value student, lbk_value teacher, lbk_value *out) {
    lbk_value s, t;
    LBK_TRY(centre_rows(c, student, &s));
    LBK_TRY(centre_rows(c, teacher, &t));
    return lbk_method_op(c, "cosine_loss", out, "", 2, s, t);
}

static lbk_status probabilities(lbk_method_context *c, lbk_value z, lbk_value t, lbk_value *rows, lbk_value *columns) {
    lbk_value soft;
    LBK_TRY(lbk_method_soften(c, z, t, &soft));
    LBK_TRY(lbk_method_op(c, "softmax", rows, "", 1, soft));
    return lbk_method_op(c, "permute", columns, "order=1,0", 1, *rows);
}

static lbk_status build(lbk_method_context *c) {
    const dist_params *p = c->params;
    lbk_value beta, gamma, t, rows_s, rows_t, columns_s, columns_t, inter, intra, loss;
    LBK_TRY(lbk_method_scheduled(c, "beta", p->beta, &beta));
    LBK_TRY(lbk_method_scheduled(c, "gamma", p->gamma, &gamma));
    LBK_TRY(lbk_method_scheduled(c, "temperature", p->temperature, &t));
    LBK_TRY(probabilities(c, c->student_logits, t, &rows_s, &columns_s));
    LBK_TRY(probabilities(c, c->teacher_logits, t, &rows_t, &columns_t));
    LBK_TRY(correlation_loss(c, rows_s, rows_t, &inter));
    LBK_TRY(correlation_loss(c, columns_s, columns_t, &intra));
    LBK_TRY(lbk_method_op(c, "weighted_sum", &loss, "", 4, inter, beta, intra, gamma));
    LBK_TRY(lbk_method_times_square(c, loss, t, &loss));
    return lbk_method_finish(c, loss);
}

const lbk_method lbk_method_dist = {
    .name = "dist",
    .summary = "relations instead of values: probabilities correlate with the teacher's, by sample and by class",
    .formula = "T^2 [beta mean_i (1 - r(p_s[i,:], p_t[i,:])) + gamma mean_k (1 - r(p_s[:,k], p_t[:,k]))], r Pearson's "
               "correlation, p = softmax(z / T)",
    .source = "Huang et al. 2022",
    .params = table,
    .params_size = sizeof(dist_params),
    .build = build,
};

/* Hinton, Vinyals, Dean, "Distilling the knowledge in a neural network", 2015, section 2: the cross entropy with soft targets. It is
 * kd's divergence plus the teacher's entropy, so the gradient is kd's. */
#include "distill/method.h"

typedef struct soft_ce_params {
    lbk_ramp weight;
    lbk_ramp temperature;
} soft_ce_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(soft_ce_params, weight, "0.9", 0, 1e6, NULL, "factor of this loss in the objective",
                       "as kd: RepDistiller's alpha = 0.9"),
    LBK_PARAM_SCHEDULE(soft_ce_params, temperature, "4", 0.01, 1000, NULL,
                       "T, softens both networks' outputs; the loss is scaled by T^2", "as kd: RepDistiller's T = 4"),
    LBK_PARAM_END,
};

static lbk_status build(lbk_method_context *c) {
    const soft_ce_params *p = c->params;
    lbk_value t, soft_s, soft_t, targets, loss;
    LBK_TRY(lbk_method_scheduled(c, "temperature", p->temperature, &t));
    LBK_TRY(lbk_method_soften(c, c->student_logits, t, &soft_s));
    LBK_TRY(lbk_method_soften(c, c->teacher_logits, t, &soft_t));
    LBK_TRY(lbk_method_op(c, "softmax", &targets, "", 1, soft_t));
    LBK_TRY(lbk_method_cross_entropy(c, soft_s, targets, &loss));
    LBK_TRY(lbk_method_op(c, "mean", &loss, "", 1, loss));
    LBK_TRY(lbk_method_times_square(c, loss, t, &loss));
    return lbk_method_finish(c, loss);
}

const lbk_method lbk_method_soft_ce = {
    .name = "soft_ce",
    .summary = "soft targets as a cross entropy: kd's gradient, the teacher's entropy included in the loss",
    .formula = "-T^2 / B * sum_ik p_t ln p_s, p = softmax(z / T)",
    .source = "Hinton, Vinyals, Dean 2015",
    .params = table,
    .params_size = sizeof(soft_ce_params),
    .build = build,
};

/* Sun et al., "Logit standardization in knowledge distillation", CVPR 2024, algorithm 1, constants of logit-standardization-KD. Its base
 * temperature is the one of kd, and T^2 scales the loss as in kd. */
#include "distill/method.h"

typedef struct logit_std_params {
    lbk_ramp weight;
    lbk_ramp temperature;
} logit_std_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(logit_std_params, weight, "9", 0, 1e6, NULL, "factor of this loss in the objective",
                       "logit-standardization-KD: kd-weight = 9"),
    LBK_PARAM_SCHEDULE(logit_std_params, temperature, "2", 0.01, 1000, NULL,
                       "T, divides the standardised logits; the loss is scaled by T^2",
                       "logit-standardization-KD: base-temp = 2"),
    LBK_PARAM_END,
};

static lbk_status build(lbk_method_context *c) {
    const logit_std_params *p = c->params;
    lbk_value t, student, teacher, loss;
    LBK_TRY(lbk_method_scheduled(c, "temperature", p->temperature, &t));
    LBK_TRY(lbk_method_standardise(c, c->student_logits, &student));
    LBK_TRY(lbk_method_standardise(c, c->teacher_logits, &teacher));
    LBK_TRY(lbk_method_op(c, "kl_div", &loss, "", 3, student, teacher, t));
    return lbk_method_finish(c, loss);
}

const lbk_method lbk_method_logit_std = {
    .name = "logit_std",
    .summary = "soft targets after standardisation: each network's logits at a scale of its own",
    .formula =
        "T^2 / B * sum_ik p_t (ln p_t - ln p_s), p = softmax((z - mean z) / (T std z)), mean and std of each row",
    .source = "Sun et al. 2024",
    .params = table,
    .params_size = sizeof(logit_std_params),
    .build = build,
};

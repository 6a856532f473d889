/* Ba, Caruana, "Do deep nets really need to be deep?", NIPS 2014, equation 1; here the mean over batch and classes. */
#include "distill/method.h"

typedef struct mse_params {
    lbk_ramp weight;
} mse_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(mse_params, weight, "1", 0, 1e6, NULL, "factor of this loss in the objective", NULL),
    LBK_PARAM_END,
};

static lbk_status build(lbk_method_context *c) {
    lbk_value loss;
    LBK_TRY(lbk_method_op(c, "mse_loss", &loss, "", 2, c->student_logits, c->teacher_logits));
    return lbk_method_finish(c, loss);
}

const lbk_method lbk_method_mse = {
    .name = "mse",
    .summary = "logit regression: the student matches the teacher's logits",
    .formula = "1 / (B K) sum_ik (z_s - z_t)^2",
    .source = "Ba, Caruana 2014",
    .params = table,
    .params_size = sizeof(mse_params),
    .build = build,
};

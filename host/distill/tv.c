/* Wen et al., "f-divergence minimization for sequence-level knowledge distillation", ACL 2023, section 3.2: total variation distance. Its
 * derivative with respect to the probabilities is a sign, so dividing the logits by T shrinks the gradient by T, not by T^2. */
#include "distill/method.h"

typedef struct tv_params {
    lbk_ramp weight;
    lbk_ramp temperature;
} tv_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(tv_params, weight, "1", 0, 1e6, NULL, "factor of this loss in the objective", NULL),
    LBK_PARAM_SCHEDULE(tv_params, temperature, "1", 0.01, 1000, NULL,
                       "T, softens both networks' outputs; the loss is scaled by T", "Wen et al. 2023: 1"),
    LBK_PARAM_END,
};

static lbk_status probabilities(lbk_method_context *c, lbk_value z, lbk_value t, lbk_value *out) {
    LBK_TRY(lbk_method_soften(c, z, t, out));
    return lbk_method_op(c, "softmax", out, "", 1, *out);
}

static lbk_status build(lbk_method_context *c) {
    const tv_params *p = c->params;
    lbk_value t, student, teacher, loss;
    LBK_TRY(lbk_method_scheduled(c, "temperature", p->temperature, &t));
    LBK_TRY(probabilities(c, c->student_logits, t, &student));
    LBK_TRY(probabilities(c, c->teacher_logits, t, &teacher));
    LBK_TRY(lbk_method_op(c, "sub", &loss, "", 2, student, teacher));
    LBK_TRY(lbk_method_op(c, "abs", &loss, "", 1, loss));
    LBK_TRY(lbk_method_mean_of_rows(c, loss, &loss));
    LBK_TRY(lbk_method_scale(c, loss, 0.5, &loss));
    LBK_TRY(lbk_method_op(c, "scale_by", &loss, "", 2, loss, t));
    return lbk_method_finish(c, loss);
}

const lbk_method lbk_method_tv = {
    .name = "tv",
    .summary = "total variation distance: half the sum of the differences of probabilities",
    .formula = "T / (2 B) * sum_ik |p_s - p_t|, p = softmax(z / T)",
    .source = "Wen et al. 2023",
    .params = table,
    .params_size = sizeof(tv_params),
    .build = build,
};

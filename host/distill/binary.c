/* Yang et al., "Multi-label knowledge distillation", ICCV 2023, equation 2 (MLD), constants of L2D: every class is a question of its
 * own, answered by a sigmoid. The temperature is an addition; at 1 the loss is the paper's. */
#include "distill/method.h"

typedef struct binary_params {
    lbk_ramp weight;
    lbk_ramp temperature;
} binary_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(binary_params, weight, "10", 0, 1e6, NULL, "factor of this loss in the objective",
                       "L2D: lambda_logits = 10"),
    LBK_PARAM_SCHEDULE(binary_params, temperature, "1", 0.01, 1000, NULL,
                       "T, softens both networks' outputs; the loss is scaled by T^2", "paper: 1"),
    LBK_PARAM_END,
};

static lbk_status build(lbk_method_context *c) {
    const binary_params *p = c->params;
    lbk_value t, student, teacher, loss;
    LBK_TRY(lbk_method_scheduled(c, "temperature", p->temperature, &t));
    LBK_TRY(lbk_method_soften(c, c->student_logits, t, &student));
    LBK_TRY(lbk_method_soften(c, c->teacher_logits, t, &teacher));
    LBK_TRY(lbk_method_binary_kl(c, NULL, student, teacher, &loss));
    LBK_TRY(lbk_method_scale(c, loss, 1.0 / (double)lbk_method_shape(c, student)->dim[0], &loss));
    LBK_TRY(lbk_method_times_square(c, loss, t, &loss));
    return lbk_method_finish(c, loss);
}

const lbk_method lbk_method_binary = {
    .name = "binary",
    .summary = "multi-label distillation: every class's sigmoid follows the teacher's",
    .formula = "T^2 / B * sum_ik [q_t ln(q_t / q_s) + (1 - q_t) ln((1 - q_t) / (1 - q_s))], q = sigmoid(z / T)",
    .source = "Yang et al. 2023",
    .params = table,
    .params_size = sizeof(binary_params),
    .build = build,
};

/* Agarwal et al., "On-policy distillation of language models", ICLR 2024, equation 1: the generalised Jensen-Shannon divergence; with
 * beta = 1/2 that of Wen et al., "f-divergence minimization for sequence-level knowledge distillation", ACL 2023. */
#include "distill/method.h"

typedef struct js_params {
    lbk_ramp weight;
    double beta;
    lbk_ramp temperature;
} js_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(js_params, weight, "1", 0, 1e6, NULL, "factor of this loss in the objective", NULL),
    LBK_PARAM_FLOAT(js_params, beta, "0.5", 0.001, 0.999, NULL, "the teacher's share of the mixture",
                    "Wen et al. 2023: 0.5"),
    LBK_PARAM_SCHEDULE(js_params, temperature, "1", 0.01, 1000, NULL,
                       "T, softens both networks' outputs; the loss is scaled by T^2", "Wen et al. 2023: 1"),
    LBK_PARAM_END,
};

/* Share of a distribution q in the mixture, and share * sum q ln q over the batch's rows. */
static lbk_status part(lbk_method_context *c, lbk_value logits, lbk_value t, double share, lbk_value *mixed,
                       lbk_value *sum) {
    lbk_value soft, logs, q;
    LBK_TRY(lbk_method_soften(c, logits, t, &soft));
    LBK_TRY(lbk_method_op(c, "log_softmax", &logs, "", 1, soft));
    LBK_TRY(lbk_method_op(c, "exp", &q, "", 1, logs));
    LBK_TRY(lbk_method_scale(c, q, share, mixed));
    return lbk_method_op(c, "mul", sum, "", 2, *mixed, logs);
}

/* The entropy of the mixture less the mean of both entropies. */
static lbk_status build(lbk_method_context *c) {
    const js_params *p = c->params;
    lbk_value t, mixed_s, mixed_t, sum_s, sum_t, mixture, logs, sum, loss;
    LBK_TRY(lbk_method_scheduled(c, "temperature", p->temperature, &t));
    LBK_TRY(part(c, c->teacher_logits, t, p->beta, &mixed_t, &sum_t));
    LBK_TRY(part(c, c->student_logits, t, 1 - p->beta, &mixed_s, &sum_s));
    LBK_TRY(lbk_method_op(c, "add", &mixture, "", 2, mixed_t, mixed_s));
    LBK_TRY(lbk_method_op(c, "clamp", &logs, "min=1e-12", 1, mixture)); /* ln 0 for what both rule out */
    LBK_TRY(lbk_method_op(c, "log", &logs, "", 1, logs));
    LBK_TRY(lbk_method_op(c, "mul", &sum, "", 2, mixture, logs));
    LBK_TRY(lbk_method_op(c, "add", &loss, "", 2, sum_t, sum_s));
    LBK_TRY(lbk_method_op(c, "sub", &loss, "", 2, loss, sum));
    LBK_TRY(lbk_method_mean_of_rows(c, loss, &loss));
    LBK_TRY(lbk_method_times_square(c, loss, t, &loss));
    return lbk_method_finish(c, loss);
}

const lbk_method lbk_method_js = {
    .name = "js",
    .summary = "Jensen-Shannon divergence: bounded, and symmetric at beta = 0.5",
    .formula = "T^2 / B * sum_i [beta KL(p_t, m) + (1 - beta) KL(p_s, m)], m = beta p_t + (1 - beta) p_s, "
               "p = softmax(z / T)",
    .source = "Agarwal et al. 2024; Wen et al. 2023",
    .params = table,
    .params_size = sizeof(js_params),
    .build = build,
};

/* Hinton, Vinyals, Dean, "Distilling the knowledge in a neural network", 2015, section 2. */
#include "distill/method.h"

typedef struct kd_params {
    lbk_ramp weight;
    lbk_ramp temperature;
} kd_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(kd_params, weight, "0.9", 0, 1e6, NULL, "factor of this loss in the objective",
                       "RepDistiller: alpha = 0.9"),
    LBK_PARAM_SCHEDULE(kd_params, temperature, "4", 0.01, 1000, NULL,
                       "T, softens both networks' outputs; the loss is scaled by T^2", "RepDistiller: T = 4"),
    LBK_PARAM_END,
};

static lbk_status build(lbk_method_context *c) {
    const kd_params *p = c->params;
    lbk_value temperature;
    LBK_TRY(lbk_method_scheduled(c, "temperature", p->temperature, &temperature));
    bool learned = lbk_graph_info(c->graph, temperature)->kind != LBK_VALUE_SCALAR;
    if (c->labels == LBK_NONE || learned) { /* distill_loss has no derivative with respect to T */
        lbk_value loss;
        LBK_TRY(lbk_method_op(c, "kl_div", &loss, "", 3, c->student_logits, c->teacher_logits, temperature));
        return lbk_method_finish(c, loss);
    }
    if (c->hard_weight == LBK_NONE) /* another method computes the hard loss */
        LBK_TRY(lbk_method_scheduled(c, "hard_weight", (lbk_ramp){0}, &c->hard_weight));
    lbk_value inputs[] = {c->student_logits, c->teacher_logits, c->labels, c->hard_weight, c->weight, temperature};
    lbk_value outputs[LBK_MAX_OUTPUTS];
    LBK_TRY(lbk_graph_node(c->graph, lbk_op_find("distill_loss"), "kd", NULL, 6, inputs, outputs));
    c->total = outputs[0];
    c->hard = outputs[1];
    c->report = outputs[2];
    return LBK_OK;
}

const lbk_method lbk_method_kd = {
    .name = "kd",
    .summary = "soft targets: the student matches the teacher's softened class probabilities",
    .formula = "T^2 / B * sum_ik p_t (ln p_t - ln p_s), p = softmax(z / T)",
    .source = "Hinton, Vinyals, Dean 2015",
    .params = table,
    .params_size = sizeof(kd_params),
    .absorbs_hard = true,
    .build = build,
};

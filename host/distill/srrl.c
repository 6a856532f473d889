/* Yang et al., "Knowledge distillation via softmax regression representation learning", ICLR 2021, equations 3 and 6: what the
 * teacher's classifier makes of the student's feature is to be what it makes of the teacher's. The connector and the mean over batch
 * and numbers are those of the authors' code. */
#include "distill/method.h"

typedef struct srrl_params {
    lbk_ramp weight;
    double logits;
} srrl_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(srrl_params, weight, "1", 0, 1e6, NULL, "factor of this loss in the objective",
                       "SimKD's repository: beta = 1"),
    LBK_PARAM_FLOAT(srrl_params, logits, "1", 0, 1e6, NULL, "weight of the outputs beside the features",
                    "paper: alpha = beta"),
    LBK_PARAM_END,
};

static lbk_status needs(const void *params, const lbk_side *student, const lbk_side *teacher, lbk_needs *out) {
    static const char *const feature[] = {"feature"};
    (void)params;
    LBK_TRY(lbk_needs_layers(out, &(lbk_words){1, feature}, student, teacher));
    return lbk_needs_classifier(out, teacher);
}

static lbk_status build(lbk_method_context *c) {
    const srrl_params *p = c->params;
    const lbk_pair *feature = &c->pair[0];
    lbk_value guess, logits, loss, outputs;
    LBK_TRY(lbk_method_connector(c, "connector", feature->student.value,
                                 lbk_method_shape(c, feature->teacher.value)->dim[1], &guess));
    LBK_TRY(lbk_method_op(c, "relu", &guess, "", 1, guess));
    LBK_TRY(lbk_method_op(c, "mse_loss", &loss, "", 2, guess, feature->teacher.value));
    LBK_TRY(lbk_method_classify(c, 0, guess, &logits));
    LBK_TRY(lbk_method_op(c, "mse_loss", &outputs, "", 2, logits, c->teacher_logits));
    LBK_TRY(lbk_method_scale(c, outputs, p->logits, &outputs));
    LBK_TRY(lbk_method_add(c, &loss, outputs));
    return lbk_method_finish(c, loss);
}

const lbk_method lbk_method_srrl = {
    .name = "srrl",
    .summary = "softmax regression: the teacher's classifier tells the student's feature and the teacher's alike",
    .formula = "mean (R(f_s) - f_t)^2 + logits * mean (W_t R(f_s) + b_t - z_t)^2, R = ReLU(BN(fc(.)))",
    .source = "Yang et al. 2021",
    .params = table,
    .params_size = sizeof(srrl_params),
    .needs = needs,
    .build = build,
};

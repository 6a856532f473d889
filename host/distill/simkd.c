/* Chen et al., "Knowledge distillation with the reused teacher classifier", CVPR 2022: a projector brings the student's last map to the
 * teacher's; the bottleneck, the pooling of the larger map and the mean are those of the authors' code. There the deployed network
 * is student, projector and the teacher's classifier. Here a method's modules stay behind: the student keeps its own classifier,
 * which learns what the teacher's one says of the projected map (`classifier`). */
#include "distill/method.h"

typedef struct simkd_params {
    lbk_ramp weight;
    int factor;
    double classifier;
} simkd_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(simkd_params, weight, "1", 0, 1e6, NULL, "factor of this loss in the objective",
                       "SimKD: beta = 1, and no other loss"),
    LBK_PARAM_INT(simkd_params, factor, "2", 1, 64, NULL, "the projector's bottleneck has 1/factor of the channels",
                  "SimKD: factor = 2"),
    LBK_PARAM_FLOAT(simkd_params, classifier, "1", 0, 1e6, NULL,
                    "weight of the student's own logits, which follow those of the teacher's classifier on the "
                    "projected map",
                    "not in the paper, which deploys projector and teacher's classifier"),
    LBK_PARAM_END,
};

static lbk_status needs(const void *params, const lbk_side *student, const lbk_side *teacher, lbk_needs *out) {
    static const char *const last[] = {"last"};
    (void)params;
    LBK_TRY(lbk_needs_layers(out, &(lbk_words){1, last}, student, teacher));
    return lbk_needs_classifier(out, teacher);
}

/* 1x1, 3x3, 1x1 convolutions, each with batch norm and ReLU. */
static lbk_status project(lbk_method_context *c, lbk_value x, int64_t channels, int factor, lbk_value *out) {
    long long inner = channels / factor > 0 ? channels / factor : 1;
    LBK_TRY(lbk_method_connector(c, "projector.0", x, inner, out));
    LBK_TRY(lbk_method_op(c, "relu", out, "", 1, *out));
    LBK_TRY(lbk_method_layer(c, "projector.1.conv", "conv2d", *out, out, "out=%lld kernel=3 padding=1 bias=no", inner));
    LBK_TRY(lbk_method_layer(c, "projector.1.bn", "batch_norm", *out, out, "%s", ""));
    LBK_TRY(lbk_method_op(c, "relu", out, "", 1, *out));
    LBK_TRY(lbk_method_connector(c, "projector.2", *out, channels, out));
    return lbk_method_op(c, "relu", out, "", 1, *out);
}

/* The student's own logits against those of the teacher's classifier, which only the projected map's loss may move. */
static lbk_status own_classifier(lbk_method_context *c, lbk_value map, double weight, lbk_value *out) {
    lbk_value pooled, logits;
    LBK_TRY(lbk_method_op(c, "global_avg_pool", &pooled, "", 1, map));
    LBK_TRY(lbk_method_classify(c, 0, pooled, &logits));
    LBK_TRY(lbk_method_op(c, "detach", &logits, "", 1, logits));
    LBK_TRY(lbk_method_op(c, "mse_loss", out, "", 2, c->student_logits, logits));
    return lbk_method_scale(c, *out, weight, out);
}

static lbk_status build(lbk_method_context *c) {
    const simkd_params *p = c->params;
    lbk_value student, teacher, map, loss, own;
    LBK_TRY(lbk_method_same_size(c, c->pair[0].student.value, c->pair[0].teacher.value, &student, &teacher));
    LBK_TRY(project(c, student, lbk_method_shape(c, teacher)->dim[3], p->factor, &map));
    LBK_TRY(lbk_method_op(c, "mse_loss", &loss, "", 2, map, teacher));
    LBK_TRY(own_classifier(c, map, p->classifier, &own));
    LBK_TRY(lbk_method_add(c, &loss, own));
    return lbk_method_finish(c, loss);
}

const lbk_method lbk_method_simkd = {
    .name = "simkd",
    .summary = "projected features: the student's last map, projected, is to be the teacher's; other than in the paper "
               "the student is deployed with its own classifier, which follows the teacher's on the projected map",
    .formula =
        "mean (P(F_s) - F_t)^2 + classifier * mean (z_s - (W_t pool(P(F_s)) + b_t))^2, the bracket a constant, P "
        "three convolutions, the larger map pooled",
    .source = "Chen et al. 2022",
    .params = table,
    .params_size = sizeof(simkd_params),
    .needs = needs,
    .build = build,
};

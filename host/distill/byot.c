/* Zhang et al., "Be your own teacher", ICCV 2019, equations 2 to 6, with the constants of the authors' code: exits on the shallower
 * stages learn from the labels, from the network's own prediction and from what its classifier reads, both constant. An exit
 * halves an image as often as the network still does (3x3 convolutions, batch norm, ReLU), takes the mean over
 * pixels and ends in a dense layer. */
#include "distill/method.h"

#include <stdio.h>

typedef struct byot_params {
    lbk_ramp weight;
    double alpha, beta;
    lbk_ramp temperature;
} byot_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(byot_params, weight, "1", 0, 1e6, NULL, "factor of this loss in the objective",
                       "Zhang et al.: 1, beside hard_weight = 0.9"),
    LBK_PARAM_FLOAT(byot_params, alpha, "0.1", 0, 1, NULL,
                    "factor of the divergence from the network's own prediction; the cross entropy has 1 - alpha",
                    "Zhang et al., code: 0.1"),
    LBK_PARAM_FLOAT(byot_params, beta, "1.28e-4", 0, 1e6, NULL, "factor of the features' squared distance",
                    "Zhang et al., code: 1e-6 of the sum over 128 images"),
    LBK_PARAM_SCHEDULE(byot_params, temperature, "3", 0.01, 1000, NULL,
                       "T, softens both predictions; the divergence is scaled by T^2", "Zhang et al., code: 3"),
    LBK_PARAM_END,
};

/* Convolutions from the stage to the size of the last one; their output's mean over pixels [B,channels]. */
static lbk_status shrink(lbk_method_context *c, int exit, lbk_value x, int64_t height, int64_t channels,
                         lbk_value *out) {
    char name[32];
    int layer = 0;
    do {
        bool halve = lbk_method_shape(c, x)->dim[1] >= 2 * height;
        snprintf(name, sizeof name, "exit%d.conv%d", exit, layer);
        LBK_TRY(lbk_method_layer(c, name, "conv2d", x, &x, "out=%lld kernel=3 stride=%d padding=1 bias=no",
                                 (long long)channels, halve ? 2 : 1));
        snprintf(name, sizeof name, "exit%d.bn%d", exit, layer++);
        LBK_TRY(lbk_method_layer(c, name, "batch_norm", x, &x, "%s", ""));
        LBK_TRY(lbk_method_op(c, "relu", &x, "", 1, x));
    } while (lbk_method_shape(c, x)->dim[1] >= 2 * height);
    return lbk_method_op(c, "global_avg_pool", out, "", 1, x);
}

/* Vectors, and sequences by their mean, through a dense layer in place of convolutions. */
static lbk_status project(lbk_method_context *c, int exit, lbk_value x, int64_t channels, lbk_value *out) {
    char name[32];
    if (lbk_method_shape(c, x)->rank == 3)
        LBK_TRY(lbk_method_op(c, "mean", &x, "axes=1", 1, x));
    snprintf(name, sizeof name, "exit%d", exit);
    LBK_TRY(lbk_method_connector(c, name, x, channels, &x));
    return lbk_method_op(c, "relu", out, "", 1, x);
}

static lbk_status exit_loss(lbk_method_context *c, int exit, lbk_value stage, lbk_value last, lbk_value feature,
                            lbk_value t, lbk_value *out) {
    const byot_params *p = c->params;
    int64_t channels = lbk_shape_last(lbk_method_shape(c, feature));
    lbk_value own, logits, hard, soft, distance, prediction;
    char name[32];
    if (lbk_method_shape(c, stage)->rank == 4)
        LBK_TRY(shrink(c, exit, stage, lbk_method_shape(c, last)->dim[1], channels, &own));
    else
        LBK_TRY(project(c, exit, stage, channels, &own));
    snprintf(name, sizeof name, "exit%d.classifier", exit);
    LBK_TRY(lbk_method_layer(c, name, "dense", own, &logits, "out=%lld",
                             (long long)lbk_shape_last(lbk_method_shape(c, c->student_logits))));
    LBK_TRY(lbk_method_hard(c, logits, &hard));
    LBK_TRY(lbk_method_scale(c, hard, 1 - p->alpha, out));
    LBK_TRY(lbk_method_op(c, "detach", &prediction, "", 1, c->student_logits));
    LBK_TRY(lbk_method_op(c, "kl_div", &soft, "", 3, logits, prediction, t));
    LBK_TRY(lbk_method_scale(c, soft, p->alpha, &soft));
    LBK_TRY(lbk_method_add(c, out, soft));
    LBK_TRY(lbk_method_op(c, "mse_loss", &distance, "", 2, own, feature));
    LBK_TRY(lbk_method_scale(c, distance, p->beta * (double)channels, &distance));
    return lbk_method_add(c, out, distance);
}

static lbk_status build(lbk_method_context *c) {
    const byot_params *p = c->params;
    lbk_tap stages[LBK_MODEL_STAGES];
    lbk_value feature = lbk_model_feature(c->graph, c->student).value, t, term, loss = LBK_NONE;
    int count;
    LBK_TRY(lbk_model_stages(c->graph, c->student, stages, &count));
    if (count < 2 || feature == LBK_NONE)
        return lbk_fail(LBK_ERR_INPUT,
                        "expected a student with two stages or more that ends in a dense layer, found %d "
                        "stages%s",
                        count, feature == LBK_NONE ? " and no dense layer" : "");
    LBK_TRY(lbk_method_scheduled(c, "temperature", p->temperature, &t));
    LBK_TRY(lbk_method_op(c, "detach", &feature, "", 1, feature));
    for (int i = 0; i < count - 1; i++) {
        LBK_TRY(exit_loss(c, i, stages[i].value, stages[count - 1].value, feature, t, &term));
        LBK_TRY(lbk_method_add(c, &loss, term));
    }
    return lbk_method_finish(c, loss);
}

const lbk_method lbk_method_byot = {
    .name = "byot",
    .summary = "be your own teacher: exits on shallow stages learn from the network's end; no teacher",
    .formula = "sum over exits i of (1 - alpha) CE(z_i) + alpha T^2 KL(softmax(z / T), softmax(z_i / T)) + beta / B * "
               "|f_i - f|^2, z and f constant",
    .source = "Zhang et al. 2019",
    .params = table,
    .params_size = sizeof(byot_params),
    .teacherless = true,
    .build = build,
};

/* Belagiannis, Farshad, Galasso, "Adversarial network compression", ECCV workshops 2018, equation 2: a discriminator learns to tell the
 * teacher's features from the student's, the student learns to fool it. One loss serves both: behind the student's features
 * the gradient is reversed (Ganin and Lempitsky, "Unsupervised domain adaptation by backpropagation", ICML 2015). Images
 * are judged pixel by pixel. */
#include "distill/method.h"

#include <stdio.h>

typedef struct discriminator_params {
    lbk_ramp weight;
    lbk_words layers;
    int width;
    double reversal;
} discriminator_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(discriminator_params, weight, "1", 0, 1e6, NULL,
                       "factor of this loss in the objective, for the discriminator too", "Belagiannis et al.: 1"),
    LBK_PARAM_WORDS(discriminator_params, layers, "feature", LBK_LAYERS_MEANING, "Belagiannis et al.: feature"),
    LBK_PARAM_INT(discriminator_params, width, "128", 1, 65536, "units",
                  "the discriminator's hidden layers have width, 2 * width and width",
                  "Belagiannis et al.: 128, 256, 128"),
    LBK_PARAM_FLOAT(discriminator_params, reversal, "1", 0, 1000, NULL,
                    "factor of the reversed gradient: how much more the student learns from it than the discriminator",
                    "Ganin and Lempitsky 2015: 1"),
    LBK_PARAM_END,
};

static lbk_status needs(const void *params, const lbk_side *student, const lbk_side *teacher, lbk_needs *out) {
    const discriminator_params *p = params;
    return lbk_needs_layers(out, &p->layers, student, teacher);
}

/* Logits of "the teacher's", one per vector along the last dimension, of both at once: [2B,...,1]. */
static lbk_status judge(lbk_method_context *c, int pair, lbk_value x, lbk_value *out) {
    const discriminator_params *p = c->params;
    const int width[] = {p->width, 2 * p->width, p->width, 1};
    for (int i = 0; i < 4; i++) {
        char name[48];
        snprintf(name, sizeof name, "judge%d.fc%d", pair, i);
        LBK_TRY(lbk_method_layer(c, name, "dense", x, &x, "out=%d", width[i]));
        if (i < 3)
            LBK_TRY(lbk_method_op(c, "relu", &x, "", 1, x));
    }
    *out = x;
    return LBK_OK;
}

/* 1 for the teacher's half, 0 for the student's. */
static lbk_status truth(lbk_method_context *c, const lbk_shape *half, lbk_value *out) {
    char dims[128];
    int at = snprintf(dims, sizeof dims, "shape=");
    lbk_value one, ones, zeros;
    for (int i = 0; i < half->rank; i++)
        at += snprintf(dims + at, sizeof dims - (size_t)at, "%s%lld", i ? "," : "", (long long)half->dim[i]);
    LBK_TRY(lbk_method_op(c, "constant", &one, "value=1", 0));
    LBK_TRY(lbk_method_op(c, "expand", &ones, dims, 1, one));
    LBK_TRY(lbk_method_scale(c, ones, 0, &zeros));
    return lbk_method_op(c, "concat", out, "axis=0", 2, ones, zeros);
}

static lbk_status pair_loss(lbk_method_context *c, int i, lbk_value *out) {
    const discriminator_params *p = c->params;
    lbk_value student, teacher = c->pair[i].teacher.value, both, logits, labels;
    char name[32];
    snprintf(name, sizeof name, "regressor%d", i);
    LBK_TRY(lbk_method_regressor(c, name, c->pair[i].student.value, teacher, false, &student));
    LBK_TRY(lbk_method_reverse(c, student, p->reversal, &student));
    LBK_TRY(lbk_method_op(c, "concat", &both, "axis=0", 2, teacher, student));
    LBK_TRY(judge(c, i, both, &logits));
    lbk_shape half = *lbk_method_shape(c, logits);
    half.dim[0] /= 2;
    LBK_TRY(truth(c, &half, &labels));
    return lbk_method_op(c, "bce_with_logits", out, "", 2, logits, labels);
}

static lbk_status build(lbk_method_context *c) {
    lbk_value loss = LBK_NONE, term;
    for (int i = 0; i < c->pair_count; i++) {
        LBK_TRY(pair_loss(c, i, &term));
        LBK_TRY(lbk_method_add(c, &loss, term));
    }
    return lbk_method_finish(c, loss);
}

const lbk_method lbk_method_discriminator = {
    .name = "discriminator",
    .summary = "a discriminator learns to tell the student's features from the teacher's, the student to fool it",
    .formula = "mean of -(ln D(f_t) + ln(1 - D(r(f_s)))) / 2, which D makes small and the student large",
    .source = "Belagiannis et al. 2018; Ganin and Lempitsky 2015",
    .params = table,
    .params_size = sizeof(discriminator_params),
    .needs = needs,
    .build = build,
};

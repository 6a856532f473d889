/* Ahn et al., "Variational information distillation for knowledge transfer", CVPR 2019, equations 4 to 6. The mean network is
 * RepDistiller's: three 1x1 convolutions; the larger map is pooled. */
#include "distill/method.h"

#include <math.h>
#include <stdio.h>

#define EPS 1e-5 /* added to a variance */

typedef struct vid_params {
    lbk_ramp weight;
    double variance;
    lbk_words layers;
} vid_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(vid_params, weight, "1", 0, 1e6, NULL, "factor of this loss in the objective",
                       "RepDistiller: beta = 1"),
    LBK_PARAM_FLOAT(vid_params, variance, "5", 0.001, 100, NULL, "that every channel starts with",
                    "RepDistiller: init_pred_var = 5"),
    LBK_PARAM_WORDS(vid_params, layers, "stages", LBK_LAYERS_MEANING, "RepDistiller: all but stem and last feature"),
    LBK_PARAM_END,
};

static lbk_status needs(const void *params, const lbk_side *student, const lbk_side *teacher, lbk_needs *out) {
    return lbk_needs_layers(out, &((const vid_params *)params)->layers, student, teacher);
}

/* The teacher's layer as the student's tells it. */
static lbk_status predict(lbk_method_context *c, int pair, lbk_value x, long long channels, lbk_value *out) {
    *out = x;
    for (int i = 0; i < 3; i++) {
        char name[48];
        snprintf(name, sizeof name, "mean%d.conv%d", pair, i);
        if (i > 0)
            LBK_TRY(lbk_method_op(c, "relu", out, "", 1, *out));
        LBK_TRY(lbk_method_layer(c, name, "conv2d", *out, out, "out=%lld bias=no", channels));
    }
    return LBK_OK;
}

/* [C]: ln(1 + exp(rho)) + eps, rho learned */
static lbk_status variance_of(lbk_method_context *c, int pair, lbk_value x, long long channels, lbk_value *out) {
    const vid_params *p = c->params;
    char name[32], offset[32];
    lbk_value rho;
    snprintf(name, sizeof name, "rho%d", pair);
    snprintf(offset, sizeof offset, "offset=%g", EPS);
    LBK_TRY(lbk_method_layer(c, name, "parameter", x, &rho, "shape=%lld init=normal mean=%.17g deviation=0", channels,
                             log(expm1(p->variance - EPS))));
    LBK_TRY(lbk_method_op(c, "softplus", out, "", 1, rho));
    return lbk_method_op(c, "scale", out, offset, 1, *out);
}

/* mean of ((mean - t)^2 / variance + ln variance) / 2; the second term is the same for all pixels */
static lbk_status surprise(lbk_method_context *c, lbk_value mean, lbk_value teacher, lbk_value variance,
                           lbk_value *loss) {
    lbk_value square, spread;
    LBK_TRY(lbk_method_op(c, "sub", &square, "", 2, mean, teacher));
    LBK_TRY(lbk_method_op(c, "square", &square, "", 1, square));
    LBK_TRY(lbk_method_op(c, "div", &square, "", 2, square, variance));
    LBK_TRY(lbk_method_op(c, "mean", &square, "", 1, square));
    LBK_TRY(lbk_method_op(c, "log", &spread, "", 1, variance));
    LBK_TRY(lbk_method_op(c, "mean", &spread, "", 1, spread));
    LBK_TRY(lbk_method_op(c, "add", loss, "", 2, square, spread));
    return lbk_method_scale(c, *loss, 0.5, loss);
}

static lbk_status build(lbk_method_context *c) {
    lbk_value sum = LBK_NONE, student, teacher, mean, variance, loss;
    for (int i = 0; i < c->pair_count; i++) {
        LBK_TRY(lbk_method_same_size(c, c->pair[i].student.value, c->pair[i].teacher.value, &student, &teacher));
        const long long channels = lbk_method_shape(c, teacher)->dim[3];
        LBK_TRY(predict(c, i, student, channels, &mean));
        LBK_TRY(variance_of(c, i, student, channels, &variance));
        LBK_TRY(surprise(c, mean, teacher, variance, &loss));
        LBK_TRY(lbk_method_add(c, &sum, loss));
    }
    return lbk_method_finish(c, sum);
}

const lbk_method lbk_method_vid = {
    .name = "vid",
    .summary =
        "variational information: the student's layers predict the teacher's, each channel with a variance of its own",
    .formula =
        "sum over layers of mean ((mu(F_s) - F_t)^2 / v + ln v) / 2, v_c = ln(1 + exp(rho_c)) + 1e-5, mu three 1x1 "
        "convolutions with ReLU between",
    .source = "Ahn et al. 2019",
    .params = table,
    .params_size = sizeof(vid_params),
    .needs = needs,
    .build = build,
};

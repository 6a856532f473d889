/* Romero et al., "FitNets: hints for thin deep nets", ICLR 2015, equation 3. The regressor is that of RepDistiller: a convolution
 * that brings the student's map to the teacher's size, batch norm, ReLU. Between vectors and sequences it is a dense layer. */
#include "distill/method.h"

#include <stdio.h>

typedef struct fitnet_params {
    lbk_ramp weight;
    lbk_words layers;
} fitnet_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(fitnet_params, weight, "100", 0, 1e6, NULL, "factor of this loss in the objective",
                       "RepDistiller: beta = 100"),
    LBK_PARAM_WORDS(fitnet_params, layers, "2", LBK_LAYERS_MEANING, "RepDistiller: hint_layer = 2"),
    LBK_PARAM_END,
};

static lbk_status needs(const void *params, const lbk_side *student, const lbk_side *teacher, lbk_needs *out) {
    return lbk_needs_layers(out, &((const fitnet_params *)params)->layers, student, teacher);
}

static lbk_status build(lbk_method_context *c) {
    lbk_value sum = LBK_NONE, guess, loss;
    for (int i = 0; i < c->pair_count; i++) {
        char name[24];
        snprintf(name, sizeof name, "regressor%d", i);
        LBK_TRY(lbk_method_regressor(c, name, c->pair[i].student.value, c->pair[i].teacher.value, true, &guess));
        LBK_TRY(lbk_method_op(c, "mse_loss", &loss, "", 2, guess, c->pair[i].teacher.value));
        LBK_TRY(lbk_method_add(c, &sum, loss));
    }
    return lbk_method_finish(c, sum);
}

const lbk_method lbk_method_fitnet = {
    .name = "fitnet",
    .summary = "hints: a regressor on the student's layer predicts the teacher's layer",
    .formula = "sum over layers of mean (R(F_s) - F_t)^2, R = ReLU(BN(conv(.)))",
    .source = "Romero et al. 2015",
    .params = table,
    .params_size = sizeof(fitnet_params),
    .needs = needs,
    .build = build,
};

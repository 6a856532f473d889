/* Jiao et al., "TinyBERT: distilling BERT for natural language understanding", 2020, equations 8 and 9: hidden states of layers
 * spread over the depth, through a learned projection. Here there is one only where the widths differ (TextBrewer). */
#include "distill/method.h"

#include <stdio.h>

typedef struct hidden_params {
    lbk_ramp weight;
    lbk_words layers;
} hidden_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(hidden_params, weight, "1", 0, 1e6, NULL, "factor of this loss in the objective",
                       "TinyBERT: lambda = 1"),
    LBK_PARAM_WORDS(hidden_params, layers, "spread", LBK_LAYERS_MEANING, "TinyBERT: the uniform map"),
    LBK_PARAM_END,
};

static lbk_status needs(const void *params, const lbk_side *student, const lbk_side *teacher, lbk_needs *out) {
    return lbk_needs_layers(out, &((const hidden_params *)params)->layers, student, teacher);
}

static lbk_status build(lbk_method_context *c) {
    lbk_value sum = LBK_NONE, student, loss;
    for (int i = 0; i < c->pair_count; i++) {
        const lbk_value teacher = c->pair[i].teacher.value;
        char name[24];
        snprintf(name, sizeof name, "regressor%d", i);
        LBK_TRY(lbk_method_sequences(c, name, c->pair[i].student.value, teacher, &student));
        LBK_TRY(lbk_method_op(c, "mse_loss", &loss, "", 2, student, teacher));
        LBK_TRY(lbk_method_add(c, &sum, loss));
    }
    return lbk_method_finish(c, sum);
}

const lbk_method lbk_method_hidden = {
    .name = "hidden",
    .summary =
        "hidden states of a transformer: the student's follow the teacher's, through a projection where widths differ",
    .formula = "sum over layers of mean (H_s W + b - H_t)^2",
    .source = "Jiao et al. 2020 (TinyBERT)",
    .params = table,
    .params_size = sizeof(hidden_params),
    .needs = needs,
    .build = build,
    .example = lbk_method_example_sequences,
};

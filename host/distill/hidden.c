/* Jiao et al., "TinyBERT: distilling BERT for natural language understanding", 2020, equations 8 and 9: hidden states of layers
 * spread over the depth, through a learned projection. Here there is one only where the widths differ (TextBrewer). */
#include "distill/method.h"

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
    return lbk_method_match_sequences(c, "mse_loss");
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

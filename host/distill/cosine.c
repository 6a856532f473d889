/* Sanh, Debut, Chaumond, Wolf, "DistilBERT, a distilled version of BERT", 2019, section 2: the directions of the last hidden
 * states agree. */
#include "distill/method.h"

typedef struct cosine_params {
    lbk_ramp weight;
    lbk_words layers;
} cosine_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(cosine_params, weight, "1", 0, 1e6, NULL, "factor of this loss in the objective",
                       "DistilBERT: alpha_cos = 1"),
    LBK_PARAM_WORDS(cosine_params, layers, "last", LBK_LAYERS_MEANING, "DistilBERT: the last hidden states"),
    LBK_PARAM_END,
};

static lbk_status needs(const void *params, const lbk_side *student, const lbk_side *teacher, lbk_needs *out) {
    return lbk_needs_layers(out, &((const cosine_params *)params)->layers, student, teacher);
}

static lbk_status build(lbk_method_context *c) {
    return lbk_method_match_sequences(c, "cosine_loss");
}

const lbk_method lbk_method_cosine = {
    .name = "cosine",
    .summary = "hidden states of a transformer point where the teacher's do, through a projection where widths differ",
    .formula = "sum over layers of mean over steps of 1 - cos(h_s W + b, h_t)",
    .source = "Sanh et al. 2019 (DistilBERT)",
    .params = table,
    .params_size = sizeof(cosine_params),
    .needs = needs,
    .build = build,
    .example = lbk_method_example_sequences,
};

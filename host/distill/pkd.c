/* Sun, Cheng, Gan, Liu, "Patient knowledge distillation for BERT model compression", 2019, equation 7: the first token's vectors
 * at inner layers, of length 1. The mean over samples, layers and features is that of the authors' code. */
#include "distill/method.h"

#include <stdio.h>

enum { SKIP, LAST }; /* map */
static const char *const maps[] = {"skip", "last", NULL};

typedef struct pkd_params {
    lbk_ramp weight;
    int map;
} pkd_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(pkd_params, weight, "100", 0, 1e6, NULL, "factor of this loss in the objective",
                       "paper: the best of beta = 10, 100, 500, 1000"),
    LBK_PARAM_CHOICE(pkd_params, map, "skip", maps,
                     "the teacher's layers: spread over its depth, or the last ones; without either's very last",
                     "paper: PKD-Skip, PKD-Last"),
    LBK_PARAM_END,
};

static lbk_status needs(const void *params, const lbk_side *student, const lbk_side *teacher, lbk_needs *out) {
    static const char *const words[] = {[SKIP] = "spread", [LAST] = "stages"};
    const lbk_words layers = {1, &words[((const pkd_params *)params)->map]};
    LBK_TRY(lbk_needs_layers(out, &layers, student, teacher));
    if (--out->pair_count == 0)
        return lbk_fail(LBK_ERR_INPUT, "compares layers before the last: expected networks of two layers or more");
    return LBK_OK;
}

/* [B,T,C] -> [B,1,C] */
static lbk_status first_token(lbk_method_context *c, lbk_value x, lbk_value *out) {
    const int rank = lbk_method_shape(c, x)->rank;
    if (rank != 3)
        return lbk_fail(LBK_ERR_INPUT, "expected layers that are sequences [B,T,C], found one of rank %d", rank);
    return lbk_method_op(c, "slice", out, "axis=1 count=1", 1, x);
}

static lbk_status patience(lbk_method_context *c, int pair, lbk_value *loss) {
    lbk_value student, teacher;
    char name[24];
    snprintf(name, sizeof name, "regressor%d", pair);
    LBK_TRY(first_token(c, c->pair[pair].student.value, &student));
    LBK_TRY(first_token(c, c->pair[pair].teacher.value, &teacher));
    LBK_TRY(lbk_method_sequences(c, name, student, teacher, &student));
    LBK_TRY(lbk_method_op(c, "l2_normalize", &student, "", 1, student));
    LBK_TRY(lbk_method_op(c, "l2_normalize", &teacher, "", 1, teacher));
    return lbk_method_op(c, "mse_loss", loss, "", 2, student, teacher);
}

static lbk_status build(lbk_method_context *c) {
    lbk_value sum = LBK_NONE, loss;
    for (int i = 0; i < c->pair_count; i++) {
        LBK_TRY(patience(c, i, &loss));
        LBK_TRY(lbk_method_add(c, &sum, loss));
    }
    LBK_TRY(lbk_method_scale(c, sum, 1.0 / c->pair_count, &sum));
    return lbk_method_finish(c, sum);
}

const lbk_method lbk_method_pkd = {
    .name = "pkd",
    .summary = "patient distillation: the first token's vectors at a transformer's inner layers follow the teacher's",
    .formula = "mean over layers, samples and features of (h_s / |h_s| - h_t / |h_t|)^2, h of the first token; h_s W + "
               "b where "
               "widths differ",
    .source = "Sun et al. 2019",
    .params = table,
    .params_size = sizeof(pkd_params),
    .needs = needs,
    .build = build,
    .example = lbk_method_example_sequences,
};

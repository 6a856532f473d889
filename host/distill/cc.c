/* Peng et al., "Correlation congruence for knowledge distillation", ICCV 2019, in the form of RepDistiller: no kernel, but the
 * product of neighbouring samples' distances between two learned embeddings. The teacher's is learned as well. */
#include "distill/method.h"

#include <stdio.h>

typedef struct cc_params {
    lbk_ramp weight;
    int width;
    lbk_words layers;
} cc_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(cc_params, weight, "0.02", 0, 1e6, NULL, "factor of this loss in the objective",
                       "RepDistiller: beta = 0.02"),
    LBK_PARAM_INT(cc_params, width, "128", 1, 1 << 16, "numbers", "of an embedding", "RepDistiller: feat_dim = 128"),
    LBK_PARAM_WORDS(cc_params, layers, "feature", LBK_LAYERS_MEANING, "RepDistiller: the pooled feature"),
    LBK_PARAM_END,
};

static lbk_status needs(const void *params, const lbk_side *student, const lbk_side *teacher, lbk_needs *out) {
    return lbk_needs_layers(out, &((const cc_params *)params)->layers, student, teacher);
}

/* [B,...] -> [B,width] */
static lbk_status embed(lbk_method_context *c, const char *side, int pair, lbk_value x, lbk_value *out) {
    const cc_params *p = c->params;
    const char *name;
    LBK_TRY(lbk_arena_printf(&c->graph->arena, &name, "%s%d", side, pair));
    LBK_TRY(lbk_method_op(c, "reshape", &x, "shape=0,-1", 1, x));
    return lbk_method_layer(c, name, "dense", x, out, "out=%d", p->width);
}

static lbk_status congruence(lbk_method_context *c, int pair, lbk_value *loss) {
    lbk_value student, teacher, distance, first, second, rows;
    LBK_TRY(embed(c, "student", pair, c->pair[pair].student.value, &student));
    LBK_TRY(embed(c, "teacher", pair, c->pair[pair].teacher.value, &teacher));
    if (lbk_method_shape(c, student)->dim[0] < 2)
        return lbk_fail(LBK_ERR_INPUT, "compares samples of a batch: expected a batch of 2 or more");
    LBK_TRY(lbk_method_op(c, "sub", &distance, "", 2, student, teacher));
    LBK_TRY(lbk_method_op(c, "abs", &distance, "", 1, distance));
    const long long others = lbk_method_shape(c, distance)->dim[0] - 1;
    char all_but_last[48];
    snprintf(all_but_last, sizeof all_but_last, "axis=0 count=%lld", others);
    LBK_TRY(lbk_method_op(c, "slice", &first, all_but_last, 1, distance));
    LBK_TRY(lbk_method_op(c, "slice", &second, "axis=0 start=1", 1, distance));
    LBK_TRY(lbk_method_op(c, "mul", &rows, "", 2, first, second));
    LBK_TRY(lbk_method_op(c, "sum", &rows, "axes=1", 1, rows));
    return lbk_method_op(c, "mean", loss, "", 1, rows);
}

static lbk_status build(lbk_method_context *c) {
    lbk_value sum = LBK_NONE, loss;
    for (int i = 0; i < c->pair_count; i++) {
        LBK_TRY(congruence(c, i, &loss));
        LBK_TRY(lbk_method_add(c, &sum, loss));
    }
    return lbk_method_finish(c, sum);
}

const lbk_method lbk_method_cc = {
    .name = "cc",
    .summary = "correlation congruence: neighbouring samples' distances between embeddings of both features",
    .formula = "sum over layers of mean_{i<B} sum_d |D_id| |D_(i+1)d|, D = E_s(F_s) - E_t(F_t), E dense and learned",
    .source = "Peng et al. 2019",
    .params = table,
    .params_size = sizeof(cc_params),
    .needs = needs,
    .build = build,
};

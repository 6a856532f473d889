/* Zagoruyko, Komodakis, "Paying more attention to attention", ICLR 2017, equation 2, as RepDistiller has it: the mean over
 * channels of |F|^p, flattened and normalised; the mean of squared differences. */
#include "distill/method.h"

typedef struct at_params {
    lbk_ramp weight;
    int p;
    lbk_words layers;
} at_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(at_params, weight, "1000", 0, 1e6, NULL, "factor of this loss in the objective",
                       "RepDistiller: beta = 1000"),
    LBK_PARAM_INT(at_params, p, "2", 1, 8, NULL, "exponent of the activations", "paper: p = 2"),
    LBK_PARAM_WORDS(at_params, layers, "stages", LBK_LAYERS_MEANING, "RepDistiller: all but stem and last feature"),
    LBK_PARAM_END,
};

static lbk_status needs(const void *params, const lbk_side *student, const lbk_side *teacher, lbk_needs *out) {
    return lbk_needs_layers(out, &((const at_params *)params)->layers, student, teacher);
}

/* |x|^p */
static lbk_status power(lbk_method_context *c, lbk_value x, int p, lbk_value *out) {
    lbk_value size;
    if (p == 2)
        return lbk_method_op(c, "square", out, "", 1, x);
    LBK_TRY(lbk_method_op(c, "abs", &size, "", 1, x));
    *out = size;
    for (int i = 1; i < p; i++)
        LBK_TRY(lbk_method_op(c, "mul", out, "", 2, *out, size));
    return LBK_OK;
}

/* [B,H,W,C] -> [B,H*W] of length 1 */
static lbk_status attention_map(lbk_method_context *c, lbk_value x, int p, lbk_value *out) {
    lbk_value powers, mean, row;
    LBK_TRY(power(c, x, p, &powers));
    LBK_TRY(lbk_method_op(c, "mean", &mean, "axes=3", 1, powers));
    LBK_TRY(lbk_method_op(c, "reshape", &row, "shape=0,-1", 1, mean));
    return lbk_method_op(c, "l2_normalize", out, "", 1, row);
}

static lbk_status build(lbk_method_context *c) {
    const at_params *p = c->params;
    lbk_value sum = LBK_NONE, student, teacher, loss;
    for (int i = 0; i < c->pair_count; i++) {
        LBK_TRY(lbk_method_same_size(c, c->pair[i].student.value, c->pair[i].teacher.value, &student, &teacher));
        LBK_TRY(attention_map(c, student, p->p, &student));
        LBK_TRY(attention_map(c, teacher, p->p, &teacher));
        LBK_TRY(lbk_method_op(c, "mse_loss", &loss, "", 2, student, teacher));
        LBK_TRY(lbk_method_add(c, &sum, loss));
    }
    return lbk_method_finish(c, sum);
}

const lbk_method lbk_method_at = {
    .name = "at",
    .summary = "attention transfer: where the student's layers are active follows the teacher's",
    .formula = "sum over layers of mean (Q_s - Q_t)^2, Q = l2norm(flatten(mean_c |F|^p)), the larger map pooled",
    .source = "Zagoruyko, Komodakis 2017",
    .params = table,
    .params_size = sizeof(at_params),
    .needs = needs,
    .build = build,
};

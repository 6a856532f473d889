/* Huang, Wang, "Like what you like: knowledge distill via neuron selectivity transfer", 2017, equation 6, with the polynomial
 * kernel (x.y)^2 between the channels' maps. The larger map is pooled, as in RepDistiller. */
#include "distill/method.h"

typedef struct nst_params {
    lbk_ramp weight;
    lbk_words layers;
} nst_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(nst_params, weight, "50", 0, 1e6, NULL, "factor of this loss in the objective",
                       "RepDistiller: beta = 50"),
    LBK_PARAM_WORDS(nst_params, layers, "stages", LBK_LAYERS_MEANING, "RepDistiller: all but stem and last feature"),
    LBK_PARAM_END,
};

static lbk_status needs(const void *params, const lbk_side *student, const lbk_side *teacher, lbk_needs *out) {
    return lbk_needs_layers(out, &((const nst_params *)params)->layers, student, teacher);
}

/* [B,H,W,C] -> [B,H*W,C], each channel's map of length 1 */
static lbk_status selectivity(lbk_method_context *c, lbk_value x, lbk_value *out) {
    lbk_value pixels;
    LBK_TRY(lbk_method_pixels(c, x, &pixels));
    return lbk_method_op(c, "l2_normalize", out, "axis=1", 1, pixels);
}

/* Mean over samples and pairs of channels of the squared product. */
static lbk_status kernel_mean(lbk_method_context *c, lbk_value a, lbk_value b, lbk_value *out) {
    lbk_value products;
    LBK_TRY(lbk_method_op(c, "matmul", &products, "trans_a=yes", 2, a, b));
    LBK_TRY(lbk_method_op(c, "square", &products, "", 1, products));
    return lbk_method_op(c, "mean", out, "", 1, products);
}

/* Maximum mean discrepancy, squared: tt + ss - 2 st */
static lbk_status discrepancy(lbk_method_context *c, lbk_value student, lbk_value teacher, lbk_value *loss) {
    lbk_value tt, ss, st;
    LBK_TRY(kernel_mean(c, teacher, teacher, &tt));
    LBK_TRY(kernel_mean(c, student, student, &ss));
    LBK_TRY(kernel_mean(c, student, teacher, &st));
    LBK_TRY(lbk_method_scale(c, st, -2, &st));
    return lbk_method_op(c, "add", loss, "", 3, tt, ss, st);
}

static lbk_status build(lbk_method_context *c) {
    lbk_value sum = LBK_NONE, student, teacher, loss;
    for (int i = 0; i < c->pair_count; i++) {
        LBK_TRY(lbk_method_same_size(c, c->pair[i].student.value, c->pair[i].teacher.value, &student, &teacher));
        LBK_TRY(selectivity(c, student, &student));
        LBK_TRY(selectivity(c, teacher, &teacher));
        LBK_TRY(discrepancy(c, student, teacher, &loss));
        LBK_TRY(lbk_method_add(c, &sum, loss));
    }
    return lbk_method_finish(c, sum);
}

const lbk_method lbk_method_nst = {
    .name = "nst",
    .summary = "neuron selectivity: the channels' maps are distributed as the teacher's",
    .formula =
        "sum over layers of k(t,t) + k(s,s) - 2 k(s,t), k(a,b) = mean over samples and channels i, j of (a_i . b_j)^2",
    .source = "Huang, Wang 2017",
    .params = table,
    .params_size = sizeof(nst_params),
    .needs = needs,
    .build = build,
};

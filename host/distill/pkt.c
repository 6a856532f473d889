/* Passalis, Tefas, "Learning deep representations with probabilistic knowledge transfer", ECCV 2018, equations 3 to 6, with the
 * cosine kernel; the mean over all pairs of samples, as in the authors' code. */
#include "distill/method.h"

#define EPS "1e-7" /* of the authors' code */

typedef struct pkt_params {
    lbk_ramp weight;
    lbk_words layers;
} pkt_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(pkt_params, weight, "30000", 0, 1e7, NULL, "factor of this loss in the objective",
                       "RepDistiller: beta = 30000"),
    LBK_PARAM_WORDS(pkt_params, layers, "feature", LBK_LAYERS_MEANING, "RepDistiller: the pooled feature"),
    LBK_PARAM_END,
};

static lbk_status needs(const void *params, const lbk_side *student, const lbk_side *teacher, lbk_needs *out) {
    return lbk_needs_layers(out, &((const pkt_params *)params)->layers, student, teacher);
}

/* x[B,...] -> [B,B]: the probability that sample i has j for a neighbour */
static lbk_status neighbours(lbk_method_context *c, lbk_value x, lbk_value *out) {
    lbk_value rows, cosines, total;
    LBK_TRY(lbk_method_op(c, "reshape", &rows, "shape=0,-1", 1, x));
    LBK_TRY(lbk_method_op(c, "l2_normalize", &rows, "eps=" EPS, 1, rows));
    LBK_TRY(lbk_method_op(c, "matmul", &cosines, "trans_b=yes", 2, rows, rows));
    LBK_TRY(lbk_method_op(c, "scale", &cosines, "factor=0.5 offset=0.5", 1, cosines));
    LBK_TRY(lbk_method_op(c, "sum", &total, "axes=1 keepdims=yes", 1, cosines));
    return lbk_method_op(c, "div", out, "", 2, cosines, total);
}

/* mean t ln((t + eps) / (s + eps)) */
static lbk_status divergence(lbk_method_context *c, lbk_value student, lbk_value teacher, lbk_value *loss) {
    lbk_value above, below, ratio;
    LBK_TRY(lbk_method_op(c, "scale", &above, "offset=" EPS, 1, teacher));
    LBK_TRY(lbk_method_op(c, "scale", &below, "offset=" EPS, 1, student));
    LBK_TRY(lbk_method_op(c, "div", &ratio, "", 2, above, below));
    LBK_TRY(lbk_method_op(c, "log", &ratio, "", 1, ratio));
    LBK_TRY(lbk_method_op(c, "mul", &ratio, "", 2, teacher, ratio));
    return lbk_method_op(c, "mean", loss, "", 1, ratio);
}

static lbk_status build(lbk_method_context *c) {
    lbk_value sum = LBK_NONE, student, teacher, loss;
    for (int i = 0; i < c->pair_count; i++) {
        LBK_TRY(neighbours(c, c->pair[i].student.value, &student));
        LBK_TRY(neighbours(c, c->pair[i].teacher.value, &teacher));
        LBK_TRY(divergence(c, student, teacher, &loss));
        LBK_TRY(lbk_method_add(c, &sum, loss));
    }
    return lbk_method_finish(c, sum);
}

const lbk_method lbk_method_pkt = {
    .name = "pkt",
    .summary =
        "probabilistic transfer: each sample's neighbours in the batch are as probable as in the teacher's feature",
    .formula =
        "sum over layers of 1 / B^2 sum_ij t_ij ln(t_ij / s_ij), s_ij = (cos(f_i, f_j) + 1) / 2, rows scaled to sum 1",
    .source = "Passalis, Tefas 2018",
    .params = table,
    .params_size = sizeof(pkt_params),
    .needs = needs,
    .build = build,
};

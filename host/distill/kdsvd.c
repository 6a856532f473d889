/* Lee, Kim, Song, "Self-supervised knowledge distillation using singular value decomposition", ECCV 2018, with one vector per layer
 * (k = 1), the exponent and the sum over a sample's numbers of RepDistiller's code. There a decomposition gives the vectors; its
 * gradient grows without bound as two singular values meet, and what is not finite is set to 0. Here power iteration gives them:
 * the same vectors and gradients where one direction dominates, as it does after a ReLU, and finite ones everywhere. There the
 * student's vector is the one of its first four most like the teacher's, with the sign that makes them alike; here the student's
 * iteration starts from the teacher's vector, and so comes to the first one, with that sign. */
#include "distill/method.h"

typedef struct kdsvd_params {
    lbk_ramp weight;
    double spread;
    int iterations;
    lbk_words layers;
} kdsvd_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(kdsvd_params, weight, "1", 0, 1e6, NULL, "factor of this loss in the objective",
                       "mdistiller: 1"),
    LBK_PARAM_FLOAT(kdsvd_params, spread, "8", 1e-3, 1e6, NULL, "divides squared differences of two vectors' numbers",
                    "RepDistiller: 8"),
    LBK_PARAM_INT(kdsvd_params, iterations, "8", 1, 1000, NULL,
                  "steps to a first singular vector: of a second one whose value is r times the first's, r^(2 "
                  "iterations) is left",
                  "0.00002 is left where r = 0.5"),
    LBK_PARAM_WORDS(kdsvd_params, layers, "stages", LBK_LAYERS_MEANING ". At least two: each with the next",
                    "RepDistiller: all but stem and last feature"),
    LBK_PARAM_END,
};

static lbk_status needs(const void *params, const lbk_side *student, const lbk_side *teacher, lbk_needs *out) {
    return lbk_needs_successive(out, &((const kdsvd_params *)params)->layers, student, teacher);
}

/* The first right singular vector of x[B,P,C], [B,1,C], with the sign of its product with `start`, [B,1,C]. By way of the first left
 * one where the Gram matrix of pixels is the smaller. */
static lbk_status singular_vector(lbk_method_context *c, lbk_value x, lbk_value start, lbk_value *out) {
    const lbk_shape *shape = lbk_method_shape(c, x);
    bool wide = shape->dim[2] > shape->dim[1];
    lbk_value gram;
    *out = start;
    LBK_TRY(lbk_method_op(c, "matmul", &gram, wide ? "trans_b=yes" : "trans_a=yes", 2, x, x));
    if (wide)
        LBK_TRY(lbk_method_op(c, "matmul", out, "trans_b=yes", 2, *out, x));
    for (int i = 0; i < ((const kdsvd_params *)c->params)->iterations; i++) {
        LBK_TRY(lbk_method_op(c, "matmul", out, "", 2, *out, gram));
        LBK_TRY(lbk_method_op(c, "l2_normalize", out, "", 1, *out));
    }
    if (!wide)
        return LBK_OK;
    LBK_TRY(lbk_method_op(c, "matmul", out, "", 2, *out, x));
    return lbk_method_op(c, "l2_normalize", out, "", 1, *out);
}

/* Of both sides of pair i, [B,1,C]; the teacher's iteration starts from the mean pixel. */
static lbk_status vectors(lbk_method_context *c, int i, lbk_value *student, lbk_value *teacher) {
    lbk_value own, x, mean;
    LBK_TRY(lbk_method_equal_channels(c, i, &own));
    if (own != c->pair[i].student.value)
        LBK_TRY(lbk_method_op(c, "relu", &own, "", 1, own));
    LBK_TRY(lbk_method_pixels(c, c->pair[i].teacher.value, &x));
    LBK_TRY(lbk_method_op(c, "mean", &mean, "axes=1 keepdims=yes", 1, x));
    LBK_TRY(singular_vector(c, x, mean, teacher));
    LBK_TRY(lbk_method_pixels(c, own, &x));
    return singular_vector(c, x, *teacher, student);
}

/* How alike each number of `low` [B,1,C] and each of `high` [B,1,K] are: [B,K,C], exp(-(high - low)^2 / spread). */
static lbk_status likeness(lbk_method_context *c, lbk_value low, lbk_value high, double spread, lbk_value *out) {
    LBK_TRY(lbk_method_op(c, "reshape", &high, "shape=0,-1,1", 1, high));
    LBK_TRY(lbk_method_op(c, "sub", out, "", 2, high, low));
    LBK_TRY(lbk_method_op(c, "square", out, "", 1, *out));
    LBK_TRY(lbk_method_scale(c, *out, -1 / spread, out));
    return lbk_method_op(c, "exp", out, "", 1, *out);
}

static lbk_status build(lbk_method_context *c) {
    const kdsvd_params *p = c->params;
    lbk_value sum = LBK_NONE, low[2], high[2], student, teacher, loss;
    LBK_TRY(vectors(c, 0, &low[0], &low[1]));
    for (int i = 1; i < c->pair_count; i++, low[0] = high[0], low[1] = high[1]) {
        LBK_TRY(vectors(c, i, &high[0], &high[1]));
        LBK_TRY(likeness(c, low[0], high[0], p->spread, &student));
        LBK_TRY(likeness(c, low[1], high[1], p->spread, &teacher));
        LBK_TRY(lbk_method_op(c, "sub", &loss, "", 2, student, teacher));
        LBK_TRY(lbk_method_op(c, "square", &loss, "", 1, loss));
        LBK_TRY(lbk_method_mean_of_rows(c, loss, &loss));
        LBK_TRY(lbk_method_add(c, &sum, loss));
    }
    return lbk_method_finish(c, sum);
}

const lbk_method lbk_method_kdsvd = {
    .name = "kdsvd",
    .summary = "singular vectors: the direction that dominates each layer's pixels goes with the next one's as in the "
               "teacher",
    .formula = "1 / B sum over layers i of |R_s - R_t|^2, R[b,k,c] = exp(-(v_i+1[b,k] - v_i[b,c])^2 / spread), v_i[b] "
               "the first right singular vector of F_i[b] as a matrix of H W pixels; student's F = ReLU(BN(conv(.))) "
               "where channels differ",
    .source = "Lee, Kim, Song 2018",
    .params = table,
    .params_size = sizeof(kdsvd_params),
    .needs = needs,
    .build = build,
};

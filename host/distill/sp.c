/* Tung, Mori, "Similarity-preserving knowledge distillation", ICCV 2019, equations 1 to 4. */
#include "distill/method.h"

typedef struct sp_params {
    lbk_ramp weight;
    lbk_words layers;
} sp_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(sp_params, weight, "3000", 0, 1e6, NULL, "factor of this loss in the objective",
                       "RepDistiller: beta = 3000"),
    LBK_PARAM_WORDS(sp_params, layers, "last", LBK_LAYERS_MEANING, "RepDistiller: the last map before pooling"),
    LBK_PARAM_END,
};

static lbk_status needs(const void *params, const lbk_side *student, const lbk_side *teacher, lbk_needs *out) {
    return lbk_needs_layers(out, &((const sp_params *)params)->layers, student, teacher);
}

/* [B,...] -> [B,B], rows of length 1 */
static lbk_status similarity(lbk_method_context *c, lbk_value x, lbk_value *out) {
    lbk_value rows, products;
    LBK_TRY(lbk_method_op(c, "reshape", &rows, "shape=0,-1", 1, x));
    LBK_TRY(lbk_method_op(c, "matmul", &products, "trans_b=yes", 2, rows, rows));
    return lbk_method_op(c, "l2_normalize", out, "", 1, products);
}

static lbk_status build(lbk_method_context *c) {
    lbk_value sum = LBK_NONE, student, teacher, loss;
    for (int i = 0; i < c->pair_count; i++) {
        LBK_TRY(similarity(c, c->pair[i].student.value, &student));
        LBK_TRY(similarity(c, c->pair[i].teacher.value, &teacher));
        LBK_TRY(lbk_method_op(c, "mse_loss", &loss, "", 2, student, teacher));
        LBK_TRY(lbk_method_add(c, &sum, loss));
    }
    return lbk_method_finish(c, sum);
}

const lbk_method lbk_method_sp = {
    .name = "sp",
    .summary = "similarity preserving: samples that the teacher's layer finds alike are alike in the student's",
    .formula = "sum over layers of 1 / B^2 |G_s - G_t|^2, G = rows of F F^T at length 1, F[B,...] as a matrix",
    .source = "Tung, Mori 2019",
    .params = table,
    .params_size = sizeof(sp_params),
    .needs = needs,
    .build = build,
};

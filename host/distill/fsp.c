/* Yim et al., "A gift from knowledge distillation: fast optimization, network minimization and transfer learning", CVPR 2017, equations
 * 1 and 2, with the pooling and the mean of RepDistiller's code. The paper wants layers of equal channels; where they differ, a connector
 * brings the student's to the teacher's. There the loss initialises the student for 30 epochs; here it stays beside the other
 * losses, and a schedule of `weight` ends it. */
#include "distill/method.h"

#include <stdio.h>

typedef struct fsp_params {
    lbk_ramp weight;
    lbk_words layers;
} fsp_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(fsp_params, weight, "1", 0, 1e6, NULL, "factor of this loss in the objective",
                       "the paper's initialising stage has no other loss"),
    LBK_PARAM_WORDS(fsp_params, layers, "stages", LBK_LAYERS_MEANING ". At least two: each with the next",
                    "RepDistiller: all but the last feature"),
    LBK_PARAM_END,
};

static lbk_status needs(const void *params, const lbk_side *student, const lbk_side *teacher, lbk_needs *out) {
    return lbk_needs_successive(out, &((const fsp_params *)params)->layers, student, teacher);
}

/* The flow from `low` [B,H,W,C] to `high` [B,h,w,K]: [B,C,K], the larger map pooled. */
static lbk_status flow(lbk_method_context *c, lbk_value low, lbk_value high, lbk_value *out) {
    char params[64];
    LBK_TRY(lbk_method_same_size(c, low, high, &low, &high));
    LBK_TRY(lbk_method_pixels(c, low, &low));
    LBK_TRY(lbk_method_pixels(c, high, &high));
    snprintf(params, sizeof params, "trans_a=yes alpha=%.17g", 1 / (double)lbk_method_shape(c, low)->dim[1]);
    return lbk_method_op(c, "matmul", out, params, 2, low, high);
}

static lbk_status build(lbk_method_context *c) {
    lbk_value sum = LBK_NONE, low, high, student, teacher, loss;
    LBK_TRY(lbk_method_equal_channels(c, 0, &low));
    for (int i = 1; i < c->pair_count; i++, low = high) {
        LBK_TRY(lbk_method_equal_channels(c, i, &high));
        LBK_TRY(flow(c, low, high, &student));
        LBK_TRY(flow(c, c->pair[i - 1].teacher.value, c->pair[i].teacher.value, &teacher));
        LBK_TRY(lbk_method_op(c, "mse_loss", &loss, "", 2, student, teacher));
        LBK_TRY(lbk_method_add(c, &sum, loss));
    }
    return lbk_method_finish(c, sum);
}

const lbk_method lbk_method_fsp = {
    .name = "fsp",
    .summary = "flow of solution procedure: how each layer's channels go with the next one's follows the teacher",
    .formula = "sum over layers i of mean (G_s - G_t)^2, G[b,c,k] = 1 / (H W) sum_hw F_i[b,h,w,c] F_i+1[b,h,w,k], the "
               "larger map pooled; student's F = BN(conv(.)) where channels differ",
    .source = "Yim et al. 2017",
    .params = table,
    .params_size = sizeof(fsp_params),
    .needs = needs,
    .build = build,
};

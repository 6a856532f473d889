/* Heo et al., "Knowledge transfer via distillation of activation boundaries formed by hidden neurons", AAAI 2019, equations 5 and 6, with
 * the weights of stages of RepDistiller's code. There the loss initialises the student for 30 epochs and then is 0; here it stays
 * beside the other losses, and a schedule of `weight` ("0.003 -> 0") ends it. */
#include "distill/method.h"

#include <stdio.h>

typedef struct ab_params {
    lbk_ramp weight;
    double margin;
    lbk_words layers;
} ab_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(ab_params, weight, "0.003", 0, 1e6, NULL, "factor of this loss in the objective",
                       "RepDistiller: 3 / 1000"),
    LBK_PARAM_FLOAT(ab_params, margin, "1", 0, 1000, NULL, "distance from the boundary that the student is to keep",
                    "paper: 1"),
    LBK_PARAM_WORDS(ab_params, layers, "stages", LBK_LAYERS_MEANING, "RepDistiller: all but stem and last feature"),
    LBK_PARAM_END,
};

static lbk_status needs(const void *params, const lbk_side *student, const lbk_side *teacher, lbk_needs *out) {
    LBK_TRY(lbk_needs_layers(out, &((const ab_params *)params)->layers, student, teacher));
    lbk_needs_before_activation(out, student, teacher);
    return LBK_OK;
}

/* max(sign * x + margin, 0)^2 */
static lbk_status hinge(lbk_method_context *c, lbk_value x, int sign, double margin, lbk_value *out) {
    char params[64];
    snprintf(params, sizeof params, "factor=%d offset=%.17g", sign, margin);
    LBK_TRY(lbk_method_op(c, "scale", out, params, 1, x));
    LBK_TRY(lbk_method_op(c, "relu", out, "", 1, *out));
    return lbk_method_op(c, "square", out, "", 1, *out);
}

/* Summed: where the teacher is active, how far the student is below the margin; elsewhere, how far above minus the margin. */
static lbk_status boundary_loss(lbk_method_context *c, lbk_value student, lbk_value teacher, double margin,
                                lbk_value *out) {
    lbk_value active, rest, below, above;
    LBK_TRY(lbk_method_op(c, "relu", &active, "", 1, teacher));
    LBK_TRY(lbk_method_op(c, "sign", &active, "", 1, active));
    LBK_TRY(lbk_method_op(c, "scale", &rest, "factor=-1 offset=1", 1, active));
    LBK_TRY(hinge(c, student, -1, margin, &below));
    LBK_TRY(hinge(c, student, 1, margin, &above));
    LBK_TRY(lbk_method_op(c, "mul", &below, "", 2, below, active));
    LBK_TRY(lbk_method_op(c, "mul", &above, "", 2, above, rest));
    LBK_TRY(lbk_method_op(c, "add", out, "", 2, below, above));
    return lbk_method_op(c, "sum", out, "", 1, *out);
}

static lbk_status build(lbk_method_context *c) {
    const ab_params *p = c->params;
    lbk_value sum = LBK_NONE, student, teacher, loss;
    for (int i = 0; i < c->pair_count; i++) {
        char name[24];
        snprintf(name, sizeof name, "connector%d", i);
        LBK_TRY(lbk_method_same_size(c, c->pair[i].student.value, c->pair[i].teacher.value, &student, &teacher));
        LBK_TRY(lbk_method_connector(c, name, student, lbk_method_shape(c, teacher)->dim[3], &student));
        LBK_TRY(boundary_loss(c, student, teacher, p->margin, &loss));
        double samples = (double)lbk_method_shape(c, student)->dim[0];
        LBK_TRY(lbk_method_scale(c, loss, 1 / samples / (double)(1LL << (c->pair_count - 1 - i)), &loss));
        LBK_TRY(lbk_method_add(c, &sum, loss));
    }
    return lbk_method_finish(c, sum);
}

const lbk_method lbk_method_ab = {
    .name = "ab",
    .summary = "activation boundaries: a neuron of the student is active where the teacher's is",
    .formula =
        "1 / B sum over layers i of 2^-(n-1-i) sum [F_t > 0] max(m - S, 0)^2 + [F_t <= 0] max(m + S, 0)^2, before "
        "their ReLU, S = BN(conv(F_s))",
    .source = "Heo et al. 2019, activation boundaries",
    .params = table,
    .params_size = sizeof(ab_params),
    .needs = needs,
    .build = build,
};

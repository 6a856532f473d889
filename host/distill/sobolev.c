/* Czarnecki et al., "Sobolev training for neural networks", NIPS 2017, section 2.1: the student's derivatives with respect to the image
 * match the teacher's, a copy of which runs on the student's device, on the images that the student sees. All classes'
 * derivatives are too many: those of one random combination of ln p are compared, drawn anew for every row and step. */
#include "distill/method.h"

typedef enum of_kind { PROJECTION, HARD } of_kind;
static const char *const of_names[] = {"projection", "hard", NULL};

typedef struct sobolev_params {
    lbk_ramp weight;
    int of;
} sobolev_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(sobolev_params, weight, "1", 0, 1e9, NULL, "factor of this loss in the objective",
                       "Czarnecki et al.: 1, equation 1"),
    LBK_PARAM_CHOICE(
        sobolev_params, of, "projection", of_names,
        "whose derivatives are compared: v . ln p for a random unit vector v, or the cross entropy with the "
        "labels (rows without one do not count)",
        "Czarnecki et al., section 2.1"),
    LBK_PARAM_END,
};

/* {1}: the sum over rows of v . ln softmax(z). */
static lbk_status projected(lbk_method_context *c, lbk_value logits, lbk_value v, lbk_value *out) {
    lbk_value logs, products;
    LBK_TRY(lbk_method_op(c, "log_softmax", &logs, "", 1, logits));
    LBK_TRY(lbk_method_op(c, "mul", &products, "", 2, logs, v));
    return lbk_method_op(c, "sum", out, "", 1, products);
}

/* {1}: the sum over rows of the cross entropy. */
static lbk_status hard_sum(lbk_method_context *c, lbk_value logits, const lbk_rows *rows, lbk_value *out) {
    lbk_value mean;
    LBK_TRY(lbk_method_hard(c, logits, &mean));
    return lbk_method_op(c, "mul", out, "", 2, mean, rows->count);
}

static lbk_status difference(lbk_method_context *c, lbk_value student, lbk_value teacher, lbk_value *out) {
    lbk_value a, b, gap, squares;
    LBK_TRY(lbk_method_derivative(c, student, c->x, &a));
    LBK_TRY(lbk_method_derivative(c, teacher, c->x, &b));
    LBK_TRY(lbk_method_op(c, "sub", &gap, "", 2, a, b));
    LBK_TRY(lbk_method_squares_of_rows(c, gap, &squares));
    return lbk_method_op(c, "sum", out, "", 1, squares);
}

static lbk_status build(lbk_method_context *c) {
    const sobolev_params *p = c->params;
    lbk_shape logits = *lbk_method_shape(c, c->student_logits);
    lbk_model_built teacher;
    lbk_value v, a, b, loss;
    lbk_rows rows;
    LBK_TRY(lbk_method_teacher(c, c->x, &teacher));
    if (p->of == HARD) {
        LBK_TRY(lbk_method_labelled(c, &rows));
        LBK_TRY(hard_sum(c, c->student_logits, &rows, &a));
        LBK_TRY(hard_sum(c, teacher.logits, &rows, &b));
        LBK_TRY(difference(c, a, b, &loss));
        LBK_TRY(lbk_method_op(c, "div", &loss, "", 2, loss, rows.count));
        return lbk_method_finish(c, loss);
    }
    LBK_TRY(lbk_method_noise(c, "v", LBK_NOISE_NORMAL, logits, &v));
    LBK_TRY(lbk_method_op(c, "l2_normalize", &v, "", 1, v));
    LBK_TRY(projected(c, c->student_logits, v, &a));
    LBK_TRY(projected(c, teacher.logits, v, &b));
    LBK_TRY(difference(c, a, b, &loss));
    LBK_TRY(lbk_method_scale(c, loss, 1.0 / (double)logits.dim[0], &loss));
    return lbk_method_finish(c, loss);
}

const lbk_method lbk_method_sobolev = {
    .name = "sobolev",
    .summary = "the student's derivatives with respect to the image match the teacher's",
    .formula = "mean over rows of |d (v . ln p_s) / dx - d (v . ln p_t) / dx|^2, v random, |v| = 1",
    .source = "Czarnecki et al. 2017",
    .params = table,
    .params_size = sizeof(sobolev_params),
    .images = true,
    .build = build,
};

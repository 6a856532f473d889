/* Ross and Doshi-Velez, "Improving the adversarial robustness and interpretability of deep neural networks by regularizing their input
 * gradients", AAAI 2018, equation 4, after Drucker and LeCun, "Improving generalization performance using double
 * backpropagation", 1992: the loss is to change little with the image. Differentiated through the gradient itself, so a step costs
 * about three times as much. */
#include "distill/method.h"

typedef struct penalty_params {
    lbk_ramp weight;
} penalty_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(penalty_params, weight, "0.1", 0, 1e9, NULL, "lambda, factor of this loss in the objective",
                       "Finlay and Oberman 2021 (arXiv 1905.11468): 0.1 on CIFAR-10"),
    LBK_PARAM_END,
};

/* The hard loss is a mean over n rows: row i's own gradient is n times what reaches it. */
static lbk_status build(lbk_method_context *c) {
    lbk_value hard, gradient, squares, sum, loss;
    lbk_rows rows;
    LBK_TRY(lbk_method_labelled(c, &rows));
    LBK_TRY(lbk_method_hard(c, c->student_logits, &hard));
    LBK_TRY(lbk_method_derivative(c, hard, c->x, &gradient));
    LBK_TRY(lbk_method_squares_of_rows(c, gradient, &squares));
    LBK_TRY(lbk_method_op(c, "sum", &sum, "", 1, squares));
    LBK_TRY(lbk_method_op(c, "mul", &loss, "", 2, sum, rows.count));
    return lbk_method_finish(c, loss);
}

const lbk_method lbk_method_gradient_penalty = {
    .name = "gradient_penalty",
    .summary = "the hard loss is to change little with the image; no teacher",
    .formula = "mean over labelled rows i of |d CE_i / d x_i|^2",
    .source = "Ross and Doshi-Velez 2018; Drucker and LeCun 1992",
    .params = table,
    .params_size = sizeof(penalty_params),
    .teacherless = true,
    .images = true,
    .build = build,
};

/* Chen et al., "Data-free learning of student networks" (DAFL), ICCV 2019, equations 2 to 6, with the conventions of the authors' code:
 * decimal logarithms in the entropy. A generator makes images that the teacher is sure of, that stir its last layer, and
 * that are of all classes alike; the student learns the teacher's predictions for them. With hard_weight = 0 no image of the dataset
 * teaches the student, but batch norm's running statistics still average over them. */
#include "distill/method.h"

typedef struct dafl_params {
    lbk_ramp weight;
    int noise, width;
    double one_hot, activation, information;
    lbk_ramp temperature;
} dafl_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(dafl_params, weight, "1", 0, 1e6, NULL,
                       "factor of the student's loss in the objective; the generator's has none",
                       "Chen et al.: 1, beside hard_weight = 0"),
    LBK_PARAM_INT(dafl_params, noise, "100", 1, 65536, "numbers", "what the generator makes an image of",
                  "authors' code: 100 on MNIST, 1000 on CIFAR"),
    LBK_PARAM_INT(dafl_params, width, "128", 2, 65536, "channels",
                  "of the generator's first two layers; the third has half", "authors' code: 128"),
    LBK_PARAM_FLOAT(dafl_params, one_hot, "1", 0, 1e6, NULL,
                    "for the generator: factor of the cross entropy of the teacher with its own answer",
                    "authors' code: 1 on MNIST, 0.05 on CIFAR-10, 0.5 on CIFAR-100"),
    LBK_PARAM_FLOAT(
        dafl_params, activation, "0.1", 0, 1e6, NULL,
        "for the generator: factor of the mean of |f|, f what the teacher's classifier reads; larger is better",
        "Chen et al.: alpha = 0.1 on MNIST; authors' code: 0.01 on CIFAR-10, 0.1 on CIFAR-100"),
    LBK_PARAM_FLOAT(dafl_params, information, "5", 0, 1e6, NULL,
                    "for the generator: factor of the entropy of the batch's mean prediction; larger is better",
                    "Chen et al.: beta = 5 on MNIST; authors' code: 5 on CIFAR-10, 20 on CIFAR-100"),
    LBK_PARAM_SCHEDULE(dafl_params, temperature, "1", 0.01, 1000, NULL,
                       "T, softens both predictions for the student; the loss is scaled by T^2", "Chen et al.: 1"),
    LBK_PARAM_END,
};

/* The teacher's cross entropy with the class it finds likeliest. */
static lbk_status one_hot(lbk_method_context *c, lbk_value logits, lbk_value *out) {
    lbk_value answer;
    LBK_TRY(lbk_method_op(c, "argmax", &answer, "axis=1", 1, logits));
    return lbk_method_op(c, "cross_entropy", out, "", 2, logits, answer);
}

/* sum of p lg p, p the batch's mean prediction: minus its entropy. */
static lbk_status information(lbk_method_context *c, lbk_value logits, lbk_value *out) {
    lbk_value p, lg;
    LBK_TRY(lbk_method_op(c, "softmax", &p, "", 1, logits));
    LBK_TRY(lbk_method_op(c, "mean", &p, "axes=0", 1, p));
    LBK_TRY(lbk_method_op(c, "scale", &lg, "factor=1 offset=1e-20", 1, p)); /* a class that nobody is of adds 0 */
    LBK_TRY(lbk_method_op(c, "log", &lg, "", 1, lg));
    LBK_TRY(lbk_method_op(c, "mul", &p, "", 2, p, lg));
    LBK_TRY(lbk_method_op(c, "sum", &p, "", 1, p));
    return lbk_method_scale(c, p, 0.43429448190325183, out); /* lg e */
}

static lbk_status activation(lbk_method_context *c, const lbk_model_built *teacher, lbk_value *out) {
    lbk_value size, feature = lbk_model_feature(c->graph, teacher).value;
    if (feature == LBK_NONE)
        return lbk_fail(LBK_ERR_INPUT, "the teacher does not end in a dense layer, so it has no features");
    LBK_TRY(lbk_method_op(c, "abs", &size, "", 1, feature));
    return lbk_method_op(c, "mean", out, "", 1, size);
}

/* What the generator learns by. */
static lbk_status judge(lbk_method_context *c, const lbk_model_built *teacher) {
    const dafl_params *p = c->params;
    const double factor[] = {p->one_hot, p->information, -p->activation};
    lbk_value term[3];
    LBK_TRY(one_hot(c, teacher->logits, &term[0]));
    LBK_TRY(information(c, teacher->logits, &term[1]));
    LBK_TRY(activation(c, teacher, &term[2]));
    for (int i = 0; i < 3; i++) {
        LBK_TRY(lbk_method_scale(c, term[i], factor[i], &term[i]));
        LBK_TRY(lbk_method_add(c, &c->own, term[i]));
    }
    return LBK_OK;
}

static lbk_status build(lbk_method_context *c) {
    const dafl_params *p = c->params;
    /* eps 0.8: so in the authors' code */
    const lbk_generator generator = {.noise = p->noise, .width = p->width, .eps = 0.8, .bounded = true};
    lbk_model_built student, teacher;
    lbk_value x, still, target, t, loss;
    LBK_TRY(lbk_method_scheduled(c, "temperature", p->temperature, &t));
    LBK_TRY(lbk_method_generator(c, &generator, &x));
    LBK_TRY(lbk_method_teacher(c, x, &teacher));
    LBK_TRY(judge(c, &teacher));
    LBK_TRY(lbk_method_op(c, "detach", &still, "", 1, x));
    LBK_TRY(lbk_method_op(c, "detach", &target, "", 1, teacher.logits));
    LBK_TRY(lbk_method_student(c, &still, true, &student));
    LBK_TRY(lbk_method_op(c, "kl_div", &loss, "", 3, student.logits, target, t));
    return lbk_method_finish(c, loss);
}

static const char *const example[] = {"distill.dafl.noise=5", "distill.dafl.width=4", NULL};

const lbk_method lbk_method_dafl = {
    .name = "dafl",
    .summary =
        "data-free learning: soft targets on images of a generator that the teacher is sure of, of all classes alike",
    .formula = "T^2 / B * sum_i KL(softmax(z_t(G(n)) / T), softmax(z_s(G(n)) / T)); G learns by one_hot * CE(z_t, "
               "argmax z_t) + "
               "information * sum_k p_k lg p_k - activation * mean |f_t|, p = mean_i softmax(z_t)",
    .source = "Chen et al. 2019",
    .params = table,
    .params_size = sizeof(dafl_params),
    .example = example,
    .images = true,
    .build = build,
};

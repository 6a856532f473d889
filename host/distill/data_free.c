/* Micaelli and Storkey, "Zero-shot knowledge transfer via adversarial belief matching" (ZSKT), NeurIPS 2019, section 3: a generator
 * makes images on which student and teacher disagree, the student learns to agree. One loss serves both: the gradient that
 * reaches the generator is reversed. Both take a step at once; the paper gives the student ten for each of the generator's. With
 * hard_weight = 0 no image of the dataset teaches the student, but batch norm's running statistics still average over them. */
#include "distill/method.h"

typedef struct data_free_params {
    lbk_ramp weight;
    int noise, width;
    double reversal;
    lbk_ramp temperature;
} data_free_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(data_free_params, weight, "1", 0, 1e6, NULL,
                       "factor of this loss in the objective, for the generator too",
                       "Micaelli and Storkey: 1, beside hard_weight = 0"),
    LBK_PARAM_INT(data_free_params, noise, "100", 1, 65536, "numbers", "what the generator makes an image of",
                  "Micaelli and Storkey: 100"),
    LBK_PARAM_INT(data_free_params, width, "128", 2, 65536, "channels",
                  "of the generator's first two layers; the third has half", "Micaelli and Storkey: 128"),
    LBK_PARAM_FLOAT(data_free_params, reversal, "1", 0, 1000, NULL,
                    "factor of the reversed gradient: how much more the generator learns from it than the student",
                    "Micaelli and Storkey: 1"),
    LBK_PARAM_SCHEDULE(data_free_params, temperature, "1", 0.01, 1000, NULL,
                       "T, softens both predictions; the loss is scaled by T^2", "Micaelli and Storkey: 1"),
    LBK_PARAM_END,
};

static lbk_status build(lbk_method_context *c) {
    const data_free_params *p = c->params;
    lbk_model_built student, teacher;
    const lbk_generator generator = {.noise = p->noise, .width = p->width, .eps = 1e-5};
    lbk_value x, t, loss;
    LBK_TRY(lbk_method_scheduled(c, "temperature", p->temperature, &t));
    LBK_TRY(lbk_method_generator(c, &generator, &x));
    LBK_TRY(lbk_method_reverse(c, x, p->reversal, &x));
    LBK_TRY(lbk_method_teacher(c, x, &teacher));
    LBK_TRY(lbk_method_student(c, &x, true, &student));
    LBK_TRY(lbk_method_op(c, "kl_div", &loss, "", 3, student.logits, teacher.logits, t));
    return lbk_method_finish(c, loss);
}

static const char *const example[] = {"distill.data_free.noise=5", "distill.data_free.width=4", NULL};

const lbk_method lbk_method_data_free = {
    .name = "data_free",
    .summary = "zero-shot transfer: soft targets on images of a generator that looks for disagreement",
    .formula =
        "T^2 / B * sum_i KL(softmax(z_t(G(n)) / T), softmax(z_s(G(n)) / T)), which the student makes small and G large",
    .source = "Micaelli and Storkey 2019",
    .params = table,
    .params_size = sizeof(data_free_params),
    .example = example,
    .images = true,
    .build = build,
};

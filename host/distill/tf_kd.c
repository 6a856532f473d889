/* Yuan et al., "Revisiting knowledge distillation via label smoothing regularization", CVPR 2020, section 5.2 (Tf-KD_reg), as in the
 * authors' code: the virtual teacher's probabilities over T are its logits, and the student is not softened, so no T^2 is due. The
 * code averages over B K elements and multiplies by 100 for CIFAR-100's classes; this is the mean over rows. It needs the right
 * class, so rows without a label do not count. */
#include "distill/method.h"

#include <stdio.h>

typedef struct tf_kd_params {
    lbk_ramp weight;
    double correct;
    lbk_ramp temperature;
} tf_kd_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(tf_kd_params, weight, "0.1", 0, 1e6, NULL, "factor of this loss in the objective",
                       "Yuan et al.: reg_alpha = 0.1 for ResNet18, beside hard_weight = 0.9"),
    LBK_PARAM_FLOAT(tf_kd_params, correct, "0.99", 0, 1, NULL, "probability that the virtual teacher gives the label",
                    "Yuan et al.: 0.99"),
    LBK_PARAM_SCHEDULE(tf_kd_params, temperature, "20", 0.001, 1000, NULL, "T, softens the virtual teacher",
                       "Yuan et al.: 20 for ResNet18, 40 for MobileNetV2 and GoogLeNet"),
    LBK_PARAM_END,
};

/* [B,K]: `correct` at the label, the rest shared equally by the other classes. */
static lbk_status virtual_teacher(lbk_method_context *c, const lbk_rows *rows, double correct, lbk_value *out) {
    double other = (1 - correct) / (double)(lbk_shape_last(lbk_method_shape(c, rows->one_hot)) - 1);
    char line[80];
    snprintf(line, sizeof line, "factor=%.17g offset=%.17g", correct - other, other);
    return lbk_method_op(c, "scale", out, line, 1, rows->one_hot);
}

static lbk_status build(lbk_method_context *c) {
    const tf_kd_params *p = c->params;
    lbk_rows rows[2];
    int count;
    lbk_value t, one, teacher, part, loss = LBK_NONE;
    if (lbk_shape_last(lbk_method_shape(c, c->student_logits)) < 2)
        return lbk_fail(LBK_ERR_INPUT,
                        "a virtual teacher of one class has nothing to say; expected two classes or more");
    LBK_TRY(lbk_method_scheduled(c, "temperature", p->temperature, &t));
    LBK_TRY(lbk_method_op(c, "constant", &one, "value=1", 0));
    LBK_TRY(lbk_method_labels(c, rows, &count));
    for (int i = 0; i < count; i++) {
        LBK_TRY(virtual_teacher(c, &rows[i], p->correct, &teacher));
        LBK_TRY(lbk_method_soften(c, teacher, t, &teacher));
        LBK_TRY(lbk_method_masked_kl(c, &rows[i], c->student_logits, teacher, one, &part));
        LBK_TRY(lbk_method_add(c, &loss, part));
    }
    return lbk_method_finish(c, loss);
}

const lbk_method lbk_method_tf_kd = {
    .name = "tf_kd",
    .summary = "no teacher: a virtual one that is right with a fixed probability; rows without a label do not count",
    .formula = "mean over labelled rows of KL(softmax(v / T), softmax(z_s)), v = correct at the label, "
               "(1 - correct) / (K - 1) elsewhere",
    .source = "Yuan et al. 2020",
    .params = table,
    .params_size = sizeof(tf_kd_params),
    .teacherless = true,
    .build = build,
};

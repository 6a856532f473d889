/* Micaelli and Storkey, "Zero-shot knowledge transfer via adversarial belief matching" (ZSKT), NeurIPS 2019, section 3: a generator
 * makes images on which student and teacher disagree, the student learns to agree. One loss serves both: the gradient that
 * reaches the generator is reversed. Both take a step at once; the paper gives the student ten for each of the generator's. With
 * hard_weight = 0 no image of the dataset teaches the student, but batch norm's running statistics still average over them. */
#include "distill/method.h"

#include <stdio.h>

#define SLOPE "slope=0.2" /* of leaky ReLUs: the authors' code */

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

static lbk_status normed_conv(lbk_method_context *c, int layer, long long channels, lbk_value *x) {
    char name[32];
    snprintf(name, sizeof name, "generator.conv%d", layer);
    LBK_TRY(lbk_method_layer(c, name, "conv2d", *x, x, "out=%lld kernel=3 padding=1", channels));
    snprintf(name, sizeof name, "generator.bn%d", layer);
    return lbk_method_layer(c, name, "batch_norm", *x, x, "%s", "");
}

static lbk_status enlarge(lbk_method_context *c, long long height, long long width, lbk_value *x) {
    char size[64];
    snprintf(size, sizeof size, "size=%lld,%lld mode=bilinear", height, width);
    return lbk_method_op(c, "resize2d", x, size, 1, *x);
}

/* z[B,noise] -> [B,H/4,W/4,width] -> twice enlarged -> [B,H,W,C], each channel of mean 0 and variance 1 to start with. */
static lbk_status generate(lbk_method_context *c, lbk_value z, lbk_value *out) {
    const data_free_params *p = c->params;
    const lbk_shape image = *lbk_method_shape(c, c->x);
    long long height = (image.dim[1] + 3) / 4, width = (image.dim[2] + 3) / 4;
    char shape[80];
    lbk_value x;
    snprintf(shape, sizeof shape, "shape=0,%lld,%lld,%d", height, width, p->width);
    LBK_TRY(lbk_method_layer(c, "generator.fc", "dense", z, &x, "out=%lld", height * width * p->width));
    LBK_TRY(lbk_method_op(c, "reshape", &x, shape, 1, x));
    LBK_TRY(lbk_method_layer(c, "generator.bn0", "batch_norm", x, &x, "%s", ""));
    LBK_TRY(enlarge(c, (image.dim[1] + 1) / 2, (image.dim[2] + 1) / 2, &x));
    LBK_TRY(normed_conv(c, 1, p->width, &x));
    LBK_TRY(lbk_method_op(c, "leaky_relu", &x, SLOPE, 1, x));
    LBK_TRY(enlarge(c, image.dim[1], image.dim[2], &x));
    LBK_TRY(normed_conv(c, 2, p->width / 2, &x));
    LBK_TRY(lbk_method_op(c, "leaky_relu", &x, SLOPE, 1, x));
    LBK_TRY(normed_conv(c, 3, image.dim[3], &x));
    *out = x;
    return LBK_OK;
}

static lbk_status build(lbk_method_context *c) {
    const data_free_params *p = c->params;
    lbk_model_built student, teacher;
    lbk_value z, x, t, loss;
    LBK_TRY(lbk_method_scheduled(c, "temperature", p->temperature, &t));
    LBK_TRY(lbk_method_noise(c, "z", LBK_NOISE_NORMAL, lbk_shape_2(lbk_method_shape(c, c->x)->dim[0], p->noise), &z));
    LBK_TRY(generate(c, z, &x));
    LBK_TRY(lbk_method_reverse(c, x, p->reversal, &x));
    LBK_TRY(lbk_method_teacher(c, x, &teacher));
    LBK_TRY(lbk_method_student(c, x, true, &student));
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

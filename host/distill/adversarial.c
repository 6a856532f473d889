/* The student learns where an attack has moved the images: FGSM (Goodfellow et al. 2015), with steps > 1 PGD (Madry et al. 2018), on the
 * student itself as in Zi et al., "Revisiting adversarial robustness distillation: robust soft labels make student better"
 * (RSLAD), ICCV 2021, and Goldblum et al., "Adversarially robust distillation" (ARD), AAAI 2020, or on the teacher. Sizes are of
 * pixels in 0 to 1, whatever the normalisation. The attacked student is in evaluation mode, as in their code. */
#include "distill/method.h"

#include <stdio.h>
#include <string.h>

typedef enum of_kind { OF_STUDENT, OF_TEACHER } of_kind;
typedef enum against_kind { AGAINST_TEACHER, AGAINST_LABELS } against_kind;
typedef enum target_kind { TARGET_CLEAN, TARGET_ADVERSARIAL } target_kind;
static const char *const of_names[] = {"student", "teacher", NULL};
static const char *const against_names[] = {"teacher", "labels", NULL};
static const char *const target_names[] = {"clean", "adversarial", NULL};

typedef struct adversarial_params {
    lbk_ramp weight;
    double eps;
    int steps;
    double step_size;
    bool random_start;
    int of, against, target;
    lbk_ramp temperature;
} adversarial_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(adversarial_params, weight, "0.8333", 0, 1e6, NULL, "factor of this loss in the objective",
                       "Zi et al.: 5/6, beside kd with 1/6 and T = 1"),
    LBK_PARAM_FLOAT(adversarial_params, eps, "0.0314", 0, 1, "pixel values",
                    "how far a pixel may move; it stays within 0 to 1", "Goldblum et al., Zi et al.: 8/255"),
    LBK_PARAM_INT(adversarial_params, steps, "1", 1, 100, NULL,
                  "steps along the gradient's sign; each costs a forward and a backward pass",
                  "Goodfellow et al.: 1; Goldblum et al., Zi et al.: 10"),
    LBK_PARAM_FLOAT(adversarial_params, step_size, "0.0392", 0, 1, "pixel values", "length of a step",
                    "Wong et al. 2020 (arXiv 2001.03994): 10/255 for one step; Goldblum et al., Zi et al.: 2/255"),
    LBK_PARAM_BOOL(adversarial_params, random_start, "yes", "start anywhere within eps rather than at the image",
                   "Madry et al. 2018"),
    LBK_PARAM_CHOICE(adversarial_params, of, "student", of_names, "network that is attacked", "Zi et al.: student"),
    LBK_PARAM_CHOICE(adversarial_params, against, "teacher", against_names,
                     "what the attack leads away from: the teacher's prediction for the clean image (KL), or the label "
                     "(cross entropy; images without one stay at the start)",
                     "Zi et al.: teacher; Goldblum et al.: labels"),
    LBK_PARAM_CHOICE(adversarial_params, target, "clean", target_names,
                     "the teacher's prediction that the student learns: for the clean image, or for the moved one",
                     "Zi et al., Goldblum et al.: clean"),
    LBK_PARAM_SCHEDULE(adversarial_params, temperature, "1", 0.01, 1000, NULL,
                       "T, softens both predictions; the loss is scaled by T^2", "Zi et al.: 1; Goldblum et al.: 30"),
    LBK_PARAM_END,
};

static lbk_status fill_mean(const void *context, const lbk_batch *batch, int64_t step, void *memory) {
    const lbk_data *data = context;
    (void)batch, (void)step;
    memcpy(memory, data->mean, (size_t)data->source.channels * sizeof *data->mean);
    return LBK_OK;
}

static lbk_status fill_deviation(const void *context, const lbk_batch *batch, int64_t step, void *memory) {
    const lbk_data *data = context;
    (void)batch, (void)step;
    memcpy(memory, data->deviation, (size_t)data->source.channels * sizeof *data->deviation);
    return LBK_OK;
}

/* The clean images as pixels in 0 to 1, and the way back. */
typedef struct pixels {
    lbk_value clean;
    lbk_value mean, deviation; /* {C}; LBK_NONE where images are not normalised */
} pixels;

static lbk_status open_pixels(lbk_method_context *c, pixels *out) {
    lbk_shape channels = lbk_shape_1(c->data->source.channels);
    *out = (pixels){c->x, LBK_NONE, LBK_NONE};
    if (!c->data->params.normalize)
        return LBK_OK;
    LBK_TRY(lbk_method_host_input(c, "mean", LBK_F32, channels, fill_mean, c->data, &out->mean));
    LBK_TRY(lbk_method_host_input(c, "deviation", LBK_F32, channels, fill_deviation, c->data, &out->deviation));
    LBK_TRY(lbk_method_op(c, "mul", &out->clean, "", 2, c->x, out->deviation));
    return lbk_method_op(c, "add", &out->clean, "", 2, out->clean, out->mean);
}

/* What networks read of the images moved by `delta`. */
static lbk_status normalised(lbk_method_context *c, const pixels *p, lbk_value delta, lbk_value *out) {
    LBK_TRY(lbk_method_op(c, "add", out, "", 2, p->clean, delta));
    if (p->mean == LBK_NONE)
        return LBK_OK;
    LBK_TRY(lbk_method_op(c, "sub", out, "", 2, *out, p->mean));
    return lbk_method_op(c, "div", out, "", 2, *out, p->deviation);
}

/* Cut to at most eps, and to where the pixel stays within 0 to 1. */
static lbk_status project(lbk_method_context *c, const pixels *p, double eps, lbk_value *delta) {
    char limits[64];
    snprintf(limits, sizeof limits, "min=%.9g max=%.9g", -eps, eps);
    LBK_TRY(lbk_method_op(c, "clamp", delta, limits, 1, *delta));
    LBK_TRY(lbk_method_op(c, "add", delta, "", 2, p->clean, *delta));
    LBK_TRY(lbk_method_op(c, "clamp", delta, "min=0 max=1", 1, *delta));
    return lbk_method_op(c, "sub", delta, "", 2, *delta, p->clean);
}

/* What the attack makes large. */
static lbk_status attacked_loss(lbk_method_context *c, lbk_value x, lbk_value *out) {
    const adversarial_params *p = c->params;
    lbk_model_built network;
    lbk_value one;
    if (p->of == OF_TEACHER)
        LBK_TRY(lbk_method_teacher(c, x, &network));
    else
        LBK_TRY(lbk_method_student(c, &x, false, &network));
    if (p->against == AGAINST_LABELS)
        return lbk_method_hard(c, network.logits, out);
    LBK_TRY(lbk_method_op(c, "constant", &one, "value=1", 0));
    return lbk_method_op(c, "kl_div", out, "", 3, network.logits, c->teacher_logits, one);
}

static lbk_status start(lbk_method_context *c, const pixels *pixels, lbk_value *delta) {
    const adversarial_params *p = c->params;
    if (!p->random_start)
        return lbk_method_op(c, "sub", delta, "", 2, pixels->clean, pixels->clean);
    LBK_TRY(lbk_method_noise(c, "start", LBK_NOISE_UNIFORM, *lbk_method_shape(c, c->x), delta));
    LBK_TRY(lbk_method_scale(c, *delta, p->eps, delta));
    return project(c, pixels, p->eps, delta);
}

static lbk_status attack(lbk_method_context *c, lbk_value *out) {
    const adversarial_params *p = c->params;
    pixels pixels;
    lbk_value delta, x, loss, gradient, sign;
    LBK_TRY(open_pixels(c, &pixels));
    LBK_TRY(start(c, &pixels, &delta));
    for (int i = 0; i < p->steps; i++) {
        LBK_TRY(normalised(c, &pixels, delta, &x));
        LBK_TRY(attacked_loss(c, x, &loss));
        LBK_TRY(lbk_method_derivative(c, loss, x, &gradient));
        LBK_TRY(lbk_method_op(c, "sign", &sign, "", 1, gradient));
        LBK_TRY(lbk_method_scale(c, sign, p->step_size, &sign));
        LBK_TRY(lbk_method_add(c, &delta, sign));
        LBK_TRY(project(c, &pixels, p->eps, &delta));
    }
    LBK_TRY(normalised(c, &pixels, delta, &x));
    return lbk_method_op(c, "detach", out, "", 1, x);
}

static lbk_status build(lbk_method_context *c) {
    const adversarial_params *p = c->params;
    lbk_model_built student, teacher;
    lbk_value x, t, target = c->teacher_logits, loss;
    LBK_TRY(lbk_method_scheduled(c, "temperature", p->temperature, &t));
    LBK_TRY(attack(c, &x));
    LBK_TRY(lbk_method_student(c, &x, true, &student));
    if (p->target == TARGET_ADVERSARIAL) {
        LBK_TRY(lbk_method_teacher(c, x, &teacher));
        target = teacher.logits;
    }
    LBK_TRY(lbk_method_op(c, "kl_div", &loss, "", 3, student.logits, target, t));
    return lbk_method_finish(c, loss);
}

const lbk_method lbk_method_adversarial = {
    .name = "adversarial",
    .summary = "soft targets on adversarial examples (FGSM, PGD) of the student or the teacher",
    .formula =
        "T^2 / B * sum_i KL(softmax(t / T), softmax(z(x') / T)), x' = x + delta, |delta| <= eps, delta += step_size "
        "* sign(d attacked / dx) in each step",
    .source = "Zi et al. 2021; Goldblum et al. 2020",
    .params = table,
    .params_size = sizeof(adversarial_params),
    .images = true,
    .build = build,
};

/* Tarvainen and Valpola, "Mean teachers are better role models", NIPS 2017: the student's own moving average is its teacher. Batch norm
 * is in training mode on both sides, and the losses are those of the authors' PyTorch code: mse is the mean over B K elements
 * of the probabilities' squared difference, kl the mean over rows. Labels play no part in it. */
#include "distill/method.h"

typedef enum loss_kind { MSE, KL } loss_kind;
typedef enum view_kind { OTHER, SAME } view_kind;
static const char *const losses[] = {"mse", "kl", NULL}, *const views[] = {"other", "same", NULL};

typedef struct ema_params {
    lbk_ramp weight;
    double decay;
    int loss, view;
} ema_params;

static const lbk_param table[] = {
    LBK_PARAM_SCHEDULE(ema_params, weight, "100 warmup 5", 0, 1e6, NULL, "factor of this loss in the objective",
                       "Tarvainen and Valpola: 100 for mse on CIFAR-10 after a ramp of 5 epochs (their PyTorch code)"),
    LBK_PARAM_FLOAT(ema_params, decay, "0.999", 0, 1, NULL,
                    "share of the average that stays, at most: in step t, from 0, it is min(1 - 1/(t+1), decay)",
                    "Tarvainen and Valpola: 0.999"),
    LBK_PARAM_CHOICE(ema_params, loss, "mse", losses, "distance of the two predictions", "Tarvainen and Valpola: mse"),
    LBK_PARAM_CHOICE(ema_params, view, "other", views,
                     "what the average sees: the images augmented once more, or just what the student sees",
                     "Tarvainen and Valpola: other noise on each side"),
    LBK_PARAM_END,
};

static lbk_status fill_decay(const void *context, const lbk_batch *batch, int64_t step, void *memory) {
    double most = ((const ema_params *)context)->decay, early = 1 - 1 / ((double)step + 1);
    (void)batch;
    *(float *)memory = (float)(early < most ? early : most);
    return LBK_OK;
}

static uint32_t same_sample(const void *context, const lbk_batch *batch, int row) {
    (void)context;
    return batch->samples[row];
}

static lbk_status distance(lbk_method_context *c, int kind, lbk_value student, lbk_value average, lbk_value *out) {
    lbk_value one, p, q;
    if (kind == KL) {
        LBK_TRY(lbk_method_op(c, "constant", &one, "value=1", 0));
        return lbk_method_op(c, "kl_div", out, "", 3, student, average, one);
    }
    LBK_TRY(lbk_method_op(c, "softmax", &p, "", 1, student));
    LBK_TRY(lbk_method_op(c, "softmax", &q, "", 1, average));
    return lbk_method_op(c, "mse_loss", out, "", 2, p, q);
}

static lbk_status build(lbk_method_context *c) {
    const ema_params *p = c->params;
    lbk_model_built average;
    const lbk_value *x = c->inputs;
    lbk_value others[LBK_MODEL_INPUTS], decay, loss;
    LBK_TRY(lbk_method_host_input(c, "decay", LBK_F32, lbk_shape_1(1), fill_decay, p, &decay));
    if (p->view == OTHER && c->x != LBK_NONE) { /* of what is no image there is one view */
        LBK_TRY(lbk_method_samples(c, "images", same_sample, NULL, others));
        x = others;
    }
    LBK_TRY(lbk_method_average(c, "average", decay, x, &average));
    LBK_TRY(distance(c, p->loss, c->student_logits, average.logits, &loss));
    return lbk_method_finish(c, loss);
}

const lbk_method lbk_method_ema = {
    .name = "ema",
    .summary = "mean teacher: the student agrees with the moving average of its own weights; no teacher",
    .formula = "mean over B K elements of (softmax(z) - softmax(z'))^2, z' of weights w' = decay w' + (1 - decay) w",
    .source = "Tarvainen and Valpola 2017",
    .params = table,
    .params_size = sizeof(ema_params),
    .teacherless = true,
    .build = build,
};

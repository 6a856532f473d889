/* sgd: stochastic gradient descent with momentum, as torch.optim.SGD (dampening 0): the learning rate multiplies the
 * momentum buffer, so that a falling rate acts at once. */
#include "optim/optimizer.h"

typedef struct sgd_params {
    double momentum, weight_decay;
    bool nesterov;
} sgd_params;

static const lbk_param sgd_table[] = {
    LBK_PARAM_FLOAT(sgd_params, momentum, "0.9", 0, 0.9999, NULL, "share of the old direction that is kept",
                    "Polyak 1964"),
    LBK_PARAM_FLOAT(sgd_params, weight_decay, "0", 0, 10, NULL, "times the weight, added to its gradient", NULL),
    LBK_PARAM_BOOL(sgd_params, nesterov, "no", "look one step of momentum ahead",
                   "Sutskever et al. 2013, as PyTorch writes it"),
    LBK_PARAM_END};

static lbk_status sgd_check(const void *params) {
    const sgd_params *p = params;
    if (p->nesterov && p->momentum == 0)
        return lbk_fail(LBK_ERR_INPUT, "nesterov needs momentum > 0");
    return LBK_OK;
}

static lbk_status sgd_emit(lbk_emit *e, size_t count) {
    const sgd_params *p = e->params;
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, "generic/sgd", "sgd", &call));
    lbk_call_input(call, LBK_OPTIMIZER_PARAMS);
    lbk_call_input(call, LBK_OPTIMIZER_GRADS);
    lbk_call_input(call, LBK_OPTIMIZER_STATE);
    lbk_call_input(call, LBK_OPTIMIZER_STATE + 1); /* lr */
    lbk_call_input(call, LBK_OPTIMIZER_STATE + 3); /* guard */
    lbk_call_float(call, p->momentum);
    lbk_call_float(call, p->weight_decay);
    lbk_call_int(call, p->nesterov);
    lbk_call_int(call, (int64_t)count);
    lbk_call_range_1d(call, count, lbk_emit_local(e));
    return LBK_OK;
}

static void sgd_reference(const lbk_optimizer_step *step) {
    const sgd_params *p = step->params;
    for (size_t i = 0; i < step->count; i++) {
        double *m = &step->state[0][i], g = step->grads[i] + p->weight_decay * step->weights[i];
        *m = p->momentum * *m + g;
        step->weights[i] -= step->lr * (p->nesterov ? g + p->momentum * *m : *m);
    }
}

static const char *const sgd_states[] = {"momentum"};

const lbk_optimizer lbk_optimizer_sgd = {
    .name = "sgd",
    .summary = "stochastic gradient descent with momentum",
    .formula = "g += weight_decay w; m = momentum m + g; w -= lr (nesterov ? g + momentum m : m)",
    .source = "torch.optim.SGD; Sutskever et al. 2013, On the importance of initialization and momentum",
    .params = sgd_table,
    .params_size = sizeof(sgd_params),
    .states = 1,
    .state_names = sgd_states,
    .check = sgd_check,
    .emit = sgd_emit,
    .reference = sgd_reference,
};

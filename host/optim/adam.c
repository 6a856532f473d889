/* adam: as torch.optim.Adam; the weight decay is part of the gradient. */
#include "optim/adam_common.h"

static const lbk_param adam_table[] =
    ADAM_TABLE("0", "times the weight, added to its gradient", "Kingma and Ba 2015 have none");

static lbk_status adam_emit(lbk_emit *e, size_t count) {
    return lbk_adam_emit(e, count, false);
}

static void adam_reference(const lbk_optimizer_step *step) {
    lbk_adam_reference(step, false);
}

const lbk_optimizer lbk_optimizer_adam = {
    .name = "adam",
    .summary = "steps scaled by running means of the gradient and of its square",
    .formula = "g += weight_decay w; m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; "
               "w -= lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)",
    .source = "Kingma and Ba 2015 (arXiv 1412.6980), algorithm 1; torch.optim.Adam",
    .params = adam_table,
    .params_size = sizeof(adam_params),
    .states = ADAM_STATES,
    .state_names = lbk_adam_states,
    .emit = adam_emit,
    .reference = adam_reference,
};

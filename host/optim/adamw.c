/* adamw: adam with decoupled weight decay, as torch.optim.AdamW. */
#include "optim/adam_common.h"

static const lbk_param adamw_table[] =
    ADAM_TABLE("0.01", "times learning rate and weight, taken off the weight", "Loshchilov and Hutter 2019");

static lbk_status adamw_emit(lbk_emit *e, size_t count) {
    return lbk_adam_emit(e, count, true);
}

static void adamw_reference(const lbk_optimizer_step *step) {
    lbk_adam_reference(step, true);
}

const lbk_optimizer lbk_optimizer_adamw = {
    .name = "adamw",
    .summary = "adam with weight decay apart from the gradient",
    .formula = "w -= lr weight_decay w; m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; "
               "w -= lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)",
    .source = "Loshchilov and Hutter 2019 (arXiv 1711.05101), algorithm 2; torch.optim.AdamW",
    .params = adamw_table,
    .params_size = sizeof(adam_params),
    .states = ADAM_STATES,
    .state_names = lbk_adam_states,
    .emit = adamw_emit,
    .reference = adamw_reference,
};

/* constant: the base learning rate throughout. */
#include "optim/schedule.h"

typedef struct constant_params {
    lbk_schedule_common common;
} constant_params;

static const lbk_param constant_table[] = {LBK_SCHEDULE_COMMON(constant_params), LBK_PARAM_END};

static double constant_factor(const void *params, const lbk_progress *progress) {
    (void)params;
    (void)progress;
    return 1;
}

const lbk_schedule lbk_schedule_constant = {
    .name = "constant",
    .summary = "the learning rate stays as it is",
    .formula = "1",
    .source = "",
    .params = constant_table,
    .params_size = sizeof(constant_params),
    .factor = constant_factor,
};

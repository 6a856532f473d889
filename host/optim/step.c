/* step: times gamma after every `size` epochs; as torch.optim.lr_scheduler.StepLR. */
#include "optim/schedule.h"

#include <math.h>

typedef struct step_params {
    lbk_schedule_common common;
    int size;
    double gamma;
} step_params;

static const lbk_param step_table[] = {
    LBK_SCHEDULE_COMMON(step_params),
    LBK_PARAM_INT(step_params, size, NULL, 1, 1000000, "epochs", "length of one step", NULL),
    LBK_PARAM_FLOAT(step_params, gamma, "0.1", 0, 1, NULL, "factor at each step", NULL), LBK_PARAM_END};

static double step_factor(const void *params, const lbk_progress *progress) {
    const step_params *p = params;
    return pow(p->gamma, floor(progress->epoch / p->size));
}

const lbk_schedule lbk_schedule_step = {
    .name = "step",
    .summary = "the learning rate falls by a factor after every so many epochs",
    .formula = "gamma ^ floor(epoch / size)",
    .source = "",
    .params = step_table,
    .params_size = sizeof(step_params),
    .factor = step_factor,
};

/* multistep: times gamma at each milestone; as torch.optim.lr_scheduler.MultiStepLR. Milestones count from the start
 * of the run, warm-up included. */
#include "optim/schedule.h"

#include <math.h>

typedef struct multistep_params {
    lbk_schedule_common common;
    lbk_ints milestones;
    double gamma;
} multistep_params;

static const lbk_param multistep_table[] = {
    LBK_SCHEDULE_COMMON(multistep_params),
    LBK_PARAM_INTS(multistep_params, milestones, NULL, 0, 1000000, "epochs", "when the learning rate falls",
                   "CIFAR: 150,180,210 of 240 epochs in Tian et al. 2020 (arXiv 1910.10699)"),
    LBK_PARAM_FLOAT(multistep_params, gamma, "0.1", 0, 1, NULL, "factor at each milestone", NULL), LBK_PARAM_END};

static double multistep_factor(const void *params, const lbk_progress *progress) {
    const multistep_params *p = params;
    int passed = 0;
    for (int i = 0; i < p->milestones.count; i++)
        passed += progress->epoch >= p->milestones.items[i];
    return pow(p->gamma, passed);
}

const lbk_schedule lbk_schedule_multistep = {
    .name = "multistep",
    .summary = "the learning rate falls by a factor at given epochs",
    .formula = "gamma ^ #{milestone <= epoch}",
    .source = "He et al. 2016 (arXiv 1512.03385), section 4.2",
    .params = multistep_table,
    .params_size = sizeof(multistep_params),
    .factor = multistep_factor,
};

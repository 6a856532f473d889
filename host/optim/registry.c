/* The tables of optimisers and schedules, from registry.def. */
#include "optim/optimizer.h"
#include "optim/schedule.h"

#include <string.h>

#define LBK_OPTIMIZER(name) extern const lbk_optimizer lbk_optimizer_##name;
#define LBK_SCHEDULE(name) extern const lbk_schedule lbk_schedule_##name;
#include "optim/registry.def"
#undef LBK_OPTIMIZER
#undef LBK_SCHEDULE

#define LBK_OPTIMIZER(name) &lbk_optimizer_##name,
#define LBK_SCHEDULE(name)
static const lbk_optimizer *const optimizers[] = {
#include "optim/registry.def"
    NULL};
#undef LBK_OPTIMIZER
#undef LBK_SCHEDULE

#define LBK_OPTIMIZER(name)
#define LBK_SCHEDULE(name) &lbk_schedule_##name,
static const lbk_schedule *const schedules[] = {
#include "optim/registry.def"
    NULL};
#undef LBK_OPTIMIZER
#undef LBK_SCHEDULE

const lbk_optimizer *const *lbk_optimizer_all(void) {
    return optimizers;
}

const lbk_optimizer *lbk_optimizer_find(const char *name) {
    for (size_t i = 0; optimizers[i]; i++)
        if (strcmp(optimizers[i]->name, name) == 0)
            return optimizers[i];
    return NULL;
}

const lbk_schedule *const *lbk_schedule_all(void) {
    return schedules;
}

const lbk_schedule *lbk_schedule_find(const char *name) {
    for (size_t i = 0; schedules[i]; i++)
        if (strcmp(schedules[i]->name, name) == 0)
            return schedules[i];
    return NULL;
}

#include "optim/schedule.h"

static double warmup_factor(double warmup, const lbk_progress *progress) {
    double done = progress->epoch + progress->step;
    return done < warmup ? done / warmup : 1;
}

double lbk_schedule_factor(const lbk_schedule *schedule, const void *params, const lbk_progress *progress) {
    const lbk_schedule_common *common = params; /* the first member of every schedule's struct */
    return schedule->factor(params, progress) * warmup_factor(common->warmup, progress);
}

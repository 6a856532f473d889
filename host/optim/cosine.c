/* cosine: half a cosine from 1 to `min_factor` over the epochs after the warm-up, without restarts. */
#include "optim/schedule.h"

#include <math.h>

typedef struct cosine_params {
    lbk_schedule_common common;
    double min_factor;
} cosine_params;

static const lbk_param cosine_table[] = {
    LBK_SCHEDULE_COMMON(cosine_params),
    LBK_PARAM_FLOAT(cosine_params, min_factor, "0", 0, 1, NULL, "factor at the end of the run", NULL), LBK_PARAM_END};

static double cosine_factor(const void *params, const lbk_progress *progress) {
    const cosine_params *p = params;
    double length = progress->epochs - p->common.warmup, done = progress->epoch - p->common.warmup;
    if (done <= 0)
        return 1;
    double part = done < length ? done / length : 1;
    return p->min_factor + (1 - p->min_factor) * 0.5 * (1 + cos(3.14159265358979323846 * part));
}

const lbk_schedule lbk_schedule_cosine = {
    .name = "cosine",
    .summary = "the learning rate falls along half a cosine to a minimum at the end of the run",
    .formula = "min_factor + (1 - min_factor) (1 + cos(pi (epoch - warmup) / (epochs - warmup))) / 2",
    .source = "Loshchilov and Hutter 2017 (arXiv 1608.03983), equation 5",
    .params = cosine_table,
    .params_size = sizeof(cosine_params),
    .factor = cosine_factor,
};

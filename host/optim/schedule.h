/* Learning-rate schedules: a factor on the base learning rate, a function of how far the training is.
 *
 * To add one: host/optim/NAME.c with `const lbk_schedule lbk_schedule_NAME = {...};` and LBK_SCHEDULE(NAME) in
 * host/optim/registry.def. Its params struct begins with lbk_schedule_common, its table with LBK_SCHEDULE_COMMON. */
#ifndef LBK_OPTIM_SCHEDULE_H
#define LBK_OPTIM_SCHEDULE_H

#include "base/param.h"

typedef struct lbk_progress {
    double epoch;  /* epochs done before this step, with fraction: 2.5 in the middle of the third */
    double step;   /* what this step adds to it: 1 / steps per epoch */
    double epochs; /* of the whole run */
} lbk_progress;

/* Every schedule has these. */
typedef struct lbk_schedule_common {
    double warmup;
} lbk_schedule_common;

#define LBK_SCHEDULE_COMMON(S)                                                                                         \
    {                                                                                                                  \
        "warmup", LBK_TYPE_FLOAT, offsetof(S, common) + offsetof(lbk_schedule_common, warmup), "0", 0, 1e6, NULL,      \
            "epochs", "the rate first rises linearly from near 0 over so many epochs",                                 \
            "Goyal et al. 2017 (arXiv 1706.02677), section 2.2"                                                        \
    }

typedef struct lbk_schedule {
    const char *name;    /* "cosine" */
    const char *summary; /* one line */
    const char *formula;
    const char *source;
    const lbk_param *params;
    size_t params_size;
    /* The factor without warm-up, in [0, 1] for the shipped ones. */
    double (*factor)(const void *params, const lbk_progress *progress);
} lbk_schedule;

/* In registry order, NULL-terminated; find returns NULL when unknown. */
const lbk_schedule *const *lbk_schedule_all(void);
const lbk_schedule *lbk_schedule_find(const char *name);

/* The factor for this step, warm-up included: factor() times min(1, (epoch + step) / warmup), so that the first step
 * is not lost and the last one of the warm-up has the full rate. */
double lbk_schedule_factor(const lbk_schedule *schedule, const void *params, const lbk_progress *progress);

#endif

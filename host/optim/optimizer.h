/* What an optimiser is: one launch over all parameters of a model at once.
 *
 * To add one: write host/optim/NAME.c with `const lbk_optimizer lbk_optimizer_NAME = {...};`, its kernel in
 * kernels/generic/, and the line LBK_OPTIMIZER(NAME) in host/optim/registry.def. Tests, `limbeck list optimizers`, INI
 * checks and the reference docs walk the registry.
 *
 * Parameters, gradients and each state buffer are flat arrays of floats with the same offsets (graph/weights.h), so
 * padding between parameters is updated too: an update must keep a zero with a zero gradient at zero. The learning
 * rate of the step (after the schedule) and the number of the step, 1 for the first, are read from device buffers, so
 * that a step enqueued early sees its own. So is what loss scaling says of the step: the factor of the gradients, whether it is taken
 * at all, and how many were not; without loss scaling 1, 1 and 0 (optim/loss_scale.h). */
#ifndef LBK_OPTIM_OPTIMIZER_H
#define LBK_OPTIM_OPTIMIZER_H

#include "ops/emit.h"

#define LBK_OPTIMIZER_STATES 4 /* at most */

/* What the INPUT arguments of the call index: the caller's array of buffers. States follow each other; lr (float {1}),
 * step (int {1}) and guard (float {LBK_GUARD_COUNT}) stand behind them. */
enum { LBK_OPTIMIZER_PARAMS, LBK_OPTIMIZER_GRADS, LBK_OPTIMIZER_STATE };

/* One step of the float64 reference. */
typedef struct lbk_optimizer_step {
    const void *params; /* the optimiser's */
    size_t count;
    double *weights; /* updated */
    const double *grads;
    double *state[LBK_OPTIMIZER_STATES]; /* updated; zero before the first step */
    double lr;
    int step; /* 1, 2, ...; steps left out are not counted */
} lbk_optimizer_step;

typedef struct lbk_optimizer {
    const char *name;    /* "sgd" */
    const char *summary; /* one line */
    const char *formula; /* of the update */
    const char *source;
    const lbk_param *params; /* beside the learning rate; an LBK_PARAM_END-only table when none */
    size_t params_size;
    int states;                     /* buffers as large as the parameters', zero at the start */
    const char *const *state_names; /* [states]: in checkpoints */
    /* Refuses combinations in which a key would have no effect (nesterov without momentum). NULL: none. */
    lbk_status (*check)(const void *params);
    /* Adds the one call over `count` floats to e->calls; uses e->caps and e->params alone. */
    lbk_status (*emit)(lbk_emit *e, size_t count);
    void (*reference)(const lbk_optimizer_step *step);
} lbk_optimizer;

/* In registry order, NULL-terminated; find returns NULL when unknown. */
const lbk_optimizer *const *lbk_optimizer_all(void);
const lbk_optimizer *lbk_optimizer_find(const char *name);

/* How many buffers the call indexes, and where the last three are. */
static inline int lbk_optimizer_lr(const lbk_optimizer *optimizer) {
    return LBK_OPTIMIZER_STATE + optimizer->states;
}
static inline int lbk_optimizer_step_number(const lbk_optimizer *optimizer) {
    return LBK_OPTIMIZER_STATE + optimizer->states + 1;
}
static inline int lbk_optimizer_guard(const lbk_optimizer *optimizer) {
    return LBK_OPTIMIZER_STATE + optimizer->states + 2;
}
static inline int lbk_optimizer_buffers(const lbk_optimizer *optimizer) {
    return LBK_OPTIMIZER_STATE + optimizer->states + 3;
}

/* Describes the launch over `count` floats for a device: give it to lbk_plan_append() with the buffers params, grads,
 * states, lr, step, guard. params: the optimiser's struct, read during the call only. LBK_ERR_UNSUPPORTED when the
 * parameters are too many for 32-bit indices. */
lbk_status lbk_optimizer_call(const lbk_optimizer *optimizer, const void *params, const lbk_caps *caps, size_t count,
                              lbk_call *out);

#endif

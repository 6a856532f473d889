/* What adam and adamw share: everything but where the weight decay goes. */
#ifndef LBK_OPTIM_ADAM_COMMON_H
#define LBK_OPTIM_ADAM_COMMON_H

#include "optim/optimizer.h"

typedef struct adam_params {
    double beta1, beta2, eps, weight_decay;
} adam_params;

/* The weight decay's meaning and default differ. */
#define ADAM_TABLE(decay_default, decay_meaning, decay_source)                                                         \
    {                                                                                                                  \
        LBK_PARAM_FLOAT(adam_params, beta1, "0.9", 0, 0.99999, NULL, "decay of the mean of gradients", NULL),          \
            LBK_PARAM_FLOAT(adam_params, beta2, "0.999", 0, 0.9999999, NULL, "decay of the mean of their squares",     \
                            NULL),                                                                                     \
            LBK_PARAM_FLOAT(adam_params, eps, "1e-8", 1e-12, 1, NULL, "added to the root of the mean square", NULL),   \
            LBK_PARAM_FLOAT(adam_params, weight_decay, decay_default, 0, 10, NULL, decay_meaning, decay_source),       \
            LBK_PARAM_END                                                                                              \
    }

enum { ADAM_STATES = 2 };
extern const char *const lbk_adam_states[ADAM_STATES];

/* decoupled: the decay shrinks the weight itself (adamw); else it is added to the gradient (adam). */
lbk_status lbk_adam_emit(lbk_emit *e, size_t count, bool decoupled);
void lbk_adam_reference(const lbk_optimizer_step *step, bool decoupled);

#endif

#include "optim/adam_common.h"

#include <math.h>

const char *const lbk_adam_states[ADAM_STATES] = {"mean", "mean_square"};

lbk_status lbk_adam_emit(lbk_emit *e, size_t count, bool decoupled) {
    const adam_params *p = e->params;
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, "generic/adam", "adam", &call));
    for (int i = 0; i < LBK_OPTIMIZER_STATE + ADAM_STATES + 3; i++) /* weights, gradients, moments, lr, step, guard */
        lbk_call_input(call, i);
    lbk_call_float(call, 1 - p->beta1); /* here, in double: see the kernel */
    lbk_call_float(call, 1 - p->beta2);
    lbk_call_float(call, p->eps);
    lbk_call_float(call, p->weight_decay);
    lbk_call_int(call, decoupled);
    lbk_call_int(call, (int64_t)count);
    lbk_call_range_1d(call, count, lbk_emit_local(e));
    return LBK_OK;
}

/* Kingma and Ba 2015, algorithm 1, with the bias corrections where PyTorch has them: eps is added after the
 * correction of the mean square. */
void lbk_adam_reference(const lbk_optimizer_step *step, bool decoupled) {
    const adam_params *p = step->params;
    double correct1 = 1 - pow(p->beta1, step->step), correct2 = 1 - pow(p->beta2, step->step);
    for (size_t i = 0; i < step->count; i++) {
        double *w = &step->weights[i], *m = &step->state[0][i], *v = &step->state[1][i], g = step->grads[i];
        if (decoupled)
            *w -= step->lr * p->weight_decay * *w;
        else
            g += p->weight_decay * *w;
        *m = p->beta1 * *m + (1 - p->beta1) * g;
        *v = p->beta2 * *v + (1 - p->beta2) * g * g;
        *w -= step->lr * (*m / correct1) / (sqrt(*v / correct2) + p->eps);
    }
}

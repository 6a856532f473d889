/* One model of an experiment: its graphs, and, once compiled for a device, its weights, plans and optimiser state. */
#ifndef LBK_TRAIN_NETWORK_H
#define LBK_TRAIN_NETWORK_H

#include "graph/plan.h"
#include "train/experiment.h"

typedef struct lbk_network {
    const lbk_role *role;
    const lbk_experiment *experiment;
    const char *label; /* "teacher", "student", "control" */
    int batch, classes;

    /* Graphs: host only. `train` is NULL for a loaded teacher. */
    lbk_graph *train, *eval;
    lbk_value x, labels, lr, step;             /* of train */
    lbk_value teacher_logits;                  /* of train; LBK_NONE without a teacher */
    lbk_tap teacher_taps[LBK_MAX_NEEDED_TAPS]; /* inputs of train, in the order of objective.all */
    lbk_loss loss;
    lbk_value eval_x, eval_logits;
    lbk_tap eval_taps[LBK_MAX_NEEDED_TAPS]; /* of a teacher: what the objective needs */
    int tap_count;
    double flops;            /* of one sample's forward pass */
    int64_t parameters;      /* numbers in it, running statistics not counted */
    int64_t frozen;          /* of which not trained */
    const char *init_report; /* what of [role] init is used, for the user; NULL: none. Lives in eval */

    /* On a device. */
    lbk_device *device;
    lbk_weights *weights;
    lbk_plan *train_plan, *eval_plan;
    cl_mem optimizer_state[LBK_OPTIMIZER_STATES];
} lbk_network;

/* Builds the graphs. objective: NULL, or the student's (the graph then has inputs for the teacher's outputs). taps: the
 * taps the eval graph keeps for somebody else's objective; NULL: none. `teacher`: for an objective, the teacher's eval graph,
 * for the shapes of its outputs. data must be open (its shapes are needed). The role's `init` file is read too, to see that
 * it fits. */
lbk_status lbk_network_build(lbk_network *network, const lbk_experiment *experiment, const lbk_role *role,
                             const char *label, const lbk_objective *objective, const lbk_network *teacher,
                             const lbk_needs *taps, bool trained);
/* Weights, plans, optimiser; compiles and warms up; weights get their initial values (a function of the experiment's seed and the
 * role, so that student and control start alike). */
lbk_status lbk_network_compile(lbk_network *network, lbk_device *device);
/* Initial weights, those of the role's `init` file included; zero optimiser state. */
lbk_status lbk_network_reset(lbk_network *network);
void lbk_network_release(lbk_network *network); /* harmless on a zeroed one */

/* Learning rate, step number and scheduled weights for step `step` (0-based) of `total`, `per_epoch` of them an epoch. Returns the
 * learning rate. */
double lbk_network_set_step(lbk_network *network, int64_t step, int64_t per_epoch, int64_t total);
/* Device bytes: weights, gradients, optimiser state, plans. */
size_t lbk_network_bytes(const lbk_network *network);

#endif

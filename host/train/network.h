/* One model of an experiment: its graphs, and, once compiled for a device, its weights, plans and optimiser state. */
#ifndef LBK_TRAIN_NETWORK_H
#define LBK_TRAIN_NETWORK_H

#include "graph/plan.h"
#include "optim/loss_scale.h"
#include "train/experiment.h"
#include "train/look_ahead.h"

typedef struct lbk_network lbk_network;

/* What a network in training gets from a teacher. */
typedef struct lbk_teacher_link {
    lbk_network *network;               /* outlives the learner */
    lbk_bindings *bindings;             /* lives in the learner's train */
    lbk_value carried[LBK_MAX_CARRIED]; /* inputs of train, for bindings->carried of the teacher's eval */
} lbk_teacher_link;

struct lbk_network {
    const lbk_role *role;
    const lbk_experiment *experiment;
    const char
        *label; /* "teacher", "teacher.NAME", "assistant.NAME", "student.1", "student", "control": names its files */
    lbk_viewer viewer; /* whose view of the samples it gets */
    const char *start; /* what its initial weights depend on, beside the seed */
    int batch, classes;
    lbk_words freeze;           /* paths of weights that are not trained */
    lbk_words init_except;      /* the same of what keeps its own initial weights */
    const lbk_model *model;     /* the role's, or `extended` */
    lbk_model extended;         /* it with what a method deploys behind it; zeroed: nothing */
    lbk_deployment *deployment; /* what that is; NULL: nothing */
    lbk_arena arena;
    bool others; /* its classes are not the data's: it teaches another output, and has no accuracy */

    /* Graphs: host only. `train` is NULL for a loaded teacher. */
    lbk_graph *train, *eval;
    lbk_model_built built; /* in eval, until it is sealed */
    /* What it reads: input i of its model is input sample_input[i] of a sample. */
    int input_count, sample_input[LBK_MODEL_INPUTS];
    lbk_value inputs[LBK_MODEL_INPUTS], lr, step; /* of train */
    lbk_targets targets;                          /* of train */
    lbk_value samples;                            /* of train; LBK_NONE unless a method asks for them */
    int teacher_count;
    lbk_teacher_link teacher[LBK_MAX_TEACHERS];
    lbk_loss loss;
    lbk_value loss_scale, guard; /* of train, states: optim/loss_scale.h; LBK_NONE: the loss is not scaled */
    lbk_look_ahead look_ahead;
    lbk_value eval_inputs[LBK_MODEL_INPUTS], eval_logits;
    double flops;            /* of one sample's forward pass */
    int64_t parameters;      /* numbers in it, running statistics not counted */
    int64_t frozen;          /* of which not trained */
    const char *init_report; /* what of [role] init is used, for the user; NULL: none. Lives in eval */
    const char
        *teacher_file; /* [role] init = teacher: set before compiling; NULL: there is none, own initial weights stay */

    /* On a device. */
    lbk_device *device;
    lbk_weights *weights;
    lbk_plan *train_plan, *eval_plan;
    cl_mem optimizer_state[LBK_OPTIMIZER_STATES];
    cl_mem steady_guard; /* what the optimiser reads where no loss is scaled: every step is taken */
};

/* Builds the graphs. objective: NULL (cross entropy alone), or what the network is trained for. teachers[teacher_count]: whose
 * outputs the objective reads, not yet sealed; their eval graphs keep what is asked for. data must be open (its
 * shapes are needed). The role's `init` file is read too, to see that it fits. */
lbk_status lbk_network_build(lbk_network *network, const lbk_experiment *experiment, const lbk_role *role,
                             const char *label, const lbk_objective *objective, lbk_network *const *teachers,
                             int teacher_count, bool trained);
/* The numbers of a batch, as this network sees them, for its input i. */
const void *lbk_network_numbers(const lbk_network *network, const lbk_batch *batch, int i);
/* Once all that it teaches are built: rewrites the eval graph for speed. */
lbk_status lbk_network_seal(lbk_network *network);
/* What a device with these caps cannot do by itself goes into the graphs (lbk_graph_round()); once or more often. */
lbk_status lbk_network_suit(const lbk_network *network, const lbk_caps *caps);
/* Weights, plans, optimiser; compiles and warms up; weights get their initial values (a function of the experiment's seed and the
 * role, so that student and control start alike). */
lbk_status lbk_network_compile(lbk_network *network, lbk_device *device);
/* What the losses need before the first step of a new training, of teachers that are ready: the weights of copies of them, and those
 * that are deployed as they are. */
lbk_status lbk_network_meet(lbk_network *network);
/* A network that is trained goes to another device to teach: it gives up all it has on its own, and is compiled there for evaluation
 * alone with the weights of `path`. */
lbk_status lbk_network_move(lbk_network *network, lbk_device *device, const char *path);
/* Initial weights, those of the role's `init` file included; zero optimiser state. */
lbk_status lbk_network_reset(lbk_network *network);
void lbk_network_release(lbk_network *network); /* harmless on a zeroed one */

/* Learning rate, step number and scheduled weights for step `step` (0-based) of `total`, `per_epoch` of them an epoch. Returns the
 * learning rate. */
double lbk_network_set_step(lbk_network *network, int64_t step, int64_t per_epoch, int64_t total);
/* What the device says of the step enqueued last, once it is done: LBK_GUARD_COUNT numbers; where no loss is scaled, of every step. */
lbk_status lbk_network_guard(const lbk_network *network, float *guard);
/* The gradients of that step, divided by its loss scale. */
lbk_status lbk_network_save_gradients(const lbk_network *network, const char *path);
/* Device bytes: weights, gradients, optimiser state, plans. */
size_t lbk_network_bytes(const lbk_network *network);

#endif

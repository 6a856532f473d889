/* A network's whole objective: hard_weight * cross entropy + sum over methods of weight * loss. The student's is read from [distill]
 * and [distill.METHOD], that of a teacher in training from the key `methods` of its role and [ROLE/METHOD]. */
#ifndef LBK_DISTILL_OBJECTIVE_H
#define LBK_DISTILL_OBJECTIVE_H

#include "base/ini.h"
#include "distill/method.h"

#define LBK_MAX_METHODS 64 /* losses, of which several teachers have each their own */
#define LBK_MAX_CARRIED 64
#define LBK_MAX_TEACHERS 8
#define LBK_MAX_HOST_INPUTS 32

typedef struct lbk_objective_params {
    lbk_words methods;
    lbk_ramp hard_weight;
    const char *head;    /* the student's output that the labels are about; "": the first */
    int teacher_weights; /* lbk_teacher_weights */
    const char *preset;  /* train/preset.h */
    int meta;            /* lbk_meta: distill/meta.h */
    int meta_every;
    double meta_lr;
} lbk_objective_params;
typedef enum lbk_teacher_weights { LBK_TEACHERS_BY_SHARE, LBK_TEACHERS_LEARNED } lbk_teacher_weights;
/* Bits. */
typedef enum lbk_meta { LBK_META_OFF, LBK_META_WEIGHTS = 1, LBK_META_TEMPERATURE = 2 } lbk_meta;
extern const lbk_param lbk_objective_table[];

typedef struct lbk_objective {
    lbk_objective_params params;
    const lbk_method *method[LBK_MAX_METHODS];
    const char *section[LBK_MAX_METHODS]; /* "distill.kd", "teacher/cs_kd" */
    void *method_params[LBK_MAX_METHODS];
    int method_count;
    bool needs_teacher; /* some method does */
    lbk_arena arena;
} lbk_objective;

/* Reads and checks; a [distill.X] section whose method is not in use is refused as having no effect. */
lbk_status lbk_objective_read(lbk_objective *objective, lbk_ini *ini);
/* That of a network without a teacher, which learns from all labels, hard_weight 1: `methods`, what [role] says, with the parameters
 * in [role/METHOD]. Methods that read a teacher are refused. None: the objective has no method, and is of no use. */
lbk_status lbk_objective_read_alone(lbk_objective *objective, lbk_ini *ini, const char *role, const lbk_words *methods);
void lbk_objective_release(lbk_objective *objective);

/* What the methods say is deployed; out->arena is set, the rest zero. */
lbk_status lbk_objective_deploy(const lbk_objective *objective, const lbk_side *student, const lbk_side *teachers,
                                int teacher_count, lbk_deployment *out);

/* What an objective needs of one teacher, or, from methods that read none, of the student alone. */
typedef struct lbk_bindings {
    lbk_needs needs[LBK_MAX_METHODS]; /* by place in objective->method */
    /* Values of the teacher's graph to bring over, without repeats: the logits first, then what methods need. None
     * without a teacher. */
    int carried_count;
    lbk_tap carried[LBK_MAX_CARRIED];
    bool samples; /* some method needs them */
} lbk_bindings;

/* Asks every method that reads a teacher, or with `teacher` NULL all others. */
lbk_status lbk_objective_bind(const lbk_objective *objective, const lbk_side *student, const lbk_side *teacher,
                              lbk_bindings *out);

#define LBK_MAX_LEARNED (2 * LBK_MAX_METHODS + 1)

/* What is learned beside the student (distill/meta.h), in its graph. */
typedef struct lbk_learned {
    int what;                         /* bits of lbk_meta */
    lbk_value state[LBK_MAX_LEARNED]; /* {1}: a of every term, b of every temperature */
    int state_count;
    lbk_value term[LBK_MAX_METHODS + 1], factor[LBK_MAX_METHODS + 1]; /* {1}: L_k f_k; f_k, LBK_NONE: not learned */
    int term_count;
    lbk_value inputs[LBK_MODEL_INPUTS], labels; /* held-out samples */
} lbk_learned;

/* The loss in a graph. */
typedef struct lbk_loss {
    lbk_value total;                   /* {1}: what is differentiated */
    lbk_value hard;                    /* {1}: unweighted cross entropy; LBK_NONE: not computed */
    lbk_value report[LBK_MAX_METHODS]; /* {1}: unweighted, per method; and learned weights and temperatures */
    const char *report_name[LBK_MAX_METHODS];
    int report_count;
    lbk_value own; /* {1}: sum of what methods' networks learn by, part of the total; LBK_NONE: nothing */
    int companion_count;
    lbk_scheduled scheduled[2 * LBK_MAX_METHODS + 2];
    int scheduled_count;
    lbk_host_input host_input[LBK_MAX_HOST_INPUTS];
    int host_input_count;
    lbk_learned learned;
    /* By teacher: its copy's weights, below this prefix, want its values before training starts. NULL: no copy. */
    const char *copy_prefix[LBK_MAX_TEACHERS];
} lbk_loss;

/* Cross entropy: mean over labelled rows; of mixed rows -sum t ln p / sum t, t = share * onehot(label)
 * + (1 - share) * onehot(partner's). Zhang et al. 2018 (mixup), equation 1. */
lbk_status lbk_hard_loss(lbk_graph *graph, lbk_value logits, const lbk_targets *targets, lbk_value *out);
/* That alone (teacher, control). */
lbk_status lbk_loss_build_hard(lbk_graph *graph, lbk_value logits, const lbk_targets *targets, lbk_loss *out);

/* A teacher, where an objective is built. */
typedef struct lbk_teaching {
    const char *name; /* "" for [teacher], NAME for [teacher.NAME]: keeps losses and scalars of several apart */
    const char *head; /* the student's output that it teaches; "": the first */
    double share;     /* factor of its terms */
    const lbk_bindings *bindings;
    const lbk_value *carried; /* inputs of the student's graph, in the order of bindings->carried */
    lbk_companion network;
} lbk_teaching;

typedef struct lbk_site {
    lbk_graph *graph;
    uint64_t seed;
    const char *folder; /* where relative paths start; NULL for the current one */
    const lbk_data *data;
    lbk_part part; /* what it trains on */
    const lbk_model_built *student;
    int input_count; /* as in lbk_method_context */
    const lbk_value *inputs;
    const int *sample_input;
    lbk_value x, samples;
    lbk_targets targets;
    lbk_companion student_network;
    const lbk_bindings *own; /* of methods that read no teacher */
    int teacher_count;
    lbk_teaching teacher[LBK_MAX_TEACHERS];
} lbk_site;

/* Every method once for each teacher, or once where it reads none. With several teachers their losses are called "kd", "kd.NAME", ... */
lbk_status lbk_objective_build(const lbk_objective *objective, const lbk_site *site, lbk_loss *out);

#endif

/* A phase: one network trained from first to last epoch, with or without teachers beside it. The same loop trains the
 * teacher, distils the student and trains the control. */
#ifndef LBK_TRAIN_PHASE_H
#define LBK_TRAIN_PHASE_H

#include "train/lecturer.h"

#include <signal.h>

/* Losses of one finished step. */
typedef struct lbk_step_report {
    const char *phase;
    int64_t step, total_steps, per_epoch; /* step: 0-based */
    double total, hard;
    const char *const *method_name; /* method_count of them */
    const double *method;
    int method_count;
    double lr;
    double loss_scale;     /* by which the loss was multiplied; 0: by none */
    int64_t skipped_steps; /* left out so far for gradients that were not finite */
    double elapsed_s;      /* since the phase began (this process) */
    int batch;
} lbk_step_report;

/* What the phase tells while it runs; any may be NULL. step is called in order for every step. */
typedef struct lbk_observer {
    void *context;
    lbk_status (*step)(void *context, const lbk_step_report *report);
    /* After the last step of an epoch, with all work done on the device, so weights may be read. */
    lbk_status (*epoch)(void *context, lbk_network *network, int64_t steps_done, int epochs_done);
} lbk_observer;

typedef struct lbk_phase {
    lbk_network *network; /* its teachers (network.h) are compiled and have their weights */
    const lbk_data *data;
    lbk_part part; /* TRAIN: only the labels the student may see; TEACHER: all that are known */
    lbk_timing timing;
    lbk_bridge_mode bridge;
    int slots;
    lbk_teacher_cache *const *caches; /* [network->teacher_count], each may be NULL; NULL: none */
    int epochs;
    int64_t first_step; /* resume: steps that are done already */
    int64_t max_steps;  /* stop after this many in all; 0: no limit */
    lbk_observer observer;
    volatile sig_atomic_t
        *stop; /* set by a signal handler: finish the step and return LBK_ERR_INTERRUPTED; NULL: none */
} lbk_phase;

typedef struct lbk_phase_result {
    int64_t steps;                         /* done in this process */
    int64_t skipped_steps;                 /* of all of the phase, left out by loss scaling */
    double wall_s;                         /* first enqueue to last completion */
    double teacher_busy_s, student_busy_s; /* sums of kernel times from profiling events; of all teachers */
    uint64_t bytes_moved;                  /* host to device and between devices */
    const char *bridge;                    /* "direct", "host" or "none" */
    double host_s;                         /* processor time of the thread that enqueues, without what waiting takes */
} lbk_phase_result;

lbk_status lbk_phase_run(const lbk_phase *phase, lbk_phase_result *result);

/* (T_teacher + T_student - wall) / min(T_teacher, T_student): 1 when the shorter one is wholly hidden, 0 when nothing is. */
double lbk_phase_overlap(const lbk_phase_result *result);

#endif

/* A whole experiment: teacher, distillation, control, measures. */
#ifndef LBK_TRAIN_RUN_H
#define LBK_TRAIN_RUN_H

#include "train/evaluate.h"
#include "train/folder.h"

enum {
    LBK_TEACHER_DEVICE,
    LBK_STUDENT_DEVICE,
    LBK_FURTHER_DEVICES,
    LBK_SESSION_DEVICES = LBK_FURTHER_DEVICES + LBK_MAX_TEACHERS - 1
};
#define LBK_MAX_LEARNERS (LBK_MAX_ASSISTANTS + 15)

/* What a user interface wants to know while it runs; any may be NULL. */
typedef struct lbk_run_watch {
    void *context;
    void (*note)(void *context, const char *text); /* "compiling ...", a line */
    void (*phase_begin)(void *context, const char *phase, int64_t first_step, int64_t total_steps);
    void (*step)(void *context, const lbk_step_report *report);
    /* The plans of the network and of its teachers can be asked for launch times. */
    void (*phase_end)(void *context, const lbk_network *network, const lbk_phase_result *result);
} lbk_run_watch;

typedef struct lbk_run_options {
    const char *out;  /* run folder; NULL: runs/<name> */
    const char *dump; /* folder for initial weights and gradients; NULL: none */
    bool resume;
    int64_t max_steps; /* per phase; 0: all */
    volatile sig_atomic_t *stop;
    lbk_run_watch watch;
} lbk_run_options;

typedef struct lbk_model_result {
    bool present;
    char label[64];
    char device[224]; /* "0.0/1 of 2 NAME" */
    int64_t parameters;
    double flops; /* per sample, forward */
    double accuracy, loss, macro_f1;
    double device_s_per_sample, wall_s_per_sample;
    uint64_t device_bytes;
    double train_s;        /* wall time of its phase in this process */
    bool scaled;           /* trained in this process with loss scaling */
    int64_t skipped_steps; /* if so: steps it left out */
} lbk_model_result;

typedef struct lbk_run_result {
    char folder[1024];
    const char *name;
    int seed;
    lbk_model_result teacher, student, control;
    lbk_model_result
        others[LBK_MAX_TEACHERS - 1 + LBK_MAX_LEARNERS]; /* further teachers, learners before the student */
    int other_count;
    double agreement, distillation_error;                 /* student against teacher, test part */
    double control_agreement, control_distillation_error; /* control against teacher */
    double total_s, compile_s;
    int programs_built, programs_cached;
    lbk_phase_result distillation;
    double overlap; /* efficiency of the distillation phase */
} lbk_run_result;

/* Runs everything. The experiment is loaded and checked; its data is opened here. On LBK_ERR_INTERRUPTED a checkpoint allows --resume. */
lbk_status lbk_run(lbk_experiment *experiment, const lbk_run_options *options, lbk_run_result *result);

/* The networks and where they run: shared by run, check, eval and bench. */
typedef struct lbk_session {
    bool untrained; /* set before it is prepared: the teacher keeps its initial weights */
    lbk_experiment *experiment;
    lbk_device_list list;
    /* [teacher]'s, the student's, then those of further teachers that name one of their own. */
    lbk_device_spec specs[LBK_SESSION_DEVICES];
    lbk_device *devices[LBK_SESSION_DEVICES]; /* the first is NULL without a teacher */
    int device_count;
    lbk_network teacher, student, control; /* zeroed where there is none */
    lbk_network more_teachers[LBK_MAX_TEACHERS - 1];
    int more_teacher_device[LBK_MAX_TEACHERS - 1]; /* which of devices */
    int more_teacher_count;
    /* Who is taught before the student: assistants, earlier generations of the student. Each teaches the next one, the last the
     * student; trained on the student's device, teaching on the teacher's. */
    lbk_network learners[LBK_MAX_LEARNERS];
    int learner_count;
} lbk_session;

/* Opens the data, builds the graphs and chooses devices; compiles nothing, opens no device. `session` is
 * zeroed, or has `untrained` set. Release in every case. */
lbk_status lbk_session_prepare(lbk_session *session, lbk_experiment *experiment);
/* Opens the devices. */
lbk_status lbk_session_open(lbk_session *session);
/* Evaluates all networks that are compiled on the test part and fills in their results, and how near student and control are to the
 * teacher. */
lbk_status lbk_session_measure(lbk_session *session, lbk_run_result *result);
void lbk_session_release(lbk_session *session);

#endif

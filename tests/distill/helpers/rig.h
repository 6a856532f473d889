/* An experiment's networks in float64 on the host: the teacher's evaluating graph and the student's training graph, as a run
 * has them, over one batch of the digits or of a table. No device. */
#ifndef LBK_TESTS_DISTILL_RIG_H
#define LBK_TESTS_DISTILL_RIG_H

#include "train/network.h"

typedef struct rig {
    lbk_experiment experiment;
    lbk_network teacher, student; /* teacher: zeroed without one */
    lbk_loader *loader;
    lbk_batch *batch;
    lbk_arena arena;
    double **teacher_memory, **memory; /* by value of teacher.eval and student.train */
    uint64_t seed;                     /* of weights */
} rig;

/* Small ResNets, or what a method's example says, batch 6, and whatever `sets` says ("section.key=value", NULL-terminated), methods among
 * it. "teacherless": without a teacher; "table": perceptrons on rows of a table. Release in every case. */
lbk_status rig_build(rig *r, const char *const *sets, uint64_t seed);
void rig_release(rig *r);
/* Runs the teacher, then the student's step at `progress` in [0, 1] of the run. States move, as in training. */
lbk_status rig_step(rig *r, double progress);
/* Puts states (running statistics, banks) back to their start, for the same step again. */
lbk_status rig_rewind(rig *r);
/* After a step: what ops take as a constant to derivatives (op->detached) from now on stays as it was in that step, so that differences
 * say what derivatives do. */
lbk_status rig_hold(rig *r);
/* After a step. */
double rig_total(const rig *r);
double rig_report(const rig *r, int method);

#endif

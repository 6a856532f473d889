/* The student's whole objective: hard_weight * cross entropy + sum over methods of weight * loss. Reads [distill] and
 * [distill.METHOD]. */
#ifndef LBK_DISTILL_OBJECTIVE_H
#define LBK_DISTILL_OBJECTIVE_H

#include "base/ini.h"
#include "distill/method.h"

#define LBK_MAX_METHODS 16

typedef struct lbk_objective_params {
    lbk_words methods;
    lbk_ramp hard_weight;
} lbk_objective_params;
extern const lbk_param lbk_objective_table[];

typedef struct lbk_objective {
    lbk_objective_params params;
    const lbk_method *method[LBK_MAX_METHODS];
    void *method_params[LBK_MAX_METHODS];
    lbk_needs needs[LBK_MAX_METHODS];
    int method_count;
    lbk_needs all; /* union of taps, without repeats */
    lbk_arena arena;
} lbk_objective;

/* Reads and checks; a [distill.X] section whose method is not in use is refused as having no effect. */
lbk_status lbk_objective_read(lbk_objective *objective, lbk_ini *ini);
void lbk_objective_release(lbk_objective *objective);

/* The loss in a graph. */
typedef struct lbk_loss {
    lbk_value total;                   /* {1}: what is differentiated */
    lbk_value hard;                    /* {1}: unweighted cross entropy; LBK_NONE: not computed */
    lbk_value report[LBK_MAX_METHODS]; /* {1}: unweighted, per method */
    const char *report_name[LBK_MAX_METHODS];
    int report_count;
    lbk_scheduled *scheduled; /* in graph->arena */
    size_t scheduled_count;
} lbk_loss;

/* Cross entropy alone (teacher, control). */
lbk_status lbk_loss_build_hard(lbk_graph *graph, lbk_value logits, lbk_value labels, lbk_loss *out);

/* teacher_taps: all.teacher in order; teacher_logits: graph inputs fed by the bridge. */
lbk_status lbk_objective_build(const lbk_objective *objective, lbk_graph *graph, const lbk_model_built *student,
                               lbk_value labels, lbk_value teacher_logits, const lbk_tap *teacher_taps, lbk_loss *out);

#endif

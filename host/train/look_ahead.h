/* The learner's other graph where weights or temperatures are learned (distill/meta.h): the same losses, one look-ahead. */
#ifndef LBK_TRAIN_LOOK_AHEAD_H
#define LBK_TRAIN_LOOK_AHEAD_H

#include "distill/meta.h"
#include "graph/plan.h"

typedef struct lbk_look_ahead {
    lbk_graph *graph;                /* NULL: nothing is learned so. A clone of the training graph, with more nodes */
    lbk_value next[LBK_MAX_LEARNED]; /* of graph, by state */
    lbk_value held_out;
    int every;
    const lbk_learned *learned;

    /* On a device. */
    lbk_plan *plan;
    cl_mem states; /* what they were */
} lbk_look_ahead;

/* `train`: the training graph with its objective, not differentiated yet; it outlives this. */
lbk_status lbk_look_ahead_build(lbk_look_ahead *look, const lbk_graph *train, const lbk_learned *learned,
                                const lbk_objective_params *params, const lbk_meta_setting *setting);
/* plan: of the training graph, with the same weights; outlives what is made here. */
lbk_status lbk_look_ahead_compile(lbk_look_ahead *look, lbk_weights *weights, const lbk_plan *plan);
void lbk_look_ahead_leave_device(lbk_look_ahead *look, lbk_device *device); /* harmless when nothing was compiled */
void lbk_look_ahead_release(lbk_look_ahead *look);                          /* after it; harmless on a zeroed one */

/* Whether step `step` of the run begins with one. */
static inline bool lbk_look_ahead_is_due(const lbk_look_ahead *look, int64_t step) {
    return look->graph && step % look->every == 0;
}
/* Before the step: its inputs and scalars are set, on both plans. Enqueues; afterwards all states are as before but the learned ones. */
lbk_status lbk_look_ahead_enqueue(const lbk_look_ahead *look, lbk_weights *weights, const lbk_plan *plan);

#endif

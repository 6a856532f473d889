/* Inside of lbk_plan, shared by plan.c (building) and plan_run.c (running). */
#ifndef LBK_GRAPH_PLAN_INTERNAL_H
#define LBK_GRAPH_PLAN_INTERNAL_H

#include "graph/plan.h"
#include "graph/plan_memory.h"

typedef struct lbk_launch {
    const lbk_call *call; /* in the plan's arena */
    cl_kernel kernel;     /* NULL for CLBlast */
    cl_mem gemm[3];       /* CLBlast: C, A, B */
    int node;             /* index in the graph; -1: appended */
    const char *label;
    bool first_of_node;
    double seconds; /* profiled */
    uint64_t runs;
} lbk_launch;

/* Steps whose scalars are still being uploaded or whose events are still wanted. */
#define LBK_PLAN_SLOTS 16

typedef struct lbk_plan_step {
    cl_event *events; /* one per launch, when profiling */
} lbk_plan_step;

struct lbk_plan {
    const lbk_graph *graph;
    lbk_weights *weights;
    lbk_device *device;
    lbk_plan_options options;
    lbk_plan_memory memory;
    lbk_arena arena_host;
    cl_mem arena, scalars;
    bool arena_lent; /* by another plan, which owns it */
    cl_mem *buffer;  /* per value */
    cl_mem *views;   /* every sub-buffer made, to release */
    size_t view_count, view_capacity;
    lbk_launch *launches;
    size_t launch_count, launch_capacity;

    size_t *scalar_offset; /* per value; SIZE_MAX when no scalar */
    size_t scalar_bytes;
    char *scalar_now;                  /* what the next step gets */
    char *scalar_slot[LBK_PLAN_SLOTS]; /* in flight */
    cl_event scalar_event[LBK_PLAN_SLOTS];
    unsigned scalar_next;
    bool scalar_dirty;

    lbk_plan_step *steps; /* profiled steps not yet collected, a ring */
    size_t step_capacity, step_first, step_count;
};

/* CLBlast's GEMM on the plan's queue. */
lbk_status lbk_plan_gemm(lbk_device *device, const lbk_call *call, const cl_mem gemm[3], cl_event *event);

#endif

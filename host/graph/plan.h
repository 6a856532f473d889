/* A graph compiled for one device: buffers, kernels and their arguments, ready to enqueue.
 *
 * Computed values share one arena by liveness (offline greedy by size over lifetimes); inputs and scalars have memory of their own;
 * parameters, gradients and states are windows of lbk_weights. lbk_plan_enqueue() only enqueues: it never waits for the device. */
#ifndef LBK_GRAPH_PLAN_H
#define LBK_GRAPH_PLAN_H

#include "device/program.h"
#include "graph/weights.h"
#include "ops/emit.h"

typedef struct lbk_plan lbk_plan;

typedef struct lbk_plan_options {
    bool profile;                /* keep an event per launch, for busy time */
    bool no_sharing;             /* every value its own buffer (overrun checks) */
    const char *const *variants; /* per node, "gpu/clblast" or NULL; NULL: the tuner decides (graph/tune.h) */
    /* A plan of the same device that lends its arena, where that is large enough; NULL: none. The two never run
     * interleaved, what one kept is lost when the other runs, and the lender is destroyed last. */
    const lbk_plan *lender;
    /* A plan of the same device, of the graph that this one is a clone of: both read the same inputs. It is destroyed last; NULL: none. */
    const lbk_plan *inputs;
} lbk_plan_options;

/* Programs are built here. graph and weights must outlive the plan. */
lbk_status lbk_plan_create(const lbk_graph *graph, lbk_weights *weights, lbk_device *device,
                           const lbk_plan_options *options, lbk_plan **out);
void lbk_plan_destroy(lbk_plan *plan); /* waits for the queue; NULL is allowed */

/* Device memory of a value (INPUT, SCALAR, kept computed values, PARAM, STATE): valid for the plan's life. */
cl_mem lbk_plan_buffer(const lbk_plan *plan, lbk_value value);

/* Sets a scalar for steps enqueued from now on. */
void lbk_plan_set_float(lbk_plan *plan, lbk_value scalar, float number);
void lbk_plan_set_int(lbk_plan *plan, lbk_value scalar, int32_t number);

/* Extra launches after the graph's nodes (the optimiser's): calls whose INPUT args index `buffers`. */
lbk_status lbk_plan_append(lbk_plan *plan, const lbk_call *call, const cl_mem *buffers, const char *label);

/* Enqueues one step on the device's compute queue: scalars' upload, then all launches. *done, when not NULL, gets an event of the
 * last launch (release it). */
lbk_status lbk_plan_enqueue(lbk_plan *plan, cl_event *done);

/* Runs every kernel once on whatever the memory holds, so that all compiling is done, and waits. Weights, states and
 * optimiser buffers hold arbitrary numbers afterwards: call it before they get their values. */
lbk_status lbk_plan_warm_up(lbk_plan *plan);

/* Busy time of finished steps since the last call, from profiling events of steps known to be finished (call after waiting for
 * their `done`): sum of kernel times, seconds. Adds to *busy_s; `steps` oldest steps are collected. */
lbk_status lbk_plan_collect(lbk_plan *plan, int steps, double *busy_s);

typedef struct lbk_plan_launch_info {
    const char *node, *op, *variant, *kernel;
    const lbk_shape *shape; /* of the node's first input; NULL: none, or no node (the optimiser's) */
    bool backward, first;   /* first: of its node */
    double flops, bytes;    /* of the node; 0 for its further launches */
    double seconds;         /* profiled, summed over collected steps */
    uint64_t runs;
} lbk_plan_launch_info;
size_t lbk_plan_launch_count(const lbk_plan *plan);
lbk_plan_launch_info lbk_plan_launch(const lbk_plan *plan, size_t index);
/* Bytes of the arena, unless it is lent, and of everything else this plan owns (weights not included). */
size_t lbk_plan_bytes(const lbk_plan *plan);
/* What lbk_plan_create() would allocate, build and run, without a device: for `limbeck check`. */
typedef struct lbk_plan_estimate {
    size_t bytes, arena_bytes;     /* in all; of which the arena */
    lbk_program_request *requests; /* distinct */
    size_t request_count;
    const char **variants; /* per node: "cpu/winograd", or "view" where nothing runs */
} lbk_plan_estimate;
/* The estimate lives in `arena`. */
lbk_status lbk_plan_measure(const lbk_graph *graph, const lbk_caps *caps, lbk_arena *arena, lbk_plan_estimate *out);

#endif

/* A static graph of ops over tensors of known shape.
 *
 * Built once per (model, batch size, training or not): inputs, parameters, states and run-time scalars are declared,
 * nodes added, gradients derived (graph/autodiff.h), element-wise chains fused (graph/fuse.h); then either interpreted in
 * float64 on the host (graph/interpret.h: the oracle) or compiled for a device (graph/plan.h). Nothing here touches OpenCL.
 * Nodes are kept in execution order: a node only reads values that exist already. */
#ifndef LBK_GRAPH_GRAPH_H
#define LBK_GRAPH_GRAPH_H

#include "ops/gradient.h"

typedef enum lbk_value_kind {
    LBK_VALUE_INPUT,    /* fed by the host or a bridge each step */
    LBK_VALUE_PARAM,    /* trained; memory belongs to lbk_weights */
    LBK_VALUE_STATE,    /* running statistics, frozen parameters; memory belongs to lbk_weights */
    LBK_VALUE_SCALAR,   /* shape {1}, set by the host per step without waiting */
    LBK_VALUE_COMPUTED, /* output of a node */
} lbk_value_kind;

typedef struct lbk_value_info {
    const char *name; /* "conv1.weight"; for computed values the node's name, "" when anonymous */
    lbk_value_kind kind;
    lbk_tensor_desc desc;
    int node;          /* producer; -1 when not computed */
    int output;        /* which output of it */
    lbk_layout layout; /* PARAM: file layout */
    lbk_init init;     /* PARAM, STATE */
    int64_t fan_in, fan_out;
    double mean, deviation;
    int64_t zero_row;
    int param_of_gradient; /* value id of the PARAM whose gradient this is; LBK_NONE */
    bool auxiliary;        /* PARAM, STATE: belongs to a loss, not to the network */
} lbk_value_info;

typedef struct lbk_node {
    const lbk_op *op;
    const char *name; /* "layer1.0.conv1"; "" when anonymous */
    const void *params;
    int input_count, output_count;
    lbk_value input[LBK_MAX_INPUTS]; /* LBK_NONE: absent optional input */
    lbk_value output[LBK_MAX_OUTPUTS];
    bool backward; /* added by autodiff */
} lbk_node;

typedef struct lbk_graph {
    lbk_arena arena;
    lbk_value_info *values;
    size_t value_count, value_capacity;
    lbk_node *nodes;
    size_t node_count, node_capacity;
    lbk_value *kept; /* values read after the step: never overwritten within it */
    size_t kept_count, kept_capacity;
    const char **counters; /* "bn1.num_batches_tracked", ...: int64 on the host */
    size_t counter_count, counter_capacity;
    bool in_backward; /* nodes added now are backward nodes */
    /* How values will lie between the forward and the backward pass: LBK_F32, or LBK_F16 or LBK_BF16 where lbk_graph_store() will
     * follow. Set before differentiating. */
    lbk_dtype storage;
    /* To what op->multiplied inputs are rounded: by the kernels themselves where the device's caps.matrix_units has it, else by
     * lbk_graph_round(). */
    lbk_arithmetic arithmetic;
    /* Weights declared now serve training alone (a distillation method's projection): checkpoints hold them, the network's files
     * and its count of parameters do not. */
    bool auxiliary;
} lbk_graph;

lbk_status lbk_graph_create(lbk_graph **out);
void lbk_graph_destroy(lbk_graph *graph); /* NULL is allowed */
/* A graph that begins as `from` does, value by value and node by node, and keeps nothing yet. Names are those of `from`,
 * which must outlive it. */
lbk_status lbk_graph_clone(const lbk_graph *from, lbk_graph **out);

/* Declarations. Names are copied; PARAM, STATE, INPUT and SCALAR names must be unique in the graph. */
lbk_status lbk_graph_input(lbk_graph *graph, const char *name, lbk_dtype dtype, lbk_shape shape, lbk_value *out);
lbk_status lbk_graph_scalar(lbk_graph *graph, const char *name, lbk_dtype dtype, lbk_value *out);
/* From weight->kind: PARAM or STATE (COUNTER: registers the name, *out = LBK_NONE). `name` is the full name. */
lbk_status lbk_graph_weight(lbk_graph *graph, const char *name, const lbk_weight *weight, lbk_value *out);

/* Adds a node. params: the op's struct, copied; NULL: defaults. inputs[]: LBK_NONE for an absent optional input. outputs
 * gets op's outputs (as many as infer says). Shape errors are prefixed with the node's name and op. */
lbk_status lbk_graph_node(lbk_graph *graph, const lbk_op *op, const char *name, const void *params, int input_count,
                          const lbk_value *inputs, lbk_value *outputs);
/* By op name, one output: for building losses. */
lbk_status lbk_graph_apply(lbk_graph *graph, const char *op, const void *params, int input_count,
                           const lbk_value *inputs, lbk_value *out);

/* Keeps `value`'s memory intact until the end of the step (logits, taps, losses). */
lbk_status lbk_graph_keep(lbk_graph *graph, lbk_value value);

static inline lbk_value_info *lbk_graph_info(const lbk_graph *graph, lbk_value value) {
    return &graph->values[value];
}
static inline const lbk_tensor_desc *lbk_graph_desc(const lbk_graph *graph, lbk_value value) {
    return &graph->values[value].desc;
}
/* PARAM or STATE: what files hold. */
static inline bool lbk_graph_is_weight(const lbk_graph *graph, lbk_value value) {
    return graph->values[value].kind == LBK_VALUE_PARAM || graph->values[value].kind == LBK_VALUE_STATE;
}
/* Declared value by name; LBK_NONE when absent. */
lbk_value lbk_graph_find(const lbk_graph *graph, const char *name);

/* Cost over the graph: forward nodes only, or all. Parameters: trained elements, auxiliary ones left out. */
lbk_cost lbk_graph_cost(const lbk_graph *graph, bool with_backward);
/* How long it takes, counted in FLOPs: of each node its FLOPs, or its bytes times `flops_per_byte`, whichever is more. */
double lbk_graph_work(const lbk_graph *graph, bool with_backward, double flops_per_byte);
lbk_cost lbk_graph_node_cost(const lbk_graph *graph, const lbk_node *node);
int64_t lbk_graph_parameters(const lbk_graph *graph);
/* A node's input and output descs, as its op sees them; `output` may be NULL while the node has none. */
void lbk_graph_node_descs(const lbk_graph *graph, const lbk_node *node, lbk_tensor_desc *input,
                          lbk_tensor_desc *output);

/* Emits dL/d(value) for everything that leads from `loss` (shape {1}) to the trained parameters (and to wanted[count], whose gradients
 * go to wanted_grad[]). Gradients of parameters are marked by param_of_gradient and kept. A parameter the loss does not reach is an
 * LBK_ERR_INPUT that names it. loss is differentiated with seed 1. A node that changes a state which the backward pass reads, and
 * whose output nobody does, moves behind the backward pass. */
lbk_status lbk_graph_differentiate(lbk_graph *graph, lbk_value loss, const lbk_value *wanted, size_t count,
                                   lbk_value *wanted_grad);
/* dL/d(wanted[i]) as part of the forward pass, from which a loss may be made that is differentiated in turn: a penalty on the
 * gradient of the input. LBK_NONE where L does not depend on it, LBK_ONE for L itself; parameters get no gradient here. */
lbk_status lbk_graph_derivative(lbk_graph *graph, lbk_value loss, const lbk_value *wanted, size_t count,
                                lbk_value *wanted_grad);
/* What lbk_graph_differentiate() does with nodes that change a state, where derivatives were emitted by lbk_graph_derivative() behind the
 * first `forward` nodes. */
void lbk_graph_defer_updates(lbk_graph *graph, size_t forward);
/* The gradient value of parameter `param` after differentiate; LBK_NONE before. */
lbk_value lbk_graph_gradient(const lbk_graph *graph, lbk_value param);

/* Rewrites that keep the result (up to rounding) and save memory traffic: evaluating batch_norm folded into the convolution
 * before it, add and relu merged into the node before them where that op can do it in the same pass (op->addend, op->scale, a parameter
 * "relu"). Call it before differentiate (merged forward nodes have derivatives of their own) and again after it (for
 * the backward nodes). Then prunes. */
lbk_status lbk_graph_fuse(lbk_graph *graph);
/* Parameters that lead to one of outputs[count] but not to the loss become states: heads that nobody trains. */
lbk_status lbk_graph_freeze_unreached(lbk_graph *graph, lbk_value loss, const lbk_value *outputs, size_t count);
/* Drops nodes whose outputs nobody uses or keeps and that update nothing. */
lbk_status lbk_graph_prune(lbk_graph *graph);

/* Trades time for memory: after differentiate and fuse, most forward values are no longer kept for the backward pass but
 * computed again there, in segments, to the same bits. Leaves a graph alone that would not gain. */
lbk_status lbk_graph_recompute(lbk_graph *graph);

/* Trades exactness for memory: after all of these, what the backward pass reads of values[0..own), the network's, lies in 16
 * bits from its last forward to its first backward use: graph->storage, not LBK_F32. What is computed stays float32 (storage.c). */
lbk_status lbk_graph_store(lbk_graph *graph, size_t own);

/* After all rewrites, for a device without matrix units for graph->arithmetic: operands of products are rounded before they are
 * multiplied (arithmetic.c). Does nothing where there are such units, or what is rounded already. */
lbk_status lbk_graph_round(lbk_graph *graph, const lbk_caps *caps);

/* Runs every node's float64 reference. memory[v] must be set for inputs, params, states and scalars (states in the
 * running are updated); it is filled for computed values, from `arena`. */
lbk_status lbk_graph_interpret(const lbk_graph *graph, double **memory, lbk_arena *arena);

#endif

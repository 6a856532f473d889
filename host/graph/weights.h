/* A model's weights on a device: all trained parameters in one buffer, their gradients in a second one with the same
 * offsets, running statistics and frozen parameters in a third. Several plans (training, evaluation) of one model bind to
 * the same weights, and an optimiser step is one launch over the whole of the first two. */
#ifndef LBK_GRAPH_WEIGHTS_H
#define LBK_GRAPH_WEIGHTS_H

#include "graph/graph.h"
#include "tensor/safetensors.h"

typedef struct lbk_weights_entry {
    const char *name;
    lbk_value_kind kind; /* PARAM or STATE */
    lbk_shape shape;     /* on the device */
    lbk_layout layout;
    lbk_init init;
    int64_t fan_in, fan_out;
    double mean, deviation;
    int64_t zero_row;
    bool auxiliary; /* in checkpoints, not in the network's own files (graph.h) */
    size_t offset;  /* bytes, in the parameter or state buffer; aligned for sub-buffers */
} lbk_weights_entry;

typedef struct lbk_weights {
    lbk_device *device;
    lbk_arena arena;
    lbk_weights_entry *entries;
    size_t count, capacity;
    const char **counter_names;
    size_t counter_count;
    int64_t counter;                 /* the value of all counters: training steps seen */
    size_t param_bytes, state_bytes; /* with padding, which is zero and stays zero */
    cl_mem params, grads, states;    /* grads NULL unless trainable */
} lbk_weights;

/* Lays out the declared PARAMs and STATEs of `graph`; memory is zero. */
lbk_status lbk_weights_create(const lbk_graph *graph, lbk_device *device, bool trainable, lbk_weights **out);
void lbk_weights_destroy(lbk_weights *weights);

/* Initial values, a function of (seed, name) alone. */
lbk_status lbk_weights_initialize(lbk_weights *weights, uint64_t seed);
const lbk_weights_entry *lbk_weights_find(const lbk_weights *weights, const char *name);

/* From a safetensors file with PyTorch names and layout. Every entry that is not auxiliary must be there with the right shape; names that
 * nobody wants are refused, except of integers (counters; transformers saves its position ids), which the log mentions. `prefix` is put before our names, NULL: none. */
lbk_status lbk_weights_load(lbk_weights *weights, const char *path, const char *prefix);
/* Our weight `name` from the file's tensor `tensor`. */
lbk_status lbk_weights_load_one(lbk_weights *weights, const char *name, const lbk_st_file *file, const char *tensor);
/* The network: auxiliary entries are left out. */
lbk_status lbk_weights_save(const lbk_weights *weights, const char *path, const char *const *metadata);
/* Everything, auxiliary entries too: to follow a run elsewhere. */
lbk_status lbk_weights_dump(const lbk_weights *weights, const char *path);
/* `factor` times the gradients, under the parameters' names, those of auxiliary parameters too. */
lbk_status lbk_weights_save_gradients(const lbk_weights *weights, float factor, const char *path);

/* Every entry of `from` that is not auxiliary into "<prefix><name>" of `to`, which must have it in the same shape; through
 * the host. prefix "": the counter too. */
lbk_status lbk_weights_copy(const lbk_weights *from, lbk_weights *to, const char *prefix);
/* The entry `theirs` into `own`, of the same shape. */
lbk_status lbk_weights_copy_one(const lbk_weights *from, const char *theirs, lbk_weights *to, const char *own);

#endif

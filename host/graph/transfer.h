/* Part of a network's weights from another network's file: fine-tuning, or a student that starts as a piece of its teacher. */
#ifndef LBK_GRAPH_TRANSFER_H
#define LBK_GRAPH_TRANSFER_H

#include "base/param.h"
#include "graph/weights.h"

/* What is wanted. Paths as in graph/names.h. */
typedef struct lbk_transfer_rules {
    lbk_words map; /* "from:to": tensors under `from` in the file become ours under `to`; none: each keeps its name */
    lbk_words except; /* ours that keep their initial values */
} lbk_transfer_rules;

/* What a file has for a network. Names live in the graph and in the file. */
typedef struct lbk_transfer {
    size_t count;
    const char **ours, **theirs; /* [count] */
    const char **kept;           /* [kept_count]: ours that keep their initial values */
    size_t kept_count;
    const char **unused; /* [unused_count]: tensors of the file that nobody takes; counters left out */
    size_t unused_count;
} lbk_transfer;

/* Host only. Refused: a rule or exception that concerns no weight, a shape that differs, and nothing at all to load. */
lbk_status lbk_transfer_plan(const lbk_graph *graph, const lbk_st_file *file, const lbk_transfer_rules *rules,
                             lbk_arena *arena, lbk_transfer *out);
/* "92 of 94 weights; not loaded: fc.weight, fc.bias; not used: head.weight" */
lbk_status lbk_transfer_print(const lbk_transfer *transfer, lbk_text *out);
/* Copies the tensors to the device; weights are those of the graph that was planned for. */
lbk_status lbk_transfer_load(const lbk_transfer *transfer, const lbk_st_file *file, lbk_weights *weights);

#endif

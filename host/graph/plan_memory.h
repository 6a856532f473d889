/* Which memory each value of a graph gets: emits every node for a device class, then packs the lifetimes. Pure host
 * code over lbk_caps, shared by lbk_plan_create() and lbk_plan_measure(). */
#ifndef LBK_GRAPH_PLAN_MEMORY_H
#define LBK_GRAPH_PLAN_MEMORY_H

#include "graph/graph.h"
#include "ops/emit.h"

typedef struct lbk_node_memory {
    lbk_emit emit;
    lbk_tensor_desc input[LBK_MAX_INPUTS], output[LBK_MAX_OUTPUTS]; /* what emit points to */
    size_t scratch_offset[4];                                       /* in the arena */
} lbk_node_memory;

typedef struct lbk_plan_memory {
    const lbk_graph *graph;
    lbk_node_memory *nodes; /* per node */
    lbk_value *root;        /* per value: the value whose memory it uses (itself, or what it is a view of) */
    size_t *offset;         /* per root in the arena; SIZE_MAX: not in the arena */
    size_t arena_bytes;
} lbk_plan_memory;

/* no_sharing: no in-place results, no overlap of lifetimes. variants: per node which variant to use, or NULL. Release in every
 * case. */
lbk_status lbk_plan_memory_init(lbk_plan_memory *memory, const lbk_graph *graph, const lbk_caps *caps, bool no_sharing,
                                const char *const *variants);
void lbk_plan_memory_release(lbk_plan_memory *memory);

#endif

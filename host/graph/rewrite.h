/* Putting a graph's nodes into a new order, with new ones between them. Private to host/graph. */
#ifndef LBK_GRAPH_REWRITE_H
#define LBK_GRAPH_REWRITE_H

#include "graph/graph.h"

typedef struct lbk_rewrite {
    lbk_graph *graph;
    lbk_node *order; /* the nodes to be */
    size_t count, capacity;
} lbk_rewrite;

/* A node of the graph comes next. */
lbk_status lbk_rewrite_keep(lbk_rewrite *rewrite, const lbk_node *node);
/* A new node comes next; as lbk_graph_node(). */
lbk_status lbk_rewrite_add(lbk_rewrite *rewrite, const lbk_op *op, const char *name, const void *params,
                           int input_count, const lbk_value *inputs, lbk_value *outputs);
/* The graph has these nodes from now on. */
lbk_status lbk_rewrite_finish(const lbk_rewrite *rewrite);
void lbk_rewrite_release(lbk_rewrite *rewrite);

/* Forward nodes; they come first. */
size_t lbk_graph_forward_count(const lbk_graph *graph);
/* Computed by one of them. */
bool lbk_graph_is_forward(const lbk_graph *graph, size_t forward, lbk_value value);
/* Intact until the end of the step. */
bool lbk_graph_is_kept(const lbk_graph *graph, lbk_value value);

#endif

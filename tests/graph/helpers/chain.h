/* A chain of layers whose outputs the backward pass needs: what a plan takes grows with the depth. */
#ifndef LBK_TESTS_GRAPH_CHAIN_H
#define LBK_TESTS_GRAPH_CHAIN_H

#include "graph/plan.h"

#define CHAIN_ELEMENTS (64 * 32) /* of each activation */

/* `depth` times matmul and relu, then the mean; differentiated and fused. */
lbk_graph *chain_build(int depth, lbk_dtype storage);
/* What a plan of the graph takes on the first device. */
size_t chain_bytes(const lbk_graph *graph);

#endif

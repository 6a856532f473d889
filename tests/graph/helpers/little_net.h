/* A small residual network with every kind of node a plan must handle, built straight from ops. */
#ifndef LBK_TESTS_GRAPH_LITTLE_NET_H
#define LBK_TESTS_GRAPH_LITTLE_NET_H

#include "graph/plan.h"

#define LITTLE_BATCH 4
#define LITTLE_SIZE 7
#define LITTLE_CLASSES 5

typedef struct little_net {
    lbk_graph *graph;
    lbk_value x, labels, logits, loss;
} little_net;

/* Output 0 of a layer with the weights its op declares. */
lbk_value little_net_layer(lbk_graph *graph, const char *op_name, const char *text, const char *name, lbk_value x);
/* conv - bn - relu - [conv - bn - (+) - relu] - pool - dense - cross entropy, differentiated; `fuse`: rewrites applied. */
void little_net_build(little_net *net, bool training, bool fuse);
/* For training, with rewrites; activations are kept as `storage`. */
void little_net_build_stored(little_net *net, lbk_dtype storage);
/* Host memory for lbk_graph_interpret() and for a device: random inputs and weights by (seed, value name). */
void little_net_fill(const little_net *net, double **memory, lbk_arena *arena);
/* The same numbers on a device. */
void little_net_upload(const little_net *net, double *const *memory, const lbk_weights *weights, lbk_plan *plan,
                       lbk_device *device);
/* Largest difference between the device's value and `expected`, relative to the largest expected magnitude. */
double little_net_error(const little_net *net, lbk_value value, const double *expected, const lbk_plan *plan,
                        lbk_device *device);

#endif

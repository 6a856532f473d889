/* Inside host/model: the state of one expansion. */
#ifndef LBK_MODEL_BUILD_H
#define LBK_MODEL_BUILD_H

#include "model/network.h"

typedef struct lbk_builder {
    const lbk_model *model;
    lbk_graph *graph;
    const lbk_model_use *use;
    const char *prefix; /* of names in the graph */
    lbk_tap *taps;      /* grows; moved to the graph's arena at the end */
    size_t tap_count, tap_capacity;
    int node_count; /* ops built so far: the number that `node` parameters get */
} lbk_builder;

/* The model's parameters for this use: overrides, then defaults, in the order of the file. */
lbk_status lbk_build_parameters(const lbk_model *model, const lbk_model_use *use, lbk_scope *scope);

/* Declares the weights of one op line and adds its node. path: "layer1.0.conv1"; from: the values it reads. */
lbk_status lbk_build_node(lbk_builder *b, const lbk_net_line *line, lbk_scope *scope, const char *path,
                          const lbk_value *from, lbk_value *out);

#endif

/* Inside host/model: the state of one expansion. */
#ifndef LBK_MODEL_BUILD_H
#define LBK_MODEL_BUILD_H

#include "model/network.h"

typedef struct lbk_builder {
    const lbk_model *model;
    lbk_graph *graph;
    const lbk_model_use *use;
    const char *prefix; /* of all names in the graph */
    lbk_tap *taps;      /* grows; moved to the graph's arena at the end */
    size_t tap_count, tap_capacity;
    int node_count; /* ops built so far: the number that `node` parameters get */
} lbk_builder;

/* Where the expansion stands: what names begin with here. */
typedef struct lbk_naming {
    const char *nodes;   /* "layer1.0." or "" */
    const char *weights; /* the same behind lbk_builder.prefix; something else below a `weights=` */
    bool shared;         /* below a `weights=`: what is declared already is used again */
} lbk_naming;

/* What a line stands for: its node's outputs; one value for a block, or a line left out. */
typedef struct lbk_line_value {
    int count;
    lbk_value output[LBK_MAX_OUTPUTS];
} lbk_line_value;

/* The model's parameters for this use: overrides, then defaults, in the order of the file. */
lbk_status lbk_build_parameters(const lbk_model *model, const lbk_model_use *use, lbk_scope *scope);

/* The full name that `text` (of a `weights=`, or a line's own name) and a suffix make: the suffix takes the place of '*', or stands
 * behind a dot; "": neither. */
lbk_status lbk_build_weight_name(lbk_builder *b, const lbk_naming *at, const char *text, const char *suffix,
                                 const char **out);

/* Declares the weights of one op line, or finds them, and adds its node. path: "layer1.0.conv1"; from: the values it
 * reads. */
lbk_status lbk_build_node(lbk_builder *b, const lbk_net_line *line, lbk_scope *scope, const lbk_naming *at,
                          const char *path, const lbk_value *from, lbk_line_value *out);

/* LBK_ERR_INPUT for a name in use->freeze that no weight has or lies under. */
lbk_status lbk_build_freeze_check(const lbk_builder *b);

#endif

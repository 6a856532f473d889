/* Networks as INI files: models/NAME.ini -> nodes of a graph. docs/adding-model.md describes the format.
 *
 *     [model]
 *     summary = ResNet-n for CIFAR ...
 *     source  = He et al. 2016; RepDistiller models/resnet.py
 *     input   = 32x32x3            ; height x width x channels; "data": whatever the dataset has
 *
 *     [parameters]                 ; integers, may be set by whoever uses the model
 *     n = 18
 *     width = 16
 *     classes = data               ; from the dataset
 *
 *     [network]                    ; one node a line, in order; input is the line before unless `from` says otherwise
 *     conv1   = conv2d out=width kernel=3 padding=1 bias=no
 *     bn1     = batch_norm
 *     relu    = relu
 *     layer1  = basic repeat=n width=width stride=1        ; a block; layer1.0, layer1.1, ...
 *     layer2  = basic repeat=n width=2*width stride=index==0?2:1
 *     avgpool = global_avg_pool
 *     fc      = dense out=classes
 *
 *     [block basic]                ; a block's names see its arguments, `in` (channels of its input), `index` (repetition)
 *     parameters = width stride
 *     conv1  = conv2d out=width kernel=3 stride=stride padding=1 bias=no
 *     ...
 *     downsample.0 = conv2d from=input out=width kernel=1 stride=stride bias=no when=stride!=1||in!=width
 *     downsample.1 = batch_norm from=downsample.0 when=stride!=1||in!=width
 *     add    = add from=bn2,downsample.1                   ; a node left out by `when` stands for its own input
 *     relu2  = relu
 *
 * A node's weights are "<path>.<suffix>" (layer1.0.conv1.weight), as in PyTorch's state_dict. Every node path is a tap. */
#ifndef LBK_MODEL_MODEL_H
#define LBK_MODEL_MODEL_H

#include "base/ini.h"
#include "graph/graph.h"

typedef struct lbk_model_parameter {
    const char *name;
    const char *text; /* default: an expression or "data" */
} lbk_model_parameter;

typedef struct lbk_model {
    const char *name, *path, *summary, *source;
    lbk_ini ini;
    bool input_from_data;
    int height, width, channels; /* of one sample; meaningful unless input_from_data */
    lbk_model_parameter *parameters;
    size_t parameter_count;
} lbk_model;

/* `name`: a shipped model ("resnet20": models/resnet20.ini), or a path (contains '/' or ends in .ini; relative to `folder`). Parses and
 * checks everything that does not depend on the input. */
lbk_status lbk_model_load(lbk_model *model, const char *name, const char *folder);
void lbk_model_release(lbk_model *model);

/* What the model is built for. */
typedef struct lbk_model_use {
    int batch, height, width, channels, classes; /* of the data */
    bool training;                               /* batch norm's and dropout's mode */
    const char *overrides;                       /* "width=32 n=2": the user's model parameters; NULL or "": none */
    const char *prefix;                          /* of node and weight names in the graph; NULL: none */
    uint64_t seed;                               /* dropout's */
    lbk_value step;                              /* I32 scalar, counts steps: dropout's; LBK_NONE in eval mode */
} lbk_model_use;

typedef struct lbk_tap {
    const char *name;
    lbk_value value;
} lbk_tap;

typedef struct lbk_model_built {
    lbk_value logits; /* the last node */
    lbk_tap *taps;    /* every node, in order; lives in graph->arena */
    size_t tap_count;
} lbk_model_built;

/* Adds the network's nodes over `input` ([batch,H,W,C]) to `graph`. Errors carry "file:line: node: ...". Refuses a model whose input does not
 * fit the data, and one whose last node is not [batch, classes]. */
lbk_status lbk_model_build(const lbk_model *model, lbk_graph *graph, lbk_value input, const lbk_model_use *use,
                           lbk_model_built *out);
/* LBK_NONE when absent; on failure suggest with lbk_nearest(). */
lbk_value lbk_model_tap(const lbk_model_built *built, const char *name);

/* Names of the shipped models, sorted, in `arena`, NULL-terminated. */
lbk_status lbk_model_list(lbk_arena *arena, const char *const **names);

#endif

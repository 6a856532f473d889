/* Networks as INI files: models/NAME.ini -> nodes of a graph. docs/adding-model.md walks through one.
 *
 *     [model]
 *     summary = ResNet-6n+2 for CIFAR
 *     source  = He et al. 2016
 *     input   = 32x32x3            ; height x width x channels; "data" (the default): whatever the dataset has
 *     typical = 32x32x3 10         ; image (unless inputs are named) and classes that docs/models.md counts for, no more than that
 *
 *     [parameters]                 ; integers, may be set by whoever uses the model; a default sees those above it
 *     n = 18
 *     width = 16
 *     classes = data               ; from the dataset; so may be image_height and image_width
 *     length = data:64             ; from the dataset if it has a size of this name (data/dataset.h), else 64
 *
 *     [network]                    ; one node a line, in order; it reads the line before unless `from` says otherwise
 *     conv1   = conv2d out=width kernel=3 padding=1 bias=no
 *     bn1     = batch_norm
 *     relu    = relu
 *     layer1  = basic repeat=n width=width stride=1        ; a block; layer1.0, layer1.1, ...
 *     layer2  = basic repeat=n width=2*width stride=index==0?2:1
 *     avgpool = global_avg_pool
 *     fc      = dense out=classes
 *
 *     [block basic]
 *     parameters = width stride
 *     conv1  = conv2d out=width kernel=3 stride=stride padding=1 bias=no
 *     ...
 *     downsample.0 = conv2d from=input out=width kernel=1 stride=stride bias=no when=stride!=1||in!=width
 *     downsample.1 = batch_norm when=stride!=1||in!=width
 *     add    = add from=bn2,downsample.1                   ; a node left out by `when` stands for its own (first) input
 *     relu2  = relu
 *
 * Integer parameters of an op (and each item of a pair or list) are expressions (base/expr.h, written without spaces). Other
 * numbers are literal, or the quotient of an expression and a name or number (p=index/80). All other values are literal.
 *
 * [network] knows the model's parameters and `in`, the channels of its first input; a block knows only its own arguments,
 * `in`, and `index`, the number of its repetition. A block's arguments are evaluated where it is called, once per
 * repetition, and there `index` is that of the repetition they are for.
 *
 * `repeat` belongs to blocks. Without it the block's nodes are "layer1.conv1", with it, even repeat=1,
 * "layer1.0.conv1". Repetition i reads repetition i-1. They are numbered from 0, or from `first`: repeat=3 first=1 makes
 * "layer1.1" to "layer1.3". Blocks may contain blocks, but not themselves.
 *
 * `from` names lines of the same section, or `input`, the section's input. For ops of several tensors, and blocks of several
 * inputs, it is a comma-separated list. "lstm:1" is the second output of the line called lstm.
 *
 * Inputs. A network that reads something else than one image names what it reads; so does a block with several inputs, of
 * which only the first changes from repetition to repetition. `input` is the first of them, by whatever name.
 *
 *     [model]
 *     inputs = tokens:length:i32 mask:length    ; NAME:DIMENSIONS:TYPE; the batch goes before the dimensions ("32,3": expressions
 *                                               ; of the parameters); f32, the default, or i32
 *     [network]
 *     embed = embedding from=tokens vocabulary=30522 out=768
 *     layer = encoder from=embed,mask repeat=12
 *     [block encoder]
 *     inputs = hidden mask
 *
 * Outputs. The last line is the logits, [batch, classes], unless the network says what it leaves; the first output then is
 * what is called the logits, and any shape will do.
 *
 *     [model]
 *     outputs = fc fc_aux
 *
 * Weights. A node's weights are "<path>.<suffix>" (layer1.0.conv1.weight), as in PyTorch's state_dict. Where a file has
 * other names, `weights` says so, from the block's path on, or from the network's root after a '/':
 *
 *     qkv     = dense out=3*in weights=self_attention.in_proj_*     ; in_proj_weight, in_proj_bias: '*' is the suffix
 *     decoder = dense out=in bias=no weights=/embeddings.word       ; embeddings.word.weight
 *     layers  = layer repeat=12 weights=encoder.layer_*             ; a block: '*' is the repetition
 *
 * Lines whose weights get the same names share them; whoever comes second must say `weights`, and shapes, layouts
 * and kinds must be equal. The first one's initial values hold. Names of nodes (taps) are unaffected.
 *
 * The builder, not the file, sets parameters that an op calls `training` (bool), `seed` (int) and `node` (int, a number
 * of its own for each op of the network), and wires run-time scalars (op->scalars) to lbk_model_use.step. An op that
 * has such a scalar is noise of training: in evaluation its line stands for its input.
 *
 * A file may be a setting of another one: with `base = resnet` under [model] (a shipped model, or a path relative to
 * this file) its [parameters] are new defaults for the base's. A [network] of its own goes on behind the base's, whose lines its
 * own may read by name; what nobody reads any more is left out (the base's classifier, where another one takes its place).
 *
 * Whatever has no effect is refused: unused parameters, arguments, blocks, and lines that nobody reads. */
#ifndef LBK_MODEL_MODEL_H
#define LBK_MODEL_MODEL_H

#include "base/ini.h"
#include "graph/graph.h"

#define LBK_MODEL_INPUTS 8
#define LBK_MODEL_OUTPUTS 8

typedef struct lbk_model_parameter {
    const char *name;
    const char *text; /* default: an expression, "data" or "data:EXPRESSION" */
    const char *path; /* file and line that say so */
    int line;
} lbk_model_parameter;

/* What the figures of a model are for: an image, unless it names its inputs, and the number of classes. classes 0: the file says
 * nothing; a network with named inputs then has one. */
typedef struct lbk_model_typical {
    int height, width, channels, classes;
} lbk_model_typical;

typedef struct lbk_model {
    const char *name, *path, *summary, *source; /* of the file named; source may be "" */
    lbk_ini ini;                                /* the file that has the network: the base of a derived one */
    bool input_from_data;
    int height, width, channels; /* of one sample; 0 when input_from_data, or when the inputs are named */
    lbk_model_typical typical;
    lbk_model_parameter *parameters;
    size_t parameter_count;
    struct lbk_model_network *network; /* parsed; model/network.h */
} lbk_model;

/* `name`: a shipped model ("resnet20": models/resnet20.ini), or a path (contains '/' or ends in .ini; relative to
 * `folder`, which may be NULL). Parses and checks everything that does not depend on the input. Errors: LBK_ERR_INPUT
 * "file:line: [section] key: ...", LBK_ERR_IO. Nothing to release on failure. */
lbk_status lbk_model_load(lbk_model *model, const char *name, const char *folder);
void lbk_model_release(lbk_model *model);

/* "name = text" under [network]. */
typedef struct lbk_model_line {
    const char *name, *text;
} lbk_model_line;

/* What a file with the base `base` and these lines for its [network] would be, called `name`. Lives on its own; errors as above. */
lbk_status lbk_model_extend(lbk_model *model, const lbk_model *base, const char *name, const lbk_model_line *lines,
                            int count);
/* That file. `reference`: what it calls its base; overrides: "width=32 n=2", its [parameters]. */
lbk_status lbk_model_print(const char *summary, const char *reference, const char *overrides,
                           const lbk_model_line *lines, int count, lbk_text *out);

/* What the model is built for. */
typedef struct lbk_model_use {
    int batch, height, width, channels, classes; /* of the data */
    const lbk_size *sizes;                       /* [size_count]: what else parameters may take from the data */
    int size_count;
    bool training;         /* batch norm's and dropout's mode */
    const char *overrides; /* "width=32 n=2": the user's model parameters; NULL or "": none */
    const char *prefix;    /* of node and weight names in the graph ("teacher."); NULL: none */
    uint64_t seed;         /* dropout's */
    lbk_value step;        /* I32 scalar, counts steps: dropout's; LBK_NONE in eval mode */
    lbk_words freeze;      /* paths of weights (graph/names.h) that are saved as ever, but not trained */
    bool frozen;           /* none of the weights is trained */
    bool shared;           /* weights that the graph has already are used again: the same network on another input */
    const lbk_value
        *instead; /* when shared: what is read in place of each of the graph's weights, by value; NULL: itself */
} lbk_model_use;

/* Whether a parameter called `name`, without the prefix, is not trained. */
bool lbk_model_is_frozen(const lbk_model_use *use, const char *name);

typedef struct lbk_model_input {
    const char *name; /* lives as long as the model */
    lbk_tensor_desc desc;
} lbk_model_input;

/* What the network reads: one image, called "input", [batch,H,W,C] of the data; or its named inputs, batch first. Refuses a model
 * made for other images than the data has. inputs[LBK_MODEL_INPUTS] gets *count of them. */
lbk_status lbk_model_inputs(const lbk_model *model, const lbk_model_use *use, lbk_model_input *inputs, int *count);

bool lbk_model_reads_image(const lbk_model *model); /* rather than named inputs */
/* The value that the parameter `name` has there; *found false: the model has no such parameter. */
lbk_status lbk_model_parameter_value(const lbk_model *model, const lbk_model_use *use, const char *name, bool *found,
                                     long long *out);

/* A named tensor: every node's (first) output, by its path without the prefix; then "layer1.0", the output of a
 * repetition of a block, and "layer1", that of the whole block. A line left out has none. */
typedef struct lbk_tap {
    const char *name;
    lbk_value value;
    bool outer;      /* of a line of [network], or of one of its repetitions; not from inside a block */
    bool repetition; /* "layer1.0": of one repetition of a block */
} lbk_tap;

typedef struct lbk_model_built {
    lbk_value logits;                   /* of outputs[0] */
    lbk_tap outputs[LBK_MODEL_OUTPUTS]; /* by the names [model] gives; of the last line without */
    int output_count;
    lbk_tap *taps; /* in order of execution; lives in graph->arena */
    size_t tap_count;
} lbk_model_built;

/* Adds the network's nodes to `graph`, over inputs[], values of what lbk_model_inputs() lists. Errors carry "file:line: node: ...".
 * Refuses a model whose input does not fit the data; one whose last node is not [batch, classes], unless it says that its
 * output is something else; and a path in use->freeze that leads to no weight. */
lbk_status lbk_model_build(const lbk_model *model, lbk_graph *graph, const lbk_value *inputs, const lbk_model_use *use,
                           lbk_model_built *out);
#define LBK_MODEL_STAGES 32

/* Where methods that compare inner layers look when nobody says more: of a network with blocks that repeat on sequences
 * [B,T,C] every repetition of the outer ones, of another image network the last outer tap at each resolution above 1x1, of a
 * perceptron every hidden layer. In order; stages[LBK_MODEL_STAGES] gets *count of them. The graph as built, before lbk_graph_fuse(). */
lbk_status lbk_model_stages(const lbk_graph *graph, const lbk_model_built *built, lbk_tap *stages, int *count);
/* What the classifier, a dense layer that computes the logits, reads; value LBK_NONE: the network ends otherwise. */
lbk_tap lbk_model_feature(const lbk_graph *graph, const lbk_model_built *built);
/* The classifier's weight[D,K] and bias[K]; LBK_NONE where there is none. */
void lbk_model_classifier(const lbk_graph *graph, const lbk_model_built *built, lbk_value *weight, lbk_value *bias);
/* What an activation that makes `value` reads; `value` itself where none does. */
lbk_value lbk_model_before_activation(const lbk_graph *graph, lbk_value value);
/* The last attention on the way to `value`, that of its block; NULL: there is none. */
const lbk_node *lbk_model_attention(const lbk_graph *graph, lbk_value value);

/* LBK_NONE when absent; on failure suggest with lbk_nearest(). */
lbk_value lbk_model_tap(const lbk_model_built *built, const char *name);

/* Names of the shipped models, sorted, in `arena`, NULL-terminated. */
lbk_status lbk_model_list(lbk_arena *arena, const char *const **names);

#endif

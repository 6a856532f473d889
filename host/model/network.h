/* Inside host/model: a network as its file states it, checked as far as possible without knowing the input.
 *
 * blocks[0] is [network]; the others are [block NAME], in file order. Everything lives in the arena of the file's
 * lbk_ini. */
#ifndef LBK_MODEL_NETWORK_H
#define LBK_MODEL_NETWORK_H

#include "model/model.h"
#include "model/scope.h"

/* What a line reads: output `output` of line `line` of its section, which stands above it, or the section's input k where
 * line is LBK_FROM_INPUT(k). */
#define LBK_FROM_INPUT(k) (-1 - (k))
typedef struct lbk_net_from {
    int line, output;
} lbk_net_from;

/* An input of a section. Blocks' inputs have a name only. */
typedef struct lbk_net_input {
    const char *name;
    const char *dims[LBK_MAX_RANK - 1]; /* expressions, without the batch */
    int dim_count;
    lbk_dtype dtype;
    bool read; /* by some line */
} lbk_net_input;

typedef struct lbk_net_arg {
    const char *key, *text;
    const lbk_param *param; /* of the op; NULL for an argument of a block */
} lbk_net_arg;

typedef struct lbk_net_line {
    const lbk_ini_entry *entry; /* key: the node's name; file line */
    const lbk_op *op;           /* one of op and block */
    struct lbk_net_block *block;
    lbk_net_arg *args;
    int arg_count;
    lbk_net_from from[LBK_MAX_INPUTS];
    int from_count;
    const char *when, *repeat, *first; /* expressions; NULL: not written */
    const char *weights;               /* where its weights are named; NULL: under its own name */
    bool read;                         /* some line below reads it, or it is an output of the section */
    bool cut;                          /* of a base: nothing that the derived network leaves depends on it */
} lbk_net_line;

typedef struct lbk_net_block {
    const char *name;                      /* "" for [network] */
    const char *section;                   /* as in the file */
    int line;                              /* of the section's header */
    const lbk_ini_entry *parameters_entry; /* NULL: no arguments */
    const char *parameters[LBK_SCOPE_MAX];
    int parameter_count;
    const lbk_ini_entry *inputs_entry; /* NULL: one input, called "input" */
    lbk_net_input inputs[LBK_MODEL_INPUTS];
    int input_count; /* at least 1 */
    lbk_net_line *lines;
    int line_count;
    int visit; /* search for circles: 0 not seen, 1 on the way, 2 done */
} lbk_net_block;

struct lbk_model_network {
    lbk_net_block *blocks;
    size_t block_count;
    const lbk_ini_entry *outputs_entry;      /* NULL: the last line, which must be [batch, classes] */
    lbk_net_from outputs[LBK_MODEL_OUTPUTS]; /* lines of [network] */
    const char *output_names[LBK_MODEL_OUTPUTS];
    int output_count; /* at least 1 */
};

/* Parameters that an op may have but the builder sets: "training", "seed", "node" (see model.h). */
bool lbk_net_param_is_built(const lbk_param *param);
/* INT, PAIR and INTS values are expressions, and so are the two halves of a FLOAT written as a quotient; all others are
 * literal. */
bool lbk_net_arg_is_expression(const lbk_net_arg *arg);
/* How many tensors `from` may name for this op: its inputs without weights and run-time scalars. */
void lbk_net_data_inputs(const lbk_op *op, int *least, int *most);

/* Reads [network] and every [block ...] of model->ini into model->network. */
lbk_status lbk_net_parse(lbk_model *model);
/* Puts the [network] of the derived file `ini` behind model->network's lines. Its lines are copied. */
lbk_status lbk_net_continue(lbk_model *model, const lbk_ini *ini);
/* What a section reads; block->inputs_entry is set, or NULL. Comes before its lines. */
lbk_status lbk_net_inputs_parse(lbk_model *model, lbk_net_block *block);
/* What [network] leaves; network->outputs_entry is set, or NULL. Comes after its lines. */
lbk_status lbk_net_outputs_parse(lbk_model *model);
/* "name" or "name:1" -> a line above line `own` of `block` and which of its outputs, or an input of the section. `entry` is
 * where the text stands; `text` is cut at the colon. Marks what is found as read. */
lbk_status lbk_net_source_parse(lbk_model *model, lbk_net_block *block, const lbk_ini_entry *entry, int own, char *text,
                                lbk_net_from *out);
/* One "op key=value ..." line of `block`, whose lines above are parsed already. */
lbk_status lbk_net_line_parse(lbk_model *model, lbk_net_block *block, lbk_net_line *line);
/* Words that stand before '=' in a line and mean the same for every op and block. */
bool lbk_net_is_reserved(const char *word);
/* Cuts expression number `index` (from 0) of a parameter's value off the front of *rest, up to a comma outside parentheses;
 * *rest is NULL behind the last one, which takes whatever is left: an integer is one expression, a pair at most two. */
lbk_status lbk_net_expression(lbk_arena *arena, const lbk_param *param, int index, const char **rest, const char **out);
/* The number of the data that a parameter called `name` is set to by "data"; without `use`, some pointer that tells that there is
 * one. NULL: there is none. */
const int *lbk_model_data_number(const lbk_model_use *use, const char *name);
#define LBK_DATA_EXPECTED                                                                                              \
    "only parameters called classes, image_height or image_width can be data; others need a number behind it, as in "  \
    "data:64"
/* The default is the word "data". */
bool lbk_model_parameter_is_data(const lbk_model_parameter *parameter);
/* The expression of a value, without a "data:" before it. */
const char *lbk_model_expression(const char *text);
/* Names and syntax of all expressions, literal values, circles, and whatever has no effect. */
lbk_status lbk_net_check(lbk_model *model);

#endif

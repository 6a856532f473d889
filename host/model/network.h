/* Inside host/model: a network as its file states it, checked as far as possible without knowing the input.
 *
 * blocks[0] is [network]; the others are [block NAME], in file order. Everything lives in the arena of the file's
 * lbk_ini. */
#ifndef LBK_MODEL_NETWORK_H
#define LBK_MODEL_NETWORK_H

#include "model/model.h"
#include "model/scope.h"

#define LBK_FROM_INPUT (-1) /* in lbk_net_line.from: the input of the section */

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
    int from[LBK_MAX_INPUTS]; /* lines of the same section, all above this one; or LBK_FROM_INPUT */
    int from_count;
    const char *when, *repeat; /* expressions; NULL: not written */
    bool read;                 /* some line below reads it, or it is the last one */
} lbk_net_line;

typedef struct lbk_net_block {
    const char *name;                      /* "" for [network] */
    const char *section;                   /* as in the file */
    int line;                              /* of the section's header */
    const lbk_ini_entry *parameters_entry; /* NULL: no arguments */
    const char *parameters[LBK_SCOPE_MAX];
    int parameter_count;
    lbk_net_line *lines;
    int line_count;
    int visit; /* search for circles: 0 not seen, 1 on the way, 2 done */
} lbk_net_block;

struct lbk_model_network {
    lbk_net_block *blocks;
    size_t block_count;
};

/* Parameters that an op may have but the builder sets: "training", "seed", "node" (see model.h). */
bool lbk_net_param_is_built(const lbk_param *param);
/* INT and PAIR values are expressions; all others are literal. */
bool lbk_net_param_is_expression(const lbk_param *param);
/* How many tensors `from` may name for this op: its inputs without weights and run-time scalars. */
void lbk_net_data_inputs(const lbk_op *op, int *least, int *most);

/* Prepends "file:line: [section] key" to a failure. */
lbk_status lbk_net_context(lbk_status status, const lbk_ini *ini, const lbk_ini_entry *entry);

/* Reads [network] and every [block ...] of model->ini into model->network. */
lbk_status lbk_net_parse(lbk_model *model);
/* One "op key=value ..." line of `block`, whose lines above are parsed already. */
lbk_status lbk_net_line_parse(lbk_model *model, lbk_net_block *block, lbk_net_line *line);
/* The comma of "a,b" outside parentheses; NULL: there is none. */
const char *lbk_net_pair_comma(const char *text);
/* The default is the word "data". */
bool lbk_model_parameter_is_data(const lbk_model_parameter *parameter);
/* Names and syntax of all expressions, literal values, circles, and whatever has no effect. */
lbk_status lbk_net_check(lbk_model *model);

/* "x:LINE: unknown NOUN 'WORD'; did you mean 'NEAR'?" in the entry's name; without candidates near enough the list of
 * them. */
lbk_status lbk_net_unknown(const lbk_ini *ini, const lbk_ini_entry *entry, const char *noun, const char *word,
                           const char *const *candidates, size_t count);

#endif

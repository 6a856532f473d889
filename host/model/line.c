/* One line of a network: "name = op key=value key=value ...". */
#include "model/network.h"

#include <ctype.h>
#include <string.h>

#define MAX_WORDS 40
#define MAX_CANDIDATES 320

bool lbk_net_param_is_built(const lbk_param *param) {
    return strcmp(param->name, "training") == 0 || strcmp(param->name, "seed") == 0 || strcmp(param->name, "node") == 0;
}

bool lbk_net_arg_is_expression(const lbk_net_arg *arg) {
    switch (arg->param->type) {
    case LBK_TYPE_INT:
    case LBK_TYPE_PAIR:
    case LBK_TYPE_INTS:
        return true;
    case LBK_TYPE_FLOAT:
        return strchr(arg->text, '/') != NULL;
    default:
        return false;
    }
}

static int scalar_inputs(const lbk_op *op) {
    int count = 0;
    for (int i = 0; i < op->max_inputs; i++)
        count += op->scalars >> i & 1u;
    return count;
}

/* The further inputs of a layer with weights are the weights. */
void lbk_net_data_inputs(const lbk_op *op, int *least, int *most) {
    int scalars = scalar_inputs(op);
    *least = op->weights ? 1 : op->min_inputs - scalars;
    *most = op->weights ? op->data_inputs : op->max_inputs - scalars;
    if (*least < 1)
        *least = 1;
    if (*most < *least)
        *most = *least;
}

/* Cuts the value at white space; the words live in the arena. */
static lbk_status words_split(lbk_ini *ini, const lbk_ini_entry *entry, char **words, int *count) {
    char *text = NULL;
    size_t bytes = strlen(entry->value) + 1;
    LBK_TRY(lbk_arena_alloc(&ini->arena, bytes, &text));
    memcpy(text, entry->value, bytes);
    char *rest = NULL;
    *count = 0;
    for (char *word = strtok_r(text, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest)) {
        if (*count == MAX_WORDS)
            return lbk_ini_fail(ini, entry, "more than %d words", MAX_WORDS);
        words[(*count)++] = word;
    }
    if (*count == 0)
        return lbk_ini_fail(ini, entry, "expected an op or a block and its parameters");
    return LBK_OK;
}

static lbk_status kind_unknown(const lbk_model *model, const lbk_net_line *line, const char *word) {
    const char *names[MAX_CANDIDATES];
    size_t count = 0;
    for (size_t i = 1; i < model->network->block_count && count < MAX_CANDIDATES; i++)
        names[count++] = model->network->blocks[i].name;
    for (const lbk_op *const *op = lbk_op_all(); *op && count < MAX_CANDIDATES; op++)
        if ((*op)->layer)
            names[count++] = (*op)->name;
    return lbk_ini_unknown(&model->ini, line->entry, "op or block", word, names, count);
}

static lbk_status kind_find(const lbk_model *model, lbk_net_line *line, const char *word) {
    for (size_t i = 1; i < model->network->block_count; i++)
        if (strcmp(model->network->blocks[i].name, word) == 0) {
            line->block = &model->network->blocks[i];
            return LBK_OK;
        }
    line->op = lbk_op_find(word);
    if (line->op && !line->op->layer)
        return lbk_ini_fail(&model->ini, line->entry, "the op \"%s\" is no layer: it cannot stand in a model file",
                            word);
    return line->op ? LBK_OK : kind_unknown(model, line, word);
}

static lbk_status from_parse(lbk_model *model, lbk_net_block *block, lbk_net_line *line, char *text) {
    char *rest = NULL;
    int own = (int)(line - block->lines);
    for (char *name = strtok_r(text, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
        if (line->from_count == LBK_MAX_INPUTS)
            return lbk_ini_fail(&model->ini, line->entry, "from: more than %d nodes", LBK_MAX_INPUTS);
        LBK_TRY(lbk_net_source_parse(model, block, line->entry, own, name, &line->from[line->from_count++]));
    }
    if (line->from_count == 0)
        return lbk_ini_fail(&model->ini, line->entry, "from: expected the names of nodes above, or input");
    return LBK_OK;
}

/* Without `from` a line reads the one above it, the first one the section's first input. */
static void from_default(lbk_net_block *block, lbk_net_line *line) {
    int own = (int)(line - block->lines);
    line->from[line->from_count++].line = own == 0 ? LBK_FROM_INPUT(0) : own - 1;
    if (own == 0)
        block->inputs[0].read = true;
    else
        block->lines[own - 1].read = true;
}

static lbk_status from_finish(const lbk_model *model, lbk_net_block *block, lbk_net_line *line) {
    int least = 1, most = 1;
    const char *what = line->op ? line->op->name : line->block->name;
    if (line->from_count == 0)
        from_default(block, line);
    if (line->op)
        lbk_net_data_inputs(line->op, &least, &most);
    else
        least = most = line->block->input_count;
    if (line->from_count >= least && line->from_count <= most)
        return LBK_OK;
    if (least == most)
        return lbk_ini_fail(&model->ini, line->entry, "%s reads %d node%s, from names %d", what, least,
                            least == 1 ? "" : "s", line->from_count);
    return lbk_ini_fail(&model->ini, line->entry, "%s reads %d to %d nodes, from names %d", what, least, most,
                        line->from_count);
}

/* "in_proj_*", "/embeddings.word": a path, one '*' at most. */
static lbk_status weights_check(const lbk_model *model, const lbk_net_line *line) {
    const char *text = line->weights, *star = text ? strchr(text, '*') : NULL;
    const lbk_ini *ini = &model->ini;
    if (!text)
        return LBK_OK;
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("_-.", *c) && c != star && !(c == text && *c == '/' && c[1]))
            return lbk_ini_fail(ini, line->entry,
                                "weights=%s: expected a name of letters, digits, '_', '-', '.' and at "
                                "most one '*', after a '/' where it starts at the network's root",
                                text);
    if (line->op && !line->op->weights)
        return lbk_ini_fail(ini, line->entry, "weights=%s: %s has no weights", text, line->op->name);
    if (line->block && star && !line->repeat)
        return lbk_ini_fail(ini, line->entry,
                            "weights=%s: '*' stands for the repetition, and this block is not repeated", text);
    return LBK_OK;
}

static lbk_status repeat_check(const lbk_model *model, const lbk_net_line *line) {
    if (line->op && line->repeat)
        return lbk_ini_fail(&model->ini, line->entry, "repeat is for blocks; %s is an op", line->op->name);
    if (line->first && !line->repeat)
        return lbk_ini_fail(&model->ini, line->entry, "first=%s has no effect without repeat", line->first);
    return LBK_OK;
}

static lbk_status op_arg(lbk_model *model, lbk_net_line *line, lbk_net_arg *arg) {
    const lbk_param *table = line->op->params;
    arg->param = table ? lbk_param_find(table, arg->key) : NULL;
    if (arg->param && lbk_net_param_is_built(arg->param))
        return lbk_ini_fail(&model->ini, line->entry, "%s: \"%s\" is set by the program, not by a model file",
                            line->op->name, arg->key);
    if (arg->param)
        return LBK_OK;
    const char *names[MAX_CANDIDATES];
    size_t count = 0;
    for (const lbk_param *p = table; p && p->name; p++)
        if (!lbk_net_param_is_built(p))
            names[count++] = p->name;
    const char *noun = NULL;
    LBK_TRY(lbk_arena_printf(&model->ini.arena, &noun, "parameter of %s", line->op->name));
    return lbk_ini_unknown(&model->ini, line->entry, noun, arg->key, names, count);
}

static lbk_status block_arg(lbk_model *model, lbk_net_line *line, lbk_net_arg *arg) {
    const lbk_net_block *block = line->block;
    for (int i = 0; i < block->parameter_count; i++)
        if (strcmp(block->parameters[i], arg->key) == 0)
            return LBK_OK;
    const char *noun = NULL;
    LBK_TRY(lbk_arena_printf(&model->ini.arena, &noun, "parameter of block %s", block->name));
    return lbk_ini_unknown(&model->ini, line->entry, noun, arg->key, block->parameters, (size_t)block->parameter_count);
}

bool lbk_net_is_reserved(const char *word) {
    static const char *const words[] = {"from", "when", "repeat", "first", "weights"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

static const char **reserved_text(lbk_net_line *line, const char *key) {
    return strcmp(key, "when") == 0      ? &line->when
           : strcmp(key, "repeat") == 0  ? &line->repeat
           : strcmp(key, "first") == 0   ? &line->first
           : strcmp(key, "weights") == 0 ? &line->weights
                                         : NULL;
}

static bool is_given(const lbk_net_line *line, const char *key) {
    for (int i = 0; i < line->arg_count; i++)
        if (strcmp(line->args[i].key, key) == 0)
            return true;
    return false;
}

static lbk_status arg_add(lbk_model *model, lbk_net_block *block, lbk_net_line *line, char *word) {
    char *equals = strchr(word, '=');
    if (!equals || equals == word || !equals[1])
        return lbk_ini_fail(&model->ini, line->entry, "expected key=value, found \"%s\"", word);
    *equals = '\0';
    lbk_net_arg arg = {.key = word, .text = equals + 1};
    const char **reserved = reserved_text(line, word);
    bool from = strcmp(word, "from") == 0;
    if (from ? line->from_count > 0 : reserved ? *reserved != NULL : is_given(line, word))
        return lbk_ini_fail(&model->ini, line->entry, "\"%s\" is given twice", word);
    if (from)
        return from_parse(model, block, line, equals + 1);
    if (reserved) {
        *reserved = arg.text;
        return LBK_OK;
    }
    LBK_TRY(line->op ? op_arg(model, line, &arg) : block_arg(model, line, &arg));
    line->args[line->arg_count++] = arg;
    return LBK_OK;
}

static lbk_status required_check(const lbk_model *model, const lbk_net_line *line) {
    for (const lbk_param *p = line->op ? line->op->params : NULL; p && p->name; p++)
        if (!p->fallback && !lbk_net_param_is_built(p) && !is_given(line, p->name))
            return lbk_ini_fail(&model->ini, line->entry, "%s needs %s=...: %s", line->op->name, p->name, p->meaning);
    for (int i = 0; line->block && i < line->block->parameter_count; i++)
        if (!is_given(line, line->block->parameters[i]))
            return lbk_ini_fail(&model->ini, line->entry, "block %s needs %s=...", line->block->name,
                                line->block->parameters[i]);
    return LBK_OK;
}

lbk_status lbk_net_line_parse(lbk_model *model, lbk_net_block *block, lbk_net_line *line) {
    char *words[MAX_WORDS];
    int count = 0;
    LBK_TRY(words_split(&model->ini, line->entry, words, &count));
    LBK_TRY(kind_find(model, line, words[0]));
    LBK_TRY(lbk_arena_alloc(&model->ini.arena, (size_t)count * sizeof *line->args, &line->args));
    for (int i = 1; i < count; i++)
        LBK_TRY(arg_add(model, block, line, words[i]));
    LBK_TRY(from_finish(model, block, line));
    LBK_TRY(repeat_check(model, line));
    LBK_TRY(weights_check(model, line));
    return required_check(model, line);
}

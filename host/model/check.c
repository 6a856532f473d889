/* What can be said of a network before its input is known: names and syntax of expressions, literal values, circles of
 * blocks, and whatever has no effect. */
#include "model/network.h"

#include <string.h>

static lbk_status expression_check(const lbk_net_line *line, const char *key, const char *text, lbk_scope *scope) {
    lbk_status status = lbk_context(lbk_scope_check(scope, text), "%s", key);
    return lbk_ini_context(status, line->entry);
}

static const char *comma_find(const char *text) {
    int depth = 0;
    for (const char *c = text; *c; c++) {
        depth += (*c == '(') - (*c == ')');
        if (*c == ',' && depth == 0)
            return c;
    }
    return NULL;
}

lbk_status lbk_net_expression(lbk_arena *arena, const lbk_param *param, int index, const char **rest,
                              const char **out) {
    int most = param->type == LBK_TYPE_INTS ? LBK_MAX_INTS : param->type == LBK_TYPE_PAIR ? 2 : 1;
    const char *comma = index + 1 < most ? comma_find(*rest) : NULL;
    *out = *rest;
    if (comma)
        LBK_TRY(lbk_arena_printf(arena, out, "%.*s", (int)(comma - *rest), *rest));
    *rest = comma ? comma + 1 : NULL;
    return LBK_OK;
}

static lbk_status expressions_check(lbk_model *model, const lbk_net_line *line, const lbk_net_arg *arg,
                                    lbk_scope *scope) {
    const char *rest = arg->text, *expression = NULL;
    for (int i = 0; rest; i++) {
        LBK_TRY(lbk_net_expression(&model->ini.arena, arg->param, i, &rest, &expression));
        LBK_TRY(expression_check(line, arg->key, expression, scope));
    }
    return LBK_OK;
}

static lbk_status op_args_check(lbk_model *model, const lbk_net_line *line, lbk_scope *scope) {
    void *values = NULL;
    LBK_TRY(lbk_arena_alloc(&model->ini.arena, line->op->params_size, &values));
    for (int i = 0; i < line->arg_count; i++) {
        const lbk_net_arg *arg = &line->args[i];
        if (lbk_net_arg_is_expression(arg))
            LBK_TRY(expressions_check(model, line, arg, scope));
        else
            LBK_TRY(lbk_ini_context(lbk_param_set(arg->param, arg->text, &model->ini.arena, values), line->entry));
    }
    return LBK_OK;
}

/* Arguments of a block may use `index`, the repetition they are for. */
static lbk_status block_args_check(const lbk_net_line *line, lbk_scope *scope) {
    lbk_scope call = *scope;
    LBK_TRY(lbk_scope_set(&call, "index", 0));
    for (int i = 0; i < line->arg_count; i++)
        LBK_TRY(expression_check(line, line->args[i].key, line->args[i].text, &call));
    for (size_t i = 0; i < scope->count; i++)
        scope->used[i] = call.used[i];
    return LBK_OK;
}

static lbk_status lines_check(lbk_model *model, lbk_net_block *block, lbk_scope *scope) {
    for (int i = 0; i < block->line_count; i++) {
        lbk_net_line *line = &block->lines[i];
        if (line->when)
            LBK_TRY(expression_check(line, "when", line->when, scope));
        if (line->repeat)
            LBK_TRY(expression_check(line, "repeat", line->repeat, scope));
        if (line->first)
            LBK_TRY(expression_check(line, "first", line->first, scope));
        LBK_TRY(line->op ? op_args_check(model, line, scope) : block_args_check(line, scope));
        bool result = block->name[0] && i + 1 == block->line_count;
        if (!line->read && !line->cut && !result)
            return lbk_ini_fail(&model->ini, line->entry, "has no effect: no node below reads it");
    }
    for (int i = 0; i < block->input_count; i++)
        if (!block->inputs[i].read)
            return lbk_ini_fail(&model->ini, block->inputs_entry, "\"%s\" has no effect: no node reads it",
                                block->inputs[i].name);
    return LBK_OK;
}

static lbk_status block_check(lbk_model *model, lbk_net_block *block) {
    lbk_scope scope = {.count = 0};
    for (int i = 0; i < block->parameter_count; i++)
        LBK_TRY(lbk_scope_set(&scope, block->parameters[i], 0));
    LBK_TRY(lbk_scope_set(&scope, "in", 0));
    LBK_TRY(lbk_scope_set(&scope, "index", 0));
    LBK_TRY(lines_check(model, block, &scope));
    for (int i = 0; i < block->parameter_count; i++)
        if (!scope.used[i])
            return lbk_ini_fail(&model->ini, block->parameters_entry,
                                "\"%s\" has no effect: no node of the block uses it", block->parameters[i]);
    return LBK_OK;
}

/* Defaults of the model's parameters see the parameters above them. */
static lbk_status defaults_check(const lbk_model *model, lbk_scope *scope) {
    for (size_t i = 0; i < model->parameter_count; i++) {
        const lbk_model_parameter *p = &model->parameters[i];
        if (!lbk_model_parameter_is_data(p))
            LBK_TRY(lbk_context(lbk_scope_check(scope, lbk_model_expression(p->text)), "%s:%d: [parameters] %s",
                                p->path, p->line, p->name));
        LBK_TRY(lbk_scope_set(scope, p->name, 0));
    }
    return LBK_OK;
}

/* Dimensions of named inputs are expressions of the model's parameters. */
static lbk_status inputs_check(const lbk_model *model, lbk_scope *scope) {
    const lbk_net_block *main = &model->network->blocks[0];
    for (int i = 0; i < main->input_count; i++)
        for (int d = 0; d < main->inputs[i].dim_count; d++)
            LBK_TRY(lbk_ini_context(
                lbk_context(lbk_scope_check(scope, main->inputs[i].dims[d]), "%s", main->inputs[i].name),
                main->inputs_entry));
    return LBK_OK;
}

static lbk_status main_check(lbk_model *model) {
    lbk_scope scope = {.count = 0};
    LBK_TRY(defaults_check(model, &scope));
    LBK_TRY(inputs_check(model, &scope));
    LBK_TRY(lbk_scope_set(&scope, "in", 0));
    LBK_TRY(lines_check(model, &model->network->blocks[0], &scope));
    for (size_t i = 0; i < model->parameter_count; i++)
        if (!scope.used[i])
            return lbk_fail(LBK_ERR_INPUT, "%s:%d: [parameters] %s: has no effect: [network] does not use it",
                            model->parameters[i].path, model->parameters[i].line, model->parameters[i].name);
    return LBK_OK;
}

/* Depth first from [network]: a block met again while on the way to itself closes a circle. */
static lbk_status visit(const lbk_model *model, lbk_net_block *block) {
    block->visit = 1;
    for (int i = 0; i < block->line_count; i++) {
        const lbk_net_line *line = &block->lines[i];
        if (!line->block || line->block->visit == 2)
            continue;
        if (line->block->visit == 1)
            return lbk_ini_fail(&model->ini, line->entry, "block %s contains itself", line->block->name);
        LBK_TRY(visit(model, line->block));
    }
    block->visit = 2;
    return LBK_OK;
}

lbk_status lbk_net_check(lbk_model *model) {
    struct lbk_model_network *network = model->network;
    LBK_TRY(main_check(model));
    for (size_t i = 1; i < network->block_count; i++)
        LBK_TRY(block_check(model, &network->blocks[i]));
    LBK_TRY(visit(model, &network->blocks[0]));
    for (size_t i = 1; i < network->block_count; i++)
        if (network->blocks[i].visit == 0)
            return lbk_fail(LBK_ERR_INPUT, "%s:%d: [%s]: has no effect: no node uses this block", model->ini.path,
                            network->blocks[i].line, network->blocks[i].section);
    return LBK_OK;
}

/* One op line into one node: parameters, weights, inputs. */
#include "model/build.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* An integer or a pair: evaluated, written out as numbers and read by the ordinary, range-checking way. */
static lbk_status expression_set(lbk_builder *b, const lbk_net_arg *arg, lbk_scope *scope, void *values) {
    const char *comma = arg->param->type == LBK_TYPE_PAIR ? lbk_net_pair_comma(arg->text) : NULL;
    const char *first = arg->text, *numbers = NULL;
    long long a = 0, c = 0;
    if (comma)
        LBK_TRY(lbk_arena_printf(&b->graph->arena, &first, "%.*s", (int)(comma - arg->text), arg->text));
    LBK_TRY(lbk_context(lbk_scope_eval(scope, first, &a), "%s", arg->key));
    if (comma)
        LBK_TRY(lbk_context(lbk_scope_eval(scope, comma + 1, &c), "%s", arg->key));
    LBK_TRY(comma ? lbk_arena_printf(&b->graph->arena, &numbers, "%lld,%lld", a, c)
                  : lbk_arena_printf(&b->graph->arena, &numbers, "%lld", a));
    lbk_status status = lbk_param_set(arg->param, numbers, &b->graph->arena, values);
    return strcmp(numbers, arg->text) == 0 ? status : lbk_context(status, "%s=%s", arg->key, arg->text);
}

/* "training", "seed" and "node": where the op's table has them (network.h). */
static lbk_status built_params_set(lbk_builder *b, const lbk_op *op, void *values) {
    for (const lbk_param *p = op->params; p && p->name; p++) {
        const char *text = NULL;
        if (!lbk_net_param_is_built(p))
            continue;
        if (strcmp(p->name, "training") == 0)
            text = b->use->training ? "yes" : "no";
        else if (strcmp(p->name, "seed") == 0)
            LBK_TRY(
                lbk_arena_printf(&b->graph->arena, &text, "%d", (int)((b->use->seed ^ b->use->seed >> 31) & INT_MAX)));
        else
            LBK_TRY(lbk_arena_printf(&b->graph->arena, &text, "%d", b->node_count));
        LBK_TRY(lbk_context(lbk_param_set(p, text, &b->graph->arena, values), "%s", op->name));
    }
    return LBK_OK;
}

static lbk_status params_fill(lbk_builder *b, const lbk_net_line *line, lbk_scope *scope, void *values) {
    lbk_arena *arena = &b->graph->arena;
    if (line->op->params)
        LBK_TRY(lbk_param_defaults(line->op->params, arena, values));
    for (int i = 0; i < line->arg_count; i++) {
        const lbk_net_arg *arg = &line->args[i];
        LBK_TRY(lbk_net_param_is_expression(arg->param) ? expression_set(b, arg, scope, values)
                                                        : lbk_param_set(arg->param, arg->text, arena, values));
    }
    return built_params_set(b, line->op, values);
}

/* Weights go to the inputs that the op says; *count grows to hold them. */
static lbk_status weights_declare(lbk_builder *b, const lbk_op *op, const void *params, const char *name,
                                  lbk_value *inputs, int *count) {
    lbk_weight_list list = {0};
    if (!op->weights)
        return LBK_OK;
    LBK_TRY(lbk_context(op->weights(params, lbk_graph_desc(b->graph, inputs[0]), &list), "%s", op->name));
    for (int i = 0; i < list.count; i++) {
        const lbk_weight *weight = &list.item[i];
        const char *full = NULL;
        lbk_value value = LBK_NONE;
        LBK_TRY(lbk_arena_printf(&b->graph->arena, &full, "%s.%s", name, weight->suffix));
        LBK_TRY(lbk_graph_weight(b->graph, full, weight, &value));
        if (weight->input < 0)
            continue;
        LBK_ENSURE(weight->input < op->max_inputs && inputs[weight->input] == LBK_NONE);
        inputs[weight->input] = value;
        if (weight->input >= *count)
            *count = weight->input + 1;
    }
    return LBK_OK;
}

/* Tensors take the op's inputs in order, the step counter those that are run-time scalars. */
static lbk_status inputs_place(const lbk_builder *b, const lbk_net_line *line, const lbk_value *from, lbk_value *inputs,
                               int *count) {
    int next = 0;
    *count = 0;
    for (int i = 0; i < LBK_MAX_INPUTS; i++)
        inputs[i] = LBK_NONE;
    for (int i = 0; i < line->op->max_inputs; i++) {
        bool scalar = line->op->scalars >> i & 1u;
        if (!scalar && next == line->from_count)
            continue;
        inputs[i] = scalar ? b->use->step : from[next++];
        *count = i + 1;
    }
    return LBK_OK;
}

lbk_status lbk_build_node(lbk_builder *b, const lbk_net_line *line, lbk_scope *scope, const char *path,
                          const lbk_value *from, lbk_value *out) {
    const lbk_op *op = line->op;
    const char *file = b->model->ini.path, *name = NULL;
    int number = line->entry->line, count = 0;
    lbk_value inputs[LBK_MAX_INPUTS], outputs[LBK_MAX_OUTPUTS];
    void *params = NULL;
    *out = from[0];
    b->node_count++;
    if (op->scalars && !b->use->training)
        return LBK_OK; /* noise of training */
    LBK_ENSURE(!op->scalars || b->use->step != LBK_NONE);
    LBK_TRY(lbk_arena_alloc(&b->graph->arena, op->params_size, &params));
    LBK_TRY(lbk_context(params_fill(b, line, scope, params), "%s:%d: %s", file, number, path));
    LBK_TRY(lbk_arena_printf(&b->graph->arena, &name, "%s%s", b->prefix, path));
    LBK_TRY(inputs_place(b, line, from, inputs, &count));
    LBK_TRY(lbk_context(weights_declare(b, op, params, name, inputs, &count), "%s:%d: %s", file, number, path));
    LBK_TRY(lbk_context(lbk_graph_node(b->graph, op, name, params, count, inputs, outputs), "%s:%d", file, number));
    *out = outputs[0];
    return LBK_OK;
}

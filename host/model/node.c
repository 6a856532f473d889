/* One op line into one node: parameters, weights, inputs. */
#include "model/build.h"

#include "graph/names.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* One integer or several: evaluated, written out as numbers and read by the ordinary, range-checking way. */
static lbk_status expressions_set(lbk_builder *b, const lbk_net_arg *arg, lbk_scope *scope, void *values) {
    lbk_arena *arena = &b->graph->arena;
    const char *rest = arg->text, *expression = NULL, *numbers = "";
    for (int i = 0; rest; i++) {
        long long value = 0;
        LBK_TRY(lbk_net_expression(arena, arg->param, i, &rest, &expression));
        LBK_TRY(lbk_context(lbk_scope_eval(scope, expression, &value), "%s", arg->key));
        LBK_TRY(lbk_arena_printf(arena, &numbers, "%s%s%lld", numbers, i ? "," : "", value));
    }
    lbk_status status = lbk_param_set(arg->param, numbers, arena, values);
    return strcmp(numbers, arg->text) == 0 ? status : lbk_context(status, "%s=%s", arg->key, arg->text);
}

/* "index/80": the number that the quotient of two integers is. A name or a number below, so that no reader expects another
 * order of evaluation. */
static lbk_status quotient_set(lbk_builder *b, const lbk_net_arg *arg, lbk_scope *scope, void *values) {
    const char *slash = strrchr(arg->text, '/'), *above = NULL, *number = NULL;
    long long numerator = 0, denominator = 0;
    if (!slash[1] ||
        strspn(slash + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") < strlen(slash + 1))
        return lbk_fail(LBK_ERR_INPUT, "%s=%s: expected a name or a number behind the last '/'", arg->key, arg->text);
    LBK_TRY(lbk_arena_printf(&b->graph->arena, &above, "%.*s", (int)(slash - arg->text), arg->text));
    LBK_TRY(lbk_context(lbk_scope_eval(scope, above, &numerator), "%s", arg->key));
    LBK_TRY(lbk_context(lbk_scope_eval(scope, slash + 1, &denominator), "%s", arg->key));
    if (denominator == 0)
        return lbk_fail(LBK_ERR_INPUT, "%s=%s: division by zero", arg->key, arg->text);
    LBK_TRY(lbk_arena_printf(&b->graph->arena, &number, "%.17g", (double)numerator / (double)denominator));
    return lbk_context(lbk_param_set(arg->param, number, &b->graph->arena, values), "%s=%s", arg->key, arg->text);
}

static lbk_status arg_set(lbk_builder *b, const lbk_net_arg *arg, lbk_scope *scope, void *values) {
    if (!lbk_net_arg_is_expression(arg))
        return lbk_param_set(arg->param, arg->text, &b->graph->arena, values);
    return arg->param->type == LBK_TYPE_FLOAT ? quotient_set(b, arg, scope, values)
                                              : expressions_set(b, arg, scope, values);
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
    for (int i = 0; i < line->arg_count; i++)
        LBK_TRY(arg_set(b, &line->args[i], scope, values));
    return built_params_set(b, line->op, values);
}

lbk_status lbk_build_weight_name(lbk_builder *b, const lbk_naming *at, const char *text, const char *suffix,
                                 const char **out) {
    const char *base = text[0] == '/' ? b->prefix : at->weights;
    text += text[0] == '/';
    const char *star = strchr(text, '*');
    if (star)
        return lbk_arena_printf(&b->graph->arena, out, "%s%.*s%s%s", base, (int)(star - text), text, suffix, star + 1);
    return lbk_arena_printf(&b->graph->arena, out, "%s%s%s%s", base, text, suffix[0] ? "." : "", suffix);
}

bool lbk_model_is_frozen(const lbk_model_use *use, const char *name) {
    for (int i = 0; i < use->freeze.count; i++)
        if (lbk_name_under(name, use->freeze.items[i]))
            return true;
    return use->frozen;
}

static bool counter_is_known(const lbk_graph *graph, const char *name) {
    for (size_t i = 0; i < graph->counter_count; i++)
        if (strcmp(graph->counters[i], name) == 0)
            return true;
    return false;
}

/* `value` was declared by another line: it must be the same in every respect but its initial values. */
static lbk_status same_weight_check(const lbk_graph *graph, lbk_value value, const lbk_weight *weight) {
    const lbk_value_info *info = lbk_graph_info(graph, value);
    lbk_value_kind kind = weight->kind == LBK_WEIGHT_PARAM ? LBK_VALUE_PARAM : LBK_VALUE_STATE;
    char have[LBK_SHAPE_TEXT], want[LBK_SHAPE_TEXT];
    if (!lbk_shape_equal(&info->desc.shape, &weight->shape) || info->layout != weight->layout)
        return lbk_fail(LBK_ERR_INPUT, "'%s' is shared with another node, which has it as %s in another layout than %s",
                        info->name, lbk_shape_print(&info->desc.shape, have), lbk_shape_print(&weight->shape, want));
    if (info->kind != kind)
        return lbk_fail(LBK_ERR_INPUT, "'%s' is shared with another node, where it is %strained", info->name,
                        kind == LBK_VALUE_PARAM ? "not " : "");
    return LBK_OK;
}

/* Declares a weight, or finds it where it may be shared. LBK_NONE for a counter. */
static lbk_status weight_get(lbk_builder *b, const char *name, lbk_weight weight, bool shared, lbk_value *out) {
    if (weight.kind == LBK_WEIGHT_PARAM && lbk_model_is_frozen(b->use, name + strlen(b->prefix)))
        weight.kind = LBK_WEIGHT_STATE; /* saved, and nothing else */
    *out = shared ? lbk_graph_find(b->graph, name) : LBK_NONE;
    if (*out != LBK_NONE) {
        LBK_TRY(same_weight_check(b->graph, *out, &weight));
        *out = b->use->instead ? b->use->instead[*out] : *out;
        return LBK_OK;
    }
    if (shared && counter_is_known(b->graph, name))
        return LBK_OK;
    return lbk_graph_weight(b->graph, name, &weight, out);
}

/* Weights go to the inputs that the op says; *count grows to hold them. */
static lbk_status weights_declare(lbk_builder *b, const lbk_net_line *line, const lbk_naming *at, const void *params,
                                  lbk_value *inputs, int *count) {
    const lbk_op *op = line->op;
    lbk_weight_list list = {0};
    if (!op->weights)
        return LBK_OK;
    LBK_TRY(lbk_context(op->weights(params, lbk_graph_desc(b->graph, inputs[0]), &list), "%s", op->name));
    for (int i = 0; i < list.count; i++) {
        const lbk_weight *weight = &list.item[i];
        const char *name = NULL;
        lbk_value value = LBK_NONE;
        LBK_TRY(lbk_build_weight_name(b, at, line->weights ? line->weights : line->entry->key, weight->suffix, &name));
        LBK_TRY(weight_get(b, name, *weight, at->shared || line->weights, &value));
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

lbk_status lbk_build_node(lbk_builder *b, const lbk_net_line *line, lbk_scope *scope, const lbk_naming *at,
                          const char *path, const lbk_value *from, lbk_line_value *out) {
    const lbk_op *op = line->op;
    const char *file = line->entry->path, *name = NULL;
    int number = line->entry->line, count = 0;
    lbk_value inputs[LBK_MAX_INPUTS];
    void *params = NULL;
    *out = (lbk_line_value){1, {from[0]}};
    b->node_count++;
    if (op->scalars && !b->use->training)
        return LBK_OK; /* noise of training */
    LBK_ENSURE(!op->scalars || b->use->step != LBK_NONE);
    LBK_TRY(lbk_arena_alloc(&b->graph->arena, op->params_size, &params));
    LBK_TRY(lbk_context(params_fill(b, line, scope, params), "%s:%d: %s", file, number, path));
    LBK_TRY(lbk_arena_printf(&b->graph->arena, &name, "%s%s", b->prefix, path));
    LBK_TRY(inputs_place(b, line, from, inputs, &count));
    LBK_TRY(lbk_context(weights_declare(b, line, at, params, inputs, &count), "%s:%d: %s", file, number, path));
    LBK_TRY(lbk_context(lbk_graph_node(b->graph, op, name, params, count, inputs, out->output), "%s:%d", file, number));
    out->count = b->graph->nodes[b->graph->node_count - 1].output_count;
    return LBK_OK;
}

lbk_status lbk_build_freeze_check(const lbk_builder *b) {
    const lbk_graph *graph = b->graph;
    const lbk_words *freeze = &b->use->freeze;
    const char **names = NULL;
    size_t count = 0, skip = strlen(b->prefix);
    lbk_status status = LBK_OK;
    if (!freeze->count)
        return LBK_OK;
    LBK_TRY(lbk_calloc(graph->value_count, sizeof *names, &names));
    for (size_t v = 0; v < graph->value_count; v++)
        if (lbk_graph_is_weight(graph, (lbk_value)v) && strncmp(graph->values[v].name, b->prefix, skip) == 0)
            names[count++] = graph->values[v].name + skip;
    for (int i = 0; i < freeze->count && status == LBK_OK; i++)
        status = lbk_context(lbk_name_path_check(names, count, freeze->items[i], "the network"), "freeze");
    free(names);
    return status;
}

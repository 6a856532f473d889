#include "graph/graph.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

lbk_status lbk_graph_create(lbk_graph **out) {
    return lbk_calloc(1, sizeof **out, out);
}

void lbk_graph_destroy(lbk_graph *graph) {
    if (!graph)
        return;
    free(graph->values);
    free(graph->nodes);
    free(graph->kept);
    free(graph->counters);
    lbk_arena_release(&graph->arena);
    free(graph);
}

static lbk_status copy_arrays(const lbk_graph *from, lbk_graph *to) {
    LBK_TRY(lbk_grow(&to->values, &to->value_capacity, from->value_count + 1, sizeof *to->values));
    LBK_TRY(lbk_grow(&to->nodes, &to->node_capacity, from->node_count + 1, sizeof *to->nodes));
    memcpy(to->values, from->values, from->value_count * sizeof *to->values);
    memcpy(to->nodes, from->nodes, from->node_count * sizeof *to->nodes);
    to->value_count = from->value_count;
    to->node_count = from->node_count;
    for (size_t n = 0; n < to->node_count; n++) { /* which fusing changes */
        lbk_node *node = &to->nodes[n];
        const void *params = node->params;
        void *own = NULL;
        if (!params)
            continue;
        LBK_TRY(lbk_arena_alloc(&to->arena, node->op->params_size, &own));
        memcpy(own, params, node->op->params_size);
        node->params = own;
    }
    return LBK_OK;
}

lbk_status lbk_graph_clone(const lbk_graph *from, lbk_graph **out) {
    LBK_TRY(lbk_graph_create(out));
    lbk_status status = copy_arrays(from, *out);
    if (status != LBK_OK) {
        lbk_graph_destroy(*out);
        *out = NULL;
    }
    return status;
}

static lbk_status add_value(lbk_graph *graph, const char *name, lbk_value_kind kind, lbk_dtype dtype, lbk_shape shape,
                            lbk_value *out) {
    if (kind != LBK_VALUE_COMPUTED && lbk_graph_find(graph, name) != LBK_NONE)
        return lbk_fail(LBK_ERR_INPUT, "the name '%s' is used twice in one graph", name);
    LBK_TRY(lbk_grow(&graph->values, &graph->value_capacity, graph->value_count + 1, sizeof *graph->values));
    lbk_value_info *info = &graph->values[graph->value_count];
    memset(info, 0, sizeof *info);
    LBK_TRY(lbk_arena_strdup(&graph->arena, name, &info->name));
    info->kind = kind;
    info->desc = (lbk_tensor_desc){dtype, shape};
    info->node = -1;
    info->param_of_gradient = LBK_NONE;
    *out = (lbk_value)graph->value_count++;
    return LBK_OK;
}

lbk_status lbk_graph_input(lbk_graph *graph, const char *name, lbk_dtype dtype, lbk_shape shape, lbk_value *out) {
    return add_value(graph, name, LBK_VALUE_INPUT, dtype, shape, out);
}

lbk_status lbk_graph_scalar(lbk_graph *graph, const char *name, lbk_dtype dtype, lbk_value *out) {
    return add_value(graph, name, LBK_VALUE_SCALAR, dtype, lbk_shape_1(1), out);
}

lbk_status lbk_graph_weight(lbk_graph *graph, const char *name, const lbk_weight *weight, lbk_value *out) {
    *out = LBK_NONE;
    if (weight->kind == LBK_WEIGHT_COUNTER && graph->auxiliary)
        return LBK_OK; /* counters are for files */
    if (weight->kind == LBK_WEIGHT_COUNTER) {
        LBK_TRY(
            lbk_grow(&graph->counters, &graph->counter_capacity, graph->counter_count + 1, sizeof *graph->counters));
        return lbk_arena_strdup(&graph->arena, name, &graph->counters[graph->counter_count++]);
    }
    lbk_value_kind kind = weight->kind == LBK_WEIGHT_PARAM ? LBK_VALUE_PARAM : LBK_VALUE_STATE;
    LBK_TRY(add_value(graph, name, kind, LBK_F32, weight->shape, out));
    lbk_value_info *info = &graph->values[*out];
    info->layout = weight->layout;
    info->init = weight->init;
    info->fan_in = weight->fan_in;
    info->fan_out = weight->fan_out;
    info->mean = weight->mean;
    info->deviation = weight->deviation;
    info->zero_row = weight->zero_row;
    info->auxiliary = graph->auxiliary;
    return LBK_OK;
}

static const lbk_tensor_desc absent = {LBK_F32, {-1, {0}}};

void lbk_graph_node_descs(const lbk_graph *graph, const lbk_node *node, lbk_tensor_desc *input,
                          lbk_tensor_desc *output) {
    for (int i = 0; i < node->input_count; i++)
        input[i] = node->input[i] == LBK_NONE ? absent : graph->values[node->input[i]].desc;
    for (int i = 0; i < node->output_count; i++)
        output[i] = graph->values[node->output[i]].desc;
}

static lbk_status check_inputs(const lbk_graph *graph, const lbk_op *op, int input_count, const lbk_value *inputs) {
    if (input_count < op->min_inputs || input_count > op->max_inputs)
        return lbk_fail(LBK_ERR_INPUT, "has %d inputs, expected %d to %d: %s", input_count, op->min_inputs,
                        op->max_inputs, op->inputs);
    for (int i = 0; i < input_count; i++) {
        if (inputs[i] == LBK_NONE) {
            if (i < op->min_inputs)
                return lbk_fail(LBK_ERR_INPUT, "input %d is required: %s", i, op->inputs);
            continue;
        }
        if (inputs[i] < 0 || (size_t)inputs[i] >= graph->value_count)
            return lbk_fail(LBK_ERR_INTERNAL, "input %d is no value of this graph", i);
        lbk_dtype want = lbk_op_input_dtype(op, i);
        if (graph->values[inputs[i]].desc.dtype != want)
            return lbk_fail(LBK_ERR_INPUT, "input %d is %s, expected %s: %s", i,
                            lbk_dtype_name(graph->values[inputs[i]].desc.dtype), lbk_dtype_name(want), op->inputs);
    }
    return LBK_OK;
}

static lbk_status store_params(lbk_graph *graph, const lbk_op *op, const void *params, const void **out) {
    *out = NULL;
    if (!op->params_size)
        return LBK_OK;
    void *copy = NULL;
    LBK_TRY(lbk_arena_alloc(&graph->arena, op->params_size, &copy));
    if (params)
        memcpy(copy, params, op->params_size);
    else
        LBK_TRY(lbk_param_defaults(op->params, &graph->arena, copy));
    *out = copy;
    return LBK_OK;
}

static lbk_status try_node(lbk_graph *graph, const lbk_op *op, const char *name, const void *params, int input_count,
                           const lbk_value *inputs, lbk_value *outputs) {
    LBK_TRY(check_inputs(graph, op, input_count, inputs));
    lbk_node node = {.op = op, .input_count = input_count, .backward = graph->in_backward};
    LBK_TRY(lbk_arena_strdup(&graph->arena, name ? name : "", &node.name));
    LBK_TRY(store_params(graph, op, params, &node.params));
    if (input_count)
        memcpy(node.input, inputs, sizeof *inputs * (size_t)input_count);
    lbk_tensor_desc input[LBK_MAX_INPUTS];
    lbk_graph_node_descs(graph, &node, input, NULL);
    lbk_infer infer = {.params = node.params, .input_count = input_count, .input = input};
    LBK_TRY(lbk_op_infer(op, &infer));
    LBK_ENSURE(infer.output_count >= 1 && infer.output_count <= LBK_MAX_OUTPUTS);
    node.output_count = infer.output_count;
    LBK_TRY(lbk_grow(&graph->nodes, &graph->node_capacity, graph->node_count + 1, sizeof *graph->nodes));
    for (int i = 0; i < infer.output_count; i++) {
        LBK_TRY(add_value(graph, i == 0 ? node.name : "", LBK_VALUE_COMPUTED, infer.output[i].dtype,
                          infer.output[i].shape, &node.output[i]));
        graph->values[node.output[i]].node = (int)graph->node_count;
        graph->values[node.output[i]].output = i;
        outputs[i] = node.output[i];
    }
    graph->nodes[graph->node_count++] = node;
    return LBK_OK;
}

lbk_status lbk_graph_node(lbk_graph *graph, const lbk_op *op, const char *name, const void *params, int input_count,
                          const lbk_value *inputs, lbk_value *outputs) {
    lbk_status status = try_node(graph, op, name, params, input_count, inputs, outputs);
    return name && *name ? lbk_context(status, "%s: %s", name, op->name) : lbk_context(status, "%s", op->name);
}

lbk_status lbk_graph_apply(lbk_graph *graph, const char *op_name, const void *params, int input_count,
                           const lbk_value *inputs, lbk_value *out) {
    const lbk_op *op = lbk_op_find(op_name);
    if (!op)
        return lbk_fail(LBK_ERR_INTERNAL, "no op is called '%s'", op_name);
    lbk_value outputs[LBK_MAX_OUTPUTS];
    LBK_TRY(lbk_graph_node(graph, op, NULL, params, input_count, inputs, outputs));
    *out = outputs[0];
    return LBK_OK;
}

lbk_status lbk_graph_keep(lbk_graph *graph, lbk_value value) {
    LBK_ENSURE(value >= 0 && (size_t)value < graph->value_count);
    for (size_t i = 0; i < graph->kept_count; i++)
        if (graph->kept[i] == value)
            return LBK_OK;
    LBK_TRY(lbk_grow(&graph->kept, &graph->kept_capacity, graph->kept_count + 1, sizeof *graph->kept));
    graph->kept[graph->kept_count++] = value;
    return LBK_OK;
}

lbk_value lbk_graph_find(const lbk_graph *graph, const char *name) {
    for (size_t i = 0; i < graph->value_count; i++)
        if (graph->values[i].kind != LBK_VALUE_COMPUTED && strcmp(graph->values[i].name, name) == 0)
            return (lbk_value)i;
    return LBK_NONE;
}

static bool is_pure_view(const lbk_node *node) {
    return node->op->cost == NULL;
}

static bool costs_time(const lbk_node *node, bool with_backward) {
    return (!node->backward || with_backward) && !is_pure_view(node);
}

lbk_cost lbk_graph_cost(const lbk_graph *graph, bool with_backward) {
    lbk_cost total = {0, 0};
    for (size_t i = 0; i < graph->node_count; i++) {
        if (!costs_time(&graph->nodes[i], with_backward))
            continue;
        lbk_cost cost = lbk_graph_node_cost(graph, &graph->nodes[i]);
        total.flops += cost.flops;
        total.bytes += cost.bytes;
    }
    return total;
}

double lbk_graph_work(const lbk_graph *graph, bool with_backward, double flops_per_byte) {
    double work = 0;
    for (size_t i = 0; i < graph->node_count; i++) {
        if (!costs_time(&graph->nodes[i], with_backward))
            continue;
        lbk_cost cost = lbk_graph_node_cost(graph, &graph->nodes[i]);
        work += fmax(cost.flops, cost.bytes * flops_per_byte);
    }
    return work;
}

lbk_cost lbk_graph_node_cost(const lbk_graph *graph, const lbk_node *node) {
    lbk_cost cost = {0, 0};
    if (!node->op->cost)
        return cost;
    lbk_tensor_desc input[LBK_MAX_INPUTS];
    lbk_infer infer = {.op = node->op, .params = node->params, .input_count = node->input_count, .input = input};
    lbk_graph_node_descs(graph, node, input, infer.output);
    infer.output_count = node->output_count;
    node->op->cost(&infer, &cost);
    return cost;
}

int64_t lbk_graph_parameters(const lbk_graph *graph) {
    int64_t count = 0;
    for (size_t i = 0; i < graph->value_count; i++)
        if (graph->values[i].kind == LBK_VALUE_PARAM && !graph->values[i].auxiliary)
            count += lbk_shape_count(&graph->values[i].desc.shape);
    return count;
}

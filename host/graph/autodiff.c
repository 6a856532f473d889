/* Reverse-mode differentiation: walks the nodes backwards and lets each op emit the nodes of its derivative. */
#include "graph/graph.h"

#include <stdlib.h>
#include <string.h>

lbk_status lbk_gradient_emit(lbk_gradient *g, const char *op_name, const void *params, int input_count,
                             const lbk_value *inputs, lbk_value *outputs) {
    lbk_graph *graph = g->graph;
    const lbk_op *op = lbk_op_find(op_name);
    if (!op)
        return lbk_fail(LBK_ERR_INTERNAL, "derivative asks for the op '%s', which does not exist", op_name);
    lbk_value explicit_inputs[LBK_MAX_INPUTS];
    LBK_ENSURE(input_count <= LBK_MAX_INPUTS);
    for (int i = 0; i < input_count; i++) {
        explicit_inputs[i] = inputs[i];
        if (inputs[i] == LBK_ONE) /* the rule has no shorter form for an incoming 1 */
            LBK_TRY(lbk_graph_apply(graph, "constant", NULL, 0, NULL, &explicit_inputs[i]));
    }
    return lbk_graph_node(graph, op, NULL, params, input_count, explicit_inputs, outputs);
}

const lbk_tensor_desc *lbk_gradient_desc(lbk_gradient *g, lbk_value value) {
    return lbk_graph_desc(g->graph, value);
}

/* Contributions to dL/d(value), summed when more than one consumer gave one. */
typedef struct contribution {
    int count;
    lbk_value item[4];
} contribution;

typedef struct pass {
    lbk_graph *graph;
    bool *needed;           /* value leads to something whose gradient is wanted */
    contribution *gradient; /* per value that existed before the pass */
    size_t count;           /* such values */
    bool parameters;        /* they are wanted too */
} pass;

/* Sums what has come in so far into one value. */
static lbk_status collapse(pass *p, lbk_value value, lbk_value *out) {
    contribution *c = &p->gradient[value];
    *out = c->count ? c->item[0] : LBK_NONE;
    if (c->count < 2)
        return LBK_OK;
    LBK_TRY(lbk_graph_apply(p->graph, "add", NULL, c->count, c->item, out));
    c->count = 1;
    c->item[0] = *out;
    return LBK_OK;
}

static lbk_status contribute(pass *p, lbk_value value, lbk_value gradient) {
    contribution *c = &p->gradient[value];
    lbk_value sum;
    if (c->count == 4)
        LBK_TRY(collapse(p, value, &sum));
    c->item[c->count++] = gradient;
    for (int i = 0; c->count > 1 && i < c->count; i++) /* a sum has no shorter form for a 1 */
        if (c->item[i] == LBK_ONE)
            LBK_TRY(lbk_graph_apply(p->graph, "constant", NULL, 0, NULL, &c->item[i]));
    return LBK_OK;
}

/* Whether a gradient is to go from the node to its input i. */
static bool input_needed(const pass *p, const lbk_node *node, int i) {
    return node->input[i] != LBK_NONE && p->needed[node->input[i]] && !(node->op->detached >> i & 1u);
}

static void mark_needed(pass *p, const lbk_value *wanted, size_t count) {
    lbk_graph *graph = p->graph;
    for (size_t v = 0; v < p->count; v++)
        p->needed[v] = p->parameters && graph->values[v].kind == LBK_VALUE_PARAM;
    for (size_t i = 0; i < count; i++)
        p->needed[wanted[i]] = true;
    for (size_t n = 0; n < graph->node_count; n++) {
        const lbk_node *node = &graph->nodes[n];
        bool any = false;
        for (int i = 0; i < node->input_count; i++)
            any |= input_needed(p, node, i);
        for (int i = 0; i < node->output_count; i++)
            p->needed[node->output[i]] |= any; /* a wanted value may be computed of what is not */
    }
}

static lbk_status differentiate_node(pass *p, size_t index) {
    lbk_graph *graph = p->graph;
    const lbk_node node = graph->nodes[index]; /* a copy: emitting may move graph->nodes */
    lbk_tensor_desc input[LBK_MAX_INPUTS], output[LBK_MAX_OUTPUTS];
    lbk_gradient g = {.graph = graph,
                      .rounded = graph->storage != LBK_F32,
                      .op = node.op,
                      .params = node.params,
                      .input_count = node.input_count,
                      .output_count = node.output_count,
                      .input_desc = input,
                      .output_desc = output};
    bool reached = false, wanted = false;
    for (int i = 0; i < LBK_MAX_OUTPUTS; i++)
        g.output_grad[i] = LBK_NONE;
    for (int i = 0; i < node.output_count; i++) {
        g.output[i] = node.output[i];
        LBK_TRY(collapse(p, node.output[i], &g.output_grad[i]));
        reached |= g.output_grad[i] != LBK_NONE;
    }
    for (int i = 0; i < LBK_MAX_INPUTS; i++)
        g.input_grad[i] = LBK_NONE;
    for (int i = 0; i < node.input_count; i++) {
        g.input[i] = node.input[i];
        g.wanted[i] = input_needed(p, &node, i);
        wanted |= g.wanted[i];
    }
    if (!reached || !wanted)
        return LBK_OK;
    if (!node.op->differentiate)
        return lbk_fail(LBK_ERR_UNSUPPORTED, "the op %s has no derivative", node.op->name);
    lbk_graph_node_descs(graph, &node, input, output);
    LBK_TRY(lbk_context(node.op->differentiate(&g), "derivative of %s %s", node.op->name, node.name));
    for (int i = 0; i < node.input_count; i++)
        if (g.wanted[i] && g.input_grad[i] != LBK_NONE)
            LBK_TRY(contribute(p, node.input[i], g.input_grad[i]));
    return LBK_OK;
}

static lbk_status mark_parameters(pass *p) {
    lbk_graph *graph = p->graph;
    for (size_t v = 0; v < p->count; v++) {
        if (graph->values[v].kind != LBK_VALUE_PARAM)
            continue;
        lbk_value gradient;
        LBK_TRY(collapse(p, (lbk_value)v, &gradient));
        if (gradient == LBK_NONE)
            return lbk_fail(LBK_ERR_INPUT, "the loss does not depend on the parameter '%s'", graph->values[v].name);
        LBK_ENSURE(gradient >= 0 && graph->values[gradient].param_of_gradient == LBK_NONE);
        graph->values[gradient].param_of_gradient = (lbk_value)v;
        LBK_TRY(lbk_graph_keep(graph, gradient));
    }
    return LBK_OK;
}

static lbk_status run(pass *p, lbk_value loss) {
    LBK_TRY(contribute(p, loss, LBK_ONE));
    for (size_t n = p->graph->node_count; n-- > 0;)
        LBK_TRY(differentiate_node(p, n));
    return p->parameters ? mark_parameters(p) : LBK_OK;
}

static lbk_status differentiate(lbk_graph *graph, bool parameters, lbk_value loss, const lbk_value *wanted,
                                size_t count, lbk_value *wanted_grad) {
    if (lbk_shape_count(&lbk_graph_desc(graph, loss)->shape) != 1)
        return lbk_fail(LBK_ERR_INTERNAL, "only a scalar can be differentiated");
    pass p = {.graph = graph, .count = graph->value_count, .parameters = parameters};
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_calloc(p.count, sizeof *p.needed, &p.needed));
    LBK_GOTO(lbk_calloc(p.count, sizeof *p.gradient, &p.gradient));
    mark_needed(&p, wanted, count);
    LBK_GOTO(run(&p, loss));
    for (size_t i = 0; i < count; i++)
        LBK_GOTO(collapse(&p, wanted[i], &wanted_grad[i]));
out:
    free(p.needed);
    free(p.gradient);
    return status;
}

/* Whether a node from `first` on reads v. */
static bool is_read(const lbk_graph *graph, size_t first, lbk_value v) {
    for (size_t n = first; n < graph->node_count; n++)
        for (int i = 0; i < graph->nodes[n].input_count; i++)
            if (graph->nodes[n].input[i] == v)
                return true;
    return false;
}

/* Whether a node of the forward pass, the first `forward` ones, could as well change its state later, and the backward pass reads the
 * state as it was. */
static bool is_early(const lbk_graph *graph, size_t forward, const lbk_node *node) {
    bool early = false;
    for (int i = 0; i < node->input_count && node->op->updates; i++)
        early |= (node->op->updates >> i & 1u) && node->input[i] != LBK_NONE && is_read(graph, forward, node->input[i]);
    for (int i = 0; i < node->output_count && early; i++)
        early = !is_read(graph, 0, node->output[i]);
    return early;
}

/* Moves such nodes (of a memory bank whose old rows a loss was computed with, say) behind the backward pass. */
void lbk_graph_defer_updates(lbk_graph *graph, size_t forward) {
    for (size_t n = 0, left = forward; left-- > 0;) {
        lbk_node node = graph->nodes[n];
        if (!is_early(graph, forward, &node)) {
            n++;
            continue;
        }
        node.backward = true;
        forward--;
        memmove(&graph->nodes[n], &graph->nodes[n + 1], (graph->node_count - n - 1) * sizeof node);
        graph->nodes[graph->node_count - 1] = node;
    }
    for (size_t n = 0; n < graph->node_count; n++)
        for (int i = 0; i < graph->nodes[n].output_count; i++)
            graph->values[graph->nodes[n].output[i]].node = (int)n;
}

lbk_status lbk_graph_differentiate(lbk_graph *graph, lbk_value loss, const lbk_value *wanted, size_t count,
                                   lbk_value *wanted_grad) {
    size_t forward = graph->node_count;
    graph->in_backward = true;
    lbk_status status = differentiate(graph, true, loss, wanted, count, wanted_grad);
    graph->in_backward = false;
    if (status == LBK_OK)
        lbk_graph_defer_updates(graph, forward);
    return status;
}

lbk_status lbk_graph_derivative(lbk_graph *graph, lbk_value loss, const lbk_value *wanted, size_t count,
                                lbk_value *wanted_grad) {
    return differentiate(graph, false, loss, wanted, count, wanted_grad);
}

lbk_value lbk_graph_gradient(const lbk_graph *graph, lbk_value param) {
    for (size_t v = 0; v < graph->value_count; v++)
        if (graph->values[v].param_of_gradient == param)
            return (lbk_value)v;
    return LBK_NONE;
}

/* Marks everything that leads to the values marked in `leads`. */
static void mark_ancestors(const lbk_graph *graph, bool *leads) {
    for (size_t n = graph->node_count; n-- > 0;) {
        const lbk_node *node = &graph->nodes[n];
        bool any = false;
        for (int i = 0; i < node->output_count; i++)
            any |= leads[node->output[i]];
        for (int i = 0; any && i < node->input_count; i++)
            if (node->input[i] != LBK_NONE)
                leads[node->input[i]] = true;
    }
}

lbk_status lbk_graph_freeze_unreached(lbk_graph *graph, lbk_value loss, const lbk_value *outputs, size_t count) {
    bool *to_loss = NULL, *to_outputs = NULL;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_calloc(graph->value_count, sizeof *to_loss, &to_loss));
    LBK_GOTO(lbk_calloc(graph->value_count, sizeof *to_outputs, &to_outputs));
    to_loss[loss] = true;
    for (size_t i = 0; i < count; i++)
        to_outputs[outputs[i]] = true;
    mark_ancestors(graph, to_loss);
    mark_ancestors(graph, to_outputs);
    for (size_t v = 0; v < graph->value_count; v++)
        if (graph->values[v].kind == LBK_VALUE_PARAM && to_outputs[v] && !to_loss[v])
            graph->values[v].kind = LBK_VALUE_STATE;
out:
    free(to_loss);
    free(to_outputs);
    return status;
}

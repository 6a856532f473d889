/* The oracle: a graph run in float64 by the ops' references. */
#include "graph/graph.h"

#include <string.h>

static lbk_status allocate_outputs(const lbk_graph *graph, const lbk_node *node, double **memory, lbk_arena *arena) {
    for (int i = 0; i < node->output_count; i++) {
        lbk_value v = node->output[i];
        size_t count = (size_t)lbk_shape_count(&graph->values[v].desc.shape);
        if (!memory[v])
            LBK_TRY(lbk_arena_alloc(arena, count * sizeof(double), &memory[v]));
        else
            memset(memory[v], 0, count * sizeof(double));
    }
    return LBK_OK;
}

lbk_status lbk_graph_interpret(const lbk_graph *graph, double **memory, lbk_arena *arena) {
    for (size_t n = 0; n < graph->node_count; n++) {
        const lbk_node *node = &graph->nodes[n];
        LBK_TRY(allocate_outputs(graph, node, memory, arena));
        lbk_tensor_desc input[LBK_MAX_INPUTS], output[LBK_MAX_OUTPUTS];
        lbk_graph_node_descs(graph, node, input, output);
        double *in[LBK_MAX_INPUTS] = {0}, *out[LBK_MAX_OUTPUTS] = {0};
        for (int i = 0; i < node->input_count; i++) {
            if (node->input[i] == LBK_NONE)
                continue;
            in[i] = memory[node->input[i]];
            if (!in[i])
                return lbk_fail(LBK_ERR_INTERNAL, "%s %s: input %d ('%s') has no memory", node->op->name, node->name, i,
                                graph->values[node->input[i]].name);
        }
        for (int i = 0; i < node->output_count; i++)
            out[i] = memory[node->output[i]];
        lbk_reference reference = {.op = node->op,
                                   .params = node->params,
                                   .input_count = node->input_count,
                                   .output_count = node->output_count,
                                   .input = input,
                                   .output = output,
                                   .in = in,
                                   .out = out};
        node->op->reference(&reference);
    }
    return LBK_OK;
}

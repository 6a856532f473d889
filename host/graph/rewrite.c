#include "graph/rewrite.h"

#include <stdlib.h>
#include <string.h>

lbk_status lbk_rewrite_keep(lbk_rewrite *r, const lbk_node *node) {
    LBK_TRY(lbk_grow(&r->order, &r->capacity, r->count + 1, sizeof *r->order));
    r->order[r->count++] = *node;
    return LBK_OK;
}

lbk_status lbk_rewrite_add(lbk_rewrite *r, const lbk_op *op, const char *name, const void *params, int input_count,
                           const lbk_value *inputs, lbk_value *outputs) {
    LBK_TRY(lbk_graph_node(r->graph, op, name, params, input_count, inputs, outputs));
    return lbk_rewrite_keep(r, &r->graph->nodes[--r->graph->node_count]);
}

lbk_status lbk_rewrite_finish(const lbk_rewrite *r) {
    lbk_graph *graph = r->graph;
    LBK_TRY(lbk_grow(&graph->nodes, &graph->node_capacity, r->count, sizeof *graph->nodes));
    memcpy(graph->nodes, r->order, r->count * sizeof *graph->nodes);
    graph->node_count = r->count;
    for (size_t n = 0; n < graph->node_count; n++)
        for (int i = 0; i < graph->nodes[n].output_count; i++)
            graph->values[graph->nodes[n].output[i]].node = (int)n;
    return LBK_OK;
}

void lbk_rewrite_release(lbk_rewrite *r) {
    free(r->order);
    r->order = NULL;
}

size_t lbk_graph_forward_count(const lbk_graph *graph) {
    size_t count = 0;
    while (count < graph->node_count && !graph->nodes[count].backward)
        count++;
    return count;
}

bool lbk_graph_is_forward(const lbk_graph *graph, size_t forward, lbk_value value) {
    const lbk_value_info *info = &graph->values[value];
    return info->kind == LBK_VALUE_COMPUTED && info->node >= 0 && (size_t)info->node < forward;
}

bool lbk_graph_is_kept(const lbk_graph *graph, lbk_value value) {
    for (size_t i = 0; i < graph->kept_count; i++)
        if (graph->kept[i] == value)
            return true;
    return false;
}

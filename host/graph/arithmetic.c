/* Products of rounded operands on a device that has no units for them: `round` nodes in front of those that multiply.
 *
 * A value that several of them read is rounded once in the forward and once in the backward pass, so that no rounded copy is kept from
 * one to the other. A state is rounded for each reader: it may have changed between two. */
#include "graph/rewrite.h"
#include "ops/pack.h"
#include "ops/round.h"

#include <stdlib.h>
#include <string.h>

typedef struct rounding {
    lbk_rewrite rewrite;
    const lbk_op *round;
    lbk_round_params params;
    lbk_value *rounded[2]; /* [backward][value]; LBK_NONE */
} rounding;

/* Computed by what leaves nothing to round. */
static bool is_rounded(const rounding *r, lbk_value v) {
    const lbk_graph *graph = r->rewrite.graph;
    const lbk_value_info *info = &graph->values[v];
    if (info->kind != LBK_VALUE_COMPUTED || info->node < 0)
        return false;
    const lbk_node *node = &graph->nodes[info->node];
    if (node->op == r->round)
        return ((const lbk_round_params *)node->params)->type == r->params.type;
    if (r->params.type == LBK_ARITHMETIC_FLOAT16)
        return strcmp(node->op->name, lbk_unpack_name(LBK_F16)) == 0;
    return r->params.type == LBK_ARITHMETIC_BFLOAT16 && strcmp(node->op->name, lbk_unpack_name(LBK_BF16)) == 0;
}

static lbk_status round_value(rounding *r, bool backward, lbk_value *v) {
    lbk_graph *graph = r->rewrite.graph;
    lbk_value x = *v, *known = &r->rounded[backward][x];
    if (is_rounded(r, x))
        return LBK_OK;
    *v = *known;
    if (*v != LBK_NONE)
        return LBK_OK;
    graph->in_backward = backward;
    LBK_TRY(lbk_rewrite_add(&r->rewrite, r->round, "", &r->params, 1, &x, v));
    if (graph->values[x].kind != LBK_VALUE_STATE)
        *known = *v;
    return LBK_OK;
}

static lbk_status run(rounding *r) {
    lbk_graph *graph = r->rewrite.graph;
    size_t values = graph->value_count, nodes = graph->node_count;
    LBK_ENSURE(r->round);
    for (int pass = 0; pass < 2; pass++) {
        LBK_TRY(lbk_calloc(values, sizeof *r->rounded[pass], &r->rounded[pass]));
        for (size_t v = 0; v < values; v++)
            r->rounded[pass][v] = LBK_NONE;
    }
    for (size_t n = 0; n < nodes; n++) {
        lbk_node node = graph->nodes[n];
        for (int i = 0; i < node.input_count; i++)
            if ((node.op->multiplied >> i & 1u) && node.input[i] != LBK_NONE)
                LBK_TRY(round_value(r, node.backward, &node.input[i]));
        LBK_TRY(lbk_rewrite_keep(&r->rewrite, &node));
    }
    return lbk_rewrite_finish(&r->rewrite);
}

lbk_status lbk_graph_round(lbk_graph *graph, const lbk_caps *caps) {
    rounding r = {
        .rewrite = {.graph = graph}, .round = lbk_op_find("round"), .params = {.type = (int)graph->arithmetic}};
    bool before = graph->in_backward;
    if (graph->arithmetic == LBK_ARITHMETIC_FLOAT32 || (caps->matrix_units >> graph->arithmetic & 1u))
        return LBK_OK;
    lbk_status status = run(&r);
    graph->in_backward = before;
    lbk_rewrite_release(&r.rewrite);
    free(r.rounded[0]);
    free(r.rounded[1]);
    return status;
}

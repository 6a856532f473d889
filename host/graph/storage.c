/* Storage of activations in 16 bits: what the backward pass will read lies in half the memory until then.
 *
 * Right before its last forward reader a value is packed, right before its first backward reader unpacked; in between only the packed
 * bits live. No computation changes. What stays float32: values that the losses compute, gradients among them, whose range a
 * float16 may not have (Micikevicius et al. 2018, "Mixed precision training", arXiv 1710.03740, section 3.2); statistics, such as
 * means and sums of exponentials, on which a whole row's numbers depend; and what is small or soon read again. */
#include "graph/rewrite.h"
#include "ops/pack.h"

#include <stdlib.h>

#define LEAST_ELEMENTS 1024 /* of a value that is worth two launches */
#define NEAR 8              /* nodes: whoever is read again so soon is kept as it is */

typedef struct storage {
    lbk_rewrite rewrite;
    const lbk_op *pack, *unpack;
    size_t forward;
    lbk_value own;          /* values from here on are not the network's */
    size_t *last_forward;   /* value: the last forward node that reads it; its producer when none does */
    size_t *first_backward; /* value: the first backward node that reads it; 0 when none does */
    lbk_value *packed;      /* value: its 16 bits; LBK_NONE */
    lbk_value *unpacked;    /* value: its latest form in the backward pass; LBK_NONE */
    size_t *read;           /* value: the last node that read that form */
} storage;

static void find_uses(storage *s) {
    const lbk_graph *graph = s->rewrite.graph;
    for (size_t n = 0; n < graph->node_count; n++) {
        const lbk_node *node = &graph->nodes[n];
        for (int i = 0; i < node->output_count && n < s->forward; i++)
            s->last_forward[node->output[i]] = n;
        for (int i = 0; i < node->input_count; i++) {
            lbk_value v = node->input[i];
            if (v == LBK_NONE || !lbk_graph_is_forward(graph, s->forward, v))
                continue;
            if (n < s->forward)
                s->last_forward[v] = n;
            else if (!s->first_backward[v])
                s->first_backward[v] = n;
        }
    }
}

/* Packing v frees memory: what it may be a view of is no input and nothing that is kept. */
static bool is_freed(const storage *s, lbk_value v) {
    const lbk_graph *graph = s->rewrite.graph;
    for (;;) {
        if (!lbk_graph_is_forward(graph, s->forward, v) || lbk_graph_is_kept(graph, v))
            return false;
        const lbk_node *node = &graph->nodes[graph->values[v].node];
        if (!node->op->alias || node->input[node->op->alias - 1] == LBK_NONE)
            return true;
        v = node->input[node->op->alias - 1];
    }
}

static bool is_packed(const storage *s, lbk_value v) {
    const lbk_graph *graph = s->rewrite.graph;
    const lbk_tensor_desc *desc = lbk_graph_desc(graph, v);
    if (v >= s->own || desc->dtype != LBK_F32 || !s->first_backward[v] || !is_freed(s, v))
        return false;
    const lbk_node *node = &graph->nodes[graph->values[v].node];
    int64_t count = lbk_shape_count(&desc->shape),
            main = lbk_shape_count(&lbk_graph_desc(graph, node->output[0])->shape);
    return count >= LEAST_ELEMENTS && count >= main && s->first_backward[v] - s->last_forward[v] > NEAR;
}

static lbk_status pack(storage *s, lbk_value v) {
    return lbk_rewrite_add(&s->rewrite, s->pack, "", NULL, 1, &v, &s->packed[v]);
}

/* Whoever is read by n for the last time in the forward pass is packed before, what nobody reads when it is there. */
static lbk_status forward_node(storage *s, size_t n) {
    const lbk_node node = s->rewrite.graph->nodes[n];
    for (int i = 0; i < node.input_count; i++) {
        lbk_value v = node.input[i];
        if (v != LBK_NONE && s->last_forward[v] == n && s->packed[v] == LBK_NONE && is_packed(s, v))
            LBK_TRY(pack(s, v));
    }
    LBK_TRY(lbk_rewrite_keep(&s->rewrite, &node));
    for (int i = 0; i < node.output_count; i++)
        if (s->last_forward[node.output[i]] == n && is_packed(s, node.output[i]))
            LBK_TRY(pack(s, node.output[i]));
    return LBK_OK;
}

static lbk_status backward_node(storage *s, size_t n) {
    lbk_node node = s->rewrite.graph->nodes[n];
    for (int i = 0; i < node.input_count; i++) {
        lbk_value v = node.input[i];
        if (v == LBK_NONE || s->packed[v] == LBK_NONE)
            continue;
        if (s->unpacked[v] == LBK_NONE || n - s->read[v] > NEAR)
            LBK_TRY(lbk_rewrite_add(&s->rewrite, s->unpack, "", NULL, 1, &s->packed[v], &s->unpacked[v]));
        s->read[v] = n;
        node.input[i] = s->unpacked[v];
    }
    return lbk_rewrite_keep(&s->rewrite, &node);
}

static lbk_status run(storage *s) {
    lbk_graph *graph = s->rewrite.graph;
    size_t values = graph->value_count, nodes = graph->node_count;
    LBK_ENSURE(graph->storage != LBK_F32 && s->pack && s->unpack);
    LBK_TRY(lbk_calloc(values, sizeof *s->last_forward, &s->last_forward));
    LBK_TRY(lbk_calloc(values, sizeof *s->first_backward, &s->first_backward));
    LBK_TRY(lbk_calloc(values, sizeof *s->packed, &s->packed));
    LBK_TRY(lbk_calloc(values, sizeof *s->unpacked, &s->unpacked));
    LBK_TRY(lbk_calloc(values, sizeof *s->read, &s->read));
    for (size_t v = 0; v < values; v++)
        s->packed[v] = s->unpacked[v] = LBK_NONE;
    s->forward = lbk_graph_forward_count(graph);
    find_uses(s);
    for (size_t n = 0; n < s->forward; n++)
        LBK_TRY(forward_node(s, n));
    graph->in_backward = true;
    for (size_t n = s->forward; n < nodes; n++)
        LBK_TRY(backward_node(s, n));
    return lbk_rewrite_finish(&s->rewrite);
}

lbk_status lbk_graph_store(lbk_graph *graph, size_t own) {
    storage s = {.rewrite = {.graph = graph},
                 .pack = lbk_op_find(lbk_pack_name(graph->storage)),
                 .unpack = lbk_op_find(lbk_unpack_name(graph->storage)),
                 .own = (lbk_value)own};
    bool before = graph->in_backward;
    lbk_status status = run(&s);
    graph->in_backward = before;
    lbk_rewrite_release(&s.rewrite);
    free(s.last_forward);
    free(s.first_backward);
    free(s.packed);
    free(s.unpacked);
    free(s.read);
    return status;
}

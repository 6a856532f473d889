/* Recomputation: trading time for memory in training.
 *
 * The forward nodes are cut into segments. Values that cross a cut are kept; the others die after the forward pass, and a
 * segment's nodes run again right before its first backward node that reads one of them (Chen, Xu, Zhang, Guestrin 2016,
 * "Training deep nets with sublinear memory cost", arXiv 1604.06174, algorithm 1). The last segment is not repeated: its
 * backward pass comes next anyway. Every op repeats itself exactly, noise included (ops/dropout.c), so gradients are the
 * same bits. */
#include "graph/rewrite.h"

#include <stdlib.h>
#include <string.h>

typedef struct recompute {
    lbk_graph *graph;
    size_t forward;       /* forward nodes; they come first */
    size_t *last_forward; /* value: the last forward node that reads it; its producer when none does */
    bool *saved;          /* value: a backward node reads it */
    double *crossing;     /* forward node i: bytes of the values alive between i and i + 1 in the forward pass */
    double *bytes;        /* forward node i: bytes that the nodes up to i save for the backward pass */
    size_t *cuts;         /* last nodes of all segments but the last one, ascending */
    size_t cut_count;
    lbk_value *copy; /* value: its recomputed form; LBK_NONE */
    lbk_rewrite rewrite;
} recompute;

static bool is_forward_value(const recompute *r, lbk_value v) {
    return lbk_graph_is_forward(r->graph, r->forward, v);
}

static double bytes_of(const recompute *r, lbk_value v) {
    return (double)lbk_tensor_bytes(&r->graph->values[v].desc);
}

static void find_uses(recompute *r) {
    const lbk_graph *graph = r->graph;
    r->forward = lbk_graph_forward_count(graph);
    for (size_t n = 0; n < graph->node_count; n++) {
        const lbk_node *node = &graph->nodes[n];
        for (int i = 0; i < node->output_count && n < r->forward; i++)
            r->last_forward[node->output[i]] = n;
        for (int i = 0; i < node->input_count; i++) {
            lbk_value v = node->input[i];
            if (v == LBK_NONE || !is_forward_value(r, v))
                continue;
            if (n < r->forward)
                r->last_forward[v] = n;
            else
                r->saved[v] = true;
        }
    }
    for (size_t i = 0; i < graph->kept_count; i++) /* kept to the end of the step whatever is done here */
        r->saved[graph->kept[i]] = false;
}

static void measure(recompute *r) {
    double saved = 0;
    for (size_t n = 0; n < r->forward; n++) {
        const lbk_node *node = &r->graph->nodes[n];
        for (int i = 0; i < node->output_count; i++) {
            lbk_value v = node->output[i];
            saved += r->saved[v] ? bytes_of(r, v) : 0;
            for (size_t k = n; k < r->last_forward[v]; k++)
                r->crossing[k] += bytes_of(r, v);
        }
        r->bytes[n] = saved;
    }
}

/* Cuts for `count` segments of about equal weight, each where the least crosses near its place; returns what then is in
 * memory at once, about: all that crosses, and the heaviest segment. */
static double choose(const recompute *r, size_t count, size_t *cuts, size_t *cut_count) {
    double total = r->bytes[r->forward - 1], step = total / (double)count, kept = 0, heaviest = 0, start = 0;
    size_t n = 0;
    *cut_count = 0;
    for (size_t s = 1; s < count; s++) {
        size_t best = r->forward;
        for (; n + 1 < r->forward && r->bytes[n] <= step * ((double)s + 0.5); n++)
            if (r->bytes[n] >= step * ((double)s - 0.5) && (best == r->forward || r->crossing[n] <= r->crossing[best]))
                best = n;
        if (best == r->forward)
            continue;
        cuts[(*cut_count)++] = best;
        kept += r->crossing[best];
        heaviest = r->bytes[best] - start > heaviest ? r->bytes[best] - start : heaviest;
        start = r->bytes[best];
    }
    heaviest = total - start > heaviest ? total - start : heaviest;
    return kept + heaviest;
}

static lbk_status choose_best(recompute *r) {
    size_t *cuts = NULL, count;
    double best = r->bytes[r->forward - 1];
    LBK_TRY(lbk_calloc(r->forward, sizeof *cuts, &cuts));
    for (size_t segments = 2; segments * 2 < r->forward; segments++) {
        double peak = choose(r, segments, cuts, &count);
        if (peak >= best)
            continue;
        best = peak;
        r->cut_count = count;
        memcpy(r->cuts, cuts, count * sizeof *cuts);
    }
    free(cuts);
    return LBK_OK;
}

/* The segment of a forward node. */
static size_t segment_of(const recompute *r, size_t node) {
    size_t s = 0;
    while (s < r->cut_count && node > r->cuts[s])
        s++;
    return s;
}

/* Whether v dies after the forward pass: it belongs to a segment that is repeated and does not leave it. */
static bool is_dropped(const recompute *r, lbk_value v) {
    if (!is_forward_value(r, v))
        return false;
    size_t s = segment_of(r, (size_t)r->graph->values[v].node);
    if (s == r->cut_count || r->last_forward[v] > r->cuts[s])
        return false;
    return !lbk_graph_is_kept(r->graph, v);
}

/* Adds node n once more, reading copies where there are some. Running statistics were updated by the first run. */
static lbk_status repeat_node(recompute *r, size_t n) {
    const lbk_node node = r->graph->nodes[n];
    lbk_value inputs[LBK_MAX_INPUTS], outputs[LBK_MAX_OUTPUTS];
    for (int i = 0; i < node.input_count; i++) {
        inputs[i] = node.op->updates >> i & 1u ? LBK_NONE : node.input[i];
        if (inputs[i] != LBK_NONE && r->copy[inputs[i]] != LBK_NONE)
            inputs[i] = r->copy[inputs[i]];
    }
    LBK_TRY(lbk_rewrite_add(&r->rewrite, node.op, node.name, node.params, node.input_count, inputs, outputs));
    for (int i = 0; i < node.output_count; i++)
        r->copy[node.output[i]] = outputs[i];
    return LBK_OK;
}

/* Repeats what the backward pass and its own nodes need of segment s. */
static lbk_status repeat_segment(recompute *r, size_t s) {
    size_t first = s ? r->cuts[s - 1] + 1 : 0, end = r->cuts[s] + 1;
    bool *wanted = NULL;
    lbk_status status = LBK_OK;
    LBK_TRY(lbk_calloc(end - first, sizeof *wanted, &wanted));
    for (size_t n = end; n-- > first;) {
        const lbk_node *node = &r->graph->nodes[n];
        for (int i = 0; i < node->output_count; i++)
            wanted[n - first] |= r->saved[node->output[i]] && is_dropped(r, node->output[i]);
        for (int i = 0; wanted[n - first] && i < node->input_count; i++)
            if (node->input[i] != LBK_NONE && is_dropped(r, node->input[i]))
                wanted[(size_t)r->graph->values[node->input[i]].node - first] = true;
    }
    for (size_t n = first; n < end; n++)
        if (wanted[n - first])
            LBK_GOTO(repeat_node(r, n));
out:
    free(wanted);
    return status;
}

static lbk_status rewrite(recompute *r) {
    lbk_graph *graph = r->graph;
    size_t count = graph->node_count;
    for (size_t n = 0; n < r->forward; n++)
        LBK_TRY(lbk_rewrite_keep(&r->rewrite, &graph->nodes[n]));
    for (size_t n = r->forward; n < count; n++) {
        for (int i = 0; i < graph->nodes[n].input_count; i++) {
            lbk_value v = graph->nodes[n].input[i];
            if (v == LBK_NONE || !is_dropped(r, v))
                continue;
            if (r->copy[v] == LBK_NONE)
                LBK_TRY(repeat_segment(r, segment_of(r, (size_t)graph->values[v].node)));
            graph->nodes[n].input[i] = r->copy[v];
        }
        LBK_TRY(lbk_rewrite_keep(&r->rewrite, &graph->nodes[n]));
    }
    return lbk_rewrite_finish(&r->rewrite);
}

static lbk_status run(recompute *r) {
    size_t values = r->graph->value_count, nodes = r->graph->node_count;
    LBK_TRY(lbk_calloc(values, sizeof *r->last_forward, &r->last_forward));
    LBK_TRY(lbk_calloc(values, sizeof *r->saved, &r->saved));
    LBK_TRY(lbk_calloc(values, sizeof *r->copy, &r->copy));
    LBK_TRY(lbk_calloc(nodes, sizeof *r->crossing, &r->crossing));
    LBK_TRY(lbk_calloc(nodes, sizeof *r->bytes, &r->bytes));
    LBK_TRY(lbk_calloc(nodes, sizeof *r->cuts, &r->cuts));
    for (size_t v = 0; v < values; v++)
        r->copy[v] = LBK_NONE;
    find_uses(r);
    if (r->forward == 0)
        return LBK_OK;
    measure(r);
    LBK_TRY(choose_best(r));
    return r->cut_count ? rewrite(r) : LBK_OK;
}

lbk_status lbk_graph_recompute(lbk_graph *graph) {
    recompute r = {.graph = graph, .rewrite = {.graph = graph}};
    bool before = graph->in_backward;
    graph->in_backward = true;
    lbk_status status = run(&r);
    graph->in_backward = before;
    free(r.last_forward);
    free(r.saved);
    free(r.copy);
    free(r.crossing);
    free(r.bytes);
    free(r.cuts);
    lbk_rewrite_release(&r.rewrite);
    return status;
}

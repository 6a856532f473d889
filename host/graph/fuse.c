/* Rewrites that save passes over memory. What may be merged is said by the ops themselves (op->addend, op->scale, a bool
 * parameter "relu"); no op is named here but the two that disappear, relu and add, and batch_norm in evaluation. */
#include "graph/graph.h"

#include <stdlib.h>
#include <string.h>

/* Uses of each value: by nodes, and by being kept or a parameter's gradient. */
typedef struct uses {
    int *count;
    int *reader; /* some node that reads it */
} uses;

static lbk_status count_uses(const lbk_graph *g, uses *u) {
    LBK_TRY(lbk_calloc(g->value_count + 1, sizeof *u->count, &u->count));
    LBK_TRY(lbk_calloc(g->value_count + 1, sizeof *u->reader, &u->reader));
    for (size_t n = 0; n < g->node_count; n++) {
        for (int i = 0; g->nodes[n].op && i < g->nodes[n].input_count; i++) {
            lbk_value v = g->nodes[n].input[i];
            if (v == LBK_NONE)
                continue;
            u->count[v]++;
            u->reader[v] = (int)n;
        }
    }
    for (size_t i = 0; i < g->kept_count; i++)
        u->count[g->kept[i]] += 2; /* so that it never looks like used once */
    return LBK_OK;
}

static void release_uses(uses *u) {
    free(u->count);
    free(u->reader);
}

/* The only reader of node n's output 0, if it is an op of that name; -1 otherwise. */
static int only_reader(const lbk_graph *g, const uses *u, size_t n, const char *op) {
    lbk_value y = g->nodes[n].output[0];
    if (u->count[y] != 1)
        return -1;
    int m = u->reader[y];
    return g->nodes[m].op && strcmp(g->nodes[m].op->name, op) == 0 ? m : -1;
}

static bool *relu_param(const lbk_node *node) {
    const lbk_param *p = node->op->params ? lbk_param_find(node->op->params, "relu") : NULL;
    return p && p->type == LBK_TYPE_BOOL ? (bool *)((char *)(uintptr_t)node->params + p->offset) : NULL;
}

static bool has_relu(const lbk_node *node) {
    const bool *relu = relu_param(node);
    return relu && *relu;
}

static bool has_input(const lbk_node *node, int input) {
    return input >= 0 && input < node->input_count && node->input[input] != LBK_NONE;
}

/* Node n takes over the place and output 0 of the later node m, which disappears. */
static void take_place(lbk_graph *g, size_t n, int m) {
    lbk_node merged = g->nodes[n];
    merged.output[0] = g->nodes[m].output[0];
    g->values[g->nodes[n].output[0]].node = -1;
    g->nodes[n].op = NULL;
    g->nodes[m] = merged;
    for (int i = 0; i < merged.output_count; i++)
        g->values[merged.output[i]].node = m;
}

/* f(x) followed by relu. */
static bool absorb_relu(lbk_graph *g, const uses *u, size_t n) {
    bool *relu = relu_param(&g->nodes[n]);
    int m = relu && !*relu ? only_reader(g, u, n, "relu") : -1;
    if (m < 0)
        return false;
    *relu = true;
    take_place(g, n, m);
    return true;
}

/* f(x) + other, of one shape. */
static bool absorb_add(lbk_graph *g, const uses *u, size_t n) {
    lbk_node *node = &g->nodes[n];
    int at = node->op->addend - 1;
    if (at < 0 || has_relu(node) || has_input(node, at))
        return false;
    int m = only_reader(g, u, n, "add");
    if (m < 0 || g->nodes[m].input_count != 2)
        return false;
    lbk_value other = g->nodes[m].input[g->nodes[m].input[0] == node->output[0]];
    const lbk_shape *shape = &g->values[node->output[0]].desc.shape;
    if (!lbk_shape_equal(shape, &g->values[other].desc.shape))
        return false; /* repeats one of them */
    while (node->input_count <= at)
        node->input[node->input_count++] = LBK_NONE;
    node->input[at] = other;
    take_place(g, n, m);
    return true;
}

static bool is_evaluating(const lbk_node *node) {
    const lbk_param *p = node->op->params ? lbk_param_find(node->op->params, "training") : NULL;
    return p && !*(const bool *)((const char *)node->params + p->offset);
}

/* Parameters with the same name and type in both tables are copied (eps). */
static void copy_common_params(const lbk_node *from, const lbk_op *to_op, void *to) {
    for (const lbk_param *p = to_op->params; p && p->name; p++) {
        const lbk_param *q = lbk_param_find(from->op->params, p->name);
        if (q && q->type == LBK_TYPE_FLOAT && p->type == LBK_TYPE_FLOAT)
            memcpy((char *)to + p->offset, (const char *)from->params + q->offset, sizeof(double));
    }
}

/* y = f(x) followed by batch_norm with constant statistics: f's epilogue multiplies and shifts instead. The two vectors are
 * computed by a node that takes the batch norm's weights; it must run before f, so it is swapped into f's place and f into
 * the batch norm's. */
static lbk_status fold_norm(lbk_graph *g, const uses *u, size_t n, bool *changed) {
    lbk_node *node = &g->nodes[n];
    int at = node->op->scale - 1;
    if (at < 0 || has_input(node, at) || has_input(node, node->op->addend - 1) || has_relu(node))
        return LBK_OK; /* what comes after f already comes before the batch norm */
    int m = only_reader(g, u, n, "batch_norm");
    if (m < 0 || !is_evaluating(&g->nodes[m]) || g->nodes[m].input[0] != node->output[0])
        return LBK_OK;
    const lbk_node norm = g->nodes[m];
    const lbk_op *fold = lbk_op_find("batch_norm_fold");
    LBK_ENSURE(fold);
    void *params = NULL;
    lbk_value outputs[LBK_MAX_OUTPUTS];
    LBK_TRY(lbk_arena_alloc(&g->arena, fold->params_size + 1, &params));
    if (fold->params)
        LBK_TRY(lbk_param_defaults(fold->params, &g->arena, params));
    copy_common_params(&norm, fold, params);
    LBK_TRY(lbk_graph_node(g, fold, NULL, params, 4, &norm.input[1], outputs));
    node = &g->nodes[n]; /* adding may have moved it */
    while (node->input_count <= at + 1)
        node->input[node->input_count++] = LBK_NONE;
    node->input[at] = outputs[0];
    node->input[at + 1] = outputs[1];
    bool *relu = relu_param(node), *norm_relu = relu_param(&norm);
    if (relu && norm_relu)
        *relu = *norm_relu;
    if (node->op->addend && norm.op->addend && norm.input_count >= norm.op->addend) {
        while (node->input_count < node->op->addend)
            node->input[node->input_count++] = LBK_NONE;
        node->input[node->op->addend - 1] = norm.input[norm.op->addend - 1];
    }
    lbk_node folded = g->nodes[--g->node_count];
    take_place(g, n, m);
    g->nodes[n] = folded;
    for (int i = 0; i < folded.output_count; i++)
        g->values[folded.output[i]].node = (int)n;
    *changed = true;
    return LBK_OK;
}

/* Removes the holes that merging left and renumbers producers. */
static void compact(lbk_graph *g) {
    size_t kept = 0;
    for (size_t n = 0; n < g->node_count; n++) {
        if (!g->nodes[n].op)
            continue;
        g->nodes[kept] = g->nodes[n];
        for (int i = 0; i < g->nodes[kept].output_count; i++)
            g->values[g->nodes[kept].output[i]].node = (int)kept;
        kept++;
    }
    g->node_count = kept;
}

static lbk_status sweep(lbk_graph *g, bool *changed) {
    uses u = {0};
    lbk_status status = count_uses(g, &u);
    *changed = false;
    /* One rewrite a node and sweep: counts stay valid for nodes further on, as merging moves readers only forward. */
    for (size_t n = 0; status == LBK_OK && n < g->node_count && !*changed; n++) {
        if (!g->nodes[n].op)
            continue;
        status = fold_norm(g, &u, n, changed);
        if (status == LBK_OK && !*changed)
            *changed = absorb_add(g, &u, n) || absorb_relu(g, &u, n);
    }
    release_uses(&u);
    return status;
}

lbk_status lbk_graph_fuse(lbk_graph *g) {
    bool changed = true;
    while (changed)
        LBK_TRY(sweep(g, &changed));
    compact(g);
    return lbk_graph_prune(g);
}

lbk_status lbk_graph_prune(lbk_graph *g) {
    bool *needed = NULL;
    LBK_TRY(lbk_calloc(g->value_count + 1, sizeof *needed, &needed));
    for (size_t i = 0; i < g->kept_count; i++)
        needed[g->kept[i]] = true;
    for (size_t n = g->node_count; n-- > 0;) {
        lbk_node *node = &g->nodes[n];
        bool live = node->op->updates && !is_evaluating(node);
        for (int i = 0; i < node->output_count; i++)
            live |= needed[node->output[i]];
        for (int i = 0; live && i < node->input_count; i++)
            if (node->input[i] != LBK_NONE)
                needed[node->input[i]] = true;
        for (int i = 0; !live && i < node->output_count; i++)
            g->values[node->output[i]].node = -1;
        if (!live)
            node->op = NULL;
    }
    free(needed);
    compact(g);
    return LBK_OK;
}

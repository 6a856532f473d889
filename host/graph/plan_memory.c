#include "graph/plan_memory.h"

#include <stdlib.h>
#include <string.h>

/* A stretch of arena memory in use from node `first` to node `last`, both included. */
typedef struct block {
    size_t bytes, first, last, offset;
    size_t *result; /* where the offset goes */
} block;

typedef struct packing {
    block *blocks;
    size_t count, capacity;
} packing;

static lbk_status emit_all(lbk_plan_memory *m, const lbk_caps *caps, const char *const *variants) {
    for (size_t n = 0; n < m->graph->node_count; n++) {
        const lbk_node *node = &m->graph->nodes[n];
        lbk_node_memory *nm = &m->nodes[n];
        lbk_graph_node_descs(m->graph, node, nm->input, nm->output);
        nm->emit = (lbk_emit){.caps = caps,
                              .op = node->op,
                              .params = node->params,
                              .input_count = node->input_count,
                              .output_count = node->output_count,
                              .input = nm->input,
                              .output = nm->output,
                              .arithmetic = m->graph->arithmetic,
                              .only = variants ? variants[n] : NULL};
        LBK_TRY(lbk_context(lbk_emit_node(&nm->emit), "%s %s", node->op->name, node->name));
    }
    return LBK_OK;
}

/* last[v]: the last node that reads v (or produces it); kept values live to the end. */
static void find_last_use(const lbk_graph *graph, size_t *last) {
    for (size_t n = 0; n < graph->node_count; n++) {
        const lbk_node *node = &graph->nodes[n];
        for (int i = 0; i < node->output_count; i++)
            last[node->output[i]] = n;
        for (int i = 0; i < node->input_count; i++)
            if (node->input[i] != LBK_NONE)
                last[node->input[i]] = n;
    }
    for (size_t i = 0; i < graph->kept_count; i++)
        last[graph->kept[i]] = graph->node_count;
}

/* May node n's output 0 overwrite input `in`? Only when everything that shares its memory is dead after n. root_last[r] is the last
 * use of any value on root r found so far. */
static bool may_overwrite(const lbk_plan_memory *m, size_t n, lbk_value in, const size_t *root_last) {
    const lbk_graph *graph = m->graph;
    lbk_value root = m->root[in], out = graph->nodes[n].output[0];
    if (graph->values[root].kind != LBK_VALUE_COMPUTED || graph->values[root].param_of_gradient != LBK_NONE)
        return false;
    if (graph->values[out].param_of_gradient != LBK_NONE || root_last[root] > n)
        return false;
    for (int i = 0, uses = 0; i < graph->nodes[n].input_count; i++) {
        lbk_value v = graph->nodes[n].input[i];
        if (v != LBK_NONE && m->root[v] == root && ++uses > 1)
            return false;
    }
    return lbk_tensor_bytes(&graph->values[root].desc) == lbk_tensor_bytes(&graph->values[out].desc);
}

static lbk_status find_roots(lbk_plan_memory *m, const size_t *last, size_t *root_last, bool no_sharing) {
    const lbk_graph *graph = m->graph;
    for (size_t v = 0; v < graph->value_count; v++) {
        m->root[v] = (lbk_value)v;
        root_last[v] = last[v];
    }
    for (size_t n = 0; n < graph->node_count; n++) {
        const lbk_node *node = &graph->nodes[n];
        bool view = m->nodes[n].emit.call_count == 0;
        int taken = view ? node->op->alias : node->op->inplace;
        if (!taken || node->input[taken - 1] == LBK_NONE)
            continue;
        lbk_value in = node->input[taken - 1], out = node->output[0];
        if (view && graph->values[out].param_of_gradient != LBK_NONE)
            return lbk_fail(LBK_ERR_INTERNAL, "%s: a view cannot be a parameter's gradient", node->op->name);
        if (!view && (no_sharing || !may_overwrite(m, n, in, root_last)))
            continue;
        lbk_value root = m->root[in];
        m->root[out] = root;
        if (last[out] > root_last[root])
            root_last[root] = last[out];
    }
    return LBK_OK;
}

static lbk_status add_block(packing *p, size_t bytes, size_t first, size_t last, size_t align, size_t *result) {
    LBK_TRY(lbk_grow(&p->blocks, &p->capacity, p->count + 1, sizeof *p->blocks));
    size_t rounded = (bytes + align - 1) / align * align;
    p->blocks[p->count++] = (block){rounded ? rounded : align, first, last, 0, result};
    return LBK_OK;
}

static lbk_status collect_blocks(lbk_plan_memory *m, packing *p, const size_t *root_last, size_t align) {
    const lbk_graph *graph = m->graph;
    for (size_t v = 0; v < graph->value_count; v++) {
        const lbk_value_info *info = &graph->values[v];
        m->offset[v] = SIZE_MAX;
        bool alive = info->kind == LBK_VALUE_COMPUTED && info->node >= 0;
        if (alive && m->root[v] == (lbk_value)v && info->param_of_gradient == LBK_NONE)
            LBK_TRY(
                add_block(p, lbk_tensor_bytes(&info->desc), (size_t)info->node, root_last[v], align, &m->offset[v]));
    }
    for (size_t n = 0; n < graph->node_count; n++)
        for (int s = 0; s < m->nodes[n].emit.scratch_count; s++)
            LBK_TRY(add_block(p, m->nodes[n].emit.scratch_bytes[s], n, n, align, &m->nodes[n].scratch_offset[s]));
    return LBK_OK;
}

static int larger_first(const void *a, const void *b) {
    const block *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->first < y->first ? -1 : x->first > y->first;
}

static int lower_first(const void *a, const void *b) {
    const block *x = *(const block *const *)a, *y = *(const block *const *)b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Greedy by size: each block, largest first, goes to the lowest gap among the blocks alive at the same time (Pisarchyk
 * and Lee, "Efficient memory management for deep neural net inference", 2020, algorithm 2). */
static lbk_status pack(packing *p, bool no_sharing, size_t *total) {
    const block **alive = NULL;
    LBK_TRY(lbk_calloc(p->count + 1, sizeof(block *), &alive));
    qsort(p->blocks, p->count, sizeof *p->blocks, larger_first);
    *total = 0;
    for (size_t i = 0; i < p->count; i++) {
        block *b = &p->blocks[i];
        size_t count = 0, end = 0;
        for (size_t j = 0; j < i; j++)
            if (no_sharing || (p->blocks[j].first <= b->last && b->first <= p->blocks[j].last))
                alive[count++] = &p->blocks[j];
        qsort(alive, count, sizeof *alive, lower_first);
        for (size_t j = 0; j < count; j++) {
            if (alive[j]->offset >= end + b->bytes)
                break;
            if (alive[j]->offset + alive[j]->bytes > end)
                end = alive[j]->offset + alive[j]->bytes;
        }
        b->offset = end;
        if (end + b->bytes > *total)
            *total = end + b->bytes;
    }
    free(alive);
    for (size_t i = 0; i < p->count; i++)
        *p->blocks[i].result = p->blocks[i].offset;
    return LBK_OK;
}

lbk_status lbk_plan_memory_init(lbk_plan_memory *m, const lbk_graph *graph, const lbk_caps *caps, bool no_sharing,
                                const char *const *variants) {
    memset(m, 0, sizeof *m);
    m->graph = graph;
    size_t *last = NULL, *root_last = NULL;
    packing p = {0};
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_calloc(graph->node_count + 1, sizeof *m->nodes, &m->nodes));
    LBK_GOTO(lbk_calloc(graph->value_count + 1, sizeof *m->root, &m->root));
    LBK_GOTO(lbk_calloc(graph->value_count + 1, sizeof *m->offset, &m->offset));
    LBK_GOTO(lbk_calloc(graph->value_count + 1, sizeof *last, &last));
    LBK_GOTO(lbk_calloc(graph->value_count + 1, sizeof *root_last, &root_last));
    LBK_GOTO(emit_all(m, caps, variants));
    find_last_use(graph, last);
    LBK_GOTO(find_roots(m, last, root_last, no_sharing));
    LBK_GOTO(collect_blocks(m, &p, root_last, caps->align_bytes));
    LBK_GOTO(pack(&p, no_sharing, &m->arena_bytes));
out:
    free(last);
    free(root_last);
    free(p.blocks);
    return status;
}

void lbk_plan_memory_release(lbk_plan_memory *m) {
    for (size_t n = 0; m->nodes && n < m->graph->node_count; n++)
        lbk_emit_release(&m->nodes[n].emit);
    free(m->nodes);
    free(m->root);
    free(m->offset);
    memset(m, 0, sizeof *m);
}

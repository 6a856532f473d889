/* Recomputation: the same numbers, to the bit, from less memory. */
#include "base/file.h"
#include "helpers/chain.h"
#include "helpers/little_net.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static void must(lbk_status status) {
    cr_assert_eq(status, LBK_OK, "%s", lbk_error_message());
}

typedef struct trained {
    little_net net;
    lbk_arena arena;
    double **memory;
} trained;

static void train(trained *t, bool recompute) {
    *t = (trained){.arena = {0}};
    little_net_build(&t->net, true, true);
    size_t before = t->net.graph->node_count;
    if (recompute) {
        must(lbk_graph_recompute(t->net.graph));
        cr_assert_gt(t->net.graph->node_count, before, "nothing is computed again");
    }
    t->memory = calloc(t->net.graph->value_count, sizeof *t->memory);
    little_net_fill(&t->net, t->memory, &t->arena);
    must(lbk_graph_interpret(t->net.graph, t->memory, &t->arena));
}

static void discard(trained *t) {
    lbk_graph_destroy(t->net.graph);
    lbk_arena_release(&t->arena);
    free(t->memory);
}

static void expect_same(const trained *a, const trained *b, lbk_value va, lbk_value vb) {
    const lbk_value_info *info = lbk_graph_info(a->net.graph, va);
    for (int64_t k = 0; k < lbk_shape_count(&info->desc.shape); k++)
        cr_assert_eq(a->memory[va][k], b->memory[vb][k], "%s [%lld]", info->name, (long long)k);
}

Test(recompute, gradients_and_statistics_are_the_same_bits) {
    trained kept, again;
    train(&kept, false);
    train(&again, true);
    expect_same(&kept, &again, kept.net.loss, again.net.loss);
    for (size_t v = 0; v < kept.net.graph->value_count; v++) {
        lbk_value_kind kind = kept.net.graph->values[v].kind;
        if (kind == LBK_VALUE_PARAM)
            expect_same(&kept, &again, lbk_graph_gradient(kept.net.graph, (lbk_value)v),
                        lbk_graph_gradient(again.net.graph, (lbk_value)v));
        else if (kind == LBK_VALUE_STATE) /* moved once, not twice */
            expect_same(&kept, &again, (lbk_value)v, (lbk_value)v);
    }
    discard(&kept);
    discard(&again);
}

/* Bytes, and how many nodes recomputation adds. */
static size_t bytes_of_chain(int depth, bool recompute, size_t *more) {
    lbk_graph *g = chain_build(depth, LBK_F32);
    size_t before = g->node_count;
    if (recompute)
        must(lbk_graph_recompute(g));
    *more = g->node_count - before;
    size_t bytes = chain_bytes(g);
    lbk_graph_destroy(g);
    return bytes;
}

/* 100 layers: about 2 sqrt(100) activations in place of 100, and no node more than twice. */
Test(recompute, memory_grows_with_the_root_of_the_depth) {
    size_t none, more, all = bytes_of_chain(100, false, &none), some = bytes_of_chain(100, true, &more);
    cr_expect_eq(none, 0);
    cr_expect_lt((double)some, 0.35 * (double)all, "%zu of %zu bytes", some, all);
    cr_expect(more > 100 && more <= 201, "%zu nodes are run again", more);
}

Test(recompute, leaves_a_graph_alone_that_would_not_gain) {
    size_t more;
    bytes_of_chain(1, true, &more);
    cr_expect_eq(more, 0);
}

#include "chain.h"

#include <criterion/criterion.h>
#include <stdio.h>

static void must(lbk_status status) {
    cr_assert_eq(status, LBK_OK, "%s", lbk_error_message());
}

lbk_graph *chain_build(int depth, lbk_dtype storage) {
    lbk_graph *g;
    lbk_value x, loss, w;
    must(lbk_graph_create(&g));
    g->storage = storage;
    must(lbk_graph_input(g, "x", LBK_F32, lbk_shape_2(64, 32), &x));
    const lbk_weight weight = {.suffix = "w", .kind = LBK_WEIGHT_PARAM, .input = 1, .shape = lbk_shape_2(32, 32)};
    for (int i = 0; i < depth; i++) {
        char name[16];
        snprintf(name, sizeof name, "w%d", i);
        must(lbk_graph_weight(g, name, &weight, &w));
        must(lbk_graph_apply(g, "matmul", NULL, 2, (lbk_value[]){x, w}, &x));
        must(lbk_graph_apply(g, "relu", NULL, 1, &x, &x));
    }
    must(lbk_graph_apply(g, "mean", NULL, 1, &x, &loss));
    must(lbk_graph_keep(g, loss));
    must(lbk_graph_differentiate(g, loss, NULL, 0, NULL));
    must(lbk_graph_fuse(g));
    return g;
}

size_t chain_bytes(const lbk_graph *graph) {
    lbk_arena arena = {0};
    lbk_device_list list;
    lbk_plan_estimate estimate;
    must(lbk_device_list_init(&list));
    must(lbk_plan_measure(graph, &list.items[0].caps, &arena, &estimate));
    lbk_arena_release(&arena);
    lbk_device_list_release(&list);
    return estimate.bytes;
}

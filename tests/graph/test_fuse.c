/* Chains of nodes before and after merging, in float64: what comes out is the same, whatever order the nodes stand in. */
#include "graph/graph.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHANNELS = 3, ELEMENTS = 2 * 4 * 4 * CHANNELS };

static void must(lbk_status status) {
    cr_assert_eq(status, LBK_OK, "%s", lbk_error_message());
}

typedef struct chain {
    lbk_graph *graph;
    lbk_value x, last;
    double **memory;
    lbk_arena arena;
} chain;

/* A node called `name`, with weights; batch_norm evaluates. */
static lbk_value layer(chain *c, const char *op_name, const char *name, const char *params, lbk_value input) {
    const lbk_op *op = lbk_op_find(op_name);
    lbk_weight_list list = {0};
    lbk_value inputs[LBK_MAX_INPUTS] = {input}, outputs[LBK_MAX_OUTPUTS];
    void *values = NULL;
    must(lbk_arena_alloc(&c->arena, op->params_size + 1, &values));
    must(lbk_op_params_parse(op, params, &c->arena, values));
    if (op->weights)
        must(op->weights(values, lbk_graph_desc(c->graph, input), &list));
    int count = 1;
    for (int i = 0; i < list.count; i++) {
        const char *full = NULL;
        if (list.item[i].input < 0)
            continue;
        must(lbk_arena_printf(&c->arena, &full, "%s.%s", name, list.item[i].suffix));
        must(lbk_graph_weight(c->graph, full, &list.item[i], &inputs[list.item[i].input]));
        count++;
    }
    must(lbk_graph_node(c->graph, op, name, values, count, inputs, outputs));
    return outputs[0];
}

static lbk_value add(chain *c, lbk_value a, lbk_value b) {
    lbk_value out;
    must(lbk_graph_apply(c->graph, "add", NULL, 2, (lbk_value[]){a, b}, &out));
    return out;
}

/* "cban": a convolution, a batch norm, the addition of the input, a relu ("r"), in this order. */
static void chain_build(chain *c, const char *order) {
    memset(c, 0, sizeof *c);
    must(lbk_graph_create(&c->graph));
    must(lbk_graph_input(c->graph, "x", LBK_F32, lbk_shape_4(2, 4, 4, CHANNELS), &c->x));
    c->last = c->x;
    for (const char *step = order; *step; step++) {
        const char name[] = {*step, (char)('0' + (step - order)), '\0'};
        if (*step == 'c')
            c->last = layer(c, "conv2d", name, "out=3 kernel=3 padding=1", c->last);
        else if (*step == 'b')
            c->last = layer(c, "batch_norm", name, "training=no", c->last);
        else if (*step == 'r')
            c->last = layer(c, "relu", name, "", c->last);
        else
            c->last = add(c, c->last, c->x);
    }
    must(lbk_graph_keep(c->graph, c->last));
}

/* Numbers around 0 that differ from value to value; around 1 for variances. */
static void chain_run(chain *c) {
    must(lbk_arena_alloc(&c->arena, c->graph->value_count * sizeof *c->memory, &c->memory));
    for (size_t v = 0; v < c->graph->value_count; v++) {
        const lbk_value_info *info = &c->graph->values[v];
        if (info->kind == LBK_VALUE_COMPUTED)
            continue;
        size_t count = (size_t)lbk_shape_count(&info->desc.shape);
        must(lbk_arena_alloc(&c->arena, count * sizeof(double), &c->memory[v]));
        for (size_t i = 0; i < count; i++)
            c->memory[v][i] =
                0.7 * sin(1.3 * (double)i + 2.1 * (double)v) + (strstr(info->name, "running_var") ? 1 : 0);
    }
    must(lbk_graph_interpret(c->graph, c->memory, &c->arena));
}

static void chain_release(chain *c) {
    lbk_graph_destroy(c->graph);
    lbk_arena_release(&c->arena);
}

/* nodes: how many are left. */
static void expect_same(const char *order, size_t nodes) {
    chain plain, fused;
    chain_build(&plain, order);
    chain_build(&fused, order);
    must(lbk_graph_fuse(fused.graph));
    cr_expect_eq(fused.graph->node_count, nodes, "%s: %zu nodes", order, fused.graph->node_count);
    chain_run(&plain);
    chain_run(&fused);
    for (int i = 0; i < ELEMENTS; i++)
        cr_assert_float_eq(fused.memory[fused.last][i], plain.memory[plain.last][i], 1e-12, "%s: element %d", order, i);
    chain_release(&plain);
    chain_release(&fused);
}

/* A folded batch norm leaves the node that computes scale and shift. */
Test(fuse, what_follows_a_convolution_goes_into_it) {
    expect_same("cr", 1);
    expect_same("ca", 1);
    expect_same("car", 1);
    expect_same("cb", 2);
    expect_same("cbr", 2);
    expect_same("cba", 2);
    expect_same("cbar", 2);
}

/* The convolution scales before it adds and activates. */
Test(fuse, a_batch_norm_behind_an_addition_or_a_relu_stays) {
    expect_same("cab", 2);
    expect_same("crb", 2);
    expect_same("carb", 2);
    expect_same("cabr", 2);
    expect_same("cra", 2);
    expect_same("bc", 2);
    expect_same("cbb", 3);
    expect_same("cabcab", 4);
}

/* Addition node left behind a convolution of `x`, when `other` is added to its result? */
static bool addition_stays(lbk_shape x, lbk_shape other) {
    chain c = {.memory = NULL};
    lbk_value b;
    must(lbk_graph_create(&c.graph));
    must(lbk_graph_input(c.graph, "x", LBK_F32, x, &c.x));
    must(lbk_graph_input(c.graph, "other", LBK_F32, other, &b));
    must(lbk_graph_keep(c.graph, add(&c, layer(&c, "conv2d", "c", "out=3 kernel=1", c.x), b)));
    must(lbk_graph_fuse(c.graph));
    bool stays = c.graph->node_count == 2;
    chain_release(&c);
    return stays;
}

Test(fuse, an_addition_that_broadcasts_stays) {
    const lbk_shape image = lbk_shape_4(2, 4, 4, CHANNELS), pooled = lbk_shape_4(2, 1, 1, CHANNELS);
    cr_expect(!addition_stays(image, image));
    cr_expect(addition_stays(image, lbk_shape_1(CHANNELS)), "the added vector repeats");
    cr_expect(addition_stays(pooled, image), "the convolution's result repeats");
}

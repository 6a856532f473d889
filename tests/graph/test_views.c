/* Views in a plan: what reshape and its like leave in place shares memory with its input, and nothing may overwrite either
 * while the other is needed. Every kept value and gradient is compared with the float64 interpreter, in every class of
 * kernels. */
#include "helpers/little_net.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define BOUND 2e-5

static void must(lbk_status status) {
    cr_assert_eq(status, LBK_OK, "%s", lbk_error_message());
}

typedef struct chain {
    little_net net; /* only graph and x are set */
    lbk_value gradient;
} chain;

static void chain_start(chain *c, lbk_shape x) {
    *c = (chain){.gradient = LBK_NONE};
    must(lbk_graph_create(&c->net.graph));
    must(lbk_graph_input(c->net.graph, "x", LBK_F32, x, &c->net.x));
}

/* A node with as many inputs as `count`; its outputs. */
static void node(const chain *c, const char *name, const char *text, int count, const lbk_value *inputs,
                 lbk_value *outputs) {
    const lbk_op *op = lbk_op_find(name);
    void *params = NULL;
    cr_assert_not_null(op, "no op %s", name);
    must(lbk_arena_alloc(&c->net.graph->arena, op->params_size + 1, &params));
    must(lbk_op_params_parse(op, text, &c->net.graph->arena, params));
    must(lbk_graph_node(c->net.graph, op, NULL, params, count, inputs, outputs));
}

static lbk_value apply(const chain *c, const char *name, const char *text, lbk_value x) {
    lbk_value outputs[LBK_MAX_OUTPUTS];
    node(c, name, text, 1, &x, outputs);
    return outputs[0];
}

static lbk_value join(const chain *c, const char *name, const char *text, lbk_value a, lbk_value b) {
    lbk_value outputs[LBK_MAX_OUTPUTS];
    node(c, name, text, 2, (lbk_value[]){a, b}, outputs);
    return outputs[0];
}

/* Cross entropy of logits [LITTLE_BATCH, n], and its gradient with respect to x. */
static void chain_differentiate(chain *c, lbk_value logits) {
    lbk_graph *g = c->net.graph;
    lbk_value labels, loss;
    must(lbk_graph_input(g, "labels", LBK_I32, lbk_shape_1(LITTLE_BATCH), &labels));
    must(lbk_graph_apply(g, "cross_entropy", NULL, 2, (lbk_value[]){logits, labels}, &loss));
    must(lbk_graph_keep(g, loss));
    must(lbk_graph_differentiate(g, loss, &c->net.x, 1, &c->gradient));
    must(lbk_graph_keep(g, c->gradient));
}

static void expect_value(const chain *c, lbk_value value, double *const *memory, const lbk_plan *plan,
                         lbk_device *device) {
    double error = little_net_error(&c->net, value, memory[value], plan, device);
    cr_expect_lt(error, BOUND, "value %d as %s: relative error %g", value, lbk_class_name(device->info.caps.cls),
                 error);
}

static void run_as(const chain *c, const lbk_device_list *list, const char *cls) {
    const lbk_graph *g = c->net.graph;
    lbk_device_spec spec = {.info = 0};
    lbk_open_options options = {.cls = cls};
    lbk_arena arena = {0};
    lbk_device *device;
    lbk_plan *plan;
    cl_event done;
    double **memory = calloc(g->value_count, sizeof *memory);
    must(lbk_device_open(list, &spec, &options, 1, &device));
    little_net_fill(&c->net, memory, &arena);
    must(lbk_plan_create(g, NULL, device, NULL, &plan));
    must(lbk_plan_warm_up(plan));
    little_net_upload(&c->net, memory, NULL, plan, device);
    must(lbk_graph_interpret(g, memory, &arena));
    for (int step = 0; step < 2; step++) { /* the inputs must survive the first */
        must(lbk_plan_enqueue(plan, &done));
        must(lbk_event_wait(device, done));
        clReleaseEvent(done);
    }
    expect_value(c, c->net.x, memory, plan, device);
    for (size_t k = 0; k < g->kept_count; k++)
        expect_value(c, g->kept[k], memory, plan, device);
    lbk_plan_destroy(plan);
    lbk_device_close(device);
    lbk_arena_release(&arena);
    free(memory);
}

static void chain_run(chain *c) {
    static const char *const classes[] = {"generic", "cpu", "gpu"};
    lbk_device_list list;
    must(lbk_device_list_init(&list));
    cr_assert_gt(list.count, 0, "no OpenCL device");
    for (int k = 0; k < 3; k++)
        if (k == 0 || list.items[0].caps.cls != LBK_CLASS_GENERIC)
            run_as(c, &list, classes[k]);
    lbk_device_list_release(&list);
    lbk_graph_destroy(c->net.graph);
}

/* relu would run in place if its input's memory were nobody else's. */
Test(views, of_an_input_that_is_still_needed) {
    chain c;
    chain_start(&c, lbk_shape_2(LITTLE_BATCH, 15));
    lbk_value y = apply(&c, "relu", "", apply(&c, "reshape", "shape=-1", c.net.x));
    must(lbk_graph_keep(c.net.graph, y));
    lbk_value sum = join(&c, "add", "", apply(&c, "reshape", "shape=4,15", y), c.net.x);
    must(lbk_graph_keep(c.net.graph, sum));
    chain_differentiate(&c, sum);
    chain_run(&c);
}

/* Nobody in the graph does, but the next step reads it again. */
Test(views, of_an_input_that_the_graph_is_done_with) {
    chain c;
    chain_start(&c, lbk_shape_2(LITTLE_BATCH, 15));
    must(lbk_graph_keep(c.net.graph, apply(&c, "relu", "", apply(&c, "reshape", "shape=-1", c.net.x))));
    chain_run(&c);
}

Test(views, in_a_row_with_an_origin_that_is_still_needed) {
    chain c;
    chain_start(&c, lbk_shape_2(LITTLE_BATCH, 30));
    lbk_value a = join(&c, "add", "", c.net.x, c.net.x); /* negative here and there */
    lbk_value b = apply(&c, "reshape", "shape=0,5,6", a);
    lbk_value d = apply(&c, "permute", "order=1,0,2", apply(&c, "reshape", "shape=1,4,30", b));
    lbk_value e = apply(&c, "relu", "", apply(&c, "reshape", "shape=4,-1", d));
    lbk_value f = join(&c, "add", "", e, a);
    must(lbk_graph_keep(c.net.graph, f));
    chain_differentiate(&c, f);
    chain_run(&c);
}

Test(views, kept_while_the_origin_dies) {
    chain c;
    chain_start(&c, lbk_shape_2(LITTLE_BATCH, 30));
    lbk_value a = join(&c, "add", "", c.net.x, c.net.x);
    lbk_value view = apply(&c, "slice", "axis=1", apply(&c, "reshape", "shape=0,5,6", a));
    must(lbk_graph_keep(c.net.graph, view));
    lbk_value logits = apply(&c, "reshape", "shape=0,30", apply(&c, "relu", "", view));
    must(lbk_graph_keep(c.net.graph, apply(&c, "relu", "", join(&c, "add", "", logits, logits))));
    chain_differentiate(&c, logits);
    chain_run(&c);
}

/* The gradient of detach(x) * x is that of the second factor alone, and behind detach there is none. */
Test(views, detached) {
    chain c;
    chain_start(&c, lbk_shape_2(LITTLE_BATCH, 15));
    lbk_value still = apply(&c, "detach", "", c.net.x), alone = apply(&c, "sum", "", still), none;
    must(lbk_graph_differentiate(c.net.graph, alone, &c.net.x, 1, &none));
    cr_expect_eq(none, LBK_NONE);
    chain_differentiate(&c, join(&c, "mul", "", still, c.net.x));
    const lbk_value_info *gradient = lbk_graph_info(c.net.graph, c.gradient);
    const lbk_node *last = &c.net.graph->nodes[gradient->node];
    cr_expect_str_eq(last->op->name, "mul");
    cr_expect(last->input[0] == still || last->input[1] == still);
    chain_run(&c);
}

/* A bank's rows reach the backward pass as the loss saw them: it is updated behind all that reads it. */
Test(views, bank_changes_last) {
    chain c;
    lbk_value samples, index, bank, scores, row;
    const lbk_weight weight = {.kind = LBK_WEIGHT_STATE, .shape = lbk_shape_2(9, 15), .init = LBK_INIT_ONE};
    chain_start(&c, lbk_shape_2(LITTLE_BATCH, 15));
    must(lbk_graph_weight(c.net.graph, "bank", &weight, &bank));
    must(lbk_graph_input(c.net.graph, "samples", LBK_I32, lbk_shape_1(LITTLE_BATCH), &samples));
    must(lbk_graph_input(c.net.graph, "index", LBK_I32, lbk_shape_2(LITTLE_BATCH, 30), &index));
    node(&c, "gather_dot", "", 3, (lbk_value[]){c.net.x, index, bank}, &scores);
    node(&c, "bank_update", "", 3, (lbk_value[]){bank, samples, c.net.x}, &row);
    size_t forward = c.net.graph->node_count;
    chain_differentiate(&c, scores);
    const lbk_graph *g = c.net.graph;
    cr_expect_str_eq(g->nodes[g->node_count - 1].op->name, "bank_update");
    cr_expect_eq((size_t)lbk_graph_info(g, row)->node, g->node_count - 1);
    cr_expect_str_eq(g->nodes[forward - 1].op->name, "cross_entropy");
    cr_expect_eq((size_t)lbk_graph_info(g, c.gradient)->node, g->node_count - 2);
    lbk_graph_destroy(c.net.graph);
}

/* Every op that moves data, forward and backward; one part of the split has no gradient. */
Test(views, among_all_ops_that_move) {
    chain c;
    lbk_value part[3], other[2];
    chain_start(&c, lbk_shape_4(LITTLE_BATCH, 6, 5, 12));
    node(&c, "split", "sizes=4,4,4", 1, &c.net.x, part);
    lbk_value a = join(&c, "concat", "", apply(&c, "relu", "", part[0]), part[2]);
    a = apply(&c, "channel_shuffle", "groups=2", join(&c, "concat", "axis=-1", a, c.net.x));
    a = apply(&c, "relu", "", apply(&c, "slice", "axis=1,-1 start=1,2 step=2,1", a));
    a = apply(&c, "pad2d", "rows=1 columns=2", apply(&c, "pad", "axis=2 before=1 after=1 value=0.5", a));
    a = apply(&c, "resize2d", "scale=2 mode=bilinear", a);
    node(&c, "split", "axis=1 sizes=3,7", 1, &a, other);
    a = apply(&c, "adaptive_avg_pool2d", "size=2,3", join(&c, "concat", "axis=1", other[1], other[0]));
    a = apply(&c, "permute", "order=0,3,1,2", apply(&c, "avg_pool2d", "kernel=2 ceil_mode=yes", a));
    chain_differentiate(&c, apply(&c, "reshape", "shape=0,-1", apply(&c, "relu", "", a)));
    chain_run(&c);
}

/* A view has no memory of its own, and a relu behind one may still run in place. */
Test(views, cost_no_memory) {
    size_t bytes[2];
    for (int with = 0; with < 2; with++) {
        chain c;
        lbk_arena arena = {0};
        lbk_plan_estimate estimate;
        lbk_device_list list;
        must(lbk_device_list_init(&list));
        chain_start(&c, lbk_shape_2(100, 1000));
        lbk_value a = join(&c, "add", "", c.net.x, c.net.x);
        if (with)
            a = apply(&c, "reshape", "shape=-1,10", apply(&c, "slice", "axis=0", a));
        must(lbk_graph_keep(c.net.graph, apply(&c, "relu", "", a)));
        must(lbk_plan_measure(c.net.graph, &list.items[0].caps, &arena, &estimate));
        bytes[with] = estimate.bytes;
        lbk_graph_destroy(c.net.graph);
        lbk_arena_release(&arena);
        lbk_device_list_release(&list);
    }
    cr_expect_eq(bytes[0], bytes[1]);
}

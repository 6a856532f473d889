/* Attention against what it is made of: products and a softmax, whose table of scores it must not keep. */
#include "graph/plan.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void must(lbk_status status) {
    cr_assert_eq(status, LBK_OK, "%s", lbk_error_message());
}

static lbk_value apply(lbk_graph *graph, const char *name, const char *text, int count, const lbk_value *inputs) {
    const lbk_op *op = lbk_op_find(name);
    lbk_value outputs[LBK_MAX_OUTPUTS];
    void *params = NULL;
    must(lbk_arena_alloc(&graph->arena, op->params_size + 1, &params));
    must(lbk_op_params_parse(op, text, &graph->arena, params));
    must(lbk_graph_node(graph, op, name, params, count, inputs, outputs));
    return outputs[0];
}

/* The mean of relu(y), y by one op or by three, and its derivatives. */
typedef struct net {
    lbk_graph *graph;
    lbk_value input[3], gradient[3], y;
} net;

static void build(net *n, bool fused, int64_t batch, int64_t tq, int64_t tk, int64_t d) {
    static const char *const names[] = {"q", "k", "v"};
    char alpha[64];
    lbk_value *in = n->input;
    must(lbk_graph_create(&n->graph));
    for (int i = 0; i < 3; i++)
        must(lbk_graph_input(n->graph, names[i], LBK_F32, (lbk_shape){3, {batch, i == 0 ? tq : tk, d}}, &in[i]));
    snprintf(alpha, sizeof alpha, "trans_b=yes alpha=%.17g", 1 / sqrt((double)d));
    if (fused) {
        n->y = apply(n->graph, "attention", "heads=1", 3, in);
    } else {
        lbk_value p = apply(n->graph, "softmax", "", 1, (lbk_value[]){apply(n->graph, "matmul", alpha, 2, in)});
        n->y = apply(n->graph, "matmul", "", 2, (lbk_value[]){p, in[2]});
    }
    must(lbk_graph_keep(n->graph, n->y));
    lbk_value loss = apply(n->graph, "mean", "", 1, (lbk_value[]){apply(n->graph, "relu", "", 1, &n->y)});
    must(lbk_graph_differentiate(n->graph, loss, in, 3, n->gradient));
    for (int i = 0; i < 3; i++)
        must(lbk_graph_keep(n->graph, n->gradient[i]));
}

/* Every value's numbers, by the references. */
static double **interpret(const net *n, lbk_arena *arena) {
    double **memory = calloc(n->graph->value_count, sizeof *memory);
    for (int i = 0; i < 3; i++) {
        size_t count = (size_t)lbk_shape_count(&lbk_graph_desc(n->graph, n->input[i])->shape);
        must(lbk_arena_alloc(arena, count * sizeof(double), &memory[n->input[i]]));
        for (size_t k = 0; k < count; k++)
            memory[n->input[i]][k] = 2 * sin(1.7 * (double)(k + 1) + i);
    }
    must(lbk_graph_interpret(n->graph, memory, arena));
    return memory;
}

Test(attention, equals_its_parts) {
    net nets[2];
    double **memory[2];
    lbk_arena arena = {0};
    for (int i = 0; i < 2; i++) {
        build(&nets[i], i == 0, 3, 7, 11, 5);
        memory[i] = interpret(&nets[i], &arena);
    }
    for (int i = -1; i < 3; i++) {
        lbk_value a = i < 0 ? nets[0].y : nets[0].gradient[i], b = i < 0 ? nets[1].y : nets[1].gradient[i];
        double largest = 0;
        for (int64_t k = 0; k < lbk_shape_count(&lbk_graph_desc(nets[0].graph, a)->shape); k++) {
            cr_expect_float_eq(memory[0][a][k], memory[1][b][k], 1e-13, "tensor %d, element %d", i, (int)k);
            largest = fmax(largest, fabs(memory[0][a][k]));
        }
        cr_expect_gt(largest, 1e-4, "tensor %d is zero", i);
    }
    for (int i = 0; i < 2; i++) {
        lbk_graph_destroy(nets[i].graph);
        free(memory[i]);
    }
    lbk_arena_release(&arena);
}

static size_t plan_bytes(bool fused, const lbk_caps *caps, int64_t batch, int64_t t, int64_t d) {
    net n;
    lbk_arena arena = {0};
    lbk_plan_estimate estimate;
    build(&n, fused, batch, t, t, d);
    must(lbk_plan_measure(n.graph, caps, &arena, &estimate));
    lbk_graph_destroy(n.graph);
    lbk_arena_release(&arena);
    return estimate.bytes;
}

/* Forward and backward together stay below one table of scores in every class; the parts need more than one. */
Test(attention, keeps_no_table_of_scores) {
    const int64_t batch = 8, t = 512, d = 16;
    size_t table = (size_t)(batch * t * t) * sizeof(float);
    lbk_device_list list;
    must(lbk_device_list_init(&list));
    cr_assert_gt(list.count, 0, "no OpenCL device");
    lbk_caps caps = list.items[0].caps;
    for (int cls = 0; cls < 3; cls++) {
        caps.cls = (lbk_class)cls;
        cr_expect_lt(plan_bytes(true, &caps, batch, t, d), table, "%s", lbk_class_name(caps.cls));
        cr_expect_gt(plan_bytes(false, &caps, batch, t, d), table, "%s", lbk_class_name(caps.cls));
    }
    lbk_device_list_release(&list);
}

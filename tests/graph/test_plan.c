/* A whole network on every device and class against the float64 interpreter. */
#include "helpers/little_net.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define BOUND 2e-5

static void must(lbk_status status) {
    cr_assert_eq(status, LBK_OK, "%s", lbk_error_message());
}

typedef struct setting {
    bool training, fuse, no_sharing;
    lbk_dtype storage;
} setting;

/* Both round to 16 bits, but a number beside a tie may go the other way: one unit of one term of a gradient. Terms have either sign,
 * so their sum over all pixels is as large as the root of their number. */
static double bound_of(const setting *s) {
    double unit = s->storage == LBK_F16 ? 0x1p-10 : s->storage == LBK_BF16 ? 0x1p-7 : 0;
    return BOUND + unit / sqrt(LITTLE_BATCH * LITTLE_SIZE * LITTLE_SIZE);
}

static void compare_gradients(const little_net *net, double *const *memory, const lbk_plan *plan, lbk_device *device,
                              double bound) {
    for (size_t v = 0; v < net->graph->value_count; v++) {
        if (net->graph->values[v].kind != LBK_VALUE_PARAM)
            continue;
        lbk_value gradient = lbk_graph_gradient(net->graph, (lbk_value)v);
        double error = little_net_error(net, gradient, memory[gradient], plan, device);
        cr_expect_lt(error, bound, "gradient of %s: relative error %g", net->graph->values[v].name, error);
    }
}

static void run_on(lbk_device *device, setting s) {
    little_net net;
    lbk_arena arena = {0};
    lbk_weights *weights;
    lbk_plan *plan;
    if (s.storage == LBK_F32)
        little_net_build(&net, s.training, s.fuse);
    else
        little_net_build_stored(&net, s.storage);
    double **memory = calloc(net.graph->value_count, sizeof *memory);
    little_net_fill(&net, memory, &arena);
    must(lbk_weights_create(net.graph, device, s.training, &weights));
    must(lbk_plan_create(net.graph, weights, device, &(lbk_plan_options){.profile = true, .no_sharing = s.no_sharing},
                         &plan));
    must(lbk_plan_warm_up(plan));
    little_net_upload(&net, memory, weights, plan, device);
    must(lbk_graph_interpret(net.graph, memory, &arena));
    cl_event done;
    must(lbk_plan_enqueue(plan, &done));
    must(lbk_event_wait(device, done));
    clReleaseEvent(done);
    double busy = 0;
    must(lbk_plan_collect(plan, 1, &busy));
    cr_expect_gt(busy, 0);
    cr_expect_lt(little_net_error(&net, net.logits, memory[net.logits], plan, device), BOUND);
    cr_expect_lt(little_net_error(&net, net.loss, memory[net.loss], plan, device), BOUND);
    if (s.training)
        compare_gradients(&net, memory, plan, device, bound_of(&s));
    for (size_t v = 0; v < net.graph->value_count; v++)
        if (net.graph->values[v].kind == LBK_VALUE_STATE)
            cr_expect_lt(little_net_error(&net, (lbk_value)v, memory[v], plan, device), BOUND, "%s",
                         net.graph->values[v].name);
    lbk_plan_destroy(plan);
    lbk_weights_destroy(weights);
    lbk_graph_destroy(net.graph);
    lbk_arena_release(&arena);
    free(memory);
}

static void run_everywhere(setting s) {
    static const char *const classes[] = {"cpu", "gpu", "generic"};
    lbk_device_list list;
    must(lbk_device_list_init(&list));
    cr_assert_gt(list.count, 0, "no OpenCL device");
    for (size_t d = 0; d < list.count; d++) {
        for (int c = 0; c < 3; c++) {
            if (c < 2 && list.items[d].caps.cls == LBK_CLASS_GENERIC)
                continue; /* a device that can only run generic kernels */
            lbk_device *device;
            lbk_device_spec spec = {.info = (int)d};
            lbk_open_options options = {.cls = classes[c]};
            must(lbk_device_open(&list, &spec, &options, 1, &device));
            run_on(device, s);
            lbk_device_close(device);
        }
    }
    lbk_device_list_release(&list);
}

Test(plan, training_matches_the_oracle) {
    run_everywhere((setting){true, false, false, LBK_F32});
}
Test(plan, fused_training_matches_the_oracle) {
    run_everywhere((setting){true, true, false, LBK_F32});
}
Test(plan, training_without_shared_memory_matches_the_oracle) {
    run_everywhere((setting){true, true, true, LBK_F32});
}
Test(plan, training_from_activations_in_16_bits_matches_the_oracle) {
    run_everywhere((setting){true, true, false, LBK_F16});
    run_everywhere((setting){true, true, false, LBK_BF16});
}
Test(plan, evaluation_matches_the_oracle) {
    run_everywhere((setting){false, false, false, LBK_F32});
}
Test(plan, fused_evaluation_matches_the_oracle) {
    run_everywhere((setting){false, true, false, LBK_F32});
}

/* Fusing changes the nodes, not the numbers. */
Test(fuse, keeps_the_loss) {
    double loss[2];
    for (int fuse = 0; fuse < 2; fuse++) {
        little_net net;
        lbk_arena arena = {0};
        little_net_build(&net, false, fuse);
        double **memory = calloc(net.graph->value_count, sizeof *memory);
        little_net_fill(&net, memory, &arena);
        must(lbk_graph_interpret(net.graph, memory, &arena));
        loss[fuse] = memory[net.loss][0];
        if (fuse)
            for (size_t n = 0; n < net.graph->node_count; n++) {
                cr_expect_str_neq(net.graph->nodes[n].op->name, "relu", "a relu was left");
                cr_expect_str_neq(net.graph->nodes[n].op->name, "batch_norm", "a batch norm was left");
            }
        lbk_graph_destroy(net.graph);
        lbk_arena_release(&arena);
        free(memory);
    }
    cr_assert_float_eq(loss[0], loss[1], 1e-12);
}

Test(plan_memory, sharing_saves_memory) {
    lbk_device_list list;
    little_net net;
    lbk_arena arena = {0};
    lbk_plan_estimate estimate;
    must(lbk_device_list_init(&list));
    little_net_build(&net, true, true);
    must(lbk_plan_measure(net.graph, &list.items[0].caps, &arena, &estimate));
    size_t all = 0;
    for (size_t v = 0; v < net.graph->value_count; v++)
        if (net.graph->values[v].kind == LBK_VALUE_COMPUTED && net.graph->values[v].node >= 0)
            all += lbk_tensor_bytes(&net.graph->values[v].desc);
    cr_expect_lt(estimate.bytes, all);
    cr_expect_gt(estimate.request_count, 3);
    for (size_t n = 0; n < net.graph->node_count; n++)
        cr_expect(*estimate.variants[n], "%s runs nowhere", net.graph->nodes[n].op->name);
    lbk_graph_destroy(net.graph);
    lbk_arena_release(&arena);
    lbk_device_list_release(&list);
}

/* Training and evaluation take turns in one arena. */
Test(plan_memory, an_arena_is_lent) {
    lbk_device_list list;
    lbk_device *device;
    little_net train, eval;
    lbk_weights *weights;
    lbk_plan *lender, *borrower, *own;
    must(lbk_device_list_init(&list));
    must(lbk_device_open(&list, &(lbk_device_spec){.info = 0}, NULL, 1, &device));
    little_net_build(&train, true, true);
    little_net_build(&eval, false, true);
    must(lbk_weights_create(train.graph, device, true, &weights));
    must(lbk_plan_create(train.graph, weights, device, NULL, &lender));
    must(lbk_plan_create(eval.graph, weights, device, &(lbk_plan_options){.lender = lender}, &borrower));
    must(lbk_plan_create(eval.graph, weights, device, NULL, &own));
    cr_expect_lt(lbk_plan_bytes(borrower), lbk_plan_bytes(own));
    double loss[2];
    for (int i = 0; i < 2; i++) {
        lbk_plan *plan = i ? borrower : own;
        lbk_arena arena = {0};
        double **memory = calloc(eval.graph->value_count, sizeof *memory);
        cl_event done;
        float number;
        must(lbk_plan_warm_up(lender));
        little_net_fill(&eval, memory, &arena);
        little_net_upload(&eval, memory, weights, plan, device);
        must(lbk_plan_enqueue(plan, &done));
        must(lbk_event_wait(device, done));
        clReleaseEvent(done);
        must(lbk_buffer_read(device, lbk_plan_buffer(plan, eval.loss), 0, &number, sizeof number));
        loss[i] = (double)number;
        lbk_arena_release(&arena);
        free(memory);
    }
    cr_expect_eq(loss[0], loss[1]);
    lbk_plan_destroy(own);
    lbk_plan_destroy(borrower);
    lbk_plan_destroy(lender);
    lbk_weights_destroy(weights);
    lbk_graph_destroy(train.graph);
    lbk_graph_destroy(eval.graph);
    lbk_device_close(device);
    lbk_device_list_release(&list);
}

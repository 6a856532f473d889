/* Products of rounded operands: what is rounded, and that every device then computes what float64 does with the same rounding. */
#include "device/program.h"
#include "graph/half_check.h"
#include "helpers/little_net.h"
#include "ops/round.h"
#include "support/scratch.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const lbk_caps no_units = {0};

static void must(lbk_status status) {
    cr_assert_eq(status, LBK_OK, "%s", lbk_error_message());
}

static void each_class(void (*check)(lbk_device *device)) {
    static const char *const classes[] = {"cpu", "gpu", "generic"};
    lbk_device_list list;
    must(lbk_device_list_init(&list));
    cr_assert_gt(list.count, 0, "no OpenCL device");
    for (int c = 0; c < 3; c++) {
        lbk_device *device;
        must(lbk_device_open(&list, &(lbk_device_spec){.info = 0}, &(lbk_open_options){.cls = classes[c]}, 1, &device));
        check(device);
        lbk_device_close(device);
    }
    lbk_device_list_release(&list);
}

static bool is_multiplied(const lbk_node *node, int i) {
    return node->op->multiplied >> i & 1u;
}

/* Operands of products and nothing else, each value once in each pass. */
Test(arithmetic, rounds_operands_alone) {
    little_net net;
    int products = 0, rounds = 0, readers = 0;
    little_net_build(&net, true, true);
    lbk_graph *g = net.graph;
    g->arithmetic = LBK_ARITHMETIC_BFLOAT16;
    must(lbk_graph_round(g, &no_units));
    for (size_t n = 0; n < g->node_count; n++) {
        const lbk_node *node = &g->nodes[n];
        bool is_round = strcmp(node->op->name, "round") == 0;
        rounds += is_round;
        products += node->op->multiplied != 0;
        if (is_round)
            cr_expect_eq(((const lbk_round_params *)node->params)->type, LBK_ARITHMETIC_BFLOAT16);
        for (int i = 0; i < node->input_count; i++) {
            int from = node->input[i] == LBK_NONE ? -1 : g->values[node->input[i]].node;
            bool rounded = from >= 0 && strcmp(g->nodes[from].op->name, "round") == 0;
            cr_expect_eq(rounded, is_multiplied(node, i), "%s: input %d", node->op->name, i);
            cr_expect(!rounded || g->nodes[from].backward == node->backward, "%s: kept between passes", node->op->name);
            readers += rounded;
        }
    }
    /* Three convolutions and a dense layer with two derivatives each, less what leads to the images alone. */
    cr_expect_eq(products, 4 * 3 - 1);
    cr_expect_eq(readers, 2 * products);
    cr_expect_eq(rounds, readers - 3, "the gradients behind three of the layers are read twice");
    lbk_graph_destroy(g);
}

Test(arithmetic, is_left_to_matrix_units_and_done_once) {
    little_net net;
    little_net_build_stored(&net, LBK_F16);
    lbk_graph *g = net.graph;
    size_t before = g->node_count;
    must(lbk_graph_round(g, &no_units));
    cr_expect_eq(g->node_count, before, "float32 needs no rounding");
    g->arithmetic = LBK_ARITHMETIC_FLOAT16;
    must(lbk_graph_round(g, &(lbk_caps){.matrix_units = 1u << LBK_ARITHMETIC_FLOAT16}));
    cr_expect_eq(g->node_count, before);
    must(lbk_graph_round(g, &(lbk_caps){.matrix_units = 1u << LBK_ARITHMETIC_TF32}));
    size_t rounded = g->node_count;
    cr_expect_gt(rounded, before);
    must(lbk_graph_round(g, &no_units));
    cr_expect_eq(g->node_count, rounded);
    for (size_t n = 0; n < g->node_count; n++)
        if (strcmp(g->nodes[n].op->name, "round") == 0 && g->values[g->nodes[n].input[0]].node >= 0)
            cr_expect_neq(strcmp(g->nodes[g->values[g->nodes[n].input[0]].node].op->name, "unpack_float16"), 0,
                          "what was kept in float16 is rounded already");
    lbk_graph_destroy(g);
}

/* The largest difference of a parameter's gradient, relative to its largest number. */
static double effect(const little_net *net, lbk_value gradient, double *const *a, double *const *b) {
    double worst = 0, largest = 1e-30;
    for (int64_t k = 0; k < lbk_shape_count(&lbk_graph_desc(net->graph, gradient)->shape); k++) {
        worst = fmax(worst, fabs(a[gradient][k] - b[gradient][k]));
        largest = fmax(largest, fabs(a[gradient][k]));
    }
    return worst / largest;
}

static double **interpret(little_net *net, lbk_arithmetic arithmetic, lbk_arena *arena) {
    double **memory = NULL;
    little_net_build(net, true, true);
    net->graph->arithmetic = arithmetic;
    must(lbk_graph_round(net->graph, &no_units));
    must(lbk_arena_alloc(arena, net->graph->value_count * sizeof *memory, &memory));
    little_net_fill(net, memory, arena);
    return memory;
}

/* Nearly always the same numbers are multiplied, so sums alone differ, as in float32; but a number beside a tie may go the other way, a few
 * of thousands. Rounding otherwise, or elsewhere, would be off by as much as rounding itself. */
static void compare(lbk_device *device, lbk_arithmetic arithmetic) {
    little_net net, exact;
    lbk_arena arena = {0};
    lbk_weights *weights;
    lbk_plan *plan;
    double **memory = interpret(&net, arithmetic, &arena), **whole = interpret(&exact, LBK_ARITHMETIC_FLOAT32, &arena);
    must(lbk_weights_create(net.graph, device, true, &weights));
    must(lbk_plan_create(net.graph, weights, device, &(lbk_plan_options){0}, &plan));
    little_net_upload(&net, memory, weights, plan, device);
    must(lbk_graph_interpret(net.graph, memory, &arena));
    must(lbk_graph_interpret(exact.graph, whole, &arena));
    must(lbk_plan_enqueue(plan, NULL));
    for (size_t v = 0; v < exact.graph->value_count; v++) {
        lbk_value g = lbk_graph_gradient(net.graph, (lbk_value)v);
        if (g == LBK_NONE)
            continue;
        double error = little_net_error(&net, g, memory[g], plan, device), rounding = effect(&net, g, whole, memory);
        cr_expect_lt(error, rounding / 4,
                     "%s (%s), arithmetic %d: gradient of %s is off by %g, rounding moves it by %g", device->label,
                     lbk_class_name(device->info.caps.cls), (int)arithmetic, net.graph->values[v].name, error,
                     rounding);
    }
    lbk_plan_destroy(plan);
    lbk_weights_destroy(weights);
    lbk_graph_destroy(net.graph);
    lbk_graph_destroy(exact.graph);
    lbk_arena_release(&arena);
}

static void compare_all(lbk_device *device) {
    for (int a = LBK_ARITHMETIC_TF32; a <= LBK_ARITHMETIC_BFLOAT16; a++)
        compare(device, (lbk_arithmetic)a);
}

Test(arithmetic, follows_the_oracle) {
    each_class(compare_all);
}

static void expect_right(lbk_device *device) {
    for (int a = LBK_ARITHMETIC_TF32; a <= LBK_ARITHMETIC_BFLOAT16; a++)
        must(lbk_round_check(device, (lbk_arithmetic)a));
}

Test(arithmetic, the_device_passes_the_check) {
    each_class(expect_right);
}

static void expect_wrong(lbk_device *device) {
    cr_expect_eq(lbk_round_check(device, LBK_ARITHMETIC_FLOAT16), LBK_ERR_DEVICE);
    const char *message = lbk_error_message();
    cr_expect(strstr(message, device->info.name) && strstr(message, " rounds ") && strstr(message, "expected"), "%s",
              message);
}

/* A device that rounds ties up. */
Test(arithmetic, a_device_that_rounds_otherwise_fails_the_check) {
    static const char ties[] = "(((x) >> (bits)) & 1u)", up[] = "(((x) >> (bits)) | 1u)";
    char *text = strdup(lbk_kernel_source("generic/round")), *at = strstr(text, ties);
    scratch folder;
    scratch_make(&folder);
    cr_assert(at);
    memcpy(at, up, sizeof up - 1);
    cr_assert_eq(mkdir(scratch_path(&folder, "generic"), 0755), 0);
    scratch_write(&folder, "generic/round.cl", text, strlen(text));
    free(text);
    setenv("LIMBECK_KERNELS", folder.folder, 1);
    each_class(expect_wrong);
    unsetenv("LIMBECK_KERNELS");
    scratch_remove(&folder);
}

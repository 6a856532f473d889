/* Two recurrent layers that are trained towards each other, in plans of every class against the float64 interpreter: many
 * launches a node, and a loss whose derivatives both operands want. */
#include "graph/plan.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 5, STEPS = 7, CHANNELS = 3, HIDDEN = 20, FLOATS = 9 };

typedef struct net {
    lbk_graph *graph;
    lbk_value lengths, input[FLOATS], gradient[FLOATS], loss; /* input 0 is x, then the weights of both layers */
} net;

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

static void build(net *n) {
    static const char *const names[] = {"x", "a1", "a2", "a3", "a4", "b1", "b2", "b3", "b4"};
    const lbk_shape shapes[] = {{3, {SAMPLES, STEPS, CHANNELS}},
                                {2, {CHANNELS, 4 * HIDDEN}},
                                {2, {HIDDEN, 4 * HIDDEN}},
                                {1, {4 * HIDDEN}},
                                {1, {4 * HIDDEN}},
                                {2, {CHANNELS, 3 * HIDDEN}},
                                {2, {HIDDEN, 3 * HIDDEN}},
                                {1, {3 * HIDDEN}},
                                {1, {3 * HIDDEN}}};
    must(lbk_graph_create(&n->graph));
    must(lbk_graph_input(n->graph, "lengths", LBK_I32, lbk_shape_1(SAMPLES), &n->lengths));
    for (int i = 0; i < FLOATS; i++)
        must(lbk_graph_input(n->graph, names[i], LBK_F32, shapes[i], &n->input[i]));
    lbk_value *in = n->input, a[] = {in[0], n->lengths, in[1], in[2], in[3], in[4]};
    lbk_value b[] = {in[0], n->lengths, in[5], in[6], in[7], in[8]};
    lbk_value last_a[] = {apply(n->graph, "lstm", "hidden=20", 6, a), n->lengths};
    lbk_value last_b[] = {apply(n->graph, "gru", "hidden=20 reverse=yes", 6, b), n->lengths};
    lbk_value pair[] = {apply(n->graph, "last_step", "", 2, last_a),
                        apply(n->graph, "last_step", "reverse=yes", 2, last_b)};
    n->loss = apply(n->graph, "cosine_loss", "", 2, pair);
    must(lbk_graph_keep(n->graph, n->loss));
    must(lbk_graph_differentiate(n->graph, n->loss, in, FLOATS, n->gradient));
    for (int i = 0; i < FLOATS; i++)
        must(lbk_graph_keep(n->graph, n->gradient[i]));
}

static size_t elements(const net *n, lbk_value value) {
    return (size_t)lbk_shape_count(&lbk_graph_desc(n->graph, value)->shape);
}

static void fill(const net *n, double **memory, lbk_arena *arena) {
    must(lbk_arena_alloc(arena, SAMPLES * sizeof(double), &memory[n->lengths]));
    for (int i = 0; i < SAMPLES; i++)
        memory[n->lengths][i] = (const int[]){7, 3, 1, 6, 4}[i];
    for (int i = 0; i < FLOATS; i++) {
        size_t count = elements(n, n->input[i]);
        must(lbk_arena_alloc(arena, count * sizeof(double), &memory[n->input[i]]));
        for (size_t k = 0; k < count; k++)
            memory[n->input[i]][k] = (float)sin(1.7 * (double)(k + 1) + i);
    }
}

static void upload(const net *n, double **memory, lbk_plan *plan, lbk_device *device) {
    int32_t lengths[SAMPLES];
    for (int i = 0; i < SAMPLES; i++)
        lengths[i] = (int32_t)memory[n->lengths][i];
    must(lbk_buffer_write(device, lbk_plan_buffer(plan, n->lengths), 0, lengths, sizeof lengths));
    for (int i = 0; i < FLOATS; i++) {
        size_t count = elements(n, n->input[i]);
        float *floats = calloc(count, sizeof *floats);
        for (size_t k = 0; k < count; k++)
            floats[k] = (float)memory[n->input[i]][k];
        must(lbk_buffer_write(device, lbk_plan_buffer(plan, n->input[i]), 0, floats, count * sizeof *floats));
        free(floats);
    }
}

static void compare(const net *n, lbk_value value, const double *expected, lbk_plan *plan, lbk_device *device) {
    size_t count = elements(n, value);
    float *found = calloc(count, sizeof *found);
    double largest = 0;
    must(lbk_buffer_read(device, lbk_plan_buffer(plan, value), 0, found, count * sizeof *found));
    for (size_t k = 0; k < count; k++)
        largest = fmax(largest, fabs(expected[k]));
    cr_expect_gt(largest, 1e-3);
    for (size_t k = 0; k < count; k++)
        cr_expect_float_eq(found[k], expected[k], 2e-5 * largest, "%s: value %d, element %zu", device->label, value, k);
    free(found);
}

/* Launches of the node `op`. */
static int launches_of(const lbk_plan *plan, const char *op) {
    int count = 0;
    for (size_t i = 0; i < lbk_plan_launch_count(plan); i++)
        count += strcmp(lbk_plan_launch(plan, i).op, op) == 0;
    return count;
}

static void run_on(lbk_device *device) {
    net n;
    lbk_plan *plan = NULL;
    lbk_arena arena = {0};
    cl_event done;
    build(&n);
    double **memory = calloc(n.graph->value_count, sizeof *memory);
    fill(&n, memory, &arena);
    must(lbk_graph_interpret(n.graph, memory, &arena));
    must(lbk_plan_create(n.graph, NULL, device, &(lbk_plan_options){0}, &plan));
    must(lbk_plan_warm_up(plan));
    upload(&n, memory, plan, device);
    must(lbk_plan_enqueue(plan, &done));
    must(lbk_event_wait(device, done));
    clReleaseEvent(done);
    compare(&n, n.loss, memory[n.loss], plan, device);
    for (int i = 0; i < FLOATS; i++)
        compare(&n, n.gradient[i], memory[n.gradient[i]], plan, device);
    bool cpu = device->info.caps.cls == LBK_CLASS_CPU;
    cr_expect_leq(launches_of(plan, "lstm"), cpu ? 5 : STEPS + 2, "%s", device->label);
    cr_expect_leq(launches_of(plan, "gru_backward"), cpu ? 2 : STEPS + 1, "%s", device->label);
    lbk_plan_destroy(plan);
    lbk_graph_destroy(n.graph);
    lbk_arena_release(&arena);
    free(memory);
}

Test(recurrent, training_matches_the_oracle) {
    static const char *const classes[] = {"cpu", "gpu", "generic"};
    lbk_device_list list;
    must(lbk_device_list_init(&list));
    cr_assert_gt(list.count, 0, "no OpenCL device");
    for (int c = 0; c < 3; c++) {
        lbk_device *device;
        lbk_device_spec spec = {.info = 0};
        lbk_open_options options = {.cls = classes[c]};
        must(lbk_device_open(&list, &spec, &options, 1, &device));
        run_on(device);
        lbk_device_close(device);
    }
    lbk_device_list_release(&list);
}

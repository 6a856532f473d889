/* Second derivatives: a penalty on the gradient of a loss with respect to the input, sum (dL/dx)^2, is differentiated by the
 * weights. By the float64 interpreter against central differences of the penalty, and, after the rewrites, by a device against
 * the interpreter. */
#include "helpers/little_net.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STEP 1e-5
#define BOUND 1e-6        /* of the largest derivative of that parameter */
#define DEVICE_BOUND 2e-4 /* floats, through twice as many nodes as a loss */
#define SAMPLES 5         /* elements per parameter */

typedef struct network {
    const char *norm, *pool, *pool_params, *loss, *loss_params;
} network;

/* Each pooling and loss once, statistics of the batch and constant ones. */
static const network networks[] = {
    {"training=yes", "max_pool2d", "kernel=2", "cross_entropy", ""},
    {"training=no", "avg_pool2d", "kernel=2", "cross_entropy", "reduction=sum label_smoothing=0.1"},
    {"training=yes", "global_avg_pool", "", "kl_div", ""},
    {"training=no", "max_pool2d", "kernel=3 stride=2 padding=1", "mse_loss", ""},
    {"training=yes", "avg_pool2d", "kernel=2", "cosine_loss", "operand=second"},
};

static void must(lbk_status status) {
    cr_assert_eq(status, LBK_OK, "%s", lbk_error_message());
}

static lbk_value apply(lbk_graph *g, const char *name, const char *text, int count, const lbk_value *inputs) {
    const lbk_op *op = lbk_op_find(name);
    lbk_value outputs[LBK_MAX_OUTPUTS];
    void *params;
    must(lbk_arena_alloc(&g->arena, op->params_size + 1, &params));
    must(lbk_op_params_parse(op, text, &g->arena, params));
    must(lbk_graph_node(g, op, NULL, params, count, inputs, outputs));
    return outputs[0];
}

static lbk_value loss_of(const network *n, little_net *net) {
    lbk_value inputs[3] = {net->logits, net->labels, LBK_NONE};
    lbk_graph *g = net->graph;
    if (strcmp(n->loss, "cross_entropy") != 0)
        must(lbk_graph_input(g, "teacher", LBK_F32, lbk_graph_desc(g, net->logits)->shape, &inputs[1]));
    if (strcmp(n->loss, "kl_div") == 0)
        must(lbk_graph_scalar(g, "temperature", LBK_F32, &inputs[2]));
    return apply(g, n->loss, n->loss_params, inputs[2] == LBK_NONE ? 2 : 3, inputs);
}

/* conv - bn - relu - conv - (+) - pool - flatten - dense - loss; net->loss is the penalty. `fuse`: rewrites applied, which fold constant
 * statistics into a convolution. */
static void build(const network *n, little_net *net, bool fuse) {
    must(lbk_graph_create(&net->graph));
    lbk_graph *g = net->graph;
    must(lbk_graph_input(g, "x", LBK_F32, lbk_shape_4(LITTLE_BATCH, 6, 6, 2), &net->x));
    must(lbk_graph_input(g, "labels", LBK_I32, lbk_shape_1(LITTLE_BATCH), &net->labels));
    lbk_value a = little_net_layer(g, "conv2d", "out=3 kernel=3 padding=1 bias=no", "conv1", net->x);
    a = little_net_layer(g, "relu", "", "relu", little_net_layer(g, "batch_norm", n->norm, "bn", a));
    lbk_value b = little_net_layer(g, "conv2d", "out=3 kernel=3 padding=1 relu=yes", "conv2", a), penalty;
    b = apply(g, n->pool, n->pool_params, 1, (lbk_value[]){apply(g, "add", "", 2, (lbk_value[]){b, a})});
    if (lbk_graph_desc(g, b)->shape.rank == 4)
        b = apply(g, "flatten", "", 1, &b);
    net->logits = little_net_layer(g, "dense", "out=5", "fc", b);
    must(lbk_graph_keep(g, net->logits));
    if (fuse)
        must(lbk_graph_fuse(g));
    must(lbk_graph_derivative(g, loss_of(n, net), &net->x, 1, &penalty));
    cr_assert_neq(penalty, LBK_NONE);
    penalty = apply(g, "square", "", 1, &penalty);
    net->loss = apply(g, "sum", "", 1, &penalty);
    must(lbk_graph_keep(g, net->loss));
    must(lbk_graph_differentiate(g, net->loss, NULL, 0, NULL));
    must(fuse && strcmp(n->norm, "training=yes") == 0 ? lbk_graph_fuse(g) : lbk_graph_prune(g));
}

/* A temperature is no random number. */
static void fill(const little_net *net, double **memory, lbk_arena *arena) {
    lbk_value temperature = lbk_graph_find(net->graph, "temperature");
    little_net_fill(net, memory, arena);
    if (temperature != LBK_NONE)
        memory[temperature][0] = 2.5;
}

static double penalty_at(const little_net *net, double **memory, lbk_arena *arena, double *weight, double value) {
    double at = *weight;
    *weight = value;
    must(lbk_graph_interpret(net->graph, memory, arena));
    *weight = at;
    return memory[net->loss][0];
}

static void check_parameter(const little_net *net, lbk_value v, double **memory, lbk_arena *arena) {
    lbk_value gradient = lbk_graph_gradient(net->graph, v);
    size_t count = (size_t)lbk_shape_count(&lbk_graph_desc(net->graph, v)->shape);
    double *analytic, largest = 0;
    must(lbk_arena_alloc(arena, count * sizeof *analytic, &analytic));
    memcpy(analytic, memory[gradient], count * sizeof *analytic);
    for (size_t k = 0; k < count; k++)
        largest = fmax(largest, fabs(analytic[k]));
    cr_expect_gt(largest, 1e-5, "%s has next to no influence", lbk_graph_info(net->graph, v)->name);
    for (size_t s = 0; s < SAMPLES && s < count; s++) {
        size_t k = s * (count - 1) / SAMPLES;
        double *w = &memory[v][k], above = penalty_at(net, memory, arena, w, *w + STEP);
        double expected = (above - penalty_at(net, memory, arena, w, *w - STEP)) / (2 * STEP);
        cr_expect_lt(fabs(analytic[k] - expected), BOUND * largest, "%s[%zu]: %.10g, differences give %.10g",
                     lbk_graph_info(net->graph, v)->name, k, analytic[k], expected);
    }
}

Test(second, derivatives_match_differences) {
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        little_net net;
        lbk_arena arena = {0};
        build(&networks[i], &net, false);
        double **memory = calloc(net.graph->value_count, sizeof *memory);
        fill(&net, memory, &arena);
        for (size_t v = 0; v < net.graph->value_count; v++) {
            must(lbk_graph_interpret(net.graph, memory, &arena));
            if (lbk_graph_info(net.graph, (lbk_value)v)->kind == LBK_VALUE_PARAM)
                check_parameter(&net, (lbk_value)v, memory, &arena);
        }
        lbk_graph_destroy(net.graph);
        lbk_arena_release(&arena);
        free(memory);
    }
}

static void run_on(const network *n, lbk_device *device) {
    little_net net;
    lbk_arena arena = {0};
    lbk_weights *weights;
    lbk_plan *plan;
    cl_event done;
    build(n, &net, true);
    double **memory = calloc(net.graph->value_count, sizeof *memory);
    fill(&net, memory, &arena);
    must(lbk_weights_create(net.graph, device, true, &weights));
    must(lbk_plan_create(net.graph, weights, device, NULL, &plan));
    must(lbk_plan_warm_up(plan));
    little_net_upload(&net, memory, weights, plan, device);
    must(lbk_graph_interpret(net.graph, memory, &arena));
    must(lbk_plan_enqueue(plan, &done));
    must(lbk_event_wait(device, done));
    clReleaseEvent(done);
    for (size_t k = 0; k < net.graph->kept_count; k++) {
        lbk_value value = net.graph->kept[k];
        double error = little_net_error(&net, value, memory[value], plan, device);
        cr_expect_lt(error, DEVICE_BOUND, "%s, value %d as %s: relative error %g", n->loss, value,
                     lbk_class_name(device->info.caps.cls), error);
    }
    lbk_plan_destroy(plan);
    lbk_weights_destroy(weights);
    lbk_graph_destroy(net.graph);
    lbk_arena_release(&arena);
    free(memory);
}

/* Two of the networks: the kernels are known to be right, this is about the plan. */
Test(second, devices_match_the_oracle) {
    static const char *const classes[] = {"gpu", "cpu"};
    lbk_device_list list;
    lbk_device_spec spec = {.info = 0};
    must(lbk_device_list_init(&list));
    cr_assert_gt(list.count, 0, "no OpenCL device");
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        lbk_open_options options = {.cls = classes[i]};
        lbk_device *device;
        must(lbk_device_open(&list, &spec, &options, 1, &device));
        run_on(&networks[i], device);
        lbk_device_close(device);
    }
    lbk_device_list_release(&list);
}

#include "little_net.h"

#include "base/hash.h"
#include "base/rng.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(lbk_status status) {
    cr_assert_eq(status, LBK_OK, "%s", lbk_error_message());
}

lbk_value little_net_layer(lbk_graph *graph, const char *op_name, const char *text, const char *name, lbk_value x) {
    const lbk_op *op = lbk_op_find(op_name);
    cr_assert(op, "no op %s", op_name);
    void *params = NULL;
    must(lbk_arena_alloc(&graph->arena, op->params_size + 1, &params));
    must(lbk_op_params_parse(op, text, &graph->arena, params));
    lbk_value inputs[LBK_MAX_INPUTS], outputs[LBK_MAX_OUTPUTS];
    for (int i = 0; i < LBK_MAX_INPUTS; i++)
        inputs[i] = LBK_NONE;
    inputs[0] = x;
    int count = 1;
    lbk_weight_list weights = {0};
    if (op->weights)
        must(op->weights(params, lbk_graph_desc(graph, x), &weights));
    for (int w = 0; w < weights.count; w++) {
        char full[64];
        lbk_value value;
        snprintf(full, sizeof full, "%s.%s", name, weights.item[w].suffix);
        must(lbk_graph_weight(graph, full, &weights.item[w], &value));
        if (weights.item[w].input < 0)
            continue;
        inputs[weights.item[w].input] = value;
        if (weights.item[w].input >= count)
            count = weights.item[w].input + 1;
    }
    must(lbk_graph_node(graph, op, name, params, count, inputs, outputs));
    return outputs[0];
}

static void build(little_net *net, bool training, bool fuse, lbk_dtype storage) {
    must(lbk_graph_create(&net->graph));
    lbk_graph *g = net->graph;
    g->storage = storage;
    const char *norm = training ? "training=yes" : "training=no";
    must(lbk_graph_input(g, "x", LBK_F32, lbk_shape_4(LITTLE_BATCH, LITTLE_SIZE, LITTLE_SIZE, 3), &net->x));
    must(lbk_graph_input(g, "labels", LBK_I32, lbk_shape_1(LITTLE_BATCH), &net->labels));
    lbk_value a = little_net_layer(g, "conv2d", "out=8 kernel=3 padding=1 bias=no", "conv1", net->x);
    a = little_net_layer(g, "relu", "", "relu1", little_net_layer(g, "batch_norm", norm, "bn1", a));
    lbk_value b = little_net_layer(g, "conv2d", "out=8 kernel=3 padding=1 bias=no", "conv2", a);
    b = little_net_layer(g, "relu", "", "relu2", little_net_layer(g, "batch_norm", norm, "bn2", b));
    b = little_net_layer(g, "conv2d", "out=8 kernel=3 padding=1 bias=no", "conv3", b);
    b = little_net_layer(g, "batch_norm", norm, "bn3", b);
    must(lbk_graph_apply(g, "add", NULL, 2, (lbk_value[]){b, a}, &b));
    b = little_net_layer(g, "relu", "", "relu3", b);
    b = little_net_layer(g, "global_avg_pool", "", "pool", b);
    char dense[32];
    snprintf(dense, sizeof dense, "out=%d", LITTLE_CLASSES);
    net->logits = little_net_layer(g, "dense", dense, "fc", b);
    must(lbk_graph_apply(g, "cross_entropy", NULL, 2, (lbk_value[]){net->logits, net->labels}, &net->loss));
    must(lbk_graph_keep(g, net->logits));
    must(lbk_graph_keep(g, net->loss));
    if (fuse)
        must(lbk_graph_fuse(g));
    if (training)
        must(lbk_graph_differentiate(g, net->loss, NULL, 0, NULL));
    if (fuse)
        must(lbk_graph_fuse(g));
    if (storage != LBK_F32)
        must(lbk_graph_store(g, (size_t)net->logits));
}

void little_net_build(little_net *net, bool training, bool fuse) {
    build(net, training, fuse, LBK_F32);
}

void little_net_build_stored(little_net *net, lbk_dtype storage) {
    build(net, true, true, storage);
}

void little_net_fill(const little_net *net, double **memory, lbk_arena *arena) {
    for (size_t v = 0; v < net->graph->value_count; v++) {
        const lbk_value_info *info = &net->graph->values[v];
        memory[v] = NULL;
        if (info->kind == LBK_VALUE_COMPUTED)
            continue;
        size_t count = (size_t)lbk_shape_count(&info->desc.shape);
        lbk_rng rng;
        must(lbk_arena_alloc(arena, count * sizeof(double), &memory[v]));
        lbk_rng_init(&rng, 7, LBK_RNG_TEST, 0, lbk_hash_text(LBK_HASH_START, info->name));
        bool variance = strstr(info->name, "var") != NULL;
        for (size_t k = 0; k < count; k++) {
            float number = variance ? 0.5f + lbk_rng_uniform(&rng) : lbk_rng_uniform(&rng) - 0.5f;
            memory[v][k] = info->desc.dtype == LBK_I32 ? (double)lbk_rng_below(&rng, LITTLE_CLASSES) : (double)number;
        }
    }
}

void little_net_upload(const little_net *net, double *const *memory, const lbk_weights *weights, lbk_plan *plan,
                       lbk_device *device) {
    (void)weights;
    for (size_t v = 0; v < net->graph->value_count; v++) {
        const lbk_value_info *info = &net->graph->values[v];
        if (info->kind == LBK_VALUE_COMPUTED)
            continue;
        size_t count = (size_t)lbk_shape_count(&info->desc.shape);
        float *floats = calloc(count, sizeof *floats);
        int32_t *integers = calloc(count, sizeof *integers);
        for (size_t k = 0; k < count; k++) {
            floats[k] = (float)memory[v][k];
            integers[k] = (int32_t)memory[v][k];
        }
        must(lbk_buffer_write(device, lbk_plan_buffer(plan, (lbk_value)v), 0,
                              info->desc.dtype == LBK_I32 ? (void *)integers : (void *)floats, count * 4));
        free(floats);
        free(integers);
    }
}

double little_net_error(const little_net *net, lbk_value value, const double *expected, const lbk_plan *plan,
                        lbk_device *device) {
    size_t count = (size_t)lbk_shape_count(&lbk_graph_desc(net->graph, value)->shape);
    float *found = calloc(count, sizeof *found);
    double worst = 0, largest = 1e-30;
    must(lbk_buffer_read(device, lbk_plan_buffer(plan, value), 0, found, count * sizeof *found));
    for (size_t k = 0; k < count; k++) {
        worst = fmax(worst, fabs((double)found[k] - expected[k]));
        largest = fmax(largest, fabs(expected[k]));
    }
    free(found);
    return worst / largest;
}

#include "graph/tune.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "graph/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CANDIDATES 8
#define ROUNDS 5

typedef struct tuner {
    lbk_device *device;
    lbk_arena *arena;
    char *path;
    json_t *winners; /* {key: variant} */
    bool changed;
} tuner;

static bool wanted(const lbk_device *device) {
    const char *setting = getenv("LIMBECK_TUNE");
    if (setting && strcmp(setting, "off") == 0)
        return false;
    return (setting && strcmp(setting, "on") == 0) || (device->info.caps.type & CL_DEVICE_TYPE_GPU);
}

/* Variants of the device's class that take the node, as "class/name". */
static lbk_status candidates(const tuner *t, const lbk_graph *graph, const lbk_node *node, const char **names,
                             int *count) {
    *count = 0;
    for (const lbk_variant *v = node->op->variants; v && v->emit && *count < MAX_CANDIDATES; v++) {
        lbk_tensor_desc input[LBK_MAX_INPUTS], output[LBK_MAX_OUTPUTS];
        if (v->cls != t->device->info.caps.cls || v->cls == LBK_CLASS_GENERIC)
            continue;
        LBK_TRY(lbk_arena_printf(t->arena, &names[*count], "%s/%s", lbk_class_name(v->cls), v->name));
        lbk_graph_node_descs(graph, node, input, output);
        lbk_emit e = {.caps = &t->device->info.caps,
                      .op = node->op,
                      .params = node->params,
                      .input_count = node->input_count,
                      .output_count = node->output_count,
                      .input = input,
                      .output = output,
                      .only = names[*count]};
        lbk_status status = v->emit(&e);
        bool takes = status == LBK_OK && !e.declined;
        lbk_emit_release(&e);
        LBK_TRY(status);
        *count += takes;
    }
    return LBK_OK;
}

/* Op, parameters and shapes: what the time depends on. */
static lbk_status key_of(const lbk_graph *graph, const lbk_node *node, lbk_text *key) {
    char shape[LBK_SHAPE_TEXT];
    LBK_TRY(lbk_text_printf(key, "%s", node->op->name));
    for (const lbk_param *p = node->op->params; p && p->name; p++) {
        LBK_TRY(lbk_text_printf(key, " %s=", p->name));
        LBK_TRY(lbk_param_print(p, node->params, key));
    }
    for (int i = 0; i < node->input_count; i++)
        LBK_TRY(lbk_text_printf(
            key, " %s",
            node->input[i] == LBK_NONE ? "-" : lbk_shape_print(&graph->values[node->input[i]].desc.shape, shape)));
    return LBK_OK;
}

/* A graph of this one node over inputs of its own. */
static lbk_status isolate(const lbk_graph *graph, const lbk_node *node, lbk_graph **out) {
    lbk_value inputs[LBK_MAX_INPUTS], outputs[LBK_MAX_OUTPUTS];
    LBK_TRY(lbk_graph_create(out));
    for (int i = 0; i < node->input_count; i++) {
        char name[16];
        snprintf(name, sizeof name, "input%d", i);
        inputs[i] = LBK_NONE;
        if (node->input[i] == LBK_NONE)
            continue;
        const lbk_tensor_desc *desc = lbk_graph_desc(graph, node->input[i]);
        LBK_TRY(lbk_graph_input(*out, name, desc->dtype, desc->shape, &inputs[i]));
    }
    LBK_TRY(lbk_graph_node(*out, node->op, "tuned", node->params, node->input_count, inputs, outputs));
    for (int i = 0; i < node->output_count; i++)
        LBK_TRY(lbk_graph_keep(*out, outputs[i]));
    return LBK_OK;
}

/* The fastest of a few runs: noise only ever adds. */
static lbk_status time_variant(tuner *t, const lbk_graph *graph, const char *variant, double *seconds) {
    lbk_plan *plan = NULL;
    lbk_status status = LBK_OK;
    *seconds = 1e30;
    LBK_GOTO(lbk_plan_create(graph, NULL, t->device, &(lbk_plan_options){.variants = &variant}, &plan));
    LBK_GOTO(lbk_plan_warm_up(plan));
    for (int r = 0; r < ROUNDS; r++) {
        cl_event done = NULL;
        uint64_t start = lbk_clock_ns();
        LBK_GOTO(lbk_plan_enqueue(plan, &done));
        status = lbk_event_wait(t->device, done);
        clReleaseEvent(done);
        LBK_GOTO(status);
        double taken = lbk_clock_since(start);
        *seconds = taken < *seconds ? taken : *seconds;
    }
out:
    lbk_plan_destroy(plan);
    return status;
}

static lbk_status measure(tuner *t, const lbk_graph *graph, const lbk_node *node, const char *const *names, int count,
                          const char **winner) {
    lbk_graph *alone = NULL;
    double best = 1e30;
    lbk_status status = isolate(graph, node, &alone);
    for (int i = 0; i < count && status == LBK_OK; i++) {
        double seconds;
        status = time_variant(t, alone, names[i], &seconds);
        lbk_log(LBK_LOG_DEBUG, "tune: %s %s: %.3f ms", node->op->name, names[i], seconds * 1e3);
        if (status == LBK_OK && seconds < best) {
            best = seconds;
            *winner = names[i];
        }
    }
    lbk_graph_destroy(alone);
    return lbk_context(status, "tuning %s", node->op->name);
}

static lbk_status choose(tuner *t, const lbk_graph *graph, const lbk_node *node, const char **winner) {
    const char *names[MAX_CANDIDATES];
    int count;
    *winner = NULL;
    LBK_TRY(candidates(t, graph, node, names, &count));
    if (count < 2)
        return LBK_OK;
    lbk_text key = {0};
    lbk_status status = key_of(graph, node, &key);
    const char *known = status == LBK_OK ? json_string_value(json_object_get(t->winners, key.data)) : NULL;
    for (int i = 0; known && i < count; i++)
        if (strcmp(known, names[i]) == 0)
            *winner = names[i];
    if (status == LBK_OK && !*winner) {
        status = measure(t, graph, node, names, count, winner);
        if (status == LBK_OK) {
            json_object_set_new(t->winners, key.data, json_string(*winner));
            t->changed = true;
        }
    }
    lbk_text_release(&key);
    return status;
}

static lbk_status load(tuner *t) {
    const lbk_device_info *info = &t->device->info;
    char name[64], *cache = NULL, *folder = NULL;
    uint64_t hash = lbk_hash_text(LBK_HASH_START, info->platform_name);
    hash = lbk_hash_text(lbk_hash_text(hash, info->name), info->driver);
    hash = lbk_hash_bytes(hash, &info->caps.compute_units, sizeof info->caps.compute_units);
    snprintf(name, sizeof name, "%016" PRIx64 ".json", hash);
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_path_cache(&cache));
    LBK_GOTO(lbk_path_join(cache, "tune", &folder));
    LBK_GOTO(lbk_path_make_folder(folder));
    LBK_GOTO(lbk_path_join(folder, name, &t->path));
    if (lbk_path_exists(t->path) && (lbk_json_read(t->path, &t->winners) != LBK_OK || !json_is_object(t->winners))) {
        lbk_log(LBK_LOG_WARN, "%s is damaged; measuring anew", t->path);
        json_decref(t->winners);
        t->winners = NULL;
    }
    if (!t->winners)
        t->winners = json_object();
out:
    free(cache);
    free(folder);
    return status;
}

lbk_status lbk_tune_graph(const lbk_graph *graph, lbk_device *device, lbk_arena *arena, const char *const **variants) {
    *variants = NULL;
    if (!wanted(device) || device->info.caps.cls == LBK_CLASS_GENERIC)
        return LBK_OK;
    tuner t = {.device = device, .arena = arena};
    const char **chosen = NULL;
    lbk_status status = LBK_OK;
    LBK_GOTO(load(&t));
    LBK_GOTO(lbk_arena_alloc(arena, (graph->node_count + 1) * sizeof *chosen, &chosen));
    for (size_t n = 0; n < graph->node_count; n++)
        LBK_GOTO(choose(&t, graph, &graph->nodes[n], &chosen[n]));
    *variants = chosen;
    if (t.changed && lbk_json_write(t.path, t.winners) != LBK_OK)
        lbk_log(LBK_LOG_WARN, "tuning results are not kept: %s", lbk_error_message());
out:
    json_decref(t.winners);
    free(t.path);
    return status;
}

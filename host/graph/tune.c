#include "graph/tune.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "device/matrix_units.h"
#include "graph/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A candidate's time is that of its fastest run, since noise only ever adds. */
#define LEAST_ROUNDS 3
#define MOST_ROUNDS 30
#define ROUNDS_S 0.2 /* after which no further round is begun, of all candidates together */
#define NEVER 1e30
/* The order of an op's variants decides between equals: noise should not. */
#define MARGIN 0.95

struct lbk_tuner {
    lbk_device *device;
    lbk_tune_options options;
    char *folder, *path; /* of the file; NULL: there is no place for it */
    json_t *known;       /* the file */
    json_t *seen;        /* {key: true}: handed out by this tuner */
    bool changed;
};

/* Variants that take the node, as "class/name". */
static lbk_status find_candidates(const lbk_tuner *t, const lbk_graph *graph, const lbk_node *node, lbk_arena *arena,
                                  lbk_tune_choice *c) {
    lbk_tensor_desc input[LBK_MAX_INPUTS], output[LBK_MAX_OUTPUTS];
    const lbk_variant *rivals[LBK_MAX_RIVALS];
    lbk_graph_node_descs(graph, node, input, output);
    lbk_emit e = {.caps = &t->device->info.caps,
                  .op = node->op,
                  .params = node->params,
                  .input_count = node->input_count,
                  .output_count = node->output_count,
                  .input = input,
                  .output = output,
                  .arithmetic = graph->arithmetic};
    LBK_TRY(lbk_emit_rivals(&e, rivals, &c->count));
    for (int i = 0; i < c->count; i++)
        LBK_TRY(lbk_arena_printf(arena, &c->variant[i], "%s/%s", lbk_class_name(rivals[i]->cls), rivals[i]->name));
    return LBK_OK;
}

static lbk_status print_shapes(const lbk_graph *graph, const lbk_node *node, lbk_text *out) {
    char shape[LBK_SHAPE_TEXT];
    for (int i = 0; i < node->input_count; i++)
        LBK_TRY(lbk_text_printf(
            out, "%s%s", i ? " " : "",
            node->input[i] == LBK_NONE ? "-" : lbk_shape_print(&graph->values[node->input[i]].desc.shape, shape)));
    return LBK_OK;
}

/* " name=value" of all parameters, or of those that are not the default. */
static lbk_status print_params(const lbk_node *node, bool all, lbk_text *out) {
    for (const lbk_param *p = node->op->params; p && p->name; p++) {
        lbk_text value = {0};
        lbk_status status = lbk_param_print(p, node->params, &value);
        const char *text = value.data ? value.data : "";
        if (status == LBK_OK && (all || !p->fallback || strcmp(text, p->fallback) != 0))
            status = lbk_text_printf(out, " %s=%s", p->name, text);
        lbk_text_release(&value);
        LBK_TRY(status);
    }
    return LBK_OK;
}

/* What the time depends on: op, parameters, shapes and, where that matters, arithmetic. */
static lbk_status describe(const lbk_graph *graph, const lbk_node *node, lbk_arena *arena, lbk_tune_choice *c) {
    lbk_text all = {0}, some = {0}, shapes = {0};
    lbk_status status = LBK_OK;
    LBK_GOTO(print_shapes(graph, node, &shapes));
    LBK_GOTO(print_params(node, true, &all));
    LBK_GOTO(print_params(node, false, &some));
    c->op = node->op->name;
    LBK_GOTO(lbk_arena_strdup(arena, shapes.data ? shapes.data : "", &c->shapes));
    LBK_GOTO(lbk_arena_strdup(arena, some.data ? some.data + 1 : "", &c->params));
    bool rounded = graph->arithmetic != LBK_ARITHMETIC_FLOAT32;
    LBK_GOTO(lbk_arena_printf(arena, &c->key, "%s%s %s%s%s", c->op, all.data ? all.data : "", c->shapes,
                              rounded ? " " : "", rounded ? lbk_arithmetic_names[graph->arithmetic] : ""));
out:
    lbk_text_release(&all);
    lbk_text_release(&some);
    lbk_text_release(&shapes);
    return status;
}

/* What the file says: a winner that is no candidate any more is none. */
static void recall(const lbk_tuner *t, lbk_tune_choice *c) {
    const json_t *entry = json_object_get(t->known, c->key);
    const char *winner = json_string_value(json_object_get(entry, "winner"));
    const json_t *ms = json_object_get(entry, "ms");
    for (int i = 0; i < c->count; i++) {
        c->seconds[i] = json_number_value(json_object_get(ms, c->variant[i])) * 1e-3;
        if (winner && strcmp(winner, c->variant[i]) == 0)
            c->winner = i;
    }
}

static lbk_status remember(lbk_tuner *t, const lbk_tune_choice *c) {
    json_t *ms = json_object();
    for (int i = 0; i < c->count; i++)
        if (c->seconds[i] > 0)
            json_object_set_new(ms, c->variant[i], json_real(c->seconds[i] * 1e3));
    json_t *entry = json_pack("{ss so}", "winner", c->variant[c->winner], "ms", ms);
    t->changed = true;
    return entry && json_object_set_new(t->known, c->key, entry) == 0 ? LBK_OK
                                                                      : lbk_fail(LBK_ERR_MEMORY, "out of memory");
}

/* A graph of this one node over inputs of its own. */
static lbk_status isolate(const lbk_graph *graph, const lbk_node *node, lbk_graph **out) {
    lbk_value inputs[LBK_MAX_INPUTS], outputs[LBK_MAX_OUTPUTS];
    LBK_TRY(lbk_graph_create(out));
    (*out)->arithmetic = graph->arithmetic;
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

static bool is_late(const lbk_tuner *t) {
    return lbk_clock_ns() >= t->options.deadline_ns;
}

/* A variant that cannot be compiled or run is no candidate: the others may be. */
static lbk_plan *begin_trial(lbk_tuner *t, const lbk_graph *graph, const char *variant) {
    lbk_plan *plan = NULL;
    lbk_status status = lbk_plan_create(graph, NULL, t->device, &(lbk_plan_options){.variants = &variant}, &plan);
    if (status == LBK_OK)
        status = lbk_plan_warm_up(plan);
    if (status == LBK_OK)
        return plan;
    lbk_log(LBK_LOG_DEBUG, "tune: %s is left out: %s", variant, lbk_error_message());
    lbk_error_clear();
    lbk_plan_destroy(plan);
    return NULL;
}

static lbk_status run_trial(lbk_tuner *t, lbk_plan *plan, double *seconds) {
    cl_event done = NULL;
    uint64_t start = lbk_clock_ns();
    LBK_TRY(lbk_plan_enqueue(plan, &done));
    lbk_status status = lbk_event_wait(t->device, done);
    double taken = lbk_clock_since(start);
    clReleaseEvent(done);
    *seconds = taken < *seconds ? taken : *seconds;
    return status;
}

/* The candidates take turns, so that a slow spell of the device meets all. */
static lbk_status run_rounds(lbk_tuner *t, lbk_plan *const *plans, lbk_tune_choice *c) {
    uint64_t start = lbk_clock_ns();
    for (int r = 0; r < MOST_ROUNDS && (r < LEAST_ROUNDS || lbk_clock_since(start) < ROUNDS_S); r++)
        for (int i = 0; i < c->count; i++)
            if (plans[i])
                LBK_TRY(run_trial(t, plans[i], &c->seconds[i]));
    return LBK_OK;
}

static int find_winner(const lbk_tune_choice *c) {
    int winner = -1;
    for (int i = 0; i < c->count; i++)
        if (c->seconds[i] > 0 && (winner < 0 || c->seconds[i] < MARGIN * c->seconds[winner]))
            winner = i;
    return winner;
}

static lbk_status compete(lbk_tuner *t, const lbk_graph *alone, lbk_tune_choice *c) {
    lbk_plan *plans[LBK_MAX_RIVALS] = {NULL};
    int built = 0;
    lbk_status status = LBK_OK;
    while (built < c->count && !is_late(t)) {
        plans[built] = begin_trial(t, alone, c->variant[built]);
        c->seconds[built] = NEVER;
        built++;
    }
    if (built < c->count) {
        c->source = LBK_TUNE_LEFT;
        recall(t, c);
        goto out;
    }
    LBK_GOTO(run_rounds(t, plans, c));
    for (int i = 0; i < c->count; i++)
        c->seconds[i] = c->seconds[i] == NEVER ? 0 : c->seconds[i];
    c->winner = find_winner(c);
    c->source = LBK_TUNE_MEASURED;
    if (c->winner >= 0)
        status = remember(t, c);
out:
    for (int i = 0; i < built; i++)
        lbk_plan_destroy(plans[i]);
    return status;
}

static lbk_status measure(lbk_tuner *t, const lbk_graph *graph, const lbk_node *node, lbk_tune_choice *c) {
    lbk_graph *alone = NULL;
    lbk_status status = isolate(graph, node, &alone);
    if (status == LBK_OK)
        status = compete(t, alone, c);
    lbk_graph_destroy(alone);
    return lbk_context(status, "tuning %s", c->key);
}

static lbk_status choose(lbk_tuner *t, const lbk_graph *graph, const lbk_node *node, lbk_arena *arena,
                         const char **variant) {
    lbk_tune_choice c = {.winner = -1, .source = LBK_TUNE_KEPT};
    LBK_TRY(find_candidates(t, graph, node, arena, &c));
    if (c.count < 2)
        return LBK_OK;
    LBK_TRY(describe(graph, node, arena, &c));
    recall(t, &c);
    bool first = !json_object_get(t->seen, c.key);
    if (first && t->options.measure && (c.winner < 0 || t->options.again))
        LBK_TRY(measure(t, graph, node, &c));
    if (variant && c.winner >= 0)
        *variant = c.variant[c.winner];
    if (!first)
        return LBK_OK;
    if (t->options.note)
        t->options.note(t->options.context, &c);
    return json_object_set_new(t->seen, c.key, json_true()) == 0 ? LBK_OK : lbk_fail(LBK_ERR_MEMORY, "out of memory");
}

static lbk_status find_file(lbk_tuner *t) {
    const lbk_device_info *info = &t->device->info;
    char name[64], *cache = NULL;
    uint64_t hash = lbk_hash_text(LBK_HASH_START, info->platform_name);
    hash = lbk_hash_text(lbk_hash_text(hash, info->name), info->driver);
    hash = lbk_hash_bytes(hash, &info->caps.compute_units, sizeof info->caps.compute_units);
    snprintf(name, sizeof name, "%016" PRIx64 ".json", hash);
    lbk_status status = lbk_path_cache(&cache);
    if (status == LBK_OK)
        status = lbk_path_join(cache, "tune", &t->folder);
    if (status == LBK_OK)
        status = lbk_path_join(t->folder, name, &t->path);
    free(cache);
    return status;
}

static lbk_status load(lbk_tuner *t) {
    if (find_file(t) != LBK_OK)
        lbk_error_clear(); /* only who measures needs it: keep() says so */
    if (t->path && lbk_path_exists(t->path) &&
        (lbk_json_read(t->path, &t->known) != LBK_OK || !json_is_object(t->known))) {
        lbk_log(LBK_LOG_WARN, "%s is damaged; it is measured anew", t->path);
        lbk_error_clear();
        json_decref(t->known);
        t->known = NULL;
    }
    if (!t->known)
        t->known = json_object();
    t->seen = json_object();
    return t->known && t->seen ? LBK_OK : lbk_fail(LBK_ERR_MEMORY, "out of memory");
}

lbk_status lbk_tuner_open(lbk_device *device, const lbk_tune_options *options, lbk_tuner **out) {
    lbk_tuner *t = NULL;
    *out = NULL;
    LBK_TRY(lbk_calloc(1, sizeof *t, &t));
    t->device = device;
    t->options = *options;
    lbk_status status = load(t);
    if (status == LBK_OK)
        *out = t;
    else
        lbk_tuner_close(t);
    return status;
}

lbk_status lbk_tuner_graph(lbk_tuner *t, const lbk_graph *graph, lbk_arena *arena, const char **variants) {
    lbk_matrix_units_find(t->device, graph->arithmetic);
    for (size_t n = 0; n < graph->node_count; n++)
        LBK_TRY(choose(t, graph, &graph->nodes[n], arena, variants ? &variants[n] : NULL));
    return LBK_OK;
}

static lbk_status keep(lbk_tuner *t) {
    if (!t->path)
        LBK_TRY(find_file(t));
    LBK_TRY(lbk_path_make_folder(t->folder));
    return lbk_json_write(t->path, t->known);
}

void lbk_tuner_close(lbk_tuner *t) {
    if (!t)
        return;
    if (t->changed && keep(t) != LBK_OK) {
        lbk_log(LBK_LOG_WARN, "tuning results are not kept: %s", lbk_error_message());
        lbk_error_clear();
    }
    json_decref(t->known);
    json_decref(t->seen);
    free(t->folder);
    free(t->path);
    free(t);
}

static bool measures_at_first_use(const lbk_caps *caps) {
    const char *setting = getenv("LIMBECK_TUNE");
    return (setting && strcmp(setting, "on") == 0) || (caps->type & CL_DEVICE_TYPE_GPU);
}

lbk_status lbk_tune_graph(const lbk_graph *graph, lbk_device *device, lbk_arena *arena, const char *const **variants) {
    const lbk_caps *caps = &device->info.caps;
    const char *setting = getenv("LIMBECK_TUNE");
    lbk_tune_options options = {.measure = measures_at_first_use(caps),
                                .deadline_ns = lbk_clock_ns() + LBK_TUNE_FIRST_USE_S * (uint64_t)1000000000};
    const char **chosen = NULL;
    lbk_tuner *t = NULL;
    *variants = NULL;
    if ((setting && strcmp(setting, "off") == 0) || caps->cls == LBK_CLASS_GENERIC || !caps->compiler)
        return LBK_OK;
    LBK_TRY(lbk_tuner_open(device, &options, &t));
    lbk_status status = LBK_OK;
    if (!options.measure && json_object_size(t->known) == 0)
        goto out;
    LBK_GOTO(lbk_arena_alloc(arena, (graph->node_count + 1) * sizeof *chosen, &chosen));
    LBK_GOTO(lbk_tuner_graph(t, graph, arena, chosen));
    *variants = chosen;
out:
    lbk_tuner_close(t);
    return status;
}

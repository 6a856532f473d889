/* The tuner's choice, its memory on disk, and CLBlast's GEMM against the float64 reference. */
#include "base/file.h"
#include "base/json.h"
#include "graph/plan.h"
#include "graph/tune.h"
#include "support/scratch.h"

#include <clblast_c.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(lbk_status status) {
    cr_assert_eq(status, LBK_OK, "%s", lbk_error_message());
}

typedef struct product {
    int64_t m, n, k;
    const char *params;
    lbk_shape a, b;
} product;

static const product products[] = {
    {96, 80, 70, "", {2, {96, 70}}, {2, {70, 80}}},
    {33, 20, 17, "trans_a=yes", {2, {17, 33}}, {2, {17, 20}}},
    {64, 31, 40, "trans_b=yes alpha=0.5", {2, {64, 40}}, {2, {31, 40}}},
};

static void build(const product *p, lbk_graph **graph, lbk_value *a, lbk_value *b, lbk_value *c) {
    const lbk_op *op = lbk_op_find("matmul");
    void *params = NULL;
    lbk_value outputs[LBK_MAX_OUTPUTS];
    must(lbk_graph_create(graph));
    must(lbk_arena_alloc(&(*graph)->arena, op->params_size + 1, &params));
    must(lbk_op_params_parse(op, p->params, &(*graph)->arena, params));
    must(lbk_graph_input(*graph, "a", LBK_F32, p->a, a));
    must(lbk_graph_input(*graph, "b", LBK_F32, p->b, b));
    must(lbk_graph_node(*graph, op, "c", params, 2, (lbk_value[]){*a, *b}, outputs));
    *c = outputs[0];
    must(lbk_graph_keep(*graph, *c));
}

static double *fill(lbk_device *device, lbk_plan *plan, const lbk_graph *graph, lbk_value v, double scale) {
    size_t count = (size_t)lbk_shape_count(&lbk_graph_desc(graph, v)->shape);
    double *numbers = malloc(count * sizeof *numbers);
    float *floats = malloc(count * sizeof *floats);
    for (size_t i = 0; i < count; i++) {
        floats[i] = (float)(sin(scale * (double)(i + 1)));
        numbers[i] = floats[i];
    }
    must(lbk_buffer_write(device, lbk_plan_buffer(plan, v), 0, floats, count * sizeof *floats));
    free(floats);
    return numbers;
}

static void check_product(lbk_device *device, const product *p, const char *variant) {
    lbk_graph *graph;
    lbk_plan *plan;
    lbk_arena arena = {0};
    lbk_value a, b, c;
    cl_event done;
    build(p, &graph, &a, &b, &c);
    must(lbk_plan_create(graph, NULL, device, &(lbk_plan_options){.variants = &variant}, &plan));
    cr_expect_str_eq(lbk_plan_launch(plan, 0).variant, variant);
    double *memory[3] = {[0] = NULL};
    memory[a] = fill(device, plan, graph, a, 0.7);
    memory[b] = fill(device, plan, graph, b, 1.3);
    must(lbk_graph_interpret(graph, memory, &arena));
    must(lbk_plan_enqueue(plan, &done));
    must(lbk_event_wait(device, done));
    clReleaseEvent(done);
    size_t count = (size_t)(p->m * p->n);
    float *found = malloc(count * sizeof *found);
    must(lbk_buffer_read(device, lbk_plan_buffer(plan, c), 0, found, count * sizeof *found));
    for (size_t i = 0; i < count; i++)
        cr_assert(fabs(found[i] - memory[c][i]) < 1e-6 * (double)p->k, "%s \"%s\" [%zu]: %g, expected %g", variant,
                  p->params, i, (double)found[i], memory[c][i]);
    free(found);
    free(memory[a]);
    free(memory[b]);
    lbk_plan_destroy(plan);
    lbk_graph_destroy(graph);
    lbk_arena_release(&arena);
}

/* CLBlast's smallest tiles: on a CPU its usual ones, unrolled, compile for half a minute. What is checked is our call, whose
 * result does not depend on them. Its routine takes the whole program, so that both kernels must be made small. */
static void shrink_clblast(const lbk_device *device) {
    const struct {
        const char *kernel;
        size_t count;
        const char *names[16];
        size_t values[16];
    } tiles[] = {
        {"Xgemm",
         16,
         {"GEMMK", "KREG", "KWG", "KWI", "MDIMA", "MDIMC", "MWG", "NDIMB", "NDIMC", "NWG", "SA", "SB", "STRM", "STRN",
          "VWM", "VWN"},
         {0, 1, 16, 2, 8, 8, 8, 8, 8, 8, 0, 0, 0, 0, 1, 1}},
        {"XgemmDirect",
         10,
         {"KWID", "MDIMAD", "MDIMCD", "NDIMBD", "NDIMCD", "PADA", "PADB", "VWMD", "VWND", "WGD"},
         {2, 8, 8, 8, 8, 0, 0, 1, 1, 8}},
    };
    for (size_t i = 0; i < sizeof tiles / sizeof *tiles; i++)
        cr_assert_eq(CLBlastOverrideParameters(device->id, tiles[i].kernel, CLBlastPrecisionSingle, tiles[i].count,
                                               (const char **)(uintptr_t)tiles[i].names, tiles[i].values),
                     CLBlastSuccess, "%s", tiles[i].kernel);
}

static lbk_device *open_gpu_class(lbk_device_list *list) {
    lbk_device *device;
    lbk_device_spec spec = {0};
    must(lbk_device_list_init(list));
    must(lbk_device_open(list, &spec, &(lbk_open_options){.cls = "gpu"}, 1, &device));
    shrink_clblast(device);
    return device;
}

Test(tune, both_variants_match_the_reference) {
    lbk_device_list list;
    lbk_device *device = open_gpu_class(&list);
    for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
        check_product(device, &products[i], "gpu/gemm");
        check_product(device, &products[i], "gpu/clblast");
    }
    lbk_device_close(device);
    lbk_device_list_release(&list);
}

static const char *choose(lbk_device *device, lbk_arena *arena) {
    lbk_graph *graph;
    lbk_value a, b, c;
    const char *const *variants;
    build(&products[0], &graph, &a, &b, &c);
    must(lbk_tune_graph(graph, device, arena, &variants));
    const char *winner = variants ? variants[0] : NULL;
    lbk_graph_destroy(graph);
    return winner;
}

/* The one file in <cache>/tune. */
static char *winners_path(const char *cache) {
    char command[512], *path = malloc(512);
    snprintf(command, sizeof command, "ls %s/tune/*.json", cache);
    FILE *pipe = popen(command, "r");
    cr_assert(fgets(path, 512, pipe), "nothing was kept");
    pclose(pipe);
    path[strcspn(path, "\n")] = '\0';
    return path;
}

Test(tune, measures_once_keeps_the_winner_and_survives_a_damaged_file) {
    scratch folder;
    scratch_make(&folder);
    setenv("LIMBECK_CACHE", folder.folder, 1);
    setenv("LIMBECK_TUNE", "on", 1);
    lbk_device_list list;
    lbk_arena arena = {0};
    lbk_device *device = open_gpu_class(&list);
    const char *winner = choose(device, &arena);
    cr_assert(winner && (strcmp(winner, "gpu/gemm") == 0 || strcmp(winner, "gpu/clblast") == 0));
    char *path = winners_path(folder.folder);
    json_t *kept;
    must(lbk_json_read(path, &kept));
    cr_expect_eq(json_object_size(kept), 1);
    const char *key = json_object_iter_key(json_object_iter(kept));
    json_t *entry = json_object_get(kept, key);
    cr_expect_str_eq(json_string_value(json_object_get(entry, "winner")), winner);
    cr_expect_eq(json_object_size(json_object_get(entry, "ms")), 2);
    const char *other = strcmp(winner, "gpu/gemm") == 0 ? "gpu/clblast" : "gpu/gemm";
    json_object_set_new(entry, "winner", json_string(other));
    must(lbk_json_write(path, kept));
    cr_expect_str_eq(choose(device, &arena), other, "what is on disk decides");
    must(lbk_file_write_atomic(path, "{\"broken", 8));
    cr_expect_not_null(choose(device, &arena), "a damaged file is measured anew");
    unsetenv("LIMBECK_TUNE");
    cr_expect_not_null(choose(device, &arena), "a device that is no GPU looks, too");
    setenv("LIMBECK_TUNE", "off", 1);
    cr_expect_null(choose(device, &arena));
    json_decref(kept);
    free(path);
    lbk_device_close(device);
    lbk_device_list_release(&list);
    lbk_arena_release(&arena);
    scratch_remove(&folder);
}

static void count_sources(void *context, const lbk_tune_choice *choice) {
    int *counts = context;
    counts[choice->source]++;
    cr_expect_eq(choice->count, 2);
    cr_expect_eq(choice->winner, -1);
    cr_expect_str_eq(choice->op, "matmul");
    cr_expect_str_eq(choice->shapes, "96x70 70x80");
    cr_expect_str_eq(choice->params, "");
}

Test(tune, begins_nothing_when_the_time_is_up) {
    scratch folder;
    scratch_make(&folder);
    setenv("LIMBECK_CACHE", folder.folder, 1);
    lbk_device_list list;
    lbk_arena arena = {0};
    lbk_device *device = open_gpu_class(&list);
    int counts[3] = {0};
    lbk_tune_options options = {.measure = true, .deadline_ns = 0, .context = counts, .note = count_sources};
    lbk_tuner *tuner;
    lbk_graph *graph;
    lbk_value a, b, c;
    build(&products[0], &graph, &a, &b, &c);
    must(lbk_tuner_open(device, &options, &tuner));
    must(lbk_tuner_graph(tuner, graph, &arena, NULL));
    must(lbk_tuner_graph(tuner, graph, &arena, NULL)); /* a key is told of once */
    lbk_tuner_close(tuner);
    cr_expect_eq(counts[LBK_TUNE_LEFT], 1);
    cr_expect_eq(counts[LBK_TUNE_KEPT] + counts[LBK_TUNE_MEASURED], 0);
    cr_expect_eq(lbk_device_build_stats(device).built, 0);
    lbk_graph_destroy(graph);
    lbk_device_close(device);
    lbk_device_list_release(&list);
    lbk_arena_release(&arena);
    scratch_remove(&folder);
}

static void expect_variant(const lbk_graph *graph, const lbk_caps *caps, const char *variant) {
    lbk_arena arena = {0};
    lbk_plan_estimate estimate;
    must(lbk_plan_measure(graph, caps, &arena, &estimate));
    cr_expect_str_eq(estimate.variants[0], variant);
    lbk_arena_release(&arena);
}

/* Nothing is run: what a made-up device would take. */
Test(tune, matrix_units_only_in_an_arithmetic_they_have) {
    lbk_caps caps = {.cls = LBK_CLASS_GPU,
                     .compute_units = 100,
                     .max_group = 1024,
                     .max_item = {1024, 1024, 64},
                     .local_bytes = 48 << 10,
                     .align_bytes = 256,
                     .vector_width = 1,
                     .matrix_units = 1u << LBK_ARITHMETIC_BFLOAT16};
    lbk_graph *graph;
    lbk_value a, b, c;
    build(&products[0], &graph, &a, &b, &c);
    expect_variant(graph, &caps, "gpu/gemm");
    graph->arithmetic = LBK_ARITHMETIC_TF32;
    expect_variant(graph, &caps, "gpu/gemm");
    graph->arithmetic = LBK_ARITHMETIC_BFLOAT16;
    expect_variant(graph, &caps, "gpu/matrix-units");
    caps.max_group = 64;
    expect_variant(graph, &caps, "gpu/clblast");
    lbk_graph_destroy(graph);
}

/* A winner in float32 says nothing about another arithmetic. */
static void collect_key(void *context, const lbk_tune_choice *choice) {
    lbk_text *keys = context;
    must(lbk_text_printf(keys, "%s: %d\n", choice->key, choice->count));
}

Test(tune, arithmetic_is_part_of_the_key) {
    scratch folder;
    scratch_make(&folder);
    setenv("LIMBECK_CACHE", folder.folder, 1);
    setenv("LIMBECK_MATRIX_UNITS", "emulated", 1);
    lbk_device_list list;
    lbk_arena arena = {0};
    lbk_text keys = {0};
    lbk_device *device = open_gpu_class(&list);
    lbk_tune_options options = {.measure = true, .deadline_ns = 0, .context = &keys, .note = collect_key};
    lbk_tuner *tuner;
    lbk_graph *graph;
    lbk_value a, b, c;
    build(&products[0], &graph, &a, &b, &c);
    must(lbk_tuner_open(device, &options, &tuner));
    must(lbk_tuner_graph(tuner, graph, &arena, NULL));
    graph->arithmetic = LBK_ARITHMETIC_TF32;
    must(lbk_tuner_graph(tuner, graph, &arena, NULL));
    lbk_tuner_close(tuner);
    const char *first = keys.data ? keys.data : "", *second = strchr(first, '\n');
    cr_assert(second);
    cr_expect(strstr(first, "96x70 70x80: 2\n"), "%s", first);
    cr_expect(strstr(second, "96x70 70x80 tf32: 3\n"), "%s", first);
    lbk_text_release(&keys);
    lbk_graph_destroy(graph);
    lbk_device_close(device);
    lbk_device_list_release(&list);
    lbk_arena_release(&arena);
    scratch_remove(&folder);
}

#include "cli/bench.h"
#include "base/clock.h"
#include "base/rng.h"
#include "device/matrix_units.h"
#include "device/peak.h"
#include "graph/plan.h"
#include "place/place.h"
#include "report/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WARM_UP_S 0.15

typedef struct timing {
    double median, min, max, cpu; /* seconds a run; cpu: of all threads, user and system */
    lbk_cost cost;
    char shapes[256], variant[48];
} timing;

lbk_status lbk_bench_shape(const char *text, lbk_shape *out) {
    out->rank = 0;
    while (*text) {
        char *end;
        long long size = strtoll(text, &end, 10);
        if (end == text || size < 1 || out->rank == LBK_MAX_RANK || (*end && (*end != 'x' || !end[1])))
            return lbk_fail(LBK_ERR_INPUT, "expected sizes like 128x32x32x16");
        out->dim[out->rank++] = size;
        text = *end ? end + 1 : end;
    }
    return LBK_OK;
}

/* Inputs of the given shapes, then the weights the op says it owns. */
static lbk_status declare_inputs(lbk_graph *graph, const lbk_op *op, const void *params, const lbk_shape *shapes,
                                 int count, lbk_value *inputs, int *input_count) {
    lbk_weight_list weights = {0};
    for (int i = 0; i < LBK_MAX_INPUTS; i++)
        inputs[i] = LBK_NONE;
    *input_count = 0;
    for (int i = 0; i < count; i++) {
        char name[16];
        if (shapes[i].rank < 0)
            continue;
        snprintf(name, sizeof name, "input%d", i);
        LBK_TRY(lbk_graph_input(graph, name, lbk_op_input_dtype(op, i), shapes[i], &inputs[i]));
        *input_count = i + 1;
    }
    if (!op->weights || count > 1)
        return LBK_OK;
    LBK_TRY(op->weights(params, &(lbk_tensor_desc){LBK_F32, shapes[0]}, &weights));
    for (int w = 0; w < weights.count; w++) {
        const lbk_weight *weight = &weights.item[w];
        if (weight->input < 0)
            continue;
        LBK_TRY(lbk_graph_input(graph, weight->suffix, LBK_F32, weight->shape, &inputs[weight->input]));
        if (weight->input >= *input_count)
            *input_count = weight->input + 1;
    }
    return LBK_OK;
}

/* Numbers in [-1, 1]; integers are 0, which is a valid label. */
static lbk_status fill_inputs(lbk_device *device, lbk_plan *plan, const lbk_graph *graph) {
    for (size_t v = 0; v < graph->value_count; v++) {
        const lbk_value_info *info = &graph->values[v];
        if (info->kind != LBK_VALUE_INPUT || info->desc.dtype != LBK_F32)
            continue;
        size_t count = (size_t)lbk_shape_count(&info->desc.shape);
        float *host = NULL;
        lbk_rng rng;
        LBK_TRY(lbk_calloc(count, sizeof *host, &host));
        lbk_rng_init(&rng, 1, LBK_RNG_TEST, 0, v);
        for (size_t i = 0; i < count; i++)
            host[i] = 2 * lbk_rng_uniform(&rng) - 1;
        lbk_status status =
            lbk_buffer_write(device, lbk_plan_buffer(plan, (lbk_value)v), 0, host, count * sizeof *host);
        free(host);
        LBK_TRY(status);
    }
    return LBK_OK;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static lbk_status run_once(lbk_plan *plan, double *seconds) {
    cl_event done = NULL;
    uint64_t start = lbk_clock_ns();
    lbk_status status = lbk_plan_enqueue(plan, &done);
    if (status == LBK_OK)
        status = LBK_CL(clWaitForEvents(1, &done));
    *seconds = lbk_clock_since(start);
    if (done)
        clReleaseEvent(done);
    return status;
}

lbk_status lbk_bench_warm_up(lbk_plan *plan) {
    double seconds;
    uint64_t start = lbk_clock_ns();
    do
        LBK_TRY(run_once(plan, &seconds));
    while (lbk_clock_since(start) < WARM_UP_S);
    return LBK_OK;
}

static lbk_status time_plan(lbk_plan *plan, int repeat, timing *out) {
    double *seconds = NULL;
    LBK_TRY(lbk_bench_warm_up(plan));
    LBK_TRY(lbk_calloc((size_t)repeat, sizeof *seconds, &seconds));
    double cpu = lbk_clock_cpu_s();
    lbk_status status = LBK_OK;
    for (int i = 0; i < repeat && status == LBK_OK; i++)
        status = run_once(plan, &seconds[i]);
    out->cpu = (lbk_clock_cpu_s() - cpu) / repeat;
    qsort(seconds, (size_t)repeat, sizeof *seconds, ascending);
    out->median = seconds[repeat / 2];
    out->min = seconds[0];
    out->max = seconds[repeat - 1];
    free(seconds);
    return status;
}

static lbk_status bench_graph(lbk_graph *graph, lbk_device *device, int repeat, timing *out) {
    lbk_plan *plan = NULL;
    lbk_status status = lbk_plan_create(graph, NULL, device, NULL, &plan);
    if (status == LBK_OK)
        status = fill_inputs(device, plan, graph);
    if (status == LBK_OK)
        status = lbk_plan_warm_up(plan);
    if (status == LBK_OK)
        status = time_plan(plan, repeat, out);
    if (status == LBK_OK) {
        out->cost = lbk_graph_cost(graph, true);
        snprintf(out->variant, sizeof out->variant, "%s",
                 lbk_plan_launch_count(plan) ? lbk_plan_launch(plan, 0).variant : "no kernel");
    }
    lbk_plan_destroy(plan);
    return status;
}

typedef struct request {
    const char *op, *params;
    lbk_arithmetic arithmetic;
    lbk_shape shapes[LBK_MAX_INPUTS];
    int shape_count, repeat;
    bool json;
} request;

static lbk_status bench_op(const lbk_op *op, const char *params_text, const lbk_shape *shapes, int count,
                           lbk_device *device, const request *q, timing *out) {
    lbk_graph *graph = NULL;
    lbk_arena arena = {0};
    void *params = NULL;
    lbk_value inputs[LBK_MAX_INPUTS], outputs[LBK_MAX_OUTPUTS];
    int input_count;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_graph_create(&graph));
    graph->arithmetic = q->arithmetic;
    LBK_GOTO(lbk_arena_alloc(&arena, op->params_size + 1, &params));
    LBK_GOTO(lbk_op_params_parse(op, params_text, &arena, params));
    LBK_GOTO(declare_inputs(graph, op, params, shapes, count, inputs, &input_count));
    LBK_GOTO(lbk_graph_node(graph, op, "bench", params, input_count, inputs, outputs));
    LBK_GOTO(lbk_graph_keep(graph, outputs[0]));
    LBK_GOTO(bench_graph(graph, device, q->repeat, out));
    lbk_shape_print(&shapes[0], out->shapes);
out:
    lbk_graph_destroy(graph);
    lbk_arena_release(&arena);
    return status;
}

static void print_timing(const lbk_op *op, const char *params, const timing *t, bool json) {
    double gflops = t->cost.flops / t->median * 1e-9, gbs = t->cost.bytes / t->median * 1e-9;
    if (json) {
        json_t *line = json_pack("{ss ss ss ss sf sf sf sf sf sf}", "op", op->name, "shape", t->shapes, "params",
                                 params, "variant", t->variant, "median_ms", t->median * 1e3, "min_ms", t->min * 1e3,
                                 "max_ms", t->max * 1e3, "cpu_ms", t->cpu * 1e3, "gflops", gflops, "gbytes_per_s", gbs);
        json_dumpf(line, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
        json_decref(line);
        printf("\n");
        return;
    }
    printf("%-24s %-20s %-34s %-16s %9.3f ms  %8.1f GFLOP/s %8.1f GB/s\n", op->name, t->shapes, params, t->variant,
           t->median * 1e3, gflops, gbs);
}

static lbk_status bench_examples(const lbk_op *op, lbk_device *device, const request *q) {
    for (int e = 0; e < op->example_count; e++) {
        const lbk_op_example *example = &op->examples[e];
        timing t;
        LBK_TRY(lbk_context(
            bench_op(op, example->params ? example->params : "", example->input, example->input_count, device, q, &t),
            "%s example %d", op->name, e));
        print_timing(op, example->params ? example->params : "", &t, q->json);
    }
    return LBK_OK;
}

static lbk_status bench_ops(const request *q, lbk_device *device) {
    if (q->op) {
        const lbk_op *op = lbk_op_find(q->op);
        if (!op)
            return lbk_fail(LBK_ERR_INPUT, "--op: there is no op '%s'; see `limbeck list ops`", q->op);
        if (!q->shape_count)
            return bench_examples(op, device, q);
        timing t;
        LBK_TRY(bench_op(op, q->params, q->shapes, q->shape_count, device, q, &t));
        print_timing(op, q->params, &t, q->json);
        return LBK_OK;
    }
    for (const lbk_op *const *op = lbk_op_all(); *op; op++)
        LBK_TRY(bench_examples(*op, device, q));
    return LBK_OK;
}

/* What the device can do at best. */
static lbk_status bench_peak(const request *q, lbk_device *device) {
    lbk_peak peak = {0, 0};
    LBK_TRY(lbk_peak_measure(device, &peak));
    if (q->json)
        printf("{\"device\": \"%s\", \"gflops\": %.6g, \"gbytes_per_s\": %.6g}\n", device->label, peak.flops * 1e-9,
               peak.bytes * 1e-9);
    else
        printf("%s %s: %.1f GFLOP/s of fused multiply-adds, %.1f GB/s copied (read and written)\n", device->label,
               device->info.name, peak.flops * 1e-9, peak.bytes * 1e-9);
    return LBK_OK;
}

static lbk_status with_device(const char *text, const request *q, lbk_status (*work)(const request *, lbk_device *)) {
    lbk_device_list list;
    lbk_device_spec spec = {0};
    lbk_device *device = NULL;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_device_list_init(&list));
    if (text)
        LBK_GOTO(lbk_device_spec_parse(&list, text, &spec));
    else
        LBK_GOTO(lbk_place_best(&list, &spec));
    LBK_GOTO(lbk_device_open(&list, &spec, NULL, 1, &device));
    status = work(q, device);
out:
    lbk_device_close(device);
    lbk_device_list_release(&list);
    return status;
}

static const char ops_usage[] =
    "limbeck bench ops [--op NAME [--params \"...\"] [--shape AxBx...]...] [--arithmetic A] [--device D] [--repeat N] "
    "[--json]";
static const char peak_usage[] = "limbeck bench peak [--device D] [--json]";
static const char train_usage[] =
    "limbeck bench train --model M [--batch N] [--image HxWxC] [--classes K] [--device D] "
    "[--steps N] [--set section.key=value]... [--explain | --json]";
static const char kd_usage[] = "limbeck bench kd --teacher M --student M [--batch N] [--image HxWxC] [--classes K] "
                               "[--teacher-device D] [--student-device D] [--schedule serial|concurrent] [--steps N] "
                               "[--set section.key=value]... [--explain | --json]";

static lbk_status run_ops(lbk_args *args) {
    request q = {.json = lbk_args_flag(args, "--json")};
    const char *device, *arithmetic, **shapes = NULL;
    size_t count = 0;
    int64_t repeat;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_args_value(args, "--op", &q.op));
    LBK_GOTO(lbk_args_value(args, "--params", &q.params));
    LBK_GOTO(lbk_args_value(args, "--device", &device));
    LBK_GOTO(lbk_args_value(args, "--arithmetic", &arithmetic));
    LBK_GOTO(lbk_args_values(args, "--shape", &shapes, &count));
    LBK_GOTO(lbk_args_int(args, "--repeat", 11, 1, 100000, &repeat));
    LBK_GOTO(lbk_args_finish(args, 1, 1, ops_usage));
    if (count > LBK_MAX_INPUTS || ((q.params || count) && !q.op)) {
        status = lbk_fail(LBK_ERR_INPUT, "usage: %s", ops_usage);
        goto out;
    }
    if (arithmetic)
        LBK_GOTO(lbk_context(lbk_arithmetic_parse(arithmetic, &q.arithmetic), "--arithmetic"));
    q.params = q.params ? q.params : "";
    q.repeat = (int)repeat;
    for (size_t i = 0; i < count; i++)
        LBK_GOTO(lbk_context(lbk_bench_shape(shapes[i], &q.shapes[i]), "--shape"));
    q.shape_count = (int)count;
    status = with_device(device, &q, bench_ops);
out:
    free(shapes);
    return status;
}

static lbk_status run_peak(lbk_args *args) {
    request q = {.json = lbk_args_flag(args, "--json")};
    const char *device;
    LBK_TRY(lbk_args_value(args, "--device", &device));
    LBK_TRY(lbk_args_finish(args, 1, 1, peak_usage));
    return with_device(device, &q, bench_peak);
}

static lbk_status run_bench(lbk_args *args) {
    const char *kind = args->count ? args->items[0] : "";
    if (strcmp(kind, "ops") == 0)
        return run_ops(args);
    if (strcmp(kind, "peak") == 0)
        return run_peak(args);
    if (strcmp(kind, "train") == 0)
        return lbk_bench_steps(args, train_usage);
    if (strcmp(kind, "kd") == 0)
        return lbk_bench_steps(args, kd_usage);
    return lbk_fail(LBK_ERR_INPUT,
                    "bench: expected ops, train, kd or peak; usage: limbeck bench ops | train | kd | peak ...");
}

const lbk_command lbk_command_bench = {
    .name = "bench",
    .usage = "bench ops | train | kd | peak ...",
    .summary = "time ops, training steps or distillation steps: medians, rates; what a device can do at best",
    .help =
        "\n  bench ops [--op NAME [--params \"...\"] [--shape AxBx...]...] [--arithmetic A] [--device D] [--repeat N]\n"
        "            [--json]\n"
        "    without --shape the op's example shapes are timed; without --op every op; --arithmetic tf32, float16 or\n"
        "    bfloat16: products by matrix units, where the device has them and they are faster\n"
        "  bench peak [--device D] [--json]\n"
        "    fused multiply-adds and copied bytes a second: the roofline that other figures are held against\n"
        "  bench train --model M [--batch N] [--image HxWxC] [--classes K] [--device D] [--steps N]\n"
        "            [--explain | --json]\n"
        "  bench kd --teacher M --student M [--batch N] [--image HxWxC] [--classes K] [--teacher-device D]\n"
        "           [--student-device D] [--schedule serial|concurrent] [--steps N] [--explain | --json]\n"
        "    whole steps on synthetic images (default: 32x32x3, 10 classes, batch 128); --set changes any other "
        "key of the\n"
        "    experiment, as in --set student.recompute=yes; --explain: each layer's variant, time, rates and share "
        "of the roofline\n",
    .run = run_bench,
};

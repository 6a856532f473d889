/* bench train, bench kd: whole training steps on images, tokens or waveforms that nobody has to have. */
#include "base/clock.h"
#include "cli/bench.h"
#include "cli/synthetic.h"
#include "device/peak.h"
#include "report/report.h"
#include "train/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Steps before and behind those that are measured. The teacher runs ahead by as many batches as there are slots: the first steps
 * wait for it and the last ones, when it has done all batches, have the device for themselves. */
enum { WARM_UP = 4, COOL_DOWN = 4 };

typedef struct bench_request {
    bool json, explain;
    lbk_synthetic on;
} bench_request;

/* When each step was finished, seconds from the start. */
typedef struct stopwatch {
    double *at;
    double cpu_from,
        cpu_to; /* processor time of the process, when the warm-up and when the last measured step was finished */
    int64_t count, measured; /* steps noted; of which are measured */
} stopwatch;

/* From the beginning of the command to its first step. */
typedef struct start_up {
    uint64_t begin_ns;
    double prepare_s, open_s, compile_s, total_s; /* data and graphs; devices; programs, weights, first launches */
    double cpu_s;                                 /* processor time of the process until then */
    int built, from_disk;                         /* programs */
} start_up;

static lbk_status note_step(void *context, const lbk_step_report *report) {
    stopwatch *w = context;
    w->at[w->count++] = report->elapsed_s;
    if (w->count <= WARM_UP + w->measured)
        *(w->count <= WARM_UP ? &w->cpu_from : &w->cpu_to) = lbk_clock_cpu_s();
    return LBK_OK;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The durations of the measured steps, sorted, in place of the times. */
static void to_durations(stopwatch *w) {
    for (int64_t i = w->count - 1; i >= WARM_UP; i--)
        w->at[i] -= w->at[i - 1];
    memmove(w->at, w->at + WARM_UP, (size_t)w->measured * sizeof *w->at);
    w->count = w->measured;
    qsort(w->at, (size_t)w->count, sizeof *w->at, ascending);
}

static json_t *start_json(const start_up *u) {
    return json_pack("{sf sf sf sf sf si si}", "total_s", u->total_s, "prepare_s", u->prepare_s, "open_s", u->open_s,
                     "compile_s", u->compile_s, "cpu_s", u->cpu_s, "programs_built", u->built, "programs_from_disk",
                     u->from_disk);
}

static lbk_status print_json(const bench_request *q, const start_up *begin, const stopwatch *w,
                             const lbk_phase_result *r, const lbk_session *s, const lbk_network *net) {
    double median = w->at[w->count / 2], steps = (double)r->steps, flops = lbk_graph_cost(net->train, true).flops;
    json_t *o = json_pack("{ss sI sf sf sf sf sf sf sI}", "student", q->on.student, "batch", (json_int_t)q->on.batch,
                          "step_ms", median * 1e3, "step_min_ms", w->at[0] * 1e3, "step_max_ms",
                          w->at[w->count - 1] * 1e3, "samples_per_s", (double)q->on.batch / median, "student_ms",
                          r->student_busy_s / steps * 1e3, "student_gflops", flops / (r->student_busy_s / steps) * 1e-9,
                          "student_bytes", (json_int_t)lbk_network_bytes(net));
    LBK_ENSURE(o);
    if (q->on.distil) {
        double teacher = lbk_graph_cost(s->teacher.eval, false).flops;
        json_object_set_new(o, "teacher", json_string(q->on.teacher));
        json_object_set_new(o, "teacher_ms", json_real(r->teacher_busy_s / steps * 1e3));
        json_object_set_new(o, "teacher_gflops", json_real(teacher / (r->teacher_busy_s / steps) * 1e-9));
        json_object_set_new(o, "teacher_bytes", json_integer((json_int_t)lbk_network_bytes(&s->teacher)));
        json_object_set_new(o, "overlap", json_real(lbk_phase_overlap(r)));
    }
    json_object_set_new(o, "cpu_ms", json_real((w->cpu_to - w->cpu_from) / (double)w->count * 1e3));
    json_object_set_new(o, "host_ms", json_real(r->host_s / steps * 1e3));
    json_object_set_new(o, "start", start_json(begin));
    json_dumpf(o, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    json_decref(o);
    printf("\n");
    return LBK_OK;
}

static void print_role(const char *label, const char *model, const char *device, double busy_s, double flops,
                       size_t bytes) {
    char time[24], memory[16];
    printf("%s %s on %s: %s a step on the device, %.1f GFLOP/s, %sB\n", label, model, device,
           lbk_report_time(busy_s, time), flops / busy_s * 1e-9, lbk_report_si((double)bytes, memory));
}

static lbk_status print_result(const bench_request *q, const start_up *begin, const stopwatch *w,
                               const lbk_phase_result *r, const lbk_session *s, const lbk_network *net) {
    char median[24], least[24], most[24];
    double steps = (double)r->steps;
    if (q->json)
        return print_json(q, begin, w, r, s, net);
    if (q->on.distil)
        print_role("teacher", q->on.teacher, s->devices[0]->label, r->teacher_busy_s / steps,
                   lbk_graph_cost(s->teacher.eval, false).flops, lbk_network_bytes(&s->teacher));
    print_role(q->on.distil ? "student" : "network", q->on.student, net->device->label, r->student_busy_s / steps,
               lbk_graph_cost(net->train, true).flops, lbk_network_bytes(net));
    printf("step, batch %lld: median %s (%s to %s), %.0f samples/s", (long long)q->on.batch,
           lbk_report_time(w->at[w->count / 2], median), lbk_report_time(w->at[0], least),
           lbk_report_time(w->at[w->count - 1], most), (double)q->on.batch / w->at[w->count / 2]);
    if (q->on.distil)
        printf(", overlap efficiency %.2f, bridge %s", lbk_phase_overlap(r), r->bridge);
    printf("\nhost: %s a step, %.2f %% of it", lbk_report_time(r->host_s / steps, median),
           100 * r->host_s / steps / w->at[w->count / 2]);
    printf("\nfirst step after %s, %s of processor time: %d programs compiled, %d from disk\n",
           lbk_report_time(begin->total_s, median), lbk_report_time(begin->cpu_s, least), begin->built,
           begin->from_disk);
    return LBK_OK;
}

/* Layer by layer; the peak is measured now, when nothing else runs on the device. */
static lbk_status explain(const char *label, lbk_device *device, const lbk_plan *plan) {
    lbk_peak peak = {0, 0};
    lbk_text text = {0};
    lbk_status status = lbk_peak_measure(device, &peak);
    if (status == LBK_OK)
        status = lbk_report_explain(plan, &peak, &text);
    if (status == LBK_OK && text.data)
        printf("%s, a step on %s:\n%s", label, device->label, text.data);
    lbk_text_release(&text);
    return status;
}

static lbk_status compile(const bench_request *q, lbk_session *s, lbk_network *net, start_up *begin) {
    uint64_t start = lbk_clock_ns();
    if (q->on.distil)
        LBK_TRY(lbk_network_compile(&s->teacher, s->devices[0]));
    LBK_TRY(lbk_network_compile(net, s->devices[1]));
    begin->compile_s = lbk_clock_since(start);
    begin->total_s = lbk_clock_since(begin->begin_ns);
    begin->cpu_s = lbk_clock_cpu_s();
    for (int i = 0; i < 2; i++) {
        bool again = i > 0 && s->devices[0] && s->devices[0]->context == s->devices[1]->context;
        if (!s->devices[i] || again)
            continue;
        lbk_build_stats stats = lbk_device_build_stats(s->devices[i]);
        begin->built += stats.built;
        begin->from_disk += stats.from_disk + stats.from_prebuilt;
    }
    return LBK_OK;
}

static lbk_status measure(const bench_request *q, lbk_session *s, const lbk_experiment *x, start_up *begin) {
    lbk_network *net = q->on.distil ? &s->student : &s->control;
    stopwatch watch = {.measured = q->on.steps - WARM_UP - COOL_DOWN};
    lbk_phase_result result;
    if (x->params.slots > COOL_DOWN)
        return lbk_fail(LBK_ERR_INPUT, "experiment.slots: bench kd measures up to %d, found %d", COOL_DOWN,
                        (int)x->params.slots);
    LBK_TRY(lbk_calloc((size_t)q->on.steps, sizeof *watch.at, &watch.at));
    lbk_phase phase = {.network = net,
                       .data = &x->data,
                       .timing = (lbk_timing)x->params.schedule,
                       .bridge = (lbk_bridge_mode)x->params.bridge,
                       .slots = x->params.slots,
                       .epochs = 1,
                       .observer = {&watch, note_step, NULL}};
    lbk_status status = LBK_OK;
    LBK_GOTO(compile(q, s, net, begin));
    LBK_GOTO(lbk_bench_warm_up(net->eval_plan));
    LBK_GOTO(lbk_phase_run(&phase, &result));
    to_durations(&watch);
    LBK_GOTO(print_result(q, begin, &watch, &result, s, net));
    if (q->explain && q->on.distil)
        LBK_GOTO(explain("teacher", s->devices[0], s->teacher.eval_plan));
    if (q->explain)
        LBK_GOTO(explain(q->on.distil ? "student" : "network", net->device, net->train_plan));
out:
    free(watch.at);
    return status;
}

static lbk_status run(const bench_request *q, const char *const *sets, size_t set_count) {
    start_up begin = {.begin_ns = lbk_clock_ns()};
    lbk_settings list = {.count = 0};
    lbk_experiment experiment = {0};
    lbk_session session = {.untrained = true};
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_synthetic_settings(&q->on, sets, set_count, &list));
    LBK_GOTO(lbk_experiment_load(&experiment, NULL, list.items, list.count));
    LBK_GOTO(lbk_session_prepare(&session, &experiment));
    begin.prepare_s = lbk_clock_since(begin.begin_ns);
    LBK_GOTO(lbk_session_open(&session));
    begin.open_s = lbk_clock_since(begin.begin_ns) - begin.prepare_s;
    LBK_GOTO(measure(q, &session, &experiment, &begin));
out:
    lbk_session_release(&session);
    lbk_experiment_release(&experiment);
    lbk_arena_release(&list.arena);
    return status;
}

lbk_status lbk_bench_steps(lbk_args *args, const char *usage) {
    bench_request q = {.json = lbk_args_flag(args, "--json"), .explain = lbk_args_flag(args, "--explain")};
    lbk_synthetic *on = &q.on;
    const char *model, *device, **sets = NULL;
    char alone[160];
    size_t set_count = 0;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_args_value(args, "--model", &model));
    LBK_GOTO(lbk_args_value(args, "--device", &device));
    LBK_GOTO(lbk_args_value(args, "--teacher", &on->teacher));
    LBK_GOTO(lbk_args_value(args, "--student", &on->student));
    LBK_GOTO(lbk_args_value(args, "--teacher-device", &on->teacher_device));
    LBK_GOTO(lbk_args_value(args, "--student-device", &on->student_device));
    LBK_GOTO(lbk_args_value(args, "--schedule", &on->schedule));
    LBK_GOTO(lbk_args_int(args, "--steps", 20, 1, 100000, &on->steps));
    on->steps += WARM_UP + COOL_DOWN;
    LBK_GOTO(lbk_synthetic_args(args, on, &sets, &set_count));
    LBK_GOTO(lbk_args_finish(args, 1, 1, usage));
    on->distil = strcmp(args->items[0], "kd") == 0;
    q.explain = q.explain && !q.json;
    bool of_two = on->teacher || on->student || on->teacher_device || on->student_device || on->schedule;
    if (on->distil ? !on->teacher || !on->student || model || device : !model || of_two) {
        status = lbk_fail(LBK_ERR_INPUT, "usage: %s", usage);
        goto out;
    }
    if (!on->distil)
        LBK_GOTO(lbk_synthetic_alone(on, model, device, alone, sizeof alone));
    status = run(&q, sets, set_count);
out:
    free(sets);
    return status;
}

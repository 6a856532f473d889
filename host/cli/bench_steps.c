/* bench train, bench kd: whole training steps on images that nobody has to have. */
#include "base/clock.h"
#include "cli/bench.h"
#include "device/peak.h"
#include "place/place.h"
#include "report/report.h"
#include "train/run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WARM_UP = 3, MOST_SETS = 48 };

typedef struct bench_request {
    bool distil, json, explain;
    const char *teacher, *student, *teacher_device, *student_device, *schedule;
    int64_t batch, steps, height, width, channels, classes;
} bench_request;

/* The experiment as "section.key=value" texts. */
typedef struct setting_list {
    lbk_arena arena;
    const char *items[MOST_SETS];
    size_t count;
} setting_list;

static lbk_status set(setting_list *l, const char *fmt, ...) LBK_PRINTF(2, 3);
static lbk_status set(setting_list *l, const char *fmt, ...) {
    char text[1024];
    va_list args;
    LBK_ENSURE(l->count < MOST_SETS);
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return lbk_arena_strdup(&l->arena, text, &l->items[l->count++]);
}

/* One epoch that is as long as the measurement, so that nothing but steps is in it. */
static lbk_status describe(const bench_request *q, setting_list *l) {
    LBK_TRY(set(l, "experiment.name=bench"));
    LBK_TRY(set(l, "experiment.schedule=%s", q->schedule));
    LBK_TRY(set(l, "experiment.control=%s", q->distil ? "no" : "yes"));
    LBK_TRY(set(l, "data.dataset=synthetic"));
    LBK_TRY(set(l, "data.height=%lld", (long long)q->height));
    LBK_TRY(set(l, "data.width=%lld", (long long)q->width));
    LBK_TRY(set(l, "data.channels=%lld", (long long)q->channels));
    LBK_TRY(set(l, "data.classes=%lld", (long long)q->classes));
    LBK_TRY(set(l, "data.train=%lld", (long long)(q->batch * (q->steps + WARM_UP))));
    LBK_TRY(set(l, "data.test=1"));
    LBK_TRY(set(l, "data.batch=%lld", (long long)q->batch));
    LBK_TRY(set(l, "teacher.model=%s", q->teacher));
    LBK_TRY(set(l, "student.model=%s", q->student));
    LBK_TRY(set(l, "student.epochs=1"));
    LBK_TRY(set(l, "student.lr=0.001"));
    LBK_TRY(set(l, "distill.methods=kd"));
    if (q->teacher_device)
        LBK_TRY(set(l, "teacher.device=%s", q->teacher_device));
    return q->student_device ? set(l, "student.device=%s", q->student_device) : LBK_OK;
}

/* When each step was finished, seconds from the start. */
typedef struct stopwatch {
    double *at;
    double cpu_from, cpu_to; /* processor time of the process, when the warm-up and when the last step was finished */
    int64_t count;
} stopwatch;

static lbk_status note_step(void *context, const lbk_step_report *report) {
    stopwatch *w = context;
    w->at[w->count++] = report->elapsed_s;
    *(w->count <= WARM_UP ? &w->cpu_from : &w->cpu_to) = lbk_clock_cpu_s();
    return LBK_OK;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The durations of the steps after the warm-up, sorted, in place of the times. */
static void to_durations(stopwatch *w) {
    for (int64_t i = w->count - 1; i >= WARM_UP; i--)
        w->at[i] -= w->at[i - 1];
    memmove(w->at, w->at + WARM_UP, (size_t)(w->count - WARM_UP) * sizeof *w->at);
    w->count -= WARM_UP;
    qsort(w->at, (size_t)w->count, sizeof *w->at, ascending);
}

static lbk_status print_json(const bench_request *q, const stopwatch *w, const lbk_phase_result *r,
                             const lbk_session *s, const lbk_network *net) {
    double median = w->at[w->count / 2], steps = (double)r->steps, flops = lbk_graph_cost(net->train, true).flops;
    json_t *o =
        json_pack("{ss sI sf sf sf sf sf sf sI}", "student", q->student, "batch", (json_int_t)q->batch, "step_ms",
                  median * 1e3, "step_min_ms", w->at[0] * 1e3, "step_max_ms", w->at[w->count - 1] * 1e3, "images_per_s",
                  (double)q->batch / median, "student_ms", r->student_busy_s / steps * 1e3, "student_gflops",
                  flops / (r->student_busy_s / steps) * 1e-9, "student_bytes", (json_int_t)lbk_network_bytes(net));
    LBK_ENSURE(o);
    if (q->distil) {
        double teacher = lbk_graph_cost(s->teacher.eval, false).flops;
        json_object_set_new(o, "teacher", json_string(q->teacher));
        json_object_set_new(o, "teacher_ms", json_real(r->teacher_busy_s / steps * 1e3));
        json_object_set_new(o, "teacher_gflops", json_real(teacher / (r->teacher_busy_s / steps) * 1e-9));
        json_object_set_new(o, "teacher_bytes", json_integer((json_int_t)lbk_network_bytes(&s->teacher)));
        json_object_set_new(o, "overlap", json_real(lbk_phase_overlap(r)));
    }
    json_object_set_new(o, "cpu_ms", json_real((w->cpu_to - w->cpu_from) / (double)w->count * 1e3));
    json_object_set_new(o, "host_ms", json_real(r->host_s / steps * 1e3));
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

static lbk_status print_result(const bench_request *q, const stopwatch *w, const lbk_phase_result *r,
                               const lbk_session *s, const lbk_network *net) {
    char median[24], least[24], most[24];
    double steps = (double)r->steps;
    if (q->json)
        return print_json(q, w, r, s, net);
    if (q->distil)
        print_role("teacher", q->teacher, s->devices[0]->label, r->teacher_busy_s / steps,
                   lbk_graph_cost(s->teacher.eval, false).flops, lbk_network_bytes(&s->teacher));
    print_role(q->distil ? "student" : "network", q->student, net->device->label, r->student_busy_s / steps,
               lbk_graph_cost(net->train, true).flops, lbk_network_bytes(net));
    printf("step, batch %lld: median %s (%s to %s), %.0f images/s", (long long)q->batch,
           lbk_report_time(w->at[w->count / 2], median), lbk_report_time(w->at[0], least),
           lbk_report_time(w->at[w->count - 1], most), (double)q->batch / w->at[w->count / 2]);
    if (q->distil)
        printf(", overlap efficiency %.2f, bridge %s", lbk_phase_overlap(r), r->bridge);
    printf("\n");
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

static lbk_status measure(const bench_request *q, lbk_session *s, const lbk_experiment *x) {
    lbk_network *net = q->distil ? &s->student : &s->control;
    stopwatch watch = {0};
    lbk_phase_result result;
    LBK_TRY(lbk_calloc((size_t)(q->steps + WARM_UP), sizeof *watch.at, &watch.at));
    lbk_phase phase = {.network = net,
                       .data = &x->data,
                       .timing = (lbk_timing)x->params.schedule,
                       .bridge = (lbk_bridge_mode)x->params.bridge,
                       .slots = x->params.slots,
                       .epochs = 1,
                       .observer = {&watch, note_step, NULL}};
    lbk_status status = LBK_OK;
    if (q->distil)
        LBK_GOTO(lbk_network_compile(&s->teacher, s->devices[0]));
    LBK_GOTO(lbk_network_compile(net, s->devices[1]));
    LBK_GOTO(lbk_phase_run(&phase, &result));
    to_durations(&watch);
    LBK_GOTO(print_result(q, &watch, &result, s, net));
    if (q->explain && q->distil)
        LBK_GOTO(explain("teacher", s->devices[0], s->teacher.eval_plan));
    if (q->explain)
        LBK_GOTO(explain(q->distil ? "student" : "network", net->device, net->train_plan));
out:
    free(watch.at);
    return status;
}

static lbk_status run(const bench_request *q, const char *const *sets, size_t set_count) {
    setting_list list = {.count = 0};
    lbk_experiment experiment = {0};
    lbk_session session = {.untrained = true};
    lbk_status status = LBK_OK;
    LBK_GOTO(describe(q, &list));
    for (size_t i = 0; i < set_count; i++)
        LBK_GOTO(set(&list, "%s", sets[i]));
    LBK_GOTO(lbk_experiment_load(&experiment, NULL, list.items, list.count));
    LBK_GOTO(lbk_session_prepare(&session, &experiment));
    LBK_GOTO(lbk_session_open(&session));
    LBK_GOTO(measure(q, &session, &experiment));
out:
    lbk_session_release(&session);
    lbk_experiment_release(&experiment);
    lbk_arena_release(&list.arena);
    return status;
}

/* "32x32x3" */
static lbk_status parse_image(const char *text, bench_request *q) {
    lbk_shape shape = {.rank = 3, .dim = {32, 32, 3}};
    if (text)
        LBK_TRY(lbk_bench_shape(text, &shape));
    if (shape.rank != 3)
        return lbk_fail(LBK_ERR_INPUT, "--image: expected height x width x channels, like 32x32x3");
    q->height = shape.dim[0];
    q->width = shape.dim[1];
    q->channels = shape.dim[2];
    return LBK_OK;
}

/* A network that trains alone has the whole of its device. */
static lbk_status best_device(char *text, size_t size) {
    lbk_device_list list;
    lbk_device_spec spec;
    LBK_TRY(lbk_device_list_init(&list));
    lbk_status status = lbk_place_best(&list, &spec);
    if (status == LBK_OK)
        snprintf(text, size, "%d.%d", list.items[spec.info].platform_index, list.items[spec.info].device_index);
    lbk_device_list_release(&list);
    return status;
}

lbk_status lbk_bench_steps(lbk_args *args, const char *usage) {
    bench_request q = {.json = lbk_args_flag(args, "--json"), .explain = lbk_args_flag(args, "--explain")};
    const char *model, *device, *image, **sets = NULL;
    char best[32];
    size_t set_count = 0;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_args_value(args, "--model", &model));
    LBK_GOTO(lbk_args_value(args, "--device", &device));
    LBK_GOTO(lbk_args_value(args, "--teacher", &q.teacher));
    LBK_GOTO(lbk_args_value(args, "--student", &q.student));
    LBK_GOTO(lbk_args_value(args, "--teacher-device", &q.teacher_device));
    LBK_GOTO(lbk_args_value(args, "--student-device", &q.student_device));
    LBK_GOTO(lbk_args_value(args, "--schedule", &q.schedule));
    LBK_GOTO(lbk_args_value(args, "--image", &image));
    LBK_GOTO(lbk_args_values(args, "--set", &sets, &set_count));
    LBK_GOTO(lbk_args_int(args, "--batch", 128, 1, 1 << 20, &q.batch));
    LBK_GOTO(lbk_args_int(args, "--classes", 10, 2, 256, &q.classes));
    LBK_GOTO(lbk_args_int(args, "--steps", 20, 1, 100000, &q.steps));
    LBK_GOTO(lbk_args_finish(args, 1, 1, usage));
    LBK_GOTO(parse_image(image, &q));
    q.distil = strcmp(args->items[0], "kd") == 0;
    q.explain = q.explain && !q.json;
    bool given = q.distil ? q.teacher && q.student && !model && !device
                          : model && !q.teacher && !q.student && !q.teacher_device && !q.student_device && !q.schedule;
    if (!given) {
        status = lbk_fail(LBK_ERR_INPUT, "usage: %s", usage);
        goto out;
    }
    if (!q.distil) {
        q.teacher = q.student = model;
        if (!device)
            LBK_GOTO(best_device(best, sizeof best));
        q.teacher_device = q.student_device = device ? device : best;
    }
    q.schedule = q.schedule ? q.schedule : "concurrent";
    status = run(&q, sets, set_count);
out:
    free(sets);
    return status;
}

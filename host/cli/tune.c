#include "graph/tune.h"

#include "base/clock.h"
#include "cli/synthetic.h"
#include "report/report.h"
#include "train/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] = "limbeck tune FILE | --model M [--batch N] [--image HxWxC] [--classes K] [--device D] "
                            "[--budget S] [--again] [--set section.key=value]... [--json]";

typedef struct request {
    const char *path, *model, *device; /* an experiment, or a model on a device (NULL: the best one) */
    lbk_synthetic on;
    double budget_s;
    bool again, json;
} request;

/* What was found so far, of all devices. */
typedef struct findings {
    const request *q;
    const lbk_device *device;
    json_t *rows;
    int kept, measured, left;
} findings;

static const char *const sources[] = {"kept", "measured", "left"};

static void add_row(findings *f, const lbk_tune_choice *c) {
    json_t *ms = json_object();
    for (int i = 0; i < c->count; i++)
        json_object_set_new(ms, c->variant[i], c->seconds[i] > 0 ? json_real(c->seconds[i] * 1e3) : json_null());
    json_array_append_new(f->rows,
                          json_pack("{ss ss ss ss so ss? ss}", "device", f->device->label, "op", c->op, "shapes",
                                    c->shapes, "params", c->params, "ms", ms, "winner",
                                    c->winner < 0 ? NULL : c->variant[c->winner], "source", sources[c->source]));
}

static void print_row(const lbk_tune_choice *c) {
    char time[24];
    printf("  %s %s%s%s\n", c->op, c->shapes, *c->params ? ", " : "", c->params);
    for (int i = 0; i < c->count; i++)
        printf("    %c %-22s %s\n", i == c->winner ? '*' : ' ', c->variant[i],
               c->seconds[i] > 0                ? lbk_report_time(c->seconds[i], time)
               : c->source == LBK_TUNE_MEASURED ? "does not run here"
                                                : "not measured");
}

static void note(void *context, const lbk_tune_choice *c) {
    findings *f = context;
    *(c->source == LBK_TUNE_KEPT ? &f->kept : c->source == LBK_TUNE_LEFT ? &f->left : &f->measured) += 1;
    if (f->q->json)
        add_row(f, c);
    else
        print_row(c);
}

static lbk_status tune_graph(lbk_tuner *tuner, const lbk_graph *graph) {
    lbk_arena arena = {0};
    lbk_status status = graph ? lbk_tuner_graph(tuner, graph, &arena, NULL) : LBK_OK;
    lbk_arena_release(&arena);
    return status;
}

/* What is trained is evaluated too. */
static lbk_status tune_network(lbk_tuner *tuner, const lbk_network *net) {
    LBK_TRY(tune_graph(tuner, net->train));
    return tune_graph(tuner, net->eval);
}

/* All that runs on device `place` of the session. Learners before the last teach from the teacher's device. */
static lbk_status tune_place(lbk_tuner *tuner, const lbk_session *s, int place, bool alone) {
    if (place == LBK_STUDENT_DEVICE) {
        for (int i = 0; i < s->learner_count; i++)
            LBK_TRY(tune_network(tuner, &s->learners[i]));
        if (!alone)
            LBK_TRY(tune_network(tuner, &s->student));
        return tune_network(tuner, &s->control);
    }
    if (place == LBK_TEACHER_DEVICE) {
        if (!alone)
            LBK_TRY(tune_network(tuner, &s->teacher));
        for (int i = 0; i < s->learner_count; i++)
            LBK_TRY(tune_graph(tuner, s->learners[i].eval));
    }
    for (int i = 0; i < s->more_teacher_count; i++)
        if (s->more_teacher_device[i] == place)
            LBK_TRY(tune_network(tuner, &s->more_teachers[i]));
    return LBK_OK;
}

static lbk_status tune_session(const lbk_session *s, findings *f, uint64_t deadline_ns) {
    lbk_tune_options options = {
        .measure = true, .again = f->q->again, .deadline_ns = deadline_ns, .context = f, .note = note};
    for (int place = 0; place < s->device_count; place++) {
        lbk_tuner *tuner = NULL;
        f->device = s->devices[place];
        if (!f->device || (f->q->model && place != LBK_STUDENT_DEVICE))
            continue;
        if (!f->q->json)
            printf("%s %s, %u compute units\n", f->device->label, f->device->info.name,
                   f->device->info.caps.compute_units);
        LBK_TRY(lbk_tuner_open(s->devices[place], &options, &tuner));
        lbk_status status = tune_place(tuner, s, place, f->q->model != NULL);
        lbk_tuner_close(tuner);
        LBK_TRY(status);
    }
    return LBK_OK;
}

static lbk_status print_end(findings *f, double seconds) {
    if (f->q->json) {
        json_t *o = json_pack("{sf si si si sO}", "seconds", seconds, "kept", f->kept, "measured", f->measured, "left",
                              f->left, "choices", f->rows);
        LBK_ENSURE(o);
        json_dumpf(o, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        json_decref(o);
        printf("\n");
        return LBK_OK;
    }
    printf("%d measured, %d known from before, %d left, %.1f s\n", f->measured, f->kept, f->left, seconds);
    if (f->left)
        printf("the time was up: run it again for what is left, or give it more with --budget\n");
    return LBK_OK;
}

static lbk_status tune(const request *q, const char *const *sets, size_t set_count) {
    uint64_t start = lbk_clock_ns();
    lbk_settings list = {.count = 0};
    lbk_experiment experiment = {0};
    lbk_session session = {.untrained = q->model != NULL};
    findings f = {.q = q, .rows = json_array()};
    lbk_status status = LBK_OK;
    if (q->model) {
        LBK_GOTO(lbk_synthetic_settings(&q->on, sets, set_count, &list));
        LBK_GOTO(lbk_experiment_load(&experiment, NULL, list.items, list.count));
    } else {
        LBK_GOTO(lbk_experiment_load(&experiment, q->path, sets, set_count));
    }
    LBK_GOTO(lbk_session_prepare(&session, &experiment));
    LBK_GOTO(lbk_session_open(&session));
    LBK_GOTO(tune_session(&session, &f, start + (uint64_t)(q->budget_s * 1e9)));
    status = print_end(&f, lbk_clock_since(start));
out:
    lbk_session_release(&session);
    lbk_experiment_release(&experiment);
    lbk_arena_release(&list.arena);
    json_decref(f.rows);
    return status;
}

static lbk_status run_tune(lbk_args *args) {
    request q = {.json = lbk_args_flag(args, "--json"), .again = lbk_args_flag(args, "--again"), .on = {.steps = 1}};
    const char **sets = NULL;
    char alone[160];
    size_t set_count = 0;
    int64_t budget;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_args_value(args, "--model", &q.model));
    LBK_GOTO(lbk_args_int(args, "--budget", 30, 1, 1000000, &budget));
    if (q.model) {
        LBK_GOTO(lbk_args_value(args, "--device", &q.device));
        LBK_GOTO(lbk_synthetic_args(args, &q.on, &sets, &set_count));
    } else { /* an experiment says all the rest itself */
        LBK_GOTO(lbk_args_values(args, "--set", &sets, &set_count));
    }
    LBK_GOTO(lbk_args_finish(args, q.model ? 0 : 1, q.model ? 0 : 1, usage));
    q.budget_s = (double)budget;
    q.path = q.model ? NULL : args->items[0];
    if (q.model)
        LBK_GOTO(lbk_synthetic_alone(&q.on, q.model, q.device, alone, sizeof alone));
    status = tune(&q, sets, set_count);
out:
    free(sets);
    return status;
}

const lbk_command lbk_command_tune = {
    .name = "tune",
    .usage = "tune FILE | --model M [--batch N] [--image HxWxC] [--classes K] [--device D] [--budget S] [--again]\n"
             "             [--set section.key=value]... [--json]",
    .summary = "measure which kernels are fastest for an experiment's or a model's layers, and keep the answer",
    .help = "\n  FILE             all networks of the experiment, each on its device\n"
            "  --model M        one model that trains alone: batch 128, 32x32x3, 10 classes unless said otherwise\n"
            "  --budget S       begin nothing after S seconds (default 30); what is left is said\n"
            "  --again          measure what is known too\n"
            "  --json           {seconds, kept, measured, left, choices: [{device, op, shapes, params, ms, winner, "
            "source}]}\n"
            "Only layers for which several kernels compete are measured: matrix products and convolutions. The answers "
            "are kept in\n<cache>/tune and used by every later run; LIMBECK_TUNE=off ignores them. The order in which "
            "a run without\nthem takes its kernels is good enough to begin with. `limbeck bench train --explain` says "
            "which kernel each layer uses.\n",
    .run = run_tune,
};

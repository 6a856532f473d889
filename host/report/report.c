#include "report/report.h"

#include "base/file.h"
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const char *lbk_report_si(double number, char *text) {
    static const char *const prefix[] = {"", " k", " M", " G", " T", " P"};
    int p = 0;
    while (fabs(number) >= 999.5 && p < 5) {
        number /= 1000;
        p++;
    }
    snprintf(text, 16, "%.*f%s", p == 0 ? 0 : number < 10 ? 2 : number < 100 ? 1 : 0, number, prefix[p]);
    return text;
}

const char *lbk_report_time(double s, char *text) {
    if (s < 1e-3)
        snprintf(text, 24, "%.1f us", s * 1e6);
    else if (s < 1)
        snprintf(text, 24, "%.1f ms", s * 1e3);
    else if (s < 100)
        snprintf(text, 24, "%.1f s", s);
    else if (s < 6000)
        snprintf(text, 24, "%d min %02d s", (int)(s / 60), (int)s % 60);
    else
        snprintf(text, 24, "%d h %02d min", (int)(s / 3600), (int)(s / 60) % 60);
    return text;
}

/* One row of the table; a cell is formatted by `cell` into 32 bytes. */
typedef struct row {
    const char *title;
    void (*cell)(const lbk_model_result *m, const lbk_run_result *r, char *text);
    bool against_teacher;
} row;

static void parameters_cell(const lbk_model_result *m, const lbk_run_result *r, char *text) {
    (void)r;
    lbk_report_si((double)m->parameters, text);
}
static void flops_cell(const lbk_model_result *m, const lbk_run_result *r, char *text) {
    (void)r;
    lbk_report_si(m->flops, text);
}
static void accuracy_cell(const lbk_model_result *m, const lbk_run_result *r, char *text) {
    (void)r;
    snprintf(text, 32, "%.2f %%", 100 * m->accuracy);
}
static void f1_cell(const lbk_model_result *m, const lbk_run_result *r, char *text) {
    (void)r;
    snprintf(text, 32, "%.4f", m->macro_f1);
}
static void loss_cell(const lbk_model_result *m, const lbk_run_result *r, char *text) {
    (void)r;
    snprintf(text, 32, "%.4f", m->loss);
}
static void agreement_cell(const lbk_model_result *m, const lbk_run_result *r, char *text) {
    if (m == &r->teacher)
        snprintf(text, 32, "-");
    else
        snprintf(text, 32, "%.2f %%", 100 * (m == &r->student ? r->agreement : r->control_agreement));
}
static void divergence_cell(const lbk_model_result *m, const lbk_run_result *r, char *text) {
    if (m == &r->teacher)
        snprintf(text, 32, "-");
    else
        snprintf(text, 32, "%.4f", m == &r->student ? r->distillation_error : r->control_distillation_error);
}
static void time_cell(const lbk_model_result *m, const lbk_run_result *r, char *text) {
    (void)r;
    lbk_report_time(m->device_s_per_sample, text);
}

static const row rows[] = {
    {"parameters", parameters_cell, false},
    {"FLOPs per sample", flops_cell, false},
    {"test accuracy", accuracy_cell, false},
    {"macro F1", f1_cell, false},
    {"cross entropy", loss_cell, false},
    {"agreement with teacher", agreement_cell, true},
    {"distillation error (KL)", divergence_cell, true},
    {"device time per sample", time_cell, false},
};

/* The control runs where the student does; "" when there is neither. */
static const char *student_device(const lbk_run_result *r) {
    return r->student.present ? r->student.device : r->control.device;
}

static lbk_status comparison(const lbk_run_result *r, lbk_text *out) {
    static const char *const titles[] = {"teacher", "student", "control"};
    const lbk_model_result *models[] = {&r->teacher, &r->student, &r->control};
    LBK_TRY(lbk_text_printf(out, "%-24s", ""));
    for (int m = 0; m < 3; m++)
        if (models[m]->present)
            LBK_TRY(lbk_text_printf(out, " %14s", titles[m]));
    LBK_TRY(lbk_text_printf(out, "\n"));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].against_teacher && !r->teacher.present)
            continue;
        LBK_TRY(lbk_text_printf(out, "%-24s", rows[i].title));
        for (int m = 0; m < 3; m++) {
            char text[32];
            if (!models[m]->present)
                continue;
            rows[i].cell(models[m], r, text);
            LBK_TRY(lbk_text_printf(out, " %14s", text));
        }
        LBK_TRY(lbk_text_printf(out, "\n"));
    }
    return LBK_OK;
}

lbk_status lbk_report_table(const lbk_run_result *r, lbk_text *out) {
    const lbk_phase_result *d = &r->distillation;
    char wall[24], teacher[24], student[24], total[24], compile[24];
    LBK_TRY(comparison(r, out));
    LBK_TRY(lbk_text_printf(out, "\n"));
    for (int i = 0; i < r->other_count; i++)
        if (r->others[i].present)
            LBK_TRY(lbk_text_printf(out, "%s: test accuracy %.2f %%, %s parameters\n", r->others[i].label,
                                    100 * r->others[i].accuracy, lbk_report_si((double)r->others[i].parameters, wall)));
    if (r->teacher.present)
        LBK_TRY(lbk_text_printf(out, "teacher on %s\n", r->teacher.device));
    if (*student_device(r))
        LBK_TRY(lbk_text_printf(out, "student on %s\n", student_device(r)));
    if (d->steps && r->teacher.present)
        LBK_TRY(lbk_text_printf(
            out, "distillation: %s wall, teacher busy %s, student busy %s, overlap efficiency %.2f, bridge %s\n",
            lbk_report_time(d->wall_s, wall), lbk_report_time(d->teacher_busy_s, teacher),
            lbk_report_time(d->student_busy_s, student), r->overlap, d->bridge));
    return lbk_text_printf(out, "total %s, of which compiling %s\nrun folder: %s\n", lbk_report_time(r->total_s, total),
                           lbk_report_time(r->compile_s, compile), r->folder);
}

static json_t *model_json(const lbk_model_result *m) {
    json_t *skipped = m->scaled ? json_integer((json_int_t)m->skipped_steps) : NULL;
    return json_pack("{ss sI sf s{sf sf sf} sf sf sI sf so*}", "device", m->device, "params", (json_int_t)m->parameters,
                     "flops", m->flops, "test", "accuracy", m->accuracy, "loss", m->loss, "macro_f1", m->macro_f1,
                     "device_s_per_sample", m->device_s_per_sample, "wall_s_per_sample", m->wall_s_per_sample,
                     "device_bytes", (json_int_t)m->device_bytes, "train_s", m->train_s, "skipped_steps", skipped);
}

static json_t *run_json(const lbk_run_result *r) {
    const char *teacher = r->teacher.present ? r->teacher.device : NULL;
    return json_pack("{ss si ss s{ss? ss} s{sf sf si si}}", "name", r->name, "seed", r->seed, "version",
                     LIMBECK_VERSION, "devices", "teacher", teacher, "student", student_device(r), "time", "total_s",
                     r->total_s, "compile_s", r->compile_s, "programs_built", r->programs_built, "programs_cached",
                     r->programs_cached);
}

static json_t *overlap_json(const lbk_run_result *r) {
    const lbk_phase_result *d = &r->distillation;
    return json_pack("{sf sf sf sf ss sI sI sf}", "teacher_busy_s", d->teacher_busy_s, "student_busy_s",
                     d->student_busy_s, "wall_s", d->wall_s, "efficiency", r->overlap, "bridge",
                     d->bridge ? d->bridge : "none", "bytes_moved", (json_int_t)d->bytes_moved, "steps",
                     (json_int_t)d->steps, "host_s", d->host_s);
}

static json_t *control_json(const lbk_run_result *r) {
    json_t *control = model_json(&r->control);
    json_object_set_new(control, "agreement", json_real(r->control_agreement));
    json_object_set_new(control, "distillation_error", json_real(r->control_distillation_error));
    return control;
}

lbk_status lbk_report_json(const lbk_run_result *r, json_t **out) {
    json_t *root = run_json(r);
    /* NULL where a figure is not finite; json_object_set_new() refuses that, and a NULL root. */
    bool failed = false;
    if (r->teacher.present)
        failed |= json_object_set_new(root, "teacher", model_json(&r->teacher)) != 0;
    if (r->student.present) {
        failed |= json_object_set_new(root, "student", model_json(&r->student)) != 0;
        failed |= json_object_set_new(root, "agreement", json_real(r->agreement)) != 0;
        failed |= json_object_set_new(root, "distillation_error", json_real(r->distillation_error)) != 0;
        failed |= json_object_set_new(root, "overlap", overlap_json(r)) != 0;
    }
    for (int i = 0; i < r->other_count; i++)
        if (r->others[i].present)
            failed |= json_object_set_new(root, r->others[i].label, model_json(&r->others[i])) != 0;
    if (r->control.present)
        failed |= json_object_set_new(root, "control", control_json(r)) != 0;
    *out = root;
    if (!failed)
        return LBK_OK;
    json_decref(root);
    *out = NULL;
    return lbk_fail(LBK_ERR_DEVICE, "result.json: a figure is not a finite number; try a smaller learning rate");
}

lbk_status lbk_report_write(const lbk_run_result *r) {
    json_t *json = NULL;
    char *path = NULL;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_report_json(r, &json));
    LBK_GOTO(lbk_path_join(r->folder, "result.json", &path));
    LBK_GOTO(lbk_json_write(path, json));
out:
    json_decref(json);
    free(path);
    return status;
}

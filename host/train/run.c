#include "train/run.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "train/checkpoint.h"
#include "train/deployed.h"
#include "train/leftover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct run {
    lbk_session session;
    lbk_experiment *experiment;
    const lbk_run_options *options;
    lbk_run_result *result;
    lbk_run_folder folder;
    uint64_t last_checkpoint_ns;
    char *teacher_file; /* the run's teacher.safetensors */
} run;

static void note(const run *r, const char *text) {
    lbk_run_folder_log(&r->folder, "%s", text);
    if (r->options->watch.note)
        r->options->watch.note(r->options->watch.context, text);
}

static lbk_status dump_weights(const run *r, const lbk_network *net, const char *suffix, bool gradients) {
    if (!r->options->dump)
        return LBK_OK;
    char *path = NULL;
    LBK_TRY(lbk_path_make_folder(r->options->dump));
    LBK_TRY(lbk_run_weights_path(r->options->dump, "", net->label, suffix, &path));
    lbk_status status = gradients ? lbk_network_save_gradients(net, path) : lbk_weights_dump(net->weights, path);
    free(path);
    return status;
}

static lbk_status on_step(void *context, const lbk_step_report *report) {
    run *r = context;
    LBK_TRY(lbk_run_folder_step(&r->folder, report));
    if (r->options->watch.step)
        r->options->watch.step(r->options->watch.context, report);
    return LBK_OK;
}

static lbk_status save_checkpoint(run *r, const lbk_network *net, int64_t steps_done) {
    char *path = NULL;
    long bytes;
    LBK_TRY(lbk_run_folder_sync(&r->folder, &bytes));
    LBK_TRY(lbk_run_weights_path(r->folder.path, "checkpoint/", net->label, "", &path));
    lbk_status status = lbk_checkpoint_save(net, path, steps_done, bytes);
    free(path);
    r->last_checkpoint_ns = lbk_clock_ns();
    return status;
}

static lbk_status on_epoch(void *context, lbk_network *net, int64_t steps_done, int epochs_done) {
    run *r = context;
    (void)epochs_done;
    if (lbk_clock_since(r->last_checkpoint_ns) < r->experiment->params.checkpoint)
        return LBK_OK;
    return save_checkpoint(r, net, steps_done);
}

/* The phase is over: its weights, then away with the checkpoint, unless the phase has steps left. */
static lbk_status finish_phase(run *r, lbk_network *net, bool cut) {
    char *path = NULL, *checkpoint = NULL;
    long bytes;
    const char *const metadata[] = {"format", "pt", "model", net->model->name, NULL};
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_run_folder_sync(&r->folder, &bytes));
    LBK_GOTO(lbk_run_weights_path(r->folder.path, "", net->label, "", &path));
    LBK_GOTO(lbk_run_weights_path(r->folder.path, "checkpoint/", net->label, "", &checkpoint));
    LBK_GOTO(lbk_network_write_model(net, r->folder.path));
    LBK_GOTO(lbk_weights_save(net->weights, path, metadata));
    if (!cut)
        unlink(checkpoint);
out:
    free(path);
    free(checkpoint);
    return status;
}

/* The caches that the teachers' roles ask for last as long as the phase. */
static lbk_status run_with_caches(lbk_phase *phase, lbk_phase_result *result) {
    const lbk_network *net = phase->network;
    lbk_teacher_cache *caches[LBK_MAX_TEACHERS] = {0};
    lbk_status status = LBK_OK;
    for (int t = 0; t < net->teacher_count; t++)
        LBK_GOTO(lbk_teacher_cache_for(&net->teacher[t], &caches[t]));
    phase->caches = caches;
    status = lbk_phase_run(phase, result);
out:
    for (int t = 0; t < net->teacher_count; t++)
        lbk_teacher_cache_close(caches[t]);
    return status;
}

/* What the phase leaves when its steps are done, or the user has had enough. */
static lbk_status end_training(run *r, lbk_network *net, int64_t done, int64_t all, lbk_status status,
                               const lbk_phase_result *result) {
    const lbk_run_watch *watch = &r->options->watch;
    if (status == LBK_ERR_INTERRUPTED) { /* saving leaves the message alone unless it fails */
        lbk_status saved = save_checkpoint(r, net, done);
        return saved == LBK_OK ? status : saved;
    }
    LBK_TRY(status);
    lbk_run_folder_log(&r->folder, "%s: trained, %.1f s", net->label, result->wall_s);
    if (watch->phase_end)
        watch->phase_end(watch->context, net, result);
    if (done < all)
        LBK_TRY(save_checkpoint(r, net, done));
    return finish_phase(r, net, done < all);
}

static lbk_status train(run *r, lbk_network *net, lbk_part part, lbk_phase_result *result) {
    const lbk_experiment *x = r->experiment;
    const lbk_run_watch *watch = &r->options->watch;
    int64_t all = (int64_t)lbk_data_batches_per_epoch(&x->data, part) * net->role->params.epochs, first_step = 0;
    int64_t most = r->options->max_steps, total = most && most < all ? most : all;
    bool finished = false;
    memset(result, 0, sizeof *result);
    LBK_TRY(lbk_network_meet(net));
    LBK_TRY(dump_weights(r, net, "-initial", false));
    if (r->options->resume)
        LBK_TRY(lbk_leftover_recover(&r->folder, &r->session, net, total, &finished, &first_step));
    if (finished)
        return LBK_OK;
    if (first_step == 0)
        LBK_TRY(lbk_leftover_drop_lines(&r->folder, net->label));
    r->last_checkpoint_ns = lbk_clock_ns();
    lbk_phase phase = {.network = net,
                       .data = &x->data,
                       .part = part,
                       .timing = (lbk_timing)x->params.schedule,
                       .bridge = (lbk_bridge_mode)x->params.bridge,
                       .slots = x->params.slots,
                       .epochs = net->role->params.epochs,
                       .first_step = first_step,
                       .max_steps = most,
                       .observer = {r, on_step, on_epoch},
                       .stop = r->options->stop};
    lbk_run_folder_log(&r->folder, "%s: training from step %lld to %lld", net->label, (long long)first_step,
                       (long long)total);
    if (watch->phase_begin)
        watch->phase_begin(watch->context, net->label, first_step, total);
    lbk_status status = run_with_caches(&phase, result);
    return end_training(r, net, first_step + result->steps, all, status, result);
}

static lbk_status compile(run *r, lbk_network *net, lbk_device *device) {
    char text[320];
    net->teacher_file = r->teacher_file;
    uint64_t start = lbk_clock_ns();
    snprintf(text, sizeof text, "%s: %s on %s %s", net->label, net->model->name, device->label, device->info.name);
    note(r, text);
    if (net->init_report) {
        lbk_text report = {0};
        LBK_TRY(lbk_text_printf(&report, "%s: from %s: %s", net->label, net->role->params.init, net->init_report));
        note(r, report.data);
        lbk_text_release(&report);
    }
    LBK_TRY(lbk_network_compile(net, device));
    r->result->compile_s += lbk_clock_since(start);
    return LBK_OK;
}

static void note_phase(lbk_model_result *out, const lbk_network *net, const lbk_phase_result *phase) {
    out->train_s = phase->wall_s;
    out->skipped_steps = phase->skipped_steps;
    out->scaled = phase->steps && net->guard != LBK_NONE;
}

static lbk_status obtain_teacher(run *r, lbk_network *net, lbk_device *device, lbk_model_result *out) {
    const char *weights = net->role->params.weights;
    lbk_phase_result phase;
    LBK_TRY(compile(r, net, device));
    if (!*weights) {
        LBK_TRY(train(r, net, LBK_PART_TEACHER, &phase));
        note_phase(out, net, &phase);
        return LBK_OK;
    }
    char *path = NULL;
    LBK_TRY(lbk_path_join(r->experiment->folder, weights, &path));
    lbk_status status = lbk_weights_load(net->weights, path, NULL);
    free(path);
    LBK_TRY(lbk_context(status, "[%s] weights", net->role->name));
    LBK_TRY(dump_weights(r, net, "-initial", false));
    return finish_phase(r, net, false);
}

static lbk_status obtain_teachers(run *r) {
    lbk_session *s = &r->session;
    lbk_run_result *out = r->result;
    if (s->teacher.eval)
        LBK_TRY(obtain_teacher(r, &s->teacher, s->devices[LBK_TEACHER_DEVICE], &out->teacher));
    for (int i = 0; i < s->more_teacher_count; i++)
        LBK_TRY(obtain_teacher(r, &s->more_teachers[i], s->devices[s->more_teacher_device[i]],
                               &out->others[out->other_count++]));
    return LBK_OK;
}

/* Trained where students are, then off to where teachers are. */
static lbk_status train_learner(run *r, lbk_network *net) {
    lbk_session *s = &r->session;
    lbk_phase_result phase;
    char *path = NULL;
    LBK_TRY(compile(r, net, s->devices[LBK_STUDENT_DEVICE]));
    LBK_TRY(train(r, net, LBK_PART_TRAIN, &phase));
    note_phase(&r->result->others[r->result->other_count++], net, &phase);
    LBK_TRY(lbk_run_weights_path(r->folder.path, "", net->label, "", &path));
    lbk_status status = lbk_network_move(net, s->devices[LBK_TEACHER_DEVICE], path);
    free(path);
    return status;
}

static lbk_status train_student(run *r) {
    lbk_session *s = &r->session;
    lbk_run_result *out = r->result;
    LBK_TRY(compile(r, &s->student, s->devices[LBK_STUDENT_DEVICE]));
    LBK_TRY(train(r, &s->student, LBK_PART_TRAIN, &out->distillation));
    note_phase(&out->student, &s->student, &out->distillation);
    out->overlap = lbk_phase_overlap(&out->distillation);
    return dump_weights(r, &s->student, "-gradients", true);
}

static lbk_status run_phases(run *r) {
    lbk_session *s = &r->session;
    lbk_run_result *out = r->result;
    lbk_device *device = s->devices[LBK_STUDENT_DEVICE];
    lbk_phase_result control;
    LBK_TRY(obtain_teachers(r));
    for (int i = 0; i < s->learner_count; i++)
        LBK_TRY(train_learner(r, &s->learners[i]));
    if (r->experiment->params.student)
        LBK_TRY(train_student(r));
    if (r->experiment->params.control) {
        LBK_TRY(compile(r, &s->control, device));
        LBK_TRY(train(r, &s->control, LBK_PART_TRAIN, &control));
        note_phase(&out->control, &s->control, &control);
    }
    note(r, "measuring on the test part");
    return lbk_session_measure(s, out);
}

static lbk_status open_folder(run *r) {
    lbk_text resolved = {0};
    lbk_status status = lbk_experiment_print(r->experiment, &resolved);
    if (status == LBK_OK)
        status = lbk_run_folder_open(&r->folder, r->options->out, r->experiment->params.name, r->options->resume,
                                     resolved.data);
    lbk_text_release(&resolved);
    LBK_TRY(status);
    snprintf(r->result->folder, sizeof r->result->folder, "%s", r->folder.path);
    return LBK_OK;
}

/* What the data's training part is made into must be the same to the end, and for whoever uses the networks. */
static lbk_status keep_data(run *r) {
    const char *name;
    char *path = NULL, *before = NULL;
    size_t length;
    lbk_text text = {0};
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_data_keep(&r->experiment->data, &name, &text));
    if (!name)
        goto out;
    LBK_GOTO(lbk_run_folder_file(&r->folder, name, &path));
    if (!r->options->resume || !lbk_path_exists(path)) {
        LBK_GOTO(lbk_file_write_atomic(path, text.data, text.length));
    } else {
        LBK_GOTO(lbk_file_read(path, &before, &length));
        if (length != text.length || memcmp(before, text.data, length) != 0)
            status = lbk_fail(LBK_ERR_INPUT, "%s: the run was started with other data, of which it was made", path);
    }
out:
    free(path);
    free(before);
    lbk_text_release(&text);
    return status;
}

/* On resume every phase decides for itself where metrics.jsonl goes on. */
static lbk_status open_metrics(run *r) {
    if (!r->options->resume)
        return lbk_run_folder_metrics(&r->folder, 0);
    char *path = NULL;
    LBK_TRY(lbk_run_folder_file(&r->folder, "metrics.jsonl", &path));
    FILE *file = fopen(path, "rb");
    long bytes = 0;
    if (file) {
        fseek(file, 0, SEEK_END);
        bytes = ftell(file);
        fclose(file);
    }
    free(path);
    return lbk_run_folder_metrics(&r->folder, bytes);
}

static bool context_seen(const lbk_session *s, int device) {
    for (int i = 0; i < device; i++)
        if (s->devices[i] && s->devices[i]->context == s->devices[device]->context)
            return true;
    return false;
}

static void count_builds(run *r) {
    const lbk_session *s = &r->session;
    for (int i = 0; i < s->device_count; i++) {
        if (!s->devices[i] || context_seen(s, i))
            continue;
        lbk_build_stats stats = lbk_device_build_stats(s->devices[i]);
        r->result->programs_built += stats.built;
        r->result->programs_cached += stats.from_disk + stats.from_prebuilt;
    }
}

static lbk_status run_all(run *r) {
    LBK_TRY(lbk_session_prepare(&r->session, r->experiment));
    LBK_TRY(open_folder(r));
    LBK_TRY(keep_data(r));
    LBK_TRY(open_metrics(r));
    LBK_TRY(lbk_run_weights_path(r->folder.path, "", "teacher", "", &r->teacher_file));
    LBK_TRY(lbk_session_open(&r->session));
    LBK_TRY(run_phases(r));
    count_builds(r);
    return LBK_OK;
}

lbk_status lbk_run(lbk_experiment *experiment, const lbk_run_options *options, lbk_run_result *result) {
    uint64_t start = lbk_clock_ns();
    run r = {.experiment = experiment, .options = options, .result = result};
    memset(result, 0, sizeof *result);
    result->name = experiment->params.name;
    result->seed = experiment->params.seed;
    lbk_status status = run_all(&r);
    if (status == LBK_OK && result->student.present)
        lbk_run_folder_log(&r.folder, "done: accuracy of teacher %.4f, student %.4f", result->teacher.accuracy,
                           result->student.accuracy);
    else if (status == LBK_OK)
        lbk_run_folder_log(&r.folder, "done: accuracy of teacher %.4f", result->teacher.accuracy);
    else
        lbk_run_folder_log(&r.folder, "stopped: %s", lbk_error_message());
    lbk_session_release(&r.session);
    free(r.teacher_file);
    lbk_run_folder_close(&r.folder);
    result->total_s = lbk_clock_since(start);
    return status;
}

#include "train/folder.h"

#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

lbk_status lbk_run_folder_file(const lbk_run_folder *folder, const char *name, char **out) {
    return lbk_path_join(folder->path, name, out);
}

lbk_status lbk_run_weights_path(const char *folder, const char *prefix, const char *phase, const char *suffix,
                                char **out) {
    lbk_text name = {0};
    LBK_TRY(lbk_text_printf(&name, "%s%s%s.safetensors", prefix, phase, suffix));
    lbk_status status = lbk_path_join(folder, name.data, out);
    lbk_text_release(&name);
    return status;
}

static bool holds_run(const char *path) {
    char *file = NULL;
    if (lbk_path_join(path, "experiment.ini", &file) != LBK_OK)
        return false;
    bool found = lbk_path_exists(file);
    free(file);
    return found;
}

static lbk_status numbered(const char *name, int number, char **out) {
    lbk_text text = {0};
    lbk_status status =
        number == 1 ? lbk_text_printf(&text, "runs/%s", name) : lbk_text_printf(&text, "runs/%s-%d", name, number);
    *out = text.data;
    return status;
}

/* The last of runs/name, runs/name-2, ... that holds a run (*number 0: none). */
static lbk_status last_run(const char *name, int *number) {
    for (*number = 0;; (*number)++) {
        char *path = NULL;
        LBK_TRY(numbered(name, *number + 1, &path));
        bool there = holds_run(path);
        free(path);
        if (!there)
            return LBK_OK;
    }
}

static lbk_status choose_path(lbk_run_folder *f, const char *out, const char *name, bool resume) {
    if (out)
        return lbk_strdup(out, &f->path);
    int last;
    LBK_TRY(last_run(name, &last));
    if (resume && !last)
        return lbk_fail(LBK_ERR_INPUT, "--resume: there is no run in runs/%s", name);
    return numbered(name, resume ? last : last + 1, &f->path);
}

/* Names the first line in which the two texts differ. */
static lbk_status refuse_difference(const char *path, const char *have, const char *want) {
    int line = 1;
    const char *old = have, *now = want; /* the lines' beginnings */
    for (; *have && *have == *want; have++, want++)
        if (*have == '\n') {
            line++;
            old = have + 1;
            now = want + 1;
        }
    return lbk_fail(LBK_ERR_INPUT,
                    "%s:%d: the run was started with other settings (\"%.*s\", now \"%.*s\"); --resume needs the same "
                    "experiment",
                    path, line, (int)strcspn(old, "\n"), old, (int)strcspn(now, "\n"), now);
}

lbk_status lbk_run_folder_check(const char *path, const char *resolved) {
    char *ini = NULL, *text = NULL;
    size_t length;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_path_join(path, "experiment.ini", &ini));
    LBK_GOTO(lbk_file_read(ini, &text, &length));
    if (strcmp(text, resolved) != 0)
        status = refuse_difference(ini, text, resolved);
out:
    free(ini);
    free(text);
    return status;
}

static lbk_status open_folder(lbk_run_folder *f, bool resume, const char *resolved) {
    char *ini = NULL, *checkpoints = NULL;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_run_folder_file(f, "experiment.ini", &ini));
    LBK_GOTO(lbk_run_folder_file(f, "checkpoint", &checkpoints));
    if (resume && !holds_run(f->path)) {
        status = lbk_fail(LBK_ERR_INPUT, "--resume: '%s' holds no run", f->path);
        goto out;
    }
    if (resume)
        LBK_GOTO(lbk_run_folder_check(f->path, resolved));
    else if (holds_run(f->path)) {
        status = lbk_fail(LBK_ERR_INPUT,
                          "--out: '%s' holds a run already; use --resume to go on with it, or another folder", f->path);
        goto out;
    }
    LBK_GOTO(lbk_path_make_folder(checkpoints));
    if (!resume)
        LBK_GOTO(lbk_file_write_atomic(ini, resolved, strlen(resolved)));
out:
    free(ini);
    free(checkpoints);
    return status;
}

void lbk_run_folder_log(const lbk_run_folder *f, const char *fmt, ...) {
    if (!f->log)
        return;
    char stamp[32];
    time_t now = time(NULL);
    struct tm parts;
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &parts));
    va_list args;
    va_start(args, fmt);
    flockfile(f->log); /* lines of several threads stay whole */
    fprintf(f->log, "%s ", stamp);
    vfprintf(f->log, fmt, args);
    fputc('\n', f->log);
    fflush(f->log);
    funlockfile(f->log);
    va_end(args);
}

static void log_copy(void *context, lbk_log_level level, const char *line) {
    lbk_run_folder_log(context, "%s%s", level == LBK_LOG_WARN ? "warning: " : "", line);
}

static lbk_status open_log(lbk_run_folder *f) {
    char *path = NULL;
    LBK_TRY(lbk_run_folder_file(f, "log.txt", &path));
    f->log = fopen(path, "a");
    lbk_status status = f->log ? LBK_OK : lbk_fail(LBK_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
    free(path);
    if (status == LBK_OK)
        lbk_log_copy(log_copy, f);
    return status;
}

lbk_status lbk_run_folder_open(lbk_run_folder *f, const char *out, const char *name, bool resume,
                               const char *resolved) {
    memset(f, 0, sizeof *f);
    LBK_TRY(choose_path(f, out, name, resume));
    LBK_TRY(open_folder(f, resume, resolved));
    return open_log(f);
}

void lbk_run_folder_close(lbk_run_folder *f) {
    if (f->metrics)
        fclose(f->metrics);
    if (f->log) {
        lbk_log_copy(NULL, NULL);
        fclose(f->log);
    }
    free(f->path);
    memset(f, 0, sizeof *f);
}

static lbk_status io_failure(const lbk_run_folder *f, const char *what) {
    return lbk_fail(LBK_ERR_IO, "%s/metrics.jsonl: cannot %s: %s", f->path, what, strerror(errno));
}

lbk_status lbk_run_folder_metrics(lbk_run_folder *f, long bytes) {
    if (f->metrics)
        fclose(f->metrics);
    f->metrics = NULL;
    char *path = NULL;
    LBK_TRY(lbk_run_folder_file(f, "metrics.jsonl", &path));
    f->metrics = fopen(path, "ab");
    free(path);
    if (!f->metrics)
        return io_failure(f, "open");
    fseek(f->metrics, 0, SEEK_END);
    if (ftell(f->metrics) < bytes) {
        errno = EINVAL;
        return io_failure(f, "continue, it is shorter than the checkpoint says");
    }
    if (ftruncate(fileno(f->metrics), bytes) != 0)
        return io_failure(f, "cut");
    return LBK_OK;
}

lbk_status lbk_run_folder_step(lbk_run_folder *f, const lbk_step_report *r) {
    json_t *line = json_pack("{ss sI sI sf sf sf}", "phase", r->phase, "epoch", (json_int_t)(r->step / r->per_epoch),
                             "step", (json_int_t)r->step, "total", r->total, "hard", r->hard, "lr", r->lr);
    if (!line)
        return lbk_fail(LBK_ERR_DEVICE,
                        "step %lld: the loss is not a finite number (total %g, hard %g); try a smaller "
                        "learning rate",
                        (long long)r->step, r->total, r->hard);
    if (r->loss_scale > 0) {
        json_object_set_new(line, "loss_scale", json_real(r->loss_scale));
        json_object_set_new(line, "skipped_steps", json_integer((json_int_t)r->skipped_steps));
    }
    for (int i = 0; i < r->method_count; i++)
        json_object_set_new(line, r->method_name[i], json_real(r->method[i]));
    int failed = json_dumpf(line, f->metrics, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(line);
    if (failed || fputc('\n', f->metrics) == EOF)
        return io_failure(f, "write");
    return LBK_OK;
}

lbk_status lbk_run_folder_sync(lbk_run_folder *f, long *bytes) {
    if (fflush(f->metrics) != 0 || fsync(fileno(f->metrics)) != 0)
        return io_failure(f, "sync");
    fseek(f->metrics, 0, SEEK_END);
    *bytes = ftell(f->metrics);
    return LBK_OK;
}

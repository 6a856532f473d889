#include "report/reproduce.h"

#include "base/file.h"
#include "base/json.h"
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One run of the table. */
typedef struct cell {
    const lbk_table_part *column, *row; /* row NULL: the teacher and the control alone */
    size_t column_index, row_index;
    int seed;
    const char *folder, *teachers; /* teachers: folder of the run that trained them; NULL: this one does */
} cell;

typedef struct job {
    const lbk_table *table;
    const lbk_reproduce_options *options;
    lbk_reproduction *out;
    int number, count; /* of the run under way, and of all */
} job;

static double *accuracy_at(const lbk_reproduction *out, size_t row, size_t column, int seed) {
    size_t at = (row * out->table->column_count + column) * (size_t)out->seeds + (size_t)(seed - 1);
    return &out->accuracy[at];
}

static void note(const job *j, const char *fmt, ...) LBK_PRINTF(2, 3);
static void note(const job *j, const char *fmt, ...) {
    char text[2048];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (j->options->watch.note)
        j->options->watch.note(j->options->watch.context, text);
}

/* ---- One run ---- */

static lbk_status folder_of(job *j, const char *column, const char *row, int seed, const char **out) {
    return lbk_arena_printf(&j->out->arena, out, "%s/%s/%s/seed%d", j->out->folder, column, row, seed);
}

/* Column, row, command line, and what only this program knows; the last one wins. */
static lbk_status collect_sets(job *j, const cell *c, const char ***sets, size_t *count) {
    lbk_arena *arena = &j->out->arena;
    size_t own = c->row ? c->row->set_count : 0, n = 0;
    LBK_TRY(lbk_arena_alloc(arena, (c->column->set_count + own + j->options->set_count + 4) * sizeof **sets, sets));
    for (size_t i = 0; i < c->column->set_count; i++)
        (*sets)[n++] = c->column->sets[i];
    for (size_t i = 0; i < own; i++)
        (*sets)[n++] = c->row->sets[i];
    for (size_t i = 0; i < j->options->set_count; i++)
        (*sets)[n++] = j->options->sets[i];
    LBK_TRY(lbk_arena_printf(arena, &(*sets)[n++], "experiment.name=%s-%s-%s", j->table->name, c->column->name,
                             c->row ? c->row->name : "alone"));
    LBK_TRY(lbk_arena_printf(arena, &(*sets)[n++], "experiment.seed=%d", c->seed));
    (*sets)[n++] = c->row ? "experiment.student=yes" : "experiment.student=no";
    (*sets)[n++] = c->row ? "experiment.control=no" : "experiment.control=yes";
    *count = n;
    return LBK_OK;
}

static bool holds(const char *folder, const char *name) {
    char *path = NULL;
    bool found = lbk_path_join(folder, name, &path) == LBK_OK && lbk_path_exists(path);
    free(path);
    return found;
}

/* Runs what is not finished yet. A finished run must be one of these settings. */
static lbk_status run_loaded(job *j, const cell *c, lbk_experiment *x) {
    lbk_run_options options = {.out = c->folder, .stop = j->options->stop, .watch = j->options->watch};
    lbk_run_result result;
    lbk_text resolved = {0};
    lbk_status status = LBK_OK;
    options.resume = holds(c->folder, "experiment.ini");
    if (options.resume && holds(c->folder, "result.json")) {
        LBK_GOTO(lbk_experiment_print(x, &resolved));
        LBK_GOTO(lbk_run_folder_check(c->folder, resolved.data));
    } else {
        note(j, "run %d of %d: %s", j->number, j->count, c->folder);
        LBK_GOTO(lbk_run(x, &options, &result));
        LBK_GOTO(lbk_report_write(&result));
    }
out:
    lbk_text_release(&resolved);
    return status;
}

static lbk_status load_and_run(job *j, const cell *c) {
    const char **sets;
    size_t count;
    lbk_experiment x;
    LBK_TRY(collect_sets(j, c, &sets, &count));
    lbk_status status = lbk_experiment_load_with(&x, j->table->experiment, sets, count, c->teachers);
    if (status == LBK_OK)
        status = run_loaded(j, c, &x);
    lbk_experiment_release(&x);
    return status;
}

/* ---- What it says ---- */

static double number_at(const json_t *root, const char *a, const char *b, const char *c) {
    const json_t *value = json_object_get(json_object_get(root, a), b);
    value = c ? json_object_get(value, c) : value;
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static lbk_status add_device(lbk_reproduction *out, const json_t *devices) {
    const char *teacher = json_string_value(json_object_get(devices, "teacher"));
    const char *student = json_string_value(json_object_get(devices, "student")), *text;
    LBK_TRY(lbk_arena_printf(&out->arena, &text, "teacher on %s, student on %s", teacher ? teacher : "?",
                             student ? student : "?"));
    for (int i = 0; i < out->device_count; i++)
        if (strcmp(out->devices[i], text) == 0)
            return LBK_OK;
    if (out->device_count < LBK_REPRODUCTION_DEVICES)
        out->devices[out->device_count++] = text;
    return LBK_OK;
}

static lbk_status take_result(job *j, const cell *c) {
    lbk_reproduction *out = j->out;
    const char *path;
    json_t *root = NULL;
    LBK_TRY(lbk_arena_printf(&out->arena, &path, "%s/result.json", c->folder));
    LBK_TRY(lbk_json_read(path, &root));
    if (c->row) {
        *accuracy_at(out, c->row_index, c->column_index, c->seed) =
            100 * number_at(root, "student", "test", "accuracy");
    } else {
        double *teacher = accuracy_at(out, LBK_TABLE_TEACHER, c->column_index, c->seed);
        *accuracy_at(out, LBK_TABLE_CONTROL, c->column_index, c->seed) =
            100 * number_at(root, "control", "test", "accuracy");
        if (!c->teachers)
            *teacher = 100 * number_at(root, "teacher", "test", "accuracy");
    }
    double seconds = number_at(root, "time", "total_s", NULL);
    out->seconds += isfinite(seconds) ? seconds : 0;
    lbk_status status = add_device(out, json_object_get(root, "devices"));
    json_decref(root);
    return status;
}

static lbk_status fail_cell(job *j, const cell *c, lbk_status status) {
    lbk_reproduction *out = j->out;
    if (out->failures++ == 0)
        out->first_failure = status;
    note(j, "failed: %s: %s", c->folder, lbk_error_message());
    return lbk_text_printf(&out->failed, "- %s: %s\n", c->folder, lbk_error_message());
}

/* Ends the table only when it was interrupted. */
static lbk_status run_cell(job *j, const cell *c, bool *done) {
    j->number++;
    *done = false;
    if (j->options->stop && *j->options->stop)
        return lbk_fail(LBK_ERR_INTERRUPTED, "interrupted before %s", c->folder);
    lbk_status status = load_and_run(j, c);
    if (status == LBK_ERR_INTERRUPTED)
        return lbk_context(status, "%s", c->folder);
    if (status == LBK_OK)
        status = take_result(j, c);
    *done = status == LBK_OK;
    j->out->runs += *done;
    return *done ? LBK_OK : fail_cell(j, c, status);
}

/* ---- The table ---- */

/* The folder of the `alone` run that trained the teachers, absolute, so that a run's experiment.ini can be run from anywhere. */
static lbk_status teachers_of(job *j, const lbk_table_part *column, int seed, const char **teachers) {
    const char *folder;
    LBK_TRY(folder_of(j, column->name, "alone", seed, &folder));
    bool there = holds(folder, "result.json") || holds(folder, "teacher.safetensors"); /* the control may have failed */
    char *real = there ? realpath(folder, NULL) : NULL;
    lbk_status status = real ? lbk_arena_strdup(&j->out->arena, real, teachers)
                             : lbk_fail(LBK_ERR_IO, "there is no teacher in %s", folder);
    free(real);
    return status;
}

/* Teacher (unless another seed's serves) and control, then the rows. */
static lbk_status run_seed(job *j, size_t column, int seed) {
    const lbk_table *t = j->table;
    int teacher_seed = j->out->teacher_seed ? j->out->teacher_seed : seed;
    cell c = {.column = &t->columns[column], .column_index = column, .seed = seed};
    bool done;
    LBK_TRY(folder_of(j, c.column->name, "alone", seed, &c.folder));
    lbk_status missing = seed == teacher_seed ? LBK_OK : teachers_of(j, c.column, teacher_seed, &c.teachers);
    if (missing == LBK_OK)
        LBK_TRY(run_cell(j, &c, &done));
    else
        LBK_TRY(fail_cell(j, &c, missing));
    for (size_t r = LBK_TABLE_OWN; r < t->row_count; r++) {
        if (!j->out->row_chosen[r])
            continue;
        c.row = &t->rows[r];
        c.row_index = r;
        LBK_TRY(folder_of(j, c.column->name, c.row->name, seed, &c.folder));
        missing = teachers_of(j, c.column, teacher_seed, &c.teachers);
        if (missing == LBK_OK)
            LBK_TRY(run_cell(j, &c, &done));
        else
            LBK_TRY(fail_cell(j, &c, missing));
    }
    return LBK_OK;
}

/* Seed by seed, so that whole columns can be seen early; a shared teacher's seed comes first. */
static lbk_status run_all(job *j) {
    int first = j->out->teacher_seed ? j->out->teacher_seed : 1;
    for (int i = 0; i < j->out->seeds; i++) {
        int seed = i == 0 ? first : i < first ? i : i + 1;
        for (size_t c = 0; c < j->table->column_count; c++)
            if (j->out->column_chosen[c])
                LBK_TRY(run_seed(j, c, seed));
    }
    return LBK_OK;
}

/* ---- What is asked for ---- */

typedef struct word_holder {
    lbk_words words;
} word_holder;

/* Marks the parts that `text` names; NULL: all from `first` on. */
static lbk_status choose(lbk_reproduction *out, const char *option, const char *text, const lbk_table_part *parts,
                         size_t first, size_t count, bool *chosen) {
    static const lbk_param list = LBK_PARAM_WORDS(word_holder, words, NULL, "names", NULL);
    word_holder holder = {{0, NULL}};
    const char **names = NULL;
    LBK_TRY(lbk_arena_alloc(&out->arena, (count + 1) * sizeof *names, &names));
    for (size_t i = first; i < count; i++) {
        names[i - first] = parts[i].name;
        chosen[i] = !text;
    }
    if (text)
        LBK_TRY(lbk_context(lbk_param_set(&list, text, &out->arena, &holder), "%s", option));
    for (int w = 0; w < holder.words.count; w++) {
        size_t i = first;
        while (i < count && strcmp(parts[i].name, holder.words.items[w]) != 0)
            i++;
        const char *near = i < count ? NULL : lbk_nearest(holder.words.items[w], names, count - first);
        if (i == count)
            return lbk_fail(LBK_ERR_INPUT, "%s: the table has no \"%s\"%s%s%s", option, holder.words.items[w],
                            near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
        chosen[i] = true;
    }
    return LBK_OK;
}

static lbk_status prepare(job *j) {
    const lbk_table *t = j->table;
    lbk_reproduction *out = j->out;
    lbk_arena *arena = &out->arena;
    size_t cells = t->row_count * t->column_count * (size_t)out->seeds;
    if (out->teacher_seed > out->seeds)
        return lbk_fail(LBK_ERR_INPUT, "--seeds: %d leaves out the teacher's seed, teacher_seed = %d", out->seeds,
                        out->teacher_seed);
    for (size_t i = 0; i < j->options->set_count; i++)
        LBK_TRY(lbk_table_check_override(j->options->sets[i]));
    LBK_TRY(lbk_arena_alloc(arena, t->row_count * sizeof(bool), &out->row_chosen));
    LBK_TRY(lbk_arena_alloc(arena, t->column_count * sizeof(bool), &out->column_chosen));
    LBK_TRY(lbk_arena_alloc(arena, cells * sizeof(double), &out->accuracy));
    for (size_t i = 0; i < cells; i++)
        out->accuracy[i] = NAN;
    out->row_chosen[LBK_TABLE_TEACHER] = out->row_chosen[LBK_TABLE_CONTROL] = true;
    LBK_TRY(choose(out, "--only", j->options->rows, t->rows, LBK_TABLE_OWN, t->row_count, out->row_chosen));
    LBK_TRY(choose(out, "--columns", j->options->columns, t->columns, 0, t->column_count, out->column_chosen));
    int rows = 1, columns = 0; /* teacher and control are one run */
    for (size_t r = LBK_TABLE_OWN; r < t->row_count; r++)
        rows += out->row_chosen[r];
    for (size_t c = 0; c < t->column_count; c++)
        columns += out->column_chosen[c];
    j->count = rows * columns * out->seeds;
    lbk_text folder = {0};
    if (j->options->out)
        return lbk_strdup(j->options->out, &out->folder);
    lbk_status status = lbk_text_printf(&folder, "runs/tables/%s", t->name);
    out->folder = folder.data;
    return status;
}

lbk_status lbk_reproduce(const lbk_table *table, const lbk_reproduce_options *options, lbk_reproduction *out) {
    memset(out, 0, sizeof *out);
    out->table = table;
    out->seeds = options->seeds ? options->seeds : table->params.seeds;
    out->teacher_seed = table->params.teacher_seed;
    job j = {.table = table, .options = options, .out = out};
    LBK_TRY(prepare(&j));
    return run_all(&j);
}

void lbk_reproduction_release(lbk_reproduction *r) {
    free(r->folder);
    lbk_text_release(&r->failed);
    lbk_arena_release(&r->arena);
    memset(r, 0, sizeof *r);
}

int lbk_reproduction_mean(const lbk_reproduction *r, size_t row, size_t column, double *mean, double *deviation) {
    int count = 0;
    double sum = 0, squares = 0;
    for (int seed = 1; seed <= r->seeds; seed++) {
        double value = *accuracy_at(r, row, column, seed);
        count += !isnan(value);
        sum += isnan(value) ? 0 : value;
    }
    *mean = count ? sum / count : NAN;
    for (int seed = 1; seed <= r->seeds; seed++) {
        double apart = *accuracy_at(r, row, column, seed) - *mean;
        squares += isnan(apart) ? 0 : apart * apart;
    }
    *deviation = count > 1 ? sqrt(squares / (count - 1)) : 0;
    return count;
}

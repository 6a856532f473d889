#include "train/experiment.h"

#include "train/preset.h"
#include "train/role.h"

#include <stdlib.h>
#include <string.h>

static const char *const timings[] = {"serial", "concurrent", NULL};
static const char *const bridges[] = {"auto", "direct", "host", NULL};

const lbk_param lbk_experiment_table[] = {
    LBK_PARAM_TEXT(lbk_experiment_params, name, "experiment", "name of the run folder and of the results", NULL),
    LBK_PARAM_INT(lbk_experiment_params, seed, "1", 0, 2147483647, NULL,
                  "fixes initial weights, order, views, label budget and dropout", NULL),
    LBK_PARAM_BOOL(lbk_experiment_params, control, "yes",
                   "also train the same student, same start, without the teacher", NULL),
    LBK_PARAM_BOOL(lbk_experiment_params, student, "yes",
                   "distil the student; no: only the teacher, and the control, for other runs", NULL),
    LBK_PARAM_CHOICE(lbk_experiment_params, schedule, "concurrent", timings,
                     "whether the teacher works on the next batch while the student trains on this one", NULL),
    LBK_PARAM_CHOICE(lbk_experiment_params, bridge, "auto", bridges,
                     "how the teacher's outputs reach the student's device: within one context, or through the host",
                     NULL),
    LBK_PARAM_INT(lbk_experiment_params, slots, "3", 1, 64, "steps",
                  "steps in flight; the teacher runs ahead by one less", NULL),
    LBK_PARAM_FLOAT(lbk_experiment_params, checkpoint, "30", 0, 1e9, "seconds",
                    "least time between two checkpoints, which are written at the end of an epoch; 0: every epoch",
                    NULL),
    LBK_PARAM_TEXT(lbk_experiment_params, kernels, "",
                   "folder of kernel binaries made by `limbeck kernels build`, for devices without a compiler", NULL),
    LBK_PARAM_END,
};

static lbk_status check_experiment(lbk_experiment *x) {
    const char *name = x->params.name;
    if (!*name || strchr(name, '/') || name[0] == '.')
        return lbk_ini_fail(&x->ini, lbk_ini_find(&x->ini, "experiment", "name"),
                            "\"%s\" is no name for a folder: expected one without '/', not starting with '.'", name);
    const lbk_ini_entry *slots = lbk_ini_find(&x->ini, "experiment", "slots");
    if (slots && x->params.schedule == LBK_TIMING_SERIAL)
        return lbk_ini_fail(&x->ini, slots, "has no effect with schedule = serial");
    return LBK_OK;
}

static lbk_status refuse_teacher(const lbk_ini *ini) {
    const lbk_ini_section *section = lbk_ini_section_find(ini, "teacher");
    return section && !section->below
               ? lbk_fail(LBK_ERR_INPUT, "%s:%d: [teacher] has no effect: none of [distill] methods reads a teacher",
                          ini->path, section->line)
               : LBK_OK;
}

/* Sections "<kind>.NAME", in the order of the file. */
static lbk_status read_more(lbk_experiment *x, const char *kind, const lbk_param *own, lbk_role *roles, int capacity,
                            int *count) {
    size_t length = strlen(kind);
    for (size_t i = 0; i < x->ini.section_count; i++) {
        const lbk_ini_section *s = &x->ini.sections[i];
        bool method = strchr(s->name, '/') && lbk_section_is_teacher(s->name);
        if (strncmp(s->name, kind, length) != 0 || s->name[length] != '.' || method)
            continue;
        if (!s->name[length + 1] || strchr(s->name, '/'))
            return lbk_fail(LBK_ERR_INPUT, "%s:%d: [%s]: expected a name behind the dot, without '/'", x->ini.path,
                            s->line, s->name);
        if (*count == capacity)
            return lbk_fail(LBK_ERR_INPUT, "%s:%d: [%s]: more than %d of them", x->ini.path, s->line, s->name,
                            capacity);
        LBK_TRY(lbk_role_read(x, &roles[(*count)++], s->name, own));
    }
    return LBK_OK;
}

/* Methods of images have none to work on. */
static lbk_status check_methods(lbk_experiment *x, const lbk_objective *objective, const char *section) {
    for (int i = 0; i < objective->method_count && x->data.dataset->no_images; i++)
        if (objective->method[i]->images)
            return lbk_ini_fail(&x->ini, lbk_ini_find(&x->ini, section, "methods"),
                                "%s works on images; samples of the dataset %s are none", objective->method[i]->name,
                                x->data.dataset->name);
    return LBK_OK;
}

/* Of a teacher that is loaded nothing is in use. */
static lbk_status read_own_methods(lbk_experiment *x, lbk_role *role) {
    const lbk_words none = {0, NULL};
    LBK_TRY(lbk_objective_read_alone(&role->objective, &x->ini, role->name,
                                     *role->params.weights ? &none : &role->params.methods));
    return check_methods(x, &role->objective, role->name);
}

/* What only acts among several teachers. */
static lbk_status check_teachers(lbk_experiment *x) {
    const lbk_ini_entry *share = lbk_ini_find(&x->ini, "teacher", "share");
    const lbk_ini_entry *weights = lbk_ini_find(&x->ini, "distill", "teacher_weights");
    if (x->more_teacher_count)
        return LBK_OK;
    if (share && !share->below)
        return lbk_ini_fail(&x->ini, share, "has no effect: there is one teacher");
    if (weights && !weights->below && x->objective.params.teacher_weights != LBK_TEACHERS_BY_SHARE)
        return lbk_ini_fail(&x->ini, weights, "has no effect: there is one teacher");
    return LBK_OK;
}

static lbk_status read_teachers(lbk_experiment *x) {
    if (!x->objective.needs_teacher)
        return refuse_teacher(&x->ini);
    LBK_TRY(lbk_role_read(x, &x->teacher, "teacher", lbk_teacher_table));
    LBK_TRY(read_more(x, "teacher", lbk_teacher_table, x->more_teachers, LBK_MAX_TEACHERS - 1, &x->more_teacher_count));
    LBK_TRY(read_own_methods(x, &x->teacher));
    for (int i = 0; i < x->more_teacher_count; i++)
        LBK_TRY(read_own_methods(x, &x->more_teachers[i]));
    LBK_TRY(read_more(x, "assistant", lbk_assistant_table, x->assistants, LBK_MAX_ASSISTANTS, &x->assistant_count));
    return check_teachers(x);
}

/* Lays the preset under what the user wrote. */
static lbk_status use_preset(lbk_experiment *x) {
    const lbk_ini_entry *entry = lbk_ini_find(&x->ini, "distill", "preset");
    lbk_preset preset = {0};
    if (!entry || !*entry->value)
        return LBK_OK;
    lbk_status status = lbk_ini_context(lbk_preset_load(&preset, entry->value, x->folder), entry);
    if (status == LBK_OK)
        status = lbk_ini_underlay(&x->ini, &preset.ini);
    lbk_preset_release(&preset);
    return status;
}

static lbk_status folder_of(const char *path, char **out) {
    const char *slash = path ? strrchr(path, '/') : NULL;
    if (!slash)
        return lbk_strdup(".", out);
    LBK_TRY(lbk_strdup(path, out));
    (*out)[slash == path ? 1 : slash - path] = '\0';
    return LBK_OK;
}

/* Their own keys become defaults, which may be without effect. */
static lbk_status load_teachers(lbk_ini *ini, const char *folder) {
    lbk_text text = {0};
    lbk_status status = LBK_OK;
    for (size_t i = 0; i < ini->section_count && status == LBK_OK; i++) {
        const char *name = ini->sections[i].name;
        if (!lbk_section_is_teacher(name))
            continue;
        ini->sections[i].below = true;
        if (strchr(name, '/')) /* of a method */
            continue;
        text.length = 0;
        status = lbk_text_printf(&text, "%s.weights=%s/%s.safetensors", name, folder, name);
        if (status == LBK_OK)
            status = lbk_ini_override(ini, text.data);
    }
    for (size_t i = 0; i < ini->entry_count; i++)
        ini->entries[i].below |= lbk_section_is_teacher(ini->entries[i].section);
    lbk_text_release(&text);
    return status;
}

static lbk_status read_all(lbk_experiment *x, const char *path, const char *const *overrides, size_t count,
                           const char *teachers) {
    static const char *const sections[] = {"experiment", "data", "teacher", "student", "distill", NULL};
    LBK_TRY(lbk_ini_load(&x->ini, path));
    for (size_t i = 0; i < count; i++)
        LBK_TRY(lbk_ini_override(&x->ini, overrides[i]));
    LBK_TRY(folder_of(path, &x->folder));
    LBK_TRY(use_preset(x));
    if (teachers)
        LBK_TRY(load_teachers(&x->ini, teachers));
    LBK_TRY(lbk_ini_read(&x->ini, "experiment", lbk_experiment_table, &x->params, NULL));
    LBK_TRY(check_experiment(x));
    LBK_TRY(lbk_data_read(&x->data, &x->ini, (uint64_t)x->params.seed));
    LBK_TRY(lbk_objective_read(&x->objective, &x->ini));
    LBK_TRY(check_methods(x, &x->objective, "distill"));
    LBK_TRY(read_teachers(x));
    LBK_TRY(lbk_role_read(x, &x->student, "student", lbk_student_table));
    if (x->objective.params.meta && x->data.params.validation == 0)
        return lbk_ini_fail(&x->ini, lbk_ini_find(&x->ini, "distill", "meta"),
                            "needs samples held out; expected [data] validation > 0");
    if (!x->objective.needs_teacher && x->student.params.generations > 1)
        return lbk_ini_fail(&x->ini, lbk_ini_find(&x->ini, "student", "generations"),
                            "has no effect: none of [distill] methods reads a teacher");
    return lbk_ini_finish(&x->ini, sections);
}

lbk_status lbk_experiment_load_with(lbk_experiment *x, const char *path, const char *const *overrides, size_t count,
                                    const char *teachers) {
    memset(x, 0, sizeof *x);
    return read_all(x, path, overrides, count, teachers);
}

lbk_status lbk_experiment_load(lbk_experiment *x, const char *path, const char *const *overrides, size_t count) {
    return lbk_experiment_load_with(x, path, overrides, count, NULL);
}

void lbk_experiment_release(lbk_experiment *x) {
    lbk_objective_release(&x->objective);
    lbk_role_release(&x->teacher);
    for (int i = 0; i < x->more_teacher_count; i++)
        lbk_role_release(&x->more_teachers[i]);
    for (int i = 0; i < x->assistant_count; i++)
        lbk_role_release(&x->assistants[i]);
    lbk_role_release(&x->student);
    lbk_data_release(&x->data);
    lbk_ini_release(&x->ini);
    lbk_arena_release(&x->arena);
    free(x->folder);
    memset(x, 0, sizeof *x);
}

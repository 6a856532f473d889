#include "train/experiment.h"

#include "base/file.h"
#include "train/preset.h"
#include "train/teacher_cache.h"

#include <stdlib.h>
#include <string.h>

static const char *const timings[] = {"serial", "concurrent", NULL};
static const char *const cache_contents[] = {"off", "logits", "taps", NULL};
static const char *const cache_types[] = {"float32", "float16", NULL};
static const char *const storages[] = {"float32", "float16", "bfloat16", NULL};
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

#define ROLE_HEAD                                                                                                      \
    LBK_PARAM_TEXT(lbk_role_params, model, NULL, "a shipped model (`limbeck list models`) or the path of an INI file", \
                   NULL),                                                                                              \
        LBK_PARAM_TEXT(lbk_role_params, parameters, "", "parameters of the model, as in: width=32 n=3", NULL),         \
        LBK_PARAM_TEXT(lbk_role_params, device, "auto",                                                                \
                       "auto (the quickest placement), apart (a device, or a part of one, that the other network "     \
                       "leaves free), cpu, "                                                                           \
                       "gpu, accelerator, P.D, P.D/K of N (sub-device), or part of a device's name",                   \
                       NULL)
#define ROLE_TAIL                                                                                                      \
    LBK_PARAM_TEXT(                                                                                                    \
        lbk_role_params, init, "",                                                                                     \
        "a .safetensors file that replaces initial weights of the same name; teacher: what [teacher] ended with",      \
        NULL),                                                                                                         \
        LBK_PARAM_WORDS(lbk_role_params, init_map, "",                                                                 \
                        "from:to, ...: only what lies under `from` in the file, as what lies under `to` here", NULL),  \
        LBK_PARAM_WORDS(lbk_role_params, init_except, "", "layers that keep their own initial weights: fc, ...",       \
                        NULL),                                                                                         \
        LBK_PARAM_WORDS(lbk_role_params, freeze, "", "layers whose parameters are not trained: conv1, layer1, ...",    \
                        NULL),                                                                                         \
        LBK_PARAM_INT(lbk_role_params, epochs, "30", 1, 1000000, "epochs", "passes over the training part", NULL),     \
        LBK_PARAM_TEXT(lbk_role_params, optimizer, "sgd", "`limbeck list optimizers`", NULL),                          \
        LBK_PARAM_FLOAT(lbk_role_params, lr, "0.05", 0, 1e3, NULL, "learning rate before the schedule's factor",       \
                        NULL),                                                                                         \
        LBK_PARAM_TEXT(lbk_role_params, schedule, "cosine", "of the learning rate; `limbeck list schedules`", NULL),   \
        LBK_PARAM_BOOL(lbk_role_params, recompute, "no",                                                               \
                       "compute activations again in the backward pass, in place of keeping them: less memory, more "  \
                       "time, the same gradients",                                                                     \
                       "Chen et al. 2016, arXiv 1604.06174"),                                                          \
        LBK_PARAM_CHOICE(lbk_role_params, storage, "float32", storages,                                                \
                         "how activations are kept for the backward pass: in 16 bits they take half the memory, and "  \
                         "are off by up to 2^-11 (bfloat16: 2^-8) of themselves; all is computed in float32",          \
                         NULL)

const lbk_param lbk_teacher_table[] = {
    ROLE_HEAD,
    LBK_PARAM_TEXT(lbk_role_params, weights, "", "a .safetensors file instead of training", NULL),
    LBK_PARAM_WORDS(
        lbk_role_params, methods, "",
        "losses to train it by, besides the cross entropy: those of [distill] that read no teacher, each with "
        "its keys in [teacher/METHOD]",
        NULL),
    LBK_PARAM_FLOAT(lbk_role_params, share, "1", 0, 1e6, NULL, "of several teachers: factor of what this one teaches",
                    NULL),
    LBK_PARAM_TEXT(lbk_role_params, head, "",
                   "of a student with several outputs: the one that this teacher teaches; empty: the first", NULL),
    LBK_PARAM_INT(lbk_role_params, classes, "0", 0, 1000000, "classes",
                  "what a loaded teacher of another output tells apart; 0: the data's classes", NULL),
    LBK_PARAM_CHOICE(lbk_role_params, cache, "off", cache_contents,
                     "keep the teacher's outputs on disk for later epochs and runs: logits alone, or taps, all that "
                     "the methods read",
                     NULL),
    LBK_PARAM_TEXT(lbk_role_params, cache_file, "",
                   "where; empty: in Limbeck's cache folder, a file for each combination", NULL),
    LBK_PARAM_CHOICE(lbk_role_params, cache_type, "float32", cache_types, "float32 is exact, float16 half as large",
                     NULL),
    LBK_PARAM_INT(lbk_role_params, cache_top, "0", 0, 1000000, "classes",
                  "keep only so many of the largest logits, the rest of the probability spread evenly; 0: all", NULL),
    ROLE_TAIL,
    LBK_PARAM_END,
};

const lbk_param lbk_assistant_table[] = {
    ROLE_HEAD,
    ROLE_TAIL,
    LBK_PARAM_END,
};

const lbk_param lbk_student_table[] = {
    ROLE_HEAD,
    ROLE_TAIL,
    LBK_PARAM_INT(lbk_role_params, generations, "1", 1, 16, "students",
                  "train the student so many times, each taught by the one before; the last one counts",
                  "Furlanello et al. 2018, born-again networks"),
    LBK_PARAM_END,
};

/* Names of one registry, for suggestions. */
typedef const char *(*name_at)(size_t index);
static const char *optimizer_at(size_t i) {
    return lbk_optimizer_all()[i] ? lbk_optimizer_all()[i]->name : NULL;
}
static const char *schedule_at(size_t i) {
    return lbk_schedule_all()[i] ? lbk_schedule_all()[i]->name : NULL;
}

static lbk_status unknown_name(lbk_ini *ini, const char *section, const char *key, const char *name, name_at at) {
    const char *names[64];
    size_t count = 0;
    while (count < 64 && at(count)) {
        names[count] = at(count);
        count++;
    }
    const lbk_ini_entry *entry = lbk_ini_find(ini, section, key);
    const char *near = lbk_nearest(name, names, count);
    if (near)
        return lbk_ini_fail(ini, entry, "unknown %s \"%s\"; did you mean \"%s\"?", key, name, near);
    lbk_text list = {0};
    lbk_status status = LBK_OK;
    for (size_t i = 0; i < count && status == LBK_OK; i++)
        status = lbk_text_printf(&list, "%s%s", i ? ", " : "", names[i]);
    if (status == LBK_OK)
        status = lbk_ini_fail(ini, entry, "unknown %s \"%s\"; expected one of %s", key, name, list.data);
    lbk_text_release(&list);
    return status;
}

bool lbk_section_is_teacher(const char *section) {
    return strncmp(section, "teacher", 7) == 0 && (!section[7] || strchr("./", section[7]));
}

bool lbk_role_key_loads(const char *key) {
    static const char *const loading[] = {"model", "parameters", "device", "weights", "share", "head", "classes"};
    for (size_t i = 0; i < sizeof loading / sizeof *loading; i++)
        if (strcmp(key, loading[i]) == 0)
            return true;
    return strncmp(key, "cache", 5) == 0;
}

static lbk_status refuse_training_keys(lbk_ini *ini, const char *section) {
    for (size_t i = 0; i < ini->entry_count; i++) {
        const lbk_ini_entry *e = &ini->entries[i];
        if (e->below || strcmp(e->section, section) != 0)
            continue;
        if (!lbk_role_key_loads(e->key))
            return lbk_ini_fail(ini, e, "has no effect: with `weights` the %s is loaded, not trained", section);
    }
    return LBK_OK;
}

static lbk_status read_training(lbk_experiment *x, lbk_role *role, const lbk_param *own) {
    lbk_ini *ini = &x->ini;
    role->optimizer = lbk_optimizer_find(role->params.optimizer);
    if (!role->optimizer)
        return unknown_name(ini, role->name, "optimizer", role->params.optimizer, optimizer_at);
    role->schedule = lbk_schedule_find(role->params.schedule);
    if (!role->schedule)
        return unknown_name(ini, role->name, "schedule", role->params.schedule, schedule_at);
    LBK_TRY(lbk_arena_alloc(&x->arena, role->optimizer->params_size + 1, &role->optimizer_params));
    LBK_TRY(lbk_arena_alloc(&x->arena, role->schedule->params_size + 1, &role->schedule_params));
    LBK_TRY(lbk_ini_check_section(ini, role->name,
                                  (const lbk_param *const[]){own, role->optimizer->params, role->schedule->params}, 3));
    if (role->optimizer->params)
        LBK_TRY(lbk_ini_read_part(ini, role->name, role->optimizer->params, role->optimizer_params, NULL));
    if (role->schedule->params)
        LBK_TRY(lbk_ini_read_part(ini, role->name, role->schedule->params, role->schedule_params, NULL));
    const lbk_ini_section *section = lbk_ini_section_find(ini, role->name);
    if (role->optimizer->check)
        LBK_TRY(lbk_context(role->optimizer->check(role->optimizer_params), "%s:%d: [%s]", section->path, section->line,
                            role->name));
    double warmup = ((const lbk_schedule_common *)role->schedule_params)->warmup;
    if (warmup > role->params.epochs)
        return lbk_ini_fail(ini, lbk_ini_find(ini, role->name, "warmup"), "must be at most epochs = %d",
                            role->params.epochs);
    return LBK_OK;
}

/* A section nobody knows whose name is nearly the missing one is what was meant. */
static lbk_status missing_section(const lbk_ini *ini, const char *name) {
    for (size_t i = 0; i < ini->section_count; i++) {
        const lbk_ini_section *s = &ini->sections[i];
        if (!s->used && s->line && lbk_nearest(s->name, &name, 1))
            return lbk_fail(LBK_ERR_INPUT, "%s:%d: unknown section [%s]; did you mean [%s]?", ini->path, s->line,
                            s->name, name);
    }
    return lbk_fail(LBK_ERR_INPUT, "%s: has no section [%s]", ini->path, name);
}

/* "from:to", and nothing without `init`. */
static lbk_status check_init(lbk_ini *ini, const lbk_role *role) {
    const lbk_role_params *p = &role->params;
    const lbk_ini_entry *map = lbk_ini_find(ini, role->name, "init_map");
    for (int i = 0; i < p->init_map.count; i++) {
        const char *colon = strchr(p->init_map.items[i], ':');
        if (!colon || strchr(colon + 1, ':'))
            return lbk_ini_fail(ini, map, "expected from:to, found \"%s\"", p->init_map.items[i]);
    }
    bool teacher = strcmp(p->init, "teacher") == 0;
    if (teacher && (lbk_section_is_teacher(role->name) || !lbk_ini_section_find(ini, "teacher")))
        return lbk_ini_fail(ini, lbk_ini_find(ini, role->name, "init"), "there is no teacher to begin from");
    if (!*p->init && p->init_map.count)
        return lbk_ini_fail(ini, map, "has no effect without init");
    if (!*p->init && p->init_except.count)
        return lbk_ini_fail(ini, lbk_ini_find(ini, role->name, "init_except"), "has no effect without init");
    return LBK_OK;
}

/* What is computed again from rounded values is not what was computed first. */
static lbk_status check_storage(lbk_ini *ini, const lbk_role *role) {
    if (role->params.recompute && role->params.storage != LBK_STORAGE_FLOAT32)
        return lbk_ini_fail(ini, lbk_ini_find(ini, role->name, "storage"),
                            "not with recompute = yes, which must begin from what was computed: choose one");
    return LBK_OK;
}

static lbk_status check_cache(lbk_ini *ini, const lbk_role *role) {
    static const char *const keys[] = {"cache_file", "cache_type", "cache_top"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys && role->params.cache == LBK_CACHE_OFF; i++) {
        const lbk_ini_entry *entry = lbk_ini_find(ini, role->name, keys[i]);
        if (entry && !entry->below)
            return lbk_ini_fail(ini, entry, "has no effect with cache = off");
    }
    return LBK_OK;
}

static lbk_status check_classes(lbk_ini *ini, const lbk_role *role) {
    const lbk_role_params *p = &role->params;
    if (p->classes && (!*p->head || !*p->weights))
        return lbk_ini_fail(ini, lbk_ini_find(ini, role->name, "classes"),
                            "expected head and weights beside it: labels of the data are of no use for other classes");
    return LBK_OK;
}

static lbk_status read_role(lbk_experiment *x, lbk_role *role, const char *name, const lbk_param *own) {
    role->name = name;
    const lbk_ini_section *section = lbk_ini_section_find(&x->ini, name);
    const lbk_ini_entry *model = lbk_ini_find(&x->ini, name, "model");
    if (!section || (section->below && !model))
        return missing_section(&x->ini, name);
    role->params.weights = "";
    role->params.share = 1;
    role->params.generations = 1;
    role->params.cache_file = role->params.head = "";
    LBK_TRY(lbk_ini_read_part(&x->ini, name, own, &role->params, NULL));
    LBK_TRY(read_training(x, role, own));
    LBK_TRY(check_init(&x->ini, role));
    LBK_TRY(check_storage(&x->ini, role));
    LBK_TRY(check_cache(&x->ini, role));
    LBK_TRY(check_classes(&x->ini, role));
    if (*role->params.weights)
        LBK_TRY(refuse_training_keys(&x->ini, name));
    lbk_status status = lbk_model_load(&role->model, role->params.model, x->folder);
    return model ? lbk_ini_context(status, model) : status;
}

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
        LBK_TRY(read_role(x, &roles[(*count)++], s->name, own));
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
    LBK_TRY(read_role(x, &x->teacher, "teacher", lbk_teacher_table));
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
    LBK_TRY(read_role(x, &x->student, "student", lbk_student_table));
    if (x->objective.params.meta && x->data.params.validation == 0)
        return lbk_ini_fail(&x->ini, lbk_ini_find(&x->ini, "distill", "meta"),
                            "needs samples held out; expected [data] validation > 0");
    if (x->objective.params.meta && x->data.dataset->no_images)
        return lbk_ini_fail(&x->ini, lbk_ini_find(&x->ini, "distill", "meta"),
                            "looks ahead on images; samples of the dataset %s are none", x->data.dataset->name);
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

static void release_role(lbk_role *role) {
    lbk_objective_release(&role->objective);
    lbk_model_release(&role->model);
}

void lbk_experiment_release(lbk_experiment *x) {
    lbk_objective_release(&x->objective);
    release_role(&x->teacher);
    for (int i = 0; i < x->more_teacher_count; i++)
        release_role(&x->more_teachers[i]);
    for (int i = 0; i < x->assistant_count; i++)
        release_role(&x->assistants[i]);
    release_role(&x->student);
    lbk_data_release(&x->data);
    lbk_ini_release(&x->ini);
    lbk_arena_release(&x->arena);
    free(x->folder);
    memset(x, 0, sizeof *x);
}

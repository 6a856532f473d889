/* [distill] and [distill.METHOD]; `methods` of a role and [ROLE/METHOD]. */
#include "distill/objective.h"

#include <stdio.h>
#include <string.h>

static const char *const teacher_weights[] = {"share", "learned", NULL};
static const char *const metas[] = {"off", "weights", "temperature", "both", NULL}; /* bits of lbk_meta */

const lbk_param lbk_objective_table[] = {
    LBK_PARAM_WORDS(lbk_objective_params, methods, "kd", "distillation losses to add up; `limbeck list methods`", NULL),
    LBK_PARAM_SCHEDULE(lbk_objective_params, hard_weight, "0.1", 0, 1e6, NULL,
                       "factor of the cross entropy with the labels", "RepDistiller: gamma = 0.1 for kd"),
    LBK_PARAM_TEXT(lbk_objective_params, head, "",
                   "of a student with several outputs: the one that the labels are about; empty: the first", NULL),
    LBK_PARAM_CHOICE(
        lbk_objective_params, teacher_weights, "share", teacher_weights,
        "how several teachers' losses are weighed: each by its `share`, or also by exp(-s), s trained (+ s)",
        "Kendall, Gal, Cipolla 2018, equation 10, for learned"),
    LBK_PARAM_CHOICE(
        lbk_objective_params, meta, "off", metas,
        "learn the balance of all weights, or temperatures, so that a step helps held-out samples, those of "
        "[data] validation; docs/methods.md",
        "after Ren et al. 2018, equations 4 to 6"),
    LBK_PARAM_INT(lbk_objective_params, meta_every, "10", 1, 1000000, "steps", "with meta: how often", NULL),
    LBK_PARAM_FLOAT(lbk_objective_params, meta_lr, "1", 0, 1e9, NULL, "with meta: learning rate of what is learned so",
                    NULL),
    LBK_PARAM_TEXT(lbk_objective_params, preset, "", "defaults from a paper; `limbeck list presets`, or a file", NULL),
    LBK_PARAM_END,
};

static const char *nearest_method(const char *name) {
    const char *names[64];
    size_t count = 0;
    for (const lbk_method *const *m = lbk_method_all(); *m && count < 64; m++)
        names[count++] = (*m)->name;
    return lbk_nearest(name, names, count);
}

static lbk_status unknown_method(const lbk_ini *ini, const lbk_ini_entry *entry, const char *name) {
    const char *near = nearest_method(name);
    return near ? lbk_ini_fail(ini, entry, "unknown method \"%s\"; did you mean \"%s\"?", name, near)
                : lbk_ini_fail(ini, entry, "unknown method \"%s\"; see `limbeck list methods`", name);
}

/* Whose methods these are: the section with the key `methods`, and what stands between its name and a method's in theirs. */
typedef struct owner {
    const char *section, *separator;
    bool alone; /* nobody teaches it */
} owner;

static lbk_status read_method(lbk_objective *o, lbk_ini *ini, const owner *owner, const char *name) {
    const lbk_ini_entry *entry = lbk_ini_find(ini, owner->section, "methods");
    const lbk_method *method = lbk_method_find(name);
    if (!method)
        return unknown_method(ini, entry, name);
    if (owner->alone && !method->teacherless)
        return lbk_ini_fail(ini, entry, "the method \"%s\" reads a teacher, the %s has none", name, owner->section);
    for (int i = 0; i < o->method_count; i++)
        if (o->method[i] == method)
            return lbk_ini_fail(ini, entry, "the method \"%s\" is named twice", name);
    if (o->method_count == LBK_MAX_METHODS)
        return lbk_ini_fail(ini, entry, "more than %d methods", LBK_MAX_METHODS);
    int i = o->method_count;
    LBK_TRY(lbk_arena_printf(&o->arena, &o->section[i], "%s%s%s", owner->section, owner->separator, name));
    LBK_TRY(lbk_arena_alloc(&o->arena, method->params_size, &o->method_params[i]));
    LBK_TRY(lbk_ini_read(ini, o->section[i], method->params, o->method_params[i], NULL));
    o->method[i] = method;
    o->needs_teacher = o->needs_teacher || !method->teacherless;
    o->method_count++;
    return LBK_OK;
}

/* Line 0: the section came from the command line. near NULL: nothing to suggest. */
static lbk_status section_fail(const lbk_ini *ini, const lbk_ini_section *section, const char *what, const char *name,
                               const char *near) {
    char hint[96] = "";
    if (near)
        snprintf(hint, sizeof hint, "; did you mean \"%.64s\"?", near);
    return section->line ? lbk_fail(LBK_ERR_INPUT, "%s:%d: [%s]%s \"%s\"%s", ini->path, section->line, section->name,
                                    what, name, hint)
                         : lbk_fail(LBK_ERR_INPUT, "--set: [%s]%s \"%s\"%s", section->name, what, name, hint);
}

/* A section for a method that is not used would silently do nothing. */
static lbk_status refuse_unused(const lbk_objective *o, lbk_ini *ini, const owner *owner) {
    size_t length = strlen(owner->section);
    char what[96];
    snprintf(what, sizeof what, " has no effect: [%.40s] methods does not name", owner->section);
    for (size_t s = 0; s < ini->section_count; s++) {
        const lbk_ini_section *section = &ini->sections[s];
        bool own = strncmp(section->name, owner->section, length) == 0 && section->name[length] == *owner->separator;
        bool used = section->below || !own;
        for (int i = 0; i < o->method_count; i++)
            used = used || strcmp(o->section[i], section->name) == 0;
        if (used)
            continue;
        const char *name = section->name + length + 1;
        if (lbk_method_find(name))
            return section_fail(ini, section, what, name, NULL);
        return section_fail(ini, section, ": unknown method", name, nearest_method(name));
    }
    return LBK_OK;
}

static lbk_status check_meta(const lbk_objective *o, lbk_ini *ini) {
    static const char *const keys[] = {"meta_every", "meta_lr"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys && o->params.meta == LBK_META_OFF; i++) {
        const lbk_ini_entry *entry = lbk_ini_find(ini, "distill", keys[i]);
        if (entry && !entry->below)
            return lbk_ini_fail(ini, entry, "has no effect with meta = off");
    }
    if (o->params.meta & LBK_META_WEIGHTS && o->params.teacher_weights == LBK_TEACHERS_LEARNED)
        return lbk_ini_fail(ini, lbk_ini_find(ini, "distill", "meta"),
                            "not with teacher_weights = learned, which trains the same weights: choose one");
    return LBK_OK;
}

static lbk_status read_methods(lbk_objective *o, lbk_ini *ini, const owner *owner) {
    for (int i = 0; i < o->params.methods.count; i++)
        LBK_TRY(read_method(o, ini, owner, o->params.methods.items[i]));
    return refuse_unused(o, ini, owner);
}

lbk_status lbk_objective_read(lbk_objective *o, lbk_ini *ini) {
    memset(o, 0, sizeof *o);
    LBK_TRY(lbk_ini_read(ini, "distill", lbk_objective_table, &o->params, NULL));
    if (!o->params.methods.count)
        return lbk_ini_fail(ini, lbk_ini_find(ini, "distill", "methods"), "names no method; expected at least one");
    LBK_TRY(check_meta(o, ini));
    return read_methods(o, ini, &(owner){"distill", ".", false});
}

lbk_status lbk_objective_read_alone(lbk_objective *o, lbk_ini *ini, const char *role, const lbk_words *methods) {
    memset(o, 0, sizeof *o);
    o->params = (lbk_objective_params){.methods = *methods, .hard_weight = {.from = 1, .to = 1}, .head = ""};
    return read_methods(o, ini, &(owner){role, "/", true});
}

void lbk_objective_release(lbk_objective *o) {
    lbk_arena_release(&o->arena);
    memset(o, 0, sizeof *o);
}

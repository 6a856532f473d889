/* One section of a network: what it says, and what of it is refused. */
#include "train/role.h"

#include "device/matrix_units.h"
#include "optim/loss_scale.h"
#include "train/teacher_cache.h"

#include <string.h>

static const char *const cache_contents[] = {"off", "logits", "taps", NULL};
static const char *const cache_types[] = {"float32", "float16", NULL};
static const char *const storages[] = {"float32", "float16", "bfloat16", NULL};

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
                         "are off by up to 2^-11 (bfloat16: 2^-8) of themselves",                                      \
                         NULL),                                                                                        \
        LBK_PARAM_CHOICE(lbk_role_params, arithmetic, "float32", lbk_arithmetic_names,                                 \
                         "what both operands of a matrix product or convolution are rounded to before they are "       \
                         "multiplied, forward and backward; sums, weights and all else stay float32",                  \
                         "Micikevicius et al. 2018, arXiv 1710.03740; torch.autocast"),                                \
        LBK_PARAM_TEXT(lbk_role_params, loss_scale, "auto",                                                            \
                       "off; dynamic: the loss is multiplied by a scale before it is differentiated, at first 65536, " \
                       "halved when a gradient overflows, whose step is left out, and doubled after 2000 good steps; " \
                       "a number: that begins at it, cut to a power of two; auto: dynamic with arithmetic = float16, " \
                       "else off",                                                                                     \
                       "Micikevicius et al. 2018, section 3.2; torch.cuda.amp.GradScaler")

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
    return lbk_ini_unknown(ini, lbk_ini_find(ini, section, key), key, name, names, count);
}

bool lbk_section_is_teacher(const char *section) {
    return strncmp(section, "teacher", 7) == 0 && (!section[7] || strchr("./", section[7]));
}

bool lbk_role_key_loads(const char *key) {
    static const char *const loading[] = {"model", "parameters", "device",  "weights",
                                          "share", "head",       "classes", "arithmetic"};
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

static lbk_status read_loss_scale(lbk_ini *ini, lbk_role *role) {
    const char *text = role->params.loss_scale;
    bool halves = role->params.arithmetic == LBK_ARITHMETIC_FLOAT16;
    role->loss_scale = 0;
    if (strcmp(text, "off") == 0)
        return LBK_OK;
    if (strcmp(text, "dynamic") == 0 || strcmp(text, "auto") == 0) {
        role->loss_scale = *text == 'd' || halves ? LBK_SCALE_START : 0;
        return LBK_OK;
    }
    if (lbk_parse_float(text, &role->loss_scale) && role->loss_scale >= 1 && role->loss_scale <= LBK_SCALE_LARGEST)
        return LBK_OK;
    return lbk_ini_fail(ini, lbk_ini_find(ini, role->name, "loss_scale"),
                        "expected off, dynamic, auto or a number from 1 to 2^126 = %.9g, found \"%s\"",
                        LBK_SCALE_LARGEST, text);
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

lbk_status lbk_role_read(lbk_experiment *x, lbk_role *role, const char *name, const lbk_param *own) {
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
    LBK_TRY(read_loss_scale(&x->ini, role));
    LBK_TRY(check_cache(&x->ini, role));
    LBK_TRY(check_classes(&x->ini, role));
    if (*role->params.weights)
        LBK_TRY(refuse_training_keys(&x->ini, name));
    lbk_status status = lbk_model_load(&role->model, role->params.model, x->folder);
    return model ? lbk_ini_context(status, model) : status;
}

void lbk_role_release(lbk_role *role) {
    lbk_objective_release(&role->objective);
    lbk_model_release(&role->model);
}

#include "data/transforms.h"

#include <stdio.h>
#include <string.h>

enum { MAX_NAMES = 64 }; /* that a suggestion considers */

static const lbk_param no_params[] = {LBK_PARAM_END};

const char *lbk_transforms_suggest(const char *word, const char *const *names, size_t count, char *text) {
    const char *near = lbk_nearest(word, names, count);
    snprintf(text, 96, near ? "; did you mean \"%s\"?" : "%s", near ? near : "");
    return text;
}

static const char *suggest_augmentation(const char *word, char *text) {
    const char *names[MAX_NAMES];
    size_t count = 0;
    for (const lbk_augmentation *const *a = lbk_augmentation_all(); *a && count < MAX_NAMES; a++)
        names[count++] = (*a)->name;
    return lbk_transforms_suggest(word, names, count, text);
}

static const char *suggest_mix(const char *word, char *text) {
    const char *names[MAX_NAMES];
    size_t count = 0;
    for (const lbk_mix *const *m = lbk_mix_all(); *m && count < MAX_NAMES; m++)
        names[count++] = (*m)->name;
    return lbk_transforms_suggest(word, names, count, text);
}

/* LBK_ERR_INPUT at `key` of [data], which was written: defaults are never wrong. */
static lbk_status key_fail(lbk_ini *ini, const char *key, const char *fmt, const char *word, const char *hint) {
    char text[256];
    snprintf(text, sizeof text, fmt, word, hint);
    return lbk_ini_fail(ini, lbk_ini_find(ini, "data", key), "%s", text);
}

static int find_in_use(const lbk_data *data, const char *name) {
    for (int i = 0; i < data->augmentation_count; i++)
        if (strcmp(data->augmentation[i]->name, name) == 0)
            return i;
    return -1;
}

static bool chain_has(const lbk_chain *chain, int item) {
    for (int i = 0; i < chain->count; i++)
        if (chain->items[i] == item)
            return true;
    return false;
}

/* The augmentation's place in data->augmentation; reads its section when it is new there. */
static lbk_status use(lbk_data *data, lbk_ini *ini, const char *key, const char *name, int *place) {
    char hint[96];
    const char *section;
    int at = data->augmentation_count;
    const lbk_augmentation *found = lbk_augmentation_find(name);
    if (!found)
        return key_fail(ini, key, "unknown augmentation \"%.80s\"%s", name, suggest_augmentation(name, hint));
    *place = find_in_use(data, name);
    if (*place >= 0)
        return LBK_OK;
    if (at == LBK_MAX_AUGMENTATIONS)
        return key_fail(ini, key, "\"%s\" is one augmentation too many%s", name, "");
    LBK_TRY(lbk_arena_printf(&data->arena, &section, "augment.%s", name));
    LBK_TRY(lbk_arena_alloc(&data->arena, found->params_size + 1, &data->augmentation_params[at]));
    data->augmentation[at] = found;
    *place = data->augmentation_count++;
    return lbk_ini_read(ini, section, found->params ? found->params : no_params, data->augmentation_params[at], NULL);
}

/* Appends the words of `key`; `nothing` is the word that stands for an empty list. */
static lbk_status read_chain(lbk_data *data, lbk_ini *ini, const char *key, const lbk_words *words, const char *nothing,
                             lbk_chain *chain) {
    for (int i = 0; i < words->count; i++) {
        const char *word = words->items[i];
        int place = 0;
        if (strcmp(word, nothing) == 0 && words->count > 1)
            return key_fail(ini, key, "\"%s\" stands alone or not at all%s", nothing, "");
        if (strcmp(word, nothing) == 0)
            continue;
        LBK_TRY(use(data, ini, key, word, &place));
        if (chain_has(chain, place))
            return key_fail(ini, key, "\"%s\" is named twice%s", word, "");
        chain->items[chain->count++] = place;
    }
    return LBK_OK;
}

/* Training on edges and testing on images is a mistake. */
static lbk_status refuse_fixed(const lbk_data *data, lbk_ini *ini) {
    for (int i = 0; i < data->augment.count; i++) {
        const lbk_augmentation *found = data->augmentation[data->augment.items[i]];
        if (found->fixed)
            return key_fail(ini, "augment", "\"%s\" makes another kind of image%s", found->name,
                            ", also to evaluate on; name it in student_view, teacher_view or both");
    }
    return LBK_OK;
}

/* "plain" may stand alone or before others. */
static lbk_status read_view(lbk_data *data, lbk_ini *ini, const char *key, const lbk_words *words, lbk_own_view *own) {
    lbk_words rest = *words;
    own->plain = rest.count > 0 && strcmp(rest.items[0], "plain") == 0;
    rest.items += own->plain;
    rest.count -= own->plain;
    if (own->plain && data->augment.count == 0)
        return key_fail(ini, key, "\"%s\" has no effect: there is no augment%s", "plain", "");
    for (int i = 0; i < rest.count; i++)
        if (strcmp(rest.items[i], "plain") == 0)
            return key_fail(ini, key, "\"%s\" stands before all others%s", "plain", "");
    LBK_TRY(read_chain(data, ini, key, &rest, "same", &own->chain));
    for (int i = 0; i < own->chain.count && !own->plain; i++)
        if (chain_has(&data->augment, own->chain.items[i]))
            return key_fail(ini, key, "\"%s\" is done by augment already%s",
                            data->augmentation[own->chain.items[i]]->name, "");
    return LBK_OK;
}

static bool views_match(const lbk_own_view *a, const lbk_own_view *b) {
    if (a->plain != b->plain || a->chain.count != b->chain.count)
        return false;
    for (int i = 0; i < a->chain.count; i++)
        if (a->chain.items[i] != b->chain.items[i])
            return false;
    return true;
}

static lbk_status read_mix(lbk_data *data, lbk_ini *ini) {
    const char *name = data->params.mix, *section;
    char hint[96];
    if (strcmp(name, "none") == 0)
        return LBK_OK;
    data->mix = lbk_mix_find(name);
    if (!data->mix)
        return key_fail(ini, "mix", "unknown mix \"%.80s\"%s", name, suggest_mix(name, hint));
    LBK_TRY(lbk_arena_printf(&data->arena, &section, "mix.%s", name));
    LBK_TRY(lbk_arena_alloc(&data->arena, data->mix->params_size + 1, &data->mix_params));
    return lbk_ini_read(ini, section, data->mix->params ? data->mix->params : no_params, data->mix_params, NULL);
}

/* The NAME of a section "PREFIX.NAME", else NULL. */
static const char *name_behind(const lbk_ini_section *section, const char *prefix) {
    size_t length = strlen(prefix);
    bool matches = strncmp(section->name, prefix, length) == 0 && section->name[length] == '.';
    return matches ? section->name + length + 1 : NULL;
}

static lbk_status inert(const lbk_ini *ini, const lbk_ini_section *section, const char *key, const char *name) {
    return lbk_fail(LBK_ERR_INPUT, "%s:%d: [%s] has no effect: [data] %s does not name \"%s\"", ini->path,
                    section->line, section->name, key, name);
}

/* Parameters of what is not applied would mislead. */
static lbk_status refuse_inert(const lbk_data *data, const lbk_ini *ini) {
    char hint[96];
    for (size_t i = 0; i < ini->section_count; i++) {
        const lbk_ini_section *section = &ini->sections[i];
        if (section->below)
            continue;
        const char *augmentation = name_behind(section, "augment"), *mix = name_behind(section, "mix");
        if (augmentation && !lbk_augmentation_find(augmentation))
            return lbk_fail(LBK_ERR_INPUT, "%s:%d: [%s]: unknown augmentation \"%s\"%s", ini->path, section->line,
                            section->name, augmentation, suggest_augmentation(augmentation, hint));
        if (augmentation && find_in_use(data, augmentation) < 0)
            return inert(ini, section, "augment", augmentation);
        if (mix && !lbk_mix_find(mix))
            return lbk_fail(LBK_ERR_INPUT, "%s:%d: [%s]: unknown mix \"%s\"%s", ini->path, section->line, section->name,
                            mix, suggest_mix(mix, hint));
        if (mix && data->mix != lbk_mix_find(mix))
            return inert(ini, section, "mix", mix);
    }
    return LBK_OK;
}

lbk_status lbk_transforms_read(lbk_data *data, lbk_ini *ini) {
    lbk_own_view *student = &data->own[LBK_VIEWER_STUDENT], *teacher = &data->own[LBK_VIEWER_TEACHER];
    LBK_TRY(read_chain(data, ini, "augment", &data->params.augment, "none", &data->augment));
    LBK_TRY(refuse_fixed(data, ini));
    LBK_TRY(read_view(data, ini, "student_view", &data->params.student_view, student));
    LBK_TRY(read_view(data, ini, "teacher_view", &data->params.teacher_view, teacher));
    data->same_views = views_match(student, teacher);
    LBK_TRY(read_mix(data, ini));
    return refuse_inert(data, ini);
}

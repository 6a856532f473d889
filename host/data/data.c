/* Reading [data] and [augment.*], without touching a data file. Opening is in open.c. */
#include "data/data.h"

#include <stdio.h>
#include <string.h>

const lbk_param lbk_data_table[] = {
    LBK_PARAM_TEXT(lbk_data_params, dataset, NULL, "which dataset; `limbeck list datasets` shows them", NULL),
    LBK_PARAM_INT(lbk_data_params, batch, "128", 1, 65536, "samples", "samples per step", NULL),
    LBK_PARAM_BOOL(lbk_data_params, shuffle, "yes", "a new order of the training samples in every epoch", NULL),
    LBK_PARAM_WORDS(lbk_data_params, augment, "none", "augmentations of training samples, in this order, or none",
                    NULL),
    LBK_PARAM_FLOAT(lbk_data_params, labels, "1", 0, 1, NULL,
                    "share of the training labels the student sees, class-balanced, at least one a class; 0: none",
                    NULL),
    LBK_PARAM_FLOAT(lbk_data_params, validation, "0", 0, 0.9, NULL,
                    "share of the training part held out, class-balanced, the same for every seed", NULL),
    LBK_PARAM_BOOL(lbk_data_params, normalize, "yes", "subtract the mean and divide by the deviation of each channel",
                   NULL),
    LBK_PARAM_END};

static size_t table_length(const lbk_param *table) {
    size_t count = 0;
    while (table && table[count].name)
        count++;
    return count;
}

/* `; did you mean "x"?`, or nothing, into text[96]. */
static const char *suggest(const char *word, const char *const *names, size_t count, char *text) {
    const char *near = lbk_nearest(word, names, count);
    snprintf(text, 96, near ? "; did you mean \"%s\"?" : "%s", near ? near : "");
    return text;
}

enum { MAX_NAMES = 64 }; /* of datasets or augmentations that a suggestion considers */

static const char *suggest_dataset(const char *word, char *text) {
    const char *names[MAX_NAMES];
    size_t count = 0;
    for (const lbk_dataset *const *d = lbk_dataset_all(); *d && count < MAX_NAMES; d++)
        names[count++] = (*d)->name;
    return suggest(word, names, count, text);
}

static const char *suggest_augmentation(const char *word, char *text) {
    const char *names[MAX_NAMES];
    size_t count = 0;
    for (const lbk_augmentation *const *a = lbk_augmentation_all(); *a && count < MAX_NAMES; a++)
        names[count++] = (*a)->name;
    return suggest(word, names, count, text);
}

static lbk_status find_dataset(lbk_data *data, lbk_ini *ini) {
    char hint[96];
    const lbk_ini_entry *entry = lbk_ini_find(ini, "data", "dataset");
    const lbk_ini_section *section = lbk_ini_section_find(ini, "data");
    if (!entry && section && section->line > 0 && !section->below)
        return lbk_fail(LBK_ERR_INPUT, "%s:%d: [data] lacks the key \"dataset\" (a dataset's name)", ini->path,
                        section->line);
    if (!entry)
        return lbk_fail(LBK_ERR_INPUT, "%s: [data] lacks the key \"dataset\" (a dataset's name)", ini->path);
    data->dataset = lbk_dataset_find(entry->value);
    if (!data->dataset)
        return lbk_ini_fail(ini, entry, "unknown dataset \"%s\"%s", entry->value, suggest_dataset(entry->value, hint));
    return LBK_OK;
}

/* [data] holds our keys and the dataset's own: reads both as one table into one block, our struct first. */
static lbk_status read_section(lbk_data *data, lbk_ini *ini) {
    const lbk_dataset *dataset = data->dataset;
    size_t ours = table_length(lbk_data_table), own = table_length(dataset->params);
    size_t offset = (sizeof data->params + 15) / 16 * 16;
    lbk_param *table;
    char *values;
    LBK_TRY(lbk_arena_alloc(&data->arena, (ours + own + 1) * sizeof *table, &table));
    LBK_TRY(lbk_arena_alloc(&data->arena, offset + dataset->params_size, &values));
    memcpy(table, lbk_data_table, ours * sizeof *table);
    for (size_t i = 0; i < own; i++) {
        table[ours + i] = dataset->params[i];
        table[ours + i].offset += offset;
    }
    LBK_TRY(lbk_ini_read(ini, "data", table, values, NULL));
    memcpy(&data->params, values, sizeof data->params);
    data->dataset_params = values + offset;
    return LBK_OK;
}

/* LBK_ERR_INPUT at the `augment` key; the default is never wrong. */
static lbk_status augment_fail(lbk_ini *ini, const char *fmt, const char *word, const char *hint) {
    char text[256];
    snprintf(text, sizeof text, fmt, word, hint);
    return lbk_ini_fail(ini, lbk_ini_find(ini, "data", "augment"), "%s", text);
}

static lbk_status add_augmentation(lbk_data *data, lbk_ini *ini, const char *name) {
    static const lbk_param no_params[] = {LBK_PARAM_END};
    char hint[96];
    const char *section;
    int at = data->augmentation_count;
    const lbk_augmentation *found = lbk_augmentation_find(name);
    if (!found)
        return augment_fail(ini, "unknown augmentation \"%.80s\"%s", name, suggest_augmentation(name, hint));
    for (int i = 0; i < at; i++)
        if (data->augmentation[i] == found)
            return augment_fail(ini, "\"%s\" is named twice%s", name, "");
    if (at == LBK_MAX_AUGMENTATIONS)
        return augment_fail(ini, "\"%s\" is one augmentation too many%s", name, "");
    LBK_TRY(lbk_arena_printf(&data->arena, &section, "augment.%s", name));
    LBK_TRY(lbk_arena_alloc(&data->arena, found->params_size + 1, &data->augmentation_params[at]));
    data->augmentation[at] = found;
    data->augmentation_count++;
    return lbk_ini_read(ini, section, found->params ? found->params : no_params, data->augmentation_params[at], NULL);
}

static lbk_status read_augmentations(lbk_data *data, lbk_ini *ini) {
    const lbk_words *words = &data->params.augment;
    for (int i = 0; i < words->count; i++) {
        if (strcmp(words->items[i], "none") != 0)
            LBK_TRY(add_augmentation(data, ini, words->items[i]));
        else if (words->count > 1)
            return augment_fail(ini, "\"%s\" stands alone or not at all%s", "none", "");
    }
    return LBK_OK;
}

static bool uses_augmentation(const lbk_data *data, const char *name) {
    for (int i = 0; i < data->augmentation_count; i++)
        if (strcmp(data->augmentation[i]->name, name) == 0)
            return true;
    return false;
}

/* Parameters of an augmentation that is not applied would mislead. */
static lbk_status refuse_inert(const lbk_data *data, const lbk_ini *ini) {
    static const char prefix[] = "augment.";
    char hint[96];
    for (size_t i = 0; i < ini->section_count; i++) {
        const lbk_ini_section *section = &ini->sections[i];
        const char *name = section->name + strlen(prefix);
        if (section->below || strncmp(section->name, prefix, strlen(prefix)) != 0 || uses_augmentation(data, name))
            continue;
        if (!lbk_augmentation_find(name))
            return lbk_fail(LBK_ERR_INPUT, "%s:%d: [%s]: unknown augmentation \"%s\"%s", ini->path, section->line,
                            section->name, name, suggest_augmentation(name, hint));
        return lbk_fail(LBK_ERR_INPUT, "%s:%d: [%s] has no effect: [data] augment does not name \"%s\"", ini->path,
                        section->line, section->name, name);
    }
    return LBK_OK;
}

lbk_status lbk_data_read(lbk_data *data, lbk_ini *ini, uint64_t seed) {
    *data = (lbk_data){.seed = seed};
    LBK_TRY(find_dataset(data, ini));
    LBK_TRY(read_section(data, ini));
    LBK_TRY(read_augmentations(data, ini));
    return refuse_inert(data, ini);
}

void lbk_data_release(lbk_data *data) {
    if (data->dataset)
        data->dataset->close(&data->source);
    lbk_arena_release(&data->arena);
    *data = (lbk_data){0};
}

bool lbk_data_views_vary(const lbk_data *data) {
    return data->augmentation_count > 0;
}

uint32_t lbk_data_count(const lbk_data *data, lbk_part part) {
    if (part == LBK_PART_TRAIN)
        return data->train_count;
    return part == LBK_PART_VALIDATION ? data->validation_count : data->source.test_count;
}

uint32_t lbk_data_batches_per_epoch(const lbk_data *data, lbk_part part) {
    uint32_t count = lbk_data_count(data, part), batch = (uint32_t)data->params.batch;
    if (part == LBK_PART_TRAIN && count >= batch)
        return count / batch;
    return count / batch + (count % batch != 0);
}

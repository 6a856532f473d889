/* Reading [data], without touching a data file. What it names for images is in transforms.c, opening in open.c. */
#include "data/transforms.h"

#include <string.h>

const lbk_param lbk_data_table[] = {
    LBK_PARAM_TEXT(lbk_data_params, dataset, NULL, "which dataset; `limbeck list datasets` shows them", NULL),
    LBK_PARAM_INT(lbk_data_params, batch, "128", 1, 65536, "samples", "samples per step", NULL),
    LBK_PARAM_BOOL(lbk_data_params, shuffle, "yes", "a new order of the training samples in every epoch", NULL),
    LBK_PARAM_WORDS(lbk_data_params, augment, "none", "augmentations of training samples, in this order, or none",
                    NULL),
    LBK_PARAM_TEXT(lbk_data_params, mix, "none",
                   "how the samples of a training batch are mixed with one another, or none", NULL),
    LBK_PARAM_WORDS(lbk_data_params, student_view, "same",
                    "augmentations of what the student sees, after those of `augment`; plain first: without those",
                    NULL),
    LBK_PARAM_WORDS(lbk_data_params, teacher_view, "same", "the same for the teacher", NULL),
    LBK_PARAM_FLOAT(lbk_data_params, subset, "1", 0.000001, 1, NULL,
                    "share of the training part, less validation, that is used; chosen by seed", NULL),
    LBK_PARAM_BOOL(lbk_data_params, subset_balanced, "yes",
                   "the subset holds its share of every class, at least one sample; no: any samples", NULL),
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

enum { MAX_NAMES = 64 }; /* of datasets that a suggestion considers */

static const char *suggest_dataset(const char *word, char *text) {
    const char *names[MAX_NAMES];
    size_t count = 0;
    for (const lbk_dataset *const *d = lbk_dataset_all(); *d && count < MAX_NAMES; d++)
        names[count++] = (*d)->name;
    return lbk_transforms_suggest(word, names, count, text);
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
    if (data->params.subset >= 1 && !data->params.subset_balanced)
        return lbk_ini_fail(ini, lbk_ini_find(ini, "data", "subset_balanced"), "has no effect: subset is 1");
    return LBK_OK;
}

/* What is done to images is refused where there are none; so are their sections, as those of augmentations not in use. */
static lbk_status refuse_image_keys(const lbk_data *data, lbk_ini *ini) {
    static const char *const keys[] = {"augment", "mix", "student_view", "teacher_view", "normalize"};
    static const char *const nothing[] = {"none", "none", "same", "same", "yes"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const lbk_ini_entry *entry = lbk_ini_find(ini, "data", keys[i]);
        if (entry && strcmp(entry->value, nothing[i]) != 0)
            return lbk_ini_fail(ini, entry, "is for images; samples of the dataset %s are none", data->dataset->name);
    }
    return LBK_OK;
}

lbk_status lbk_data_read(lbk_data *data, lbk_ini *ini, uint64_t seed) {
    *data = (lbk_data){.seed = seed};
    LBK_TRY(find_dataset(data, ini));
    LBK_TRY(read_section(data, ini));
    if (data->dataset->no_images)
        LBK_TRY(refuse_image_keys(data, ini));
    return lbk_transforms_read(data, ini);
}

void lbk_data_release(lbk_data *data) {
    if (data->dataset)
        data->dataset->close(&data->source);
    lbk_arena_release(&data->arena);
    *data = (lbk_data){0};
}

size_t lbk_data_image_size(const lbk_data *data) {
    return (size_t)data->source.height * (size_t)data->source.width * (size_t)data->source.channels;
}

static bool chain_varies(const lbk_data *data, const lbk_chain *chain) {
    for (int i = 0; i < chain->count; i++)
        if (!data->augmentation[chain->items[i]]->fixed)
            return true;
    return false;
}

bool lbk_data_views_vary(const lbk_data *data) {
    const lbk_own_view *teacher = &data->own[LBK_VIEWER_TEACHER];
    return data->mix || (!teacher->plain && data->augment.count > 0) || chain_varies(data, &teacher->chain);
}

uint32_t lbk_data_count(const lbk_data *data, lbk_part part) {
    switch (part) {
    case LBK_PART_TRAIN:
        return data->train_count;
    case LBK_PART_VALIDATION:
        return data->validation_count;
    case LBK_PART_TEST:
        return data->source.test_count;
    case LBK_PART_TEACHER:
        return data->known_count;
    }
    return 0;
}

const uint32_t *lbk_data_samples(const lbk_data *data, lbk_part part) {
    switch (part) {
    case LBK_PART_TRAIN:
        return data->train;
    case LBK_PART_VALIDATION:
        return data->validation;
    case LBK_PART_TEST:
        return NULL;
    case LBK_PART_TEACHER:
        return data->known;
    }
    return NULL;
}

uint32_t lbk_data_batches_per_epoch(const lbk_data *data, lbk_part part) {
    uint32_t count = lbk_data_count(data, part), batch = (uint32_t)data->params.batch;
    if (lbk_part_is_training(part) && count >= batch)
        return count / batch;
    return count / batch + (count % batch != 0);
}

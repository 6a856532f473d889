#include "base/file.h"
#include "data/data.h"

#include <stdlib.h>
#include <string.h>

static lbk_status print_table(const lbk_param *table, const void *values, lbk_text *out) {
    for (const lbk_param *p = table; p && p->name; p++)
        LBK_TRY(lbk_ini_param_print(p, values, out));
    return LBK_OK;
}

/* What is there; it would mean something else from another folder. */
static lbk_status absolute(const char *folder, lbk_arena *arena, const char **text) {
    char *joined = NULL, *real = NULL;
    if (!**text || **text == '/')
        return LBK_OK;
    LBK_TRY(lbk_path_join(folder, *text, &joined));
    if (lbk_path_exists(joined))
        real = realpath(joined, NULL);
    lbk_status status = real ? lbk_arena_strdup(arena, real, text) : LBK_OK;
    free(real);
    free(joined);
    return status;
}

static bool is_path(const lbk_param *p) {
    return p->unit && strcmp(p->unit, LBK_PATH_UNIT) == 0;
}

/* What the key of this name says; `other` where that is NULL. */
static const char *text_of(const lbk_dataset *dataset, const char *key, const void *values, const char *other) {
    return key ? *(const char *const *)((const char *)values + lbk_param_find(dataset->params, key)->offset) : other;
}

/* Whether the run keeps what the user's experiment does not name; `values` holds the dataset's parameters. */
static bool keeps(const lbk_dataset *dataset, const void *values) {
    return text_of(dataset, dataset->keep_key, values, "given")[0] == '\0' &&
           text_of(dataset, dataset->keep_with, values, "given")[0] != '\0';
}

static lbk_status print_dataset(const lbk_data *data, const char *folder, lbk_arena *arena, lbk_text *out) {
    const lbk_dataset *dataset = data->dataset;
    void *copy = NULL;
    LBK_TRY(lbk_arena_alloc(arena, dataset->params_size + 1, &copy));
    memcpy(copy, data->dataset_params, dataset->params_size);
    for (const lbk_param *p = dataset->params; p && p->name; p++) {
        const char **text = (const char **)((char *)copy + p->offset);
        if (is_path(p))
            LBK_TRY(absolute(folder, arena, text));
        if (keeps(dataset, data->dataset_params) && strcmp(p->name, dataset->keep_key) == 0)
            *text = dataset->keep_file;
    }
    return print_table(dataset->params, copy, out);
}

lbk_status lbk_data_keep(const lbk_data *data, const char **name, lbk_text *out) {
    bool any = keeps(data->dataset, data->dataset_params);
    *name = any ? data->dataset->keep_file : NULL;
    return any ? data->dataset->keep(&data->source, out) : LBK_OK;
}

static lbk_status print_section(const char *prefix, const char *name, const lbk_param *table, const void *values,
                                lbk_text *out) {
    if (!table || !table->name)
        return LBK_OK;
    LBK_TRY(lbk_text_printf(out, "\n[%s.%s]\n", prefix, name));
    return print_table(table, values, out);
}

lbk_status lbk_data_print(const lbk_data *data, const char *folder, lbk_text *out) {
    lbk_arena arena = {0};
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_text_printf(out, "\n[data]\n"));
    LBK_GOTO(print_table(lbk_data_table, &data->params, out));
    if (data->dataset->params)
        LBK_GOTO(print_dataset(data, folder, &arena, out));
    for (int i = 0; i < data->augmentation_count; i++)
        LBK_GOTO(print_section("augment", data->augmentation[i]->name, data->augmentation[i]->params,
                               data->augmentation_params[i], out));
    if (data->mix)
        LBK_GOTO(print_section("mix", data->mix->name, data->mix->params, data->mix_params, out));
out:
    lbk_arena_release(&arena);
    return status;
}

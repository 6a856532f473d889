#include "base/file.h"
#include "data/data.h"

#include <stdlib.h>
#include <string.h>

static lbk_status print_table(const lbk_param *table, const void *values, lbk_text *out) {
    for (const lbk_param *p = table; p && p->name; p++)
        LBK_TRY(lbk_ini_param_print(p, values, out));
    return LBK_OK;
}

/* A text that names something below `folder` is a path; it would mean something else from another folder. */
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

static lbk_status print_dataset(const lbk_data *data, const char *folder, lbk_arena *arena, lbk_text *out) {
    void *copy = NULL;
    LBK_TRY(lbk_arena_alloc(arena, data->dataset->params_size + 1, &copy));
    memcpy(copy, data->dataset_params, data->dataset->params_size);
    for (const lbk_param *p = data->dataset->params; p && p->name; p++)
        if (p->type == LBK_TYPE_TEXT)
            LBK_TRY(absolute(folder, arena, (const char **)((char *)copy + p->offset)));
    return print_table(data->dataset->params, copy, out);
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

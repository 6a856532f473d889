/* An experiment written out in full. */
#include "train/experiment.h"

#include "base/file.h"
#include "train/role.h"
#include "train/teacher_cache.h"

#include <stdlib.h>
#include <string.h>

static bool any_row(const lbk_param *table) {
    return table && table->name;
}

/* A key without effect is refused, so it is not written either. */
static bool is_inert(const lbk_param *p, const lbk_experiment_params *params) {
    return params->schedule == LBK_TIMING_SERIAL && strcmp(p->name, "slots") == 0;
}

static lbk_status print_table(lbk_text *out, const lbk_param *table, const void *values) {
    for (const lbk_param *p = table; p && p->name; p++)
        LBK_TRY(lbk_ini_param_print(p, values, out));
    return LBK_OK;
}

/* Relative paths of the original would mean something else from the run folder. */
lbk_status lbk_experiment_absolute(const lbk_experiment *x, lbk_arena *arena, const char **path, bool shipped_names) {
    if (!**path || **path == '/' || (shipped_names && !strchr(*path, '/') && !strstr(*path, ".ini")))
        return LBK_OK;
    char *joined = NULL, *real;
    LBK_TRY(lbk_path_join(x->folder, *path, &joined));
    real = realpath(joined, NULL);
    lbk_status status = lbk_arena_strdup(arena, real ? real : joined, path);
    free(real);
    free(joined);
    return status;
}

/* Keys without effect would be refused: `share` of an only teacher, where a cache that is off would be, how a network that is
 * loaded would be trained. */
static bool role_key_acts(const lbk_experiment *x, const lbk_role_params *params, const char *key) {
    if (strcmp(key, "share") == 0)
        return x->more_teacher_count > 0;
    if (strncmp(key, "cache", 5) == 0)
        return params->cache != LBK_CACHE_OFF || !key[5];
    if (strcmp(key, "classes") == 0)
        return params->classes > 0;
    return !*params->weights || lbk_role_key_loads(key);
}

/* Their sections. */
static lbk_status print_methods(const lbk_objective *objective, lbk_text *out) {
    for (int i = 0; i < objective->method_count; i++) {
        if (!any_row(objective->method[i]->params))
            continue;
        LBK_TRY(lbk_text_printf(out, "\n[%s]\n", objective->section[i]));
        LBK_TRY(print_table(out, objective->method[i]->params, objective->method_params[i]));
    }
    return LBK_OK;
}

static lbk_status print_role(const lbk_experiment *x, const lbk_role *role, const lbk_param *own, lbk_arena *arena,
                             lbk_text *out) {
    lbk_role_params params = role->params;
    LBK_TRY(lbk_experiment_absolute(x, arena, &params.model, true));
    LBK_TRY(lbk_experiment_absolute(x, arena, &params.weights, false));
    LBK_TRY(lbk_experiment_absolute(x, arena, &params.init, strcmp(params.init, "teacher") == 0));
    LBK_TRY(lbk_experiment_absolute(x, arena, &params.cache_file, false));
    LBK_TRY(lbk_text_printf(out, "\n[%s]\n", role->name));
    for (const lbk_param *p = own; p->name; p++)
        if (role_key_acts(x, &params, p->name))
            LBK_TRY(lbk_ini_param_print(p, &params, out));
    if (*params.weights)
        return LBK_OK;
    LBK_TRY(print_table(out, role->optimizer->params, role->optimizer_params));
    LBK_TRY(print_table(out, role->schedule->params, role->schedule_params));
    return print_methods(&role->objective, out);
}

/* All that `preset` says is written out. */
static bool objective_key_acts(const lbk_objective_params *params, const char *key) {
    return strcmp(key, "preset") != 0 && (params->meta || strncmp(key, "meta_", 5) != 0);
}

static lbk_status print_all(const lbk_experiment *x, lbk_arena *arena, lbk_text *out) {
    lbk_experiment_params params = x->params;
    LBK_TRY(lbk_experiment_absolute(x, arena, &params.kernels, false));
    LBK_TRY(lbk_text_printf(out, "[experiment]\n"));
    for (const lbk_param *p = lbk_experiment_table; p->name; p++)
        if (!is_inert(p, &params))
            LBK_TRY(lbk_ini_param_print(p, &params, out));
    LBK_TRY(lbk_data_print(&x->data, x->folder, out));
    if (x->objective.needs_teacher)
        LBK_TRY(print_role(x, &x->teacher, lbk_teacher_table, arena, out));
    for (int i = 0; i < x->more_teacher_count; i++)
        LBK_TRY(print_role(x, &x->more_teachers[i], lbk_teacher_table, arena, out));
    for (int i = 0; i < x->assistant_count; i++)
        LBK_TRY(print_role(x, &x->assistants[i], lbk_assistant_table, arena, out));
    LBK_TRY(print_role(x, &x->student, lbk_student_table, arena, out));
    LBK_TRY(lbk_text_printf(out, "\n[distill]\n"));
    for (const lbk_param *p = lbk_objective_table; p->name; p++)
        if (objective_key_acts(&x->objective.params, p->name))
            LBK_TRY(lbk_ini_param_print(p, &x->objective.params, out));
    return print_methods(&x->objective, out);
}

lbk_status lbk_experiment_print(const lbk_experiment *x, lbk_text *out) {
    lbk_arena arena = {0};
    lbk_status status = print_all(x, &arena, out);
    lbk_arena_release(&arena);
    return status;
}

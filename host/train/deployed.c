#include "train/deployed.h"

#include "base/file.h"
#include "graph/names.h"

#include <stdlib.h>
#include <string.h>

/* What is the teacher's stays as it is, besides what the user freezes. */
static lbk_status freeze_deployed(lbk_network *net) {
    const lbk_words *own = &net->role->params.freeze;
    const lbk_deployment *d = net->deployment;
    const char **items = NULL;
    LBK_TRY(lbk_arena_alloc(d->arena, (size_t)(own->count + d->teachers_count) * sizeof *items, &items));
    for (int i = 0; i < own->count; i++)
        items[i] = own->items[i];
    for (int i = 0; i < d->teachers_count; i++)
        items[own->count + i] = d->teachers[i].own;
    net->freeze = (lbk_words){own->count + d->teachers_count, items};
    return LBK_OK;
}

lbk_status lbk_network_extend(lbk_network *net, const lbk_objective *objective) {
    const lbk_side student = {net->label, net->eval, &net->built};
    lbk_deployment d = {.arena = &net->arena};
    lbk_side teachers[LBK_MAX_TEACHERS];
    const char *name;
    for (int t = 0; t < net->teacher_count; t++) {
        const lbk_network *teacher = net->teacher[t].network;
        teachers[t] = (lbk_side){teacher->label, teacher->eval, &teacher->built};
    }
    LBK_TRY(lbk_objective_deploy(objective, &student, teachers, net->teacher_count, &d));
    if (!d.method)
        return LBK_OK;
    LBK_TRY(lbk_arena_alloc(&net->arena, sizeof d, &net->deployment));
    *net->deployment = d;
    LBK_TRY(freeze_deployed(net));
    LBK_TRY(lbk_arena_printf(&net->arena, &name, "%s with %s", net->role->model.name, d.method));
    LBK_TRY(lbk_model_extend(&net->extended, &net->role->model, name, d.line, d.line_count));
    net->model = &net->extended;
    return LBK_OK;
}

static bool has_weight_under(const lbk_graph *graph, const char *path) {
    for (size_t v = 0; v < graph->value_count; v++)
        if (lbk_graph_is_weight(graph, (lbk_value)v) && lbk_name_under(graph->values[v].name, path))
            return true;
    return false;
}

static lbk_status forget(lbk_network *net, const lbk_graph *plain, lbk_words *paths) {
    const char **items = NULL;
    int count = 0;
    LBK_TRY(lbk_arena_alloc(&net->arena, ((size_t)paths->count + 1) * sizeof *items, &items));
    for (int i = 0; i < paths->count; i++)
        if (!has_weight_under(plain, paths->items[i]) || has_weight_under(net->eval, paths->items[i]))
            items[count++] = paths->items[i];
    *paths = (lbk_words){count, items};
    return LBK_OK;
}

lbk_status lbk_network_forget_replaced(lbk_network *net, const lbk_graph *plain) {
    LBK_TRY(forget(net, plain, &net->freeze));
    return forget(net, plain, &net->init_except);
}

lbk_status lbk_network_take_deployed(lbk_network *net) {
    const lbk_deployment *d = net->deployment;
    for (int i = 0; d && i < d->teachers_count; i++)
        LBK_TRY(lbk_weights_copy_one(net->teacher[0].network->weights, d->teachers[i].theirs, net->weights,
                                     d->teachers[i].own));
    return LBK_OK;
}

static lbk_status print_model(const lbk_network *net, lbk_text *out) {
    const lbk_deployment *d = net->deployment;
    lbk_arena arena = {0};
    const char *base = net->role->params.model;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_experiment_absolute(net->experiment, &arena, &base, true));
    LBK_GOTO(lbk_model_print(net->model->name, base, net->role->params.parameters, d->line, d->line_count, out));
out:
    lbk_arena_release(&arena);
    return status;
}

lbk_status lbk_network_write_model(const lbk_network *net, const char *folder) {
    lbk_text text = {0}, name = {0};
    char *path = NULL;
    lbk_status status = LBK_OK;
    if (!net->deployment)
        return LBK_OK;
    LBK_GOTO(print_model(net, &text));
    LBK_GOTO(lbk_text_printf(&name, "%s.ini", net->label));
    LBK_GOTO(lbk_path_join(folder, name.data, &path));
    LBK_GOTO(lbk_file_write_atomic(path, text.data, text.length));
out:
    free(path);
    lbk_text_release(&name);
    lbk_text_release(&text);
    return status;
}

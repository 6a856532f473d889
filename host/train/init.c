/* [role] init: initial weights out of another network's file. */
#include "base/file.h"
#include "graph/transfer.h"
#include "train/network_build.h"

#include <stdlib.h>
#include <string.h>

bool lbk_network_begins_as_teacher(const lbk_network *net) {
    return strcmp(net->role->params.init, "teacher") == 0;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const lbk_st_entry *)a)->name, ((const lbk_st_entry *)b)->name);
}

/* What the file of [teacher]'s weights will hold, without their numbers: it is trained later. */
static lbk_status list_teacher(const lbk_network *net, lbk_st_file *file) {
    const lbk_role *role = &net->experiment->teacher;
    lbk_network teacher = {.role = role, .model = &role->model, .experiment = net->experiment, .batch = net->batch};
    lbk_graph *graph = NULL;
    lbk_value inputs[LBK_MODEL_INPUTS];
    lbk_model_built built;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_graph_create(&graph));
    LBK_GOTO(lbk_network_declare_inputs(&teacher, graph, inputs));
    LBK_GOTO(lbk_network_build_model(&teacher, graph, inputs, LBK_NONE, false, &built));
    LBK_GOTO(lbk_strdup("the teacher", &file->path));
    LBK_GOTO(lbk_arena_alloc(&file->arena, graph->value_count * sizeof *file->entries, &file->entries));
    for (size_t v = 0; v < graph->value_count; v++) {
        const lbk_value_info *info = &graph->values[v];
        lbk_st_entry *entry = &file->entries[file->count];
        if (!lbk_graph_is_weight(graph, (lbk_value)v))
            continue;
        LBK_GOTO(lbk_arena_strdup(&file->arena, info->name, &entry->name));
        entry->shape = lbk_layout_file_shape(info->layout, &info->desc.shape);
        file->count++;
    }
    qsort(file->entries, file->count, sizeof *file->entries, by_name);
out:
    lbk_graph_destroy(graph);
    return status;
}

static lbk_status open_init(const lbk_network *net, lbk_st_file *file) {
    char *path = NULL;
    if (lbk_network_begins_as_teacher(net))
        return net->teacher_file ? lbk_st_open(file, net->teacher_file) : list_teacher(net, file);
    LBK_TRY(lbk_path_join(net->experiment->folder, net->role->params.init, &path));
    lbk_status status = lbk_st_open(file, path);
    free(path);
    return status;
}

lbk_status lbk_network_use_init(lbk_network *net, lbk_weights *weights) {
    lbk_transfer_rules rules = {net->role->params.init_map, net->init_except};
    lbk_transfer transfer;
    lbk_arena arena = {0};
    lbk_st_file file = {0};
    lbk_text report = {0};
    lbk_status status = LBK_OK;
    LBK_GOTO(open_init(net, &file));
    LBK_GOTO(lbk_transfer_plan(net->train, &file, &rules, &arena, &transfer));
    LBK_GOTO(lbk_transfer_print(&transfer, &report));
    LBK_GOTO(lbk_arena_strdup(&net->eval->arena, report.data, &net->init_report));
    if (weights)
        LBK_GOTO(lbk_transfer_load(&transfer, &file, weights));
out:
    lbk_st_close(&file);
    lbk_text_release(&report);
    lbk_arena_release(&arena);
    return lbk_network_context(net, lbk_context(status, "init"));
}

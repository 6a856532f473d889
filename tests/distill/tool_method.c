/* tool_method OUT SET...: one step of an experiment's student in float64 into a safetensors file: "x", "labels", "samples", the
 * student's weights "student.NAME" and their gradients "gradient.NAME", what the teacher sends "teacher.I.NAME", the
 * pairs "pair.M.I.teacher" (what teacher.* lies behind pair I of method M) and host inputs "input.NAME", "total", "hard", "report.METHOD".
 * Layout as on the device. */
#include "distill/helpers/rig.h"
#include "tensor/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct output {
    rig *r;
    lbk_st_entry *entries;
    size_t count, capacity;
} output;

/* As a file has it: single precision, weights and their gradients in the layout of files. */
static lbk_status put(output *o, const char *group, const char *name, lbk_value value, lbk_layout layout) {
    const lbk_shape shape = lbk_graph_desc(o->r->student.train, value)->shape;
    size_t count = (size_t)lbk_shape_count(&shape);
    const char *full;
    float *device = NULL, *file = NULL;
    LBK_TRY(lbk_arena_printf(&o->r->arena, &full, "%s%s", group, name));
    LBK_TRY(lbk_arena_alloc(&o->r->arena, count * sizeof *device, &device));
    LBK_TRY(lbk_arena_alloc(&o->r->arena, count * sizeof *file, &file));
    for (size_t i = 0; i < count; i++)
        device[i] = (float)o->r->memory[value][i];
    lbk_layout_to_file(layout, &shape, device, file);
    LBK_TRY(lbk_grow(&o->entries, &o->capacity, o->count + 1, sizeof *o->entries));
    o->entries[o->count++] = (lbk_st_entry){full, LBK_F32, lbk_layout_file_shape(layout, &shape), file};
    return LBK_OK;
}

static lbk_status put_weights(output *o) {
    const lbk_graph *graph = o->r->student.train;
    for (size_t v = 0; v < graph->value_count; v++) {
        if (!lbk_graph_is_weight(graph, (lbk_value)v))
            continue;
        const lbk_value_info *info = &graph->values[v];
        LBK_TRY(put(o, "student.", info->name, (lbk_value)v, info->layout));
        if (info->kind == LBK_VALUE_PARAM)
            LBK_TRY(put(o, "gradient.", info->name, lbk_graph_gradient(graph, (lbk_value)v), info->layout));
    }
    return LBK_OK;
}

static lbk_status put_pairs(output *o) {
    const lbk_network *net = &o->r->student;
    for (int m = 0; net->teacher_count && m < o->r->experiment.objective.method_count; m++) {
        const lbk_needs *needs = &net->teacher[0].bindings->needs[m];
        for (int i = 0; i < needs->pair_count; i++)
            for (int k = 0; k < net->teacher[0].bindings->carried_count; k++) {
                char name[64];
                snprintf(name, sizeof name, "%d.%d.teacher", m, i);
                if (net->teacher[0].bindings->carried[k].value == needs->pair[i].teacher.value)
                    LBK_TRY(put(o, "pair.", name, net->teacher[0].carried[k], LBK_LAYOUT_SAME));
            }
    }
    return LBK_OK;
}

static lbk_status put_all(output *o) {
    const lbk_network *net = &o->r->student;
    const lbk_loss *loss = &net->loss;
    LBK_TRY(put(o, "", "x", net->inputs[0], LBK_LAYOUT_SAME));
    LBK_TRY(put(o, "", "labels", net->targets.labels, LBK_LAYOUT_SAME));
    if (net->targets.share != LBK_NONE) {
        LBK_TRY(put(o, "", "partner_labels", net->targets.partner_labels, LBK_LAYOUT_SAME));
        LBK_TRY(put(o, "", "share", net->targets.share, LBK_LAYOUT_SAME));
    }
    if (net->samples != LBK_NONE)
        LBK_TRY(put(o, "", "samples", net->samples, LBK_LAYOUT_SAME));
    for (int i = 0; i < loss->host_input_count; i++)
        LBK_TRY(put(o, "input.", lbk_graph_info(net->train, loss->host_input[i].value)->name, loss->host_input[i].value,
                    LBK_LAYOUT_SAME));
    for (int i = 0; net->teacher_count && i < net->teacher[0].bindings->carried_count; i++)
        LBK_TRY(put(o, "", lbk_graph_info(net->train, net->teacher[0].carried[i])->name, net->teacher[0].carried[i],
                    LBK_LAYOUT_SAME));
    LBK_TRY(put_pairs(o));
    LBK_TRY(put(o, "", "total", loss->total, LBK_LAYOUT_SAME));
    LBK_TRY(put(o, "", "hard", loss->hard, LBK_LAYOUT_SAME));
    for (int i = 0; i < loss->report_count; i++)
        LBK_TRY(put(o, "report.", loss->report_name[i], loss->report[i], LBK_LAYOUT_SAME));
    return put_weights(o);
}

int main(int argc, char **argv) {
    rig r;
    output o = {&r, NULL, 0, 0};
    if (argc < 3) {
        fputs("usage: tool_method OUT SET...\n", stderr);
        return 2;
    }
    lbk_status status = rig_build(&r, (const char *const *)argv + 2, 3);
    if (status == LBK_OK)
        status = rig_step(&r, 0.5);
    if (status == LBK_OK) /* weights as before the step */
        status = rig_rewind(&r);
    if (status == LBK_OK)
        status = put_all(&o);
    if (status == LBK_OK)
        status = lbk_st_write(argv[1], o.entries, o.count, NULL);
    if (status != LBK_OK)
        fprintf(stderr, "%s\n", lbk_error_message());
    free(o.entries);
    rig_release(&r);
    return status == LBK_OK ? 0 : 1;
}

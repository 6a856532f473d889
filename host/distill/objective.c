#include "distill/objective.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const lbk_param lbk_objective_table[] = {
    LBK_PARAM_WORDS(lbk_objective_params, methods, "kd", "distillation losses to add up; `limbeck list methods`", NULL),
    LBK_PARAM_SCHEDULE(lbk_objective_params, hard_weight, "0.1", 0, 1e6, NULL,
                       "factor of the cross entropy with the labels", "RepDistiller: gamma = 0.1 for kd"),
    LBK_PARAM_END,
};

static const char *nearest_method(const char *name) {
    const char *names[64];
    size_t count = 0;
    for (const lbk_method *const *m = lbk_method_all(); *m && count < 64; m++)
        names[count++] = (*m)->name;
    return lbk_nearest(name, names, count);
}

static lbk_status unknown_method(lbk_ini *ini, const char *name) {
    const char *near = nearest_method(name);
    const lbk_ini_entry *entry = lbk_ini_find(ini, "distill", "methods");
    return near ? lbk_ini_fail(ini, entry, "unknown method \"%s\"; did you mean \"%s\"?", name, near)
                : lbk_ini_fail(ini, entry, "unknown method \"%s\"; see `limbeck list methods`", name);
}

static void add_taps(lbk_needs *all, const lbk_needs *needs) {
    for (int i = 0; i < needs->teacher_count; i++) {
        int at = 0;
        while (at < all->teacher_count && strcmp(all->teacher[at], needs->teacher[i]) != 0)
            at++;
        if (at == all->teacher_count && at < LBK_MAX_NEEDED_TAPS)
            all->teacher[all->teacher_count++] = needs->teacher[i];
    }
}

static lbk_status read_method(lbk_objective *o, lbk_ini *ini, const char *name) {
    const lbk_method *method = lbk_method_find(name);
    if (!method)
        return unknown_method(ini, name);
    for (int i = 0; i < o->method_count; i++)
        if (o->method[i] == method)
            return lbk_ini_fail(ini, lbk_ini_find(ini, "distill", "methods"), "the method \"%s\" is named twice", name);
    if (o->method_count == LBK_MAX_METHODS)
        return lbk_ini_fail(ini, lbk_ini_find(ini, "distill", "methods"), "more than %d methods", LBK_MAX_METHODS);
    int i = o->method_count;
    const char *section;
    LBK_TRY(lbk_arena_printf(&o->arena, &section, "distill.%s", name));
    LBK_TRY(lbk_arena_alloc(&o->arena, method->params_size, &o->method_params[i]));
    LBK_TRY(lbk_ini_read(ini, section, method->params, o->method_params[i], NULL));
    if (method->needs)
        LBK_TRY(lbk_context(method->needs(o->method_params[i], &o->needs[i]), "[%s]", section));
    add_taps(&o->all, &o->needs[i]);
    o->method[i] = method;
    o->method_count++;
    return LBK_OK;
}

/* Line 0: the section came from the command line. near NULL: nothing to suggest. */
static lbk_status section_fail(const lbk_ini *ini, const lbk_ini_section *section, const char *what, const char *name,
                               const char *near) {
    char hint[96] = "";
    if (near)
        snprintf(hint, sizeof hint, "; did you mean \"%.64s\"?", near);
    return section->line ? lbk_fail(LBK_ERR_INPUT, "%s:%d: [%s]%s \"%s\"%s", ini->path, section->line, section->name,
                                    what, name, hint)
                         : lbk_fail(LBK_ERR_INPUT, "--set: [%s]%s \"%s\"%s", section->name, what, name, hint);
}

/* A [distill.X] for a method that is not used would silently do nothing. */
static lbk_status refuse_unused(const lbk_objective *o, lbk_ini *ini) {
    for (size_t s = 0; s < ini->section_count; s++) {
        const lbk_ini_section *section = &ini->sections[s];
        const char *name = section->name + 8;
        bool used = strncmp(section->name, "distill.", 8) != 0;
        for (int i = 0; i < o->method_count; i++)
            used = used || strcmp(o->method[i]->name, name) == 0;
        if (used)
            continue;
        const char *near = nearest_method(name);
        if (lbk_method_find(name))
            return section_fail(ini, section, " has no effect: [distill] methods does not name", name, NULL);
        return section_fail(ini, section, ": unknown method", name, near);
    }
    return LBK_OK;
}

lbk_status lbk_objective_read(lbk_objective *o, lbk_ini *ini) {
    memset(o, 0, sizeof *o);
    LBK_TRY(lbk_ini_read(ini, "distill", lbk_objective_table, &o->params, NULL));
    for (int i = 0; i < o->params.methods.count; i++)
        LBK_TRY(read_method(o, ini, o->params.methods.items[i]));
    if (!o->method_count)
        return lbk_ini_fail(ini, lbk_ini_find(ini, "distill", "methods"), "names no method; expected at least one");
    return refuse_unused(o, ini);
}

void lbk_objective_release(lbk_objective *o) {
    lbk_arena_release(&o->arena);
    memset(o, 0, sizeof *o);
}

lbk_status lbk_method_scheduled(lbk_method_context *c, const char *name, lbk_ramp ramp, lbk_value *out) {
    const char *full;
    LBK_TRY(lbk_arena_printf(&c->graph->arena, &full, "%s.%s", c->name, name));
    LBK_TRY(lbk_graph_scalar(c->graph, full, LBK_F32, out));
    LBK_TRY(lbk_grow(&c->scheduled, &c->scheduled_capacity, c->scheduled_count + 1, sizeof *c->scheduled));
    c->scheduled[c->scheduled_count++] = (lbk_scheduled){*out, ramp};
    return LBK_OK;
}

lbk_status lbk_method_finish(lbk_method_context *c, lbk_value loss) {
    c->report = loss;
    return lbk_graph_apply(c->graph, "weighted_sum", NULL, 2, (lbk_value[]){loss, c->weight}, &c->total);
}

lbk_status lbk_loss_build_hard(lbk_graph *graph, lbk_value logits, lbk_value labels, lbk_loss *out) {
    memset(out, 0, sizeof *out);
    LBK_TRY(lbk_graph_apply(graph, "cross_entropy", NULL, 2, (lbk_value[]){logits, labels}, &out->total));
    out->hard = out->total;
    return lbk_graph_keep(graph, out->total);
}

static lbk_status student_taps(const lbk_needs *needs, const lbk_model_built *student, lbk_tap *taps) {
    for (int i = 0; i < needs->student_count; i++) {
        taps[i] = (lbk_tap){needs->student[i], lbk_model_tap(student, needs->student[i])};
        if (taps[i].value == LBK_NONE)
            return lbk_fail(LBK_ERR_INPUT, "the student has no node \"%s\"", needs->student[i]);
    }
    return LBK_OK;
}

static lbk_status pick_taps(const lbk_needs *needs, const lbk_objective *o, const lbk_tap *all, lbk_tap *taps) {
    for (int i = 0; i < needs->teacher_count; i++) {
        for (int j = 0; j < o->all.teacher_count; j++)
            if (strcmp(o->all.teacher[j], needs->teacher[i]) == 0)
                taps[i] = all[j];
        LBK_ENSURE(taps[i].name);
    }
    return LBK_OK;
}

/* All terms' totals summed; the sum's incoming gradient 1 reaches each of them unchanged. */
static lbk_status sum_terms(lbk_graph *graph, const lbk_value *terms, int count, lbk_value *out) {
    *out = terms[0];
    for (int i = 1; i < count; i++)
        LBK_TRY(lbk_graph_apply(graph, "add", NULL, 2, (lbk_value[]){*out, terms[i]}, out));
    return LBK_OK;
}

static lbk_status build_hard_term(lbk_method_context *shared, lbk_value logits, lbk_value weight, lbk_loss *out,
                                  lbk_value *term) {
    LBK_TRY(
        lbk_graph_apply(shared->graph, "cross_entropy", NULL, 2, (lbk_value[]){logits, shared->labels}, &out->hard));
    return lbk_graph_apply(shared->graph, "weighted_sum", NULL, 2, (lbk_value[]){out->hard, weight}, term);
}

static lbk_status build_terms(const lbk_objective *o, lbk_method_context *shared, const lbk_model_built *student,
                              const lbk_tap *teacher_taps, lbk_loss *out) {
    lbk_value terms[LBK_MAX_METHODS + 1], hard_weight;
    int count = 0;
    shared->name = "hard";
    LBK_TRY(lbk_method_scheduled(shared, "weight", o->params.hard_weight, &hard_weight));
    out->hard = LBK_NONE;
    for (int i = 0; i < o->method_count; i++) {
        const lbk_method *method = o->method[i];
        lbk_tap own_student[LBK_MAX_NEEDED_TAPS], own_teacher[LBK_MAX_NEEDED_TAPS] = {{NULL, LBK_NONE}};
        LBK_TRY(lbk_context(student_taps(&o->needs[i], student, own_student), "[distill.%s]", method->name));
        LBK_TRY(pick_taps(&o->needs[i], o, teacher_taps, own_teacher));
        bool absorb = method->absorbs_hard && out->hard == LBK_NONE;
        shared->name = method->name;
        shared->params = o->method_params[i];
        shared->student_taps = own_student;
        shared->teacher_taps = own_teacher;
        shared->hard_weight = absorb ? hard_weight : LBK_NONE;
        LBK_TRY(lbk_method_scheduled(shared, "weight", *(const lbk_ramp *)o->method_params[i], &shared->weight));
        LBK_TRY(lbk_context(method->build(shared), "[distill.%s]", method->name));
        terms[count++] = shared->total;
        out->report[i] = shared->report;
        out->report_name[i] = method->name;
        if (absorb)
            out->hard = shared->hard;
        LBK_TRY(lbk_graph_keep(shared->graph, shared->report));
    }
    out->report_count = o->method_count;
    if (out->hard == LBK_NONE)
        LBK_TRY(build_hard_term(shared, student->logits, hard_weight, out, &terms[count++]));
    LBK_TRY(lbk_graph_keep(shared->graph, out->hard));
    LBK_TRY(sum_terms(shared->graph, terms, count, &out->total));
    return lbk_graph_keep(shared->graph, out->total);
}

lbk_status lbk_objective_build(const lbk_objective *o, lbk_graph *graph, const lbk_model_built *student,
                               lbk_value labels, lbk_value teacher_logits, const lbk_tap *teacher_taps, lbk_loss *out) {
    memset(out, 0, sizeof *out);
    lbk_method_context shared = {
        .graph = graph, .labels = labels, .student_logits = student->logits, .teacher_logits = teacher_logits};
    lbk_status status = build_terms(o, &shared, student, teacher_taps, out);
    if (status == LBK_OK)
        status = lbk_arena_alloc(&graph->arena, (shared.scheduled_count + 1) * sizeof *out->scheduled, &out->scheduled);
    if (status == LBK_OK && shared.scheduled_count)
        memcpy(out->scheduled, shared.scheduled, shared.scheduled_count * sizeof *out->scheduled);
    out->scheduled_count = shared.scheduled_count;
    free(shared.scheduled);
    return status;
}

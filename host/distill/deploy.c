/* What a method deploys in place of the student as its model has it. */
#include "distill/objective.h"

#include <stdarg.h>
#include <stdio.h>

lbk_status lbk_deploy_line(lbk_deployment *d, const char *name, const char *fmt, ...) {
    char text[160];
    va_list list;
    LBK_ENSURE(d->line_count < LBK_MAX_DEPLOYED);
    lbk_model_line *line = &d->line[d->line_count++];
    va_start(list, fmt);
    int length = vsnprintf(text, sizeof text, fmt, list);
    va_end(list);
    LBK_ENSURE(length >= 0 && (size_t)length < sizeof text);
    LBK_TRY(lbk_arena_printf(d->arena, &line->name, "%s.%s", d->method, name));
    return lbk_arena_strdup(d->arena, text, &line->text);
}

static lbk_status keep_teachers(lbk_deployment *d, const char *name, const char *suffix, const lbk_side *teacher,
                                lbk_value weight) {
    lbk_deployed_weight *w = &d->teachers[d->teachers_count];
    if (weight == LBK_NONE)
        return LBK_OK;
    LBK_ENSURE(d->teachers_count++ < LBK_MAX_DEPLOYED);
    LBK_TRY(lbk_arena_strdup(d->arena, lbk_graph_info(teacher->graph, weight)->name, &w->theirs));
    return lbk_arena_printf(d->arena, &w->own, "%s.%s.%s", d->method, name, suffix);
}

lbk_status lbk_deploy_classifier(lbk_deployment *d, const char *name, const lbk_side *teacher, int64_t features) {
    lbk_value weight, bias;
    lbk_model_classifier(teacher->graph, teacher->built, &weight, &bias);
    if (weight == LBK_NONE)
        return lbk_fail(LBK_ERR_INPUT, "the %s does not end in a dense layer, so it has no classifier", teacher->label);
    const lbk_shape *shape = &lbk_graph_desc(teacher->graph, weight)->shape;
    if (shape->dim[0] != features)
        return lbk_fail(LBK_ERR_INPUT, "the teacher's classifier reads %lld numbers, its layer has %lld channels",
                        (long long)shape->dim[0], (long long)features);
    LBK_TRY(keep_teachers(d, name, "weight", teacher, weight));
    LBK_TRY(keep_teachers(d, name, "bias", teacher, bias));
    return lbk_deploy_line(d, name, "dense out=%lld bias=%s", (long long)shape->dim[1],
                           bias == LBK_NONE ? "no" : "yes");
}

static lbk_status deploy_with(const lbk_objective *o, int i, const lbk_side *student, const lbk_side *teachers,
                              int teacher_count, lbk_deployment *out) {
    if (out->method)
        return lbk_fail(LBK_ERR_INPUT, "methods: %s and %s each deploy a network of their own; keep one of them",
                        out->method, o->method[i]->name);
    if (teacher_count != 1)
        return lbk_fail(LBK_ERR_INPUT, "methods: %s deploys a part of the teacher and takes one teacher, not %d",
                        o->method[i]->name, teacher_count);
    if (student->built->output_count > 1)
        return lbk_fail(LBK_ERR_INPUT,
                        "methods: %s deploys a network with one output; the student's model has %d, \"%s\" among them",
                        o->method[i]->name, student->built->output_count, student->built->outputs[1].name);
    out->method = o->method[i]->name;
    return lbk_context(o->method[i]->deploy(o->method_params[i], student, teachers, out), "[distill.%s]", out->method);
}

lbk_status lbk_objective_deploy(const lbk_objective *o, const lbk_side *student, const lbk_side *teachers,
                                int teacher_count, lbk_deployment *out) {
    for (int i = 0; i < o->method_count; i++)
        if (o->method[i]->deploy)
            LBK_TRY(deploy_with(o, i, student, teachers, teacher_count, out));
    return LBK_OK;
}

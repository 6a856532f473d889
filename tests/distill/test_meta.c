/* The look-ahead by which weights and temperatures are learned, in float64. */
#include "distill/helpers/rig.h"
#include "support/sanitized.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define LR 0.05
#define META_LR 3
#define STEP 1e-5
#define MAX_SETS 12

static void must(lbk_status status) {
    cr_assert_eq(status, LBK_OK, "%s", lbk_error_message());
}

/* What the look-ahead computes with other numbers in some of the training graph's values. */
typedef struct ahead {
    rig r;
    double **memory; /* by value of the look-ahead's graph */
} ahead;

static void open(ahead *a, const char *const *sets) {
    static const char *const own[] = {"data.validation=0.1", "distill.meta_lr=3", "distill.meta_every=1",
                                      "distill.hard_weight=0.5"};
    const char *all[MAX_SETS] = {own[0], own[1], own[2], own[3]};
    for (size_t i = 0; sets[i]; i++)
        all[4 + i] = sets[i];
    must(rig_build(&a->r, all, 8));
    must(rig_step(&a->r, 0.3));
    must(lbk_arena_alloc(&a->r.arena, a->r.student.look_ahead.graph->value_count * sizeof *a->memory, &a->memory));
}

/* V, with learning rate `lr`; weights as they are in r.memory, states as they began, but for `state` (LBK_NONE: none). */
static double held_out(ahead *a, double lr, lbk_value state, double number) {
    const lbk_graph *graph = a->r.student.look_ahead.graph;
    must(rig_rewind(&a->r));
    for (size_t v = 0; v < graph->value_count; v++)
        a->memory[v] = graph->values[v].kind == LBK_VALUE_COMPUTED ? NULL : a->r.memory[v];
    *a->memory[a->r.student.lr] = lr;
    if (state != LBK_NONE)
        *a->memory[state] = number;
    must(lbk_graph_interpret(graph, a->memory, &a->r.arena));
    return *a->memory[a->r.student.look_ahead.held_out];
}

/* Every learned number moves along minus the derivative of the held-out loss behind the step. */
static void check(const char *const *sets) {
    ahead a;
    open(&a, sets);
    const lbk_look_ahead *look = &a.r.student.look_ahead;
    const lbk_learned *learned = &a.r.student.loss.learned;
    double start[LBK_MAX_LEARNED], moved[LBK_MAX_LEARNED];
    cr_assert_gt(learned->state_count, 1);
    held_out(&a, LR, LBK_NONE, 0);
    for (int i = 0; i < learned->state_count; i++) {
        start[i] = *a.r.memory[learned->state[i]];
        moved[i] = (start[i] - *a.memory[look->next[i]]) / META_LR;
    }
    for (int i = 0; i < learned->state_count; i++) {
        double up = held_out(&a, LR, learned->state[i], start[i] + STEP);
        double down = held_out(&a, LR, learned->state[i], start[i] - STEP), want = (up - down) / (2 * STEP);
        const char *name = lbk_graph_info(look->graph, learned->state[i])->name;
        cr_expect(fabs(moved[i] - want) <= 1e-5 * fabs(want) + 1e-10, "%s: %s: derivative %.9g, by differences %.9g",
                  sets[0], name, moved[i], want);
        cr_expect(fabs(want) > 1e-9, "%s: %s has no effect", sets[0], name);
    }
    rig_release(&a.r);
}

/* Beside kd, whatever the method. */
Test(meta, derivatives_with_every_method, .timeout = 900) {
    check((const char *const[]){"distill.methods=kd", "distill.meta=both", NULL});
    for (const lbk_method *const *m = lbk_method_all(); *m; m++) {
        if ((m - lbk_method_all()) % LBK_ROUNDS(1, 3) != 0)
            continue;
        char methods[64];
        snprintf(methods, sizeof methods, "distill.methods=kd, %s", (*m)->name);
        if (strcmp((*m)->name, "kd") != 0)
            check((const char *const[]){methods, "distill.meta=both", NULL});
    }
}

Test(meta, derivatives_with_samples_that_are_no_images) {
    check((const char *const[]){"distill.methods=kd, cs_kd", "distill.meta=both", "table", NULL});
}

/* theta' is where the training graph's own gradient leads. */
Test(meta, looks_where_the_step_goes, .timeout = 900) {
    ahead a;
    open(&a, (const char *const[]){"distill.methods=kd, fitnet", "distill.meta=weights", NULL});
    const lbk_graph *train = a.r.student.train;
    double ahead_of = held_out(&a, LR, LBK_NONE, 0), before = held_out(&a, 0, LBK_NONE, 0);
    for (size_t v = 0; v < train->value_count; v++) {
        const lbk_value_info *info = &train->values[v];
        if (info->kind != LBK_VALUE_PARAM || info->auxiliary)
            continue;
        const double *gradient = a.r.memory[lbk_graph_gradient(train, (lbk_value)v)];
        for (int64_t i = 0; i < lbk_shape_count(&info->desc.shape); i++)
            a.r.memory[v][i] -= LR * gradient[i];
    }
    double behind = held_out(&a, 0, LBK_NONE, 0);
    cr_expect(fabs(behind - ahead_of) <= 1e-12 * ahead_of, "%.17g behind the step, %.17g looking ahead", behind,
              ahead_of);
    cr_expect(fabs(before - ahead_of) > 1e-3, "the step leads nowhere");
    rig_release(&a.r);
}

/* Every method of the registry on small networks, in float64: its gradient, its weight, its keys, and its company. */
#include "distill/helpers/rig.h"
#include "support/sanitized.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define STEP 1e-6
#define BOUND 5e-5               /* of the larger of a derivative and the root mean square of all */
#define SAMPLES LBK_ROUNDS(3, 1) /* elements per parameter */
#define PARTNERS                                                                                                       \
    LBK_ROUNDS(1000, 3) /* methods behind it in the registry that a method is paired with, itself the first */

static void must(lbk_status status, const char *what) {
    cr_assert_eq(status, LBK_OK, "%s: %s", what, lbk_error_message());
}

/* methods = names, and one more setting unless NULL. */
static void build(rig *r, const char *names, bool teacherless, const char *more, uint64_t seed) {
    char methods[512];
    const char *sets[4] = {methods};
    int count = 1;
    snprintf(methods, sizeof methods, "distill.methods=%s", names);
    if (more)
        sets[count++] = more;
    if (teacherless)
        sets[count++] = "teacherless";
    must(rig_build(r, sets, seed), more ? more : names);
}

static double total_with(rig *r, double *number, double value) {
    double before = *number;
    *number = value;
    must(rig_rewind(r), "rewind");
    must(rig_step(r, 0.5), "step");
    *number = before;
    return rig_total(r);
}

/* Central differences of the total against the graph's own gradient. */
static void check_parameter(rig *r, const char *method, lbk_value param, const double *gradient, double scale) {
    const lbk_value_info *info = lbk_graph_info(r->student.train, param);
    int64_t count = lbk_shape_count(&info->desc.shape);
    for (int s = 0; s < SAMPLES; s++) {
        int64_t at = s * (count - 1) / (SAMPLES > 1 ? SAMPLES - 1 : 1);
        double *number = &r->memory[param][at], x = *number;
        double numeric = (total_with(r, number, x + STEP) - total_with(r, number, x - STEP)) / (2 * STEP);
        double bound = BOUND * fmax(scale, fabs(gradient[at]));
        cr_expect(fabs(numeric - gradient[at]) <= bound, "%s: d/d %s[%lld] is %.9g, differences say %.9g (bound %.2g)",
                  method, info->name, (long long)at, gradient[at], numeric, bound);
    }
}

static double *copy_gradient(rig *r, lbk_value param, double *squares, int64_t *elements) {
    const lbk_graph *graph = r->student.train;
    int64_t count = lbk_shape_count(&lbk_graph_desc(graph, param)->shape);
    const double *from = r->memory[lbk_graph_gradient(graph, param)];
    double *copy = NULL;
    must(lbk_arena_alloc(&r->arena, (size_t)count * sizeof *copy, &copy), "copy");
    for (int64_t i = 0; i < count; i++)
        *squares += (copy[i] = from[i]) * from[i];
    *elements += count;
    return copy;
}

static void check_gradient(const char *names, bool teacherless, const char *more) {
    rig r;
    double squares = 0;
    int64_t elements = 0;
    build(&r, names, teacherless, more, 11);
    must(rig_step(&r, 0.5), names);
    const lbk_graph *graph = r.student.train;
    double *gradient[4096] = {0};
    size_t count = graph->value_count;
    cr_assert_leq(count, 4096);
    for (size_t v = 0; v < count; v++)
        if (graph->values[v].kind == LBK_VALUE_PARAM)
            gradient[v] = copy_gradient(&r, (lbk_value)v, &squares, &elements);
    double scale = sqrt(squares / (double)elements);
    must(rig_hold(&r), "hold");
    cr_expect_gt(scale, 0, "%s: no gradient at all", names);
    for (size_t v = 0, param = 0; v < count; v++)
        if (gradient[v] && param++ % LBK_ROUNDS(1, 4) == 0)
            check_parameter(&r, names, (lbk_value)v, gradient[v], scale);
    rig_release(&r);
}

Test(methods, gradients, .timeout = 900) {
    for (const lbk_method *const *m = lbk_method_all(); *m; m++)
        check_gradient((*m)->name, (*m)->teacherless, NULL);
}

/* Second derivatives of attention and layer norm: `hidden` makes both networks transformers. */
Test(methods, gradients_of_gradients_in_transformers) {
    check_gradient("gradient_penalty, hidden", false, NULL);
    check_gradient("sobolev, hidden", false, NULL);
}

/* Networks that read several inputs, of which none is an image. */
Test(methods, companions_read_rows_of_tables) {
    check_gradient("kd, dml, ema, byot", false, "table");
    check_gradient("cs_kd, dml", true, "table");
}

static bool near(double a, double b) {
    return fabs(a - b) <= 1e-9 * fmax(1, fmax(fabs(a), fabs(b)));
}

/* total = hard_weight * hard + sum of weight * report + what methods' networks learn by, whatever the weights. */
static void check_sum(rig *r, const char *what) {
    const lbk_loss *loss = &r->student.loss;
    double sum = *r->memory[loss->scheduled[0].scalar] * *r->memory[loss->hard];
    for (int i = 0; i < loss->report_count; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s.weight", loss->report_name[i]);
        sum += *r->memory[lbk_graph_find(r->student.train, name)] * rig_report(r, i);
    }
    if (loss->own != LBK_NONE)
        sum += *r->memory[loss->own];
    cr_expect(near(rig_total(r), sum), "%s: total %.12g, the parts make %.12g", what, rig_total(r), sum);
}

/* Some experiment has both: their examples are one, or a method takes any network. */
static bool can_meet(const lbk_method *a, const lbk_method *b) {
    bool one = a->example == lbk_method_example_sequences, other = b->example == lbk_method_example_sequences;
    return one == other || !a->needs || !b->needs;
}

Test(methods, pairs_work_together, .timeout = 900) {
    for (const lbk_method *const *a = lbk_method_all(); *a; a++)
        for (const lbk_method *const *b = a; *b && b - a < PARTNERS; b++) {
            char names[128];
            rig r;
            if (!can_meet(*a, *b))
                continue;
            snprintf(names, sizeof names, *a == *b ? "%s" : "%s, %s", (*a)->name, (*b)->name);
            build(&r, names, (*a)->teacherless && (*b)->teacherless, NULL, 5);
            must(rig_step(&r, 0.5), names);
            check_sum(&r, names);
            rig_release(&r);
        }
}

/* A legal value other than the default; false: none can be made here. */
static bool other_value(const lbk_method *method, const lbk_param *p, char *out, size_t size) {
    double number;
    char text[64];
    switch (p->type) {
    case LBK_TYPE_BOOL:
        snprintf(text, sizeof text, "%s", strcmp(p->fallback, "yes") == 0 ? "no" : "yes");
        break;
    case LBK_TYPE_CHOICE:
        snprintf(text, sizeof text, "%s", p->choices[strcmp(p->fallback, p->choices[0]) == 0]);
        break;
    case LBK_TYPE_WORDS:
        if (strcmp(p->name, "layers") != 0)
            return false;
        snprintf(text, sizeof text, "%s",
                 strcmp(p->fallback, "last") == 0 || strcmp(p->fallback, "feature") == 0 ? "1"
                 : strncmp(p->fallback, "stages", 6) == 0                                ? "1, last"
                                                                                         : "last");
        if (strcmp(p->fallback, "feature") == 0)
            return false; /* vectors: no other layer will do */
        break;
    case LBK_TYPE_INT:
    case LBK_TYPE_FLOAT:
    case LBK_TYPE_SCHEDULE:
        number = strtod(p->fallback, NULL);
        number = p->type == LBK_TYPE_INT ? (number + 1 <= p->max ? number + 1 : number - 1)
                 : number                ? number * 0.7
                                         : 0.3;
        if (number < p->min || number > p->max)
            number = (p->min + p->max) / 2;
        snprintf(text, sizeof text, "%g", number);
        break;
    default:
        return false;
    }
    snprintf(out, size, "distill.%s.%s=%s", method->name, p->name, text);
    return true;
}

/* What a step leaves. */
typedef struct outcome {
    double total, student,
        modules;     /* the loss; sums of the gradients' absolute values: the student's, the method's own weights' */
    int64_t weights; /* how many numbers the latter are */
} outcome;

static double absolute_sum(const rig *r, lbk_value value) {
    double sum = 0;
    for (int64_t i = 0; i < lbk_shape_count(&lbk_graph_desc(r->student.train, value)->shape); i++)
        sum += fabs(r->memory[value][i]);
    return sum;
}

/* After two steps, so that what acts on states shows too. */
static outcome outcome_with(const lbk_method *method, const char *set) {
    rig r;
    build(&r, method->name, method->teacherless, set, 7);
    must(rig_step(&r, 0.25), set);
    must(rig_step(&r, 0.5), set);
    outcome out = {.total = rig_total(&r)};
    const lbk_graph *graph = r.student.train;
    for (size_t v = 0; v < graph->value_count; v++) {
        const lbk_value_info *info = &graph->values[v];
        if (info->kind != LBK_VALUE_PARAM)
            continue;
        *(info->auxiliary ? &out.modules : &out.student) += absolute_sum(&r, lbk_graph_gradient(graph, (lbk_value)v));
        out.weights += info->auxiliary ? lbk_shape_count(&info->desc.shape) : 0;
    }
    rig_release(&r);
    return out;
}

/* More weights of the method's own, and no more than that, are no effect. */
static bool differ(const outcome *a, const outcome *b) {
    return !near(a->total, b->total) || !near(a->student, b->student) ||
           (a->weights == b->weights && !near(a->modules, b->modules));
}

Test(methods, every_key_acts, .timeout = 900) {
    for (const lbk_method *const *m = lbk_method_all(); *m; m++) {
        outcome usual = outcome_with(*m, NULL);
        for (const lbk_param *p = (*m)->params; p->name; p++) {
            char set[160];
            if (!other_value(*m, p, set, sizeof set))
                continue;
            outcome other = outcome_with(*m, set);
            cr_expect(differ(&usual, &other), "%s has no effect", set);
        }
    }
}

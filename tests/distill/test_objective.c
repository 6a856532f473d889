/* The objective of kd and the hard loss against its formula, in float64: values, gradient, weights, temperature. */
#include "distill/objective.h"
#include "support/scratch.h"

#include <math.h>

enum { B = 6, K = 5, MAX_VALUES = 128, EPOCHS = 40 };

static const double student[B][K] = {{0.3, -1.2, 2.0, 0.1, -0.4}, {1.5, 1.4, -0.3, 0.0, 0.2},
                                     {-2.0, 0.5, 0.7, 1.1, -0.9}, {0.0, 0.0, 0.0, 0.0, 0.0},
                                     {3.0, -3.0, 1.0, -1.0, 0.5}, {0.4, 0.8, -0.6, 2.2, 1.9}};
static const double teacher[B][K] = {{0.1, -2.0, 4.0, 0.3, -1.0}, {4.0, 1.0, -1.0, 0.5, -0.2},
                                     {-1.0, 0.2, 0.1, 3.5, -2.0}, {1.0, 0.0, -1.0, 2.0, 0.5},
                                     {2.0, -1.0, 5.0, 0.0, 1.0},  {0.0, 1.0, -1.0, 0.0, 3.0}};
static const double labels[B] = {2, 0, -1, 4, 1, -1}; /* two rows without a label */
enum { LABELLED = 4 };

static void must(lbk_status status) {
    cr_assert_eq(status, LBK_OK, "%s", lbk_error_message());
}

typedef struct rig {
    scratch s;
    lbk_ini ini;
    lbk_objective objective;
    lbk_graph *graph;
    lbk_arena arena;
    lbk_loss loss;
    lbk_value student, gradient;
    double *memory[MAX_VALUES];
} rig;

static void declare(rig *r, const char *name, lbk_dtype type, lbk_shape shape, const double *numbers, lbk_value *out) {
    size_t bytes = (size_t)lbk_shape_count(&shape) * sizeof(double);
    must(lbk_graph_input(r->graph, name, type, shape, out));
    must(lbk_arena_alloc(&r->arena, bytes, &r->memory[*out]));
    memcpy(r->memory[*out], numbers, bytes);
}

/* The objective of an experiment's text over the logits above. */
static void build(rig *r, const char *text) {
    lbk_value label, target;
    memset(r, 0, sizeof *r);
    scratch_make(&r->s);
    must(lbk_ini_load(&r->ini, scratch_write(&r->s, "objective.ini", text, strlen(text))));
    must(lbk_objective_read(&r->objective, &r->ini));
    must(lbk_graph_create(&r->graph));
    declare(r, "student", LBK_F32, lbk_shape_2(B, K), &student[0][0], &r->student);
    declare(r, "teacher", LBK_F32, lbk_shape_2(B, K), &teacher[0][0], &target);
    declare(r, "labels", LBK_I32, lbk_shape_1(B), labels, &label);
    lbk_model_built built = {.logits = r->student}, other = {.logits = target};
    const lbk_side own = {"student", r->graph, &built}, their = {"teacher", r->graph, &other};
    lbk_bindings bindings, own_bindings;
    must(lbk_objective_bind(&r->objective, &own, &their, &bindings));
    must(lbk_objective_bind(&r->objective, &own, NULL, &own_bindings));
    cr_assert_eq(bindings.carried_count, 1, "kd reads the logits alone");
    const lbk_site site = {
        .graph = r->graph,
        .student = &built,
        .x = LBK_NONE,
        .targets = {label, LBK_NONE, LBK_NONE},
        .samples = LBK_NONE,
        .own = &own_bindings,
        .teacher_count = 1,
        .teacher = {{.name = "", .head = "", .share = 1, .bindings = &bindings, .carried = &target}}};
    must(lbk_objective_build(&r->objective, &site, &r->loss));
    must(lbk_graph_differentiate(r->graph, r->loss.total, &r->student, 1, &r->gradient));
    cr_assert_leq(r->graph->value_count, MAX_VALUES);
}

/* Computes everything at `progress` of a run of EPOCHS. */
static void compute(rig *r, double progress) {
    for (int i = 0; i < r->loss.scheduled_count; i++) {
        const lbk_scheduled *scheduled = &r->loss.scheduled[i];
        must(lbk_arena_alloc(&r->arena, sizeof(double), &r->memory[scheduled->scalar]));
        *r->memory[scheduled->scalar] = lbk_ramp_at(scheduled->ramp, progress, EPOCHS * progress);
    }
    must(lbk_graph_interpret(r->graph, r->memory, &r->arena));
}

static void release(rig *r) {
    lbk_graph_destroy(r->graph);
    lbk_objective_release(&r->objective);
    lbk_ini_release(&r->ini);
    lbk_arena_release(&r->arena);
    scratch_remove(&r->s);
}

/* softmax(z / t) */
static void soften(const double *z, double t, double *p) {
    double sum = 0;
    for (int k = 0; k < K; k++)
        sum += p[k] = exp(z[k] / t);
    for (int k = 0; k < K; k++)
        p[k] /= sum;
}

typedef struct expected {
    double total, hard, kd, gradient[B][K];
} expected;

/* Hinton et al. 2015: w_h CE + w T^2 / B sum p_t ln(p_t / p_s), and its derivative w_h (q - onehot) / labelled +
 * w T (p_s - p_t) / B. */
static expected formula(double hard_weight, double weight, double t) {
    expected e = {0};
    for (int i = 0; i < B; i++) {
        double q[K], ps[K], pt[K];
        soften(student[i], 1, q);
        soften(student[i], t, ps);
        soften(teacher[i], t, pt);
        for (int k = 0; k < K; k++) {
            e.kd += t * t / B * pt[k] * log(pt[k] / ps[k]);
            e.gradient[i][k] = weight * t / B * (ps[k] - pt[k]);
            if (labels[i] >= 0)
                e.gradient[i][k] += hard_weight / LABELLED * (q[k] - (k == (int)labels[i]));
            if (k == (int)labels[i])
                e.hard -= log(q[k]) / LABELLED;
        }
    }
    e.total = hard_weight * e.hard + weight * e.kd;
    return e;
}

static void near(double got, double want, const char *what) {
    cr_expect(fabs(got - want) <= 1e-12 * fmax(1, fabs(want)), "%s is %.15g, expected %.15g", what, got, want);
}

static void expect_formula(const rig *r, const expected *e) {
    near(*r->memory[r->loss.total], e->total, "total");
    near(*r->memory[r->loss.hard], e->hard, "hard");
    near(*r->memory[r->loss.report[0]], e->kd, "kd");
    for (int i = 0; i < B * K; i++)
        near(r->memory[r->gradient][i], (&e->gradient[0][0])[i], "gradient");
}

Test(objective, defaults_of_kd) {
    rig r;
    build(&r, "[distill]\nmethods = kd\n");
    cr_expect_eq(r.loss.report_count, 1);
    cr_expect_str_eq(r.loss.report_name[0], "kd");
    compute(&r, 0);
    expected e = formula(0.1, 0.9, 4);
    expect_formula(&r, &e);
    release(&r);
}

Test(objective, weights_and_temperature_are_the_experiments) {
    rig r;
    build(&r, "[distill]\nmethods = kd\nhard_weight = 2\n[distill.kd]\nweight = 0.25\ntemperature = 1.5\n");
    compute(&r, 0);
    expected e = formula(2, 0.25, 1.5);
    expect_formula(&r, &e);
    release(&r);
}

Test(objective, weight_zero_leaves_the_other_part) {
    static const char *const texts[] = {"[distill]\nmethods = kd\nhard_weight = 0\n",
                                        "[distill]\nmethods = kd\nhard_weight = 1\n[distill.kd]\nweight = 0\n"};
    const expected e[] = {formula(0, 0.9, 4), formula(1, 0, 4)};
    for (int i = 0; i < 2; i++) {
        rig r;
        build(&r, texts[i]);
        compute(&r, 0);
        expect_formula(&r, &e[i]);
        cr_expect_neq(e[0].total, e[1].total);
        release(&r);
    }
}

Test(objective, schedules_follow_the_run) {
    rig r;
    build(&r,
          "[distill]\nmethods = kd\nhard_weight = 0 -> 1\n[distill.kd]\nweight = 1 -> 0.5\ntemperature = 10 -> 1\n");
    for (int step = 0; step <= 4; step++) {
        double progress = step / 4.0;
        compute(&r, progress);
        expected e = formula(progress, 1 - 0.5 * progress, 10 - 9 * progress);
        expect_formula(&r, &e);
    }
    release(&r);
}

static double norm_of_gradient(const char *method, double temperature) {
    char text[160];
    rig r;
    double sum = 0;
    snprintf(text, sizeof text,
             "[distill]\nmethods = %s\nhard_weight = 0\n[distill.%s]\nweight = 1\ntemperature = %g\n", method, method,
             temperature);
    build(&r, text);
    compute(&r, 0);
    for (int i = 0; i < B * K; i++)
        sum += r.memory[r.gradient][i] * r.memory[r.gradient][i];
    release(&r);
    return sqrt(sum);
}

/* What T^2 is for (section 2 of kd's paper): without it the gradient would shrink like 1/T^2, here by a factor of 400. */
Test(objective, temperature_hardly_moves_the_size_of_the_gradient) {
    static const char *const methods[] = {"kd", "soft_ce", "binary", "js", "tv"};
    for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
        double least = INFINITY, most = 0;
        for (int t = 1; t <= 20; t++) {
            double norm = norm_of_gradient(methods[m], t);
            least = fmin(least, norm);
            most = fmax(most, norm);
        }
        cr_expect_gt(least, 0, "%s", methods[m]);
        cr_expect_lt(most / least, 4, "%s: gradient norms from %g to %g", methods[m], least, most);
    }
}

/* Cross entropy and divergence differ by the teacher's entropy, which no weight of the student moves. */
Test(objective, soft_ce_has_the_gradient_of_kd) {
    rig soft, kd;
    build(&soft, "[distill]\nmethods = soft_ce\nhard_weight = 0.3\n");
    build(&kd, "[distill]\nmethods = kd\nhard_weight = 0.3\n");
    compute(&soft, 0);
    compute(&kd, 0);
    for (int i = 0; i < B * K; i++)
        near(soft.memory[soft.gradient][i], kd.memory[kd.gradient][i], "gradient");
    cr_expect_gt(*soft.memory[soft.loss.report[0]], *kd.memory[kd.loss.report[0]] + 1);
    release(&soft);
    release(&kd);
}

/* Methods that need labels, or a sure teacher, add nothing when a batch has none: neither loss nor gradient, nor NaN. */
Test(objective, a_batch_without_rows_that_count_adds_nothing) {
    static const char *const methods[] = {"dkd", "wsld", "pseudo"};
    for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
        char text[160];
        rig r;
        snprintf(text, sizeof text, "[distill]\nmethods = %s\nhard_weight = 0\n%s", methods[m],
                 strcmp(methods[m], "pseudo") == 0 ? "[distill.pseudo]\nthreshold = 1\n" : "");
        build(&r, text);
        double *label = r.memory[lbk_graph_find(r.graph, "labels")];
        compute(&r, 1);
        cr_expect_eq(*r.memory[r.loss.total] > 0, strcmp(methods[m], "pseudo") != 0, "%s: %g", methods[m],
                     *r.memory[r.loss.total]);
        for (int i = 0; i < B; i++)
            label[i] = -1;
        compute(&r, 1);
        cr_expect_eq(*r.memory[r.loss.total], 0, "%s: %g", methods[m], *r.memory[r.loss.total]);
        for (int i = 0; i < B * K; i++)
            cr_expect_eq(r.memory[r.gradient][i], 0, "%s", methods[m]);
        release(&r);
    }
}

Test(objective, a_student_that_equals_its_teacher_has_no_soft_loss) {
    rig r;
    build(&r, "[distill]\nmethods = kd\nhard_weight = 0\n");
    memcpy(r.memory[r.student], teacher, sizeof teacher);
    compute(&r, 0);
    cr_expect_lt(fabs(*r.memory[r.loss.total]), 1e-15);
    for (int i = 0; i < B * K; i++)
        cr_expect_lt(fabs(r.memory[r.gradient][i]), 1e-15);
    release(&r);
}

Test(objective, every_method_has_what_lists_and_docs_need) {
    for (const lbk_method *const *m = lbk_method_all(); *m; m++) {
        cr_expect((*m)->name && (*m)->summary && (*m)->formula && (*m)->source && (*m)->build, "%s", (*m)->name);
        cr_expect_eq(lbk_method_find((*m)->name), *m);
        cr_expect_str_eq((*m)->params[0].name, "weight", "%s", (*m)->name);
        cr_expect_eq((*m)->params[0].offset, 0, "%s", (*m)->name);
    }
    cr_expect_null(lbk_method_find("no such method"));
}

/* kdsvd where the decomposition of every map is known, and where a layer of the student is dead. */
#include "distill/objective.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

enum { STUDENT, TEACHER, SIDES };
enum { LAYERS = 2, BATCH = 2 };

#define RATIO 0.5 /* of the second singular value to the first */
#define SPREAD 8  /* the default */

/* More pixels than channels, and fewer. */
static const lbk_shape shapes[LAYERS] = {{4, {BATCH, 3, 3, 5}}, {4, {BATCH, 2, 2, 7}}};
/* Where in a plane the first right singular vector lies. In the second layer the student's makes an obtuse angle with the teacher's. */
static const double angles[SIDES][LAYERS] = {{0.3, 2.0}, {0.9, -0.7}};
static const int signs[SIDES][LAYERS] = {{1, -1}, {1, 1}};

static void must(lbk_status status) {
    cr_assert_eq(status, LBK_OK, "%s", lbk_error_message());
}

/* Element i of vector k of an orthonormal basis, the discrete cosine transform's. */
static double basis(int64_t n, int k, int64_t i) {
    return sqrt((k ? 2.0 : 1.0) / (double)n) * cos(acos(-1) * k * ((double)i + 0.5) / (double)n);
}

/* Element i of a unit vector in the plane of the first two: at `angle` from the first. */
static double unit(int64_t n, double angle, int64_t i) {
    return cos(angle) * basis(n, 0, i) + sin(angle) * basis(n, 1, i);
}

/* u v^T + RATIO u' v'^T, u' and v' at right angles to u and v; the pixels' u has a positive mean. Zero but for the first `live` samples. */
static void fill_map(const lbk_shape *shape, double angle, int live, double *out) {
    int64_t pixels = shape->dim[1] * shape->dim[2], channels = shape->dim[3];
    double right = acos(0);
    for (int64_t i = 0; i < BATCH * pixels * channels; i++) {
        int64_t p = i / channels % pixels, c = i % channels;
        out[i] = i / channels / pixels >= live
                     ? 0
                     : unit(pixels, 0.4, p) * unit(channels, angle, c) +
                           RATIO * unit(pixels, 0.4 + right, p) * unit(channels, angle + right, c);
    }
}

static double likeness(int side, bool alive, int64_t k, int64_t c) {
    double high = signs[side][1] * unit(shapes[1].dim[3], angles[side][1], k);
    double low = signs[side][0] * unit(shapes[0].dim[3], angles[side][0], c);
    return alive ? exp(-pow(high - low, 2) / SPREAD) : 1;
}

/* The loss when the student's first `live` samples are not zero. */
static double expected(int live) {
    double sum = 0;
    for (int b = 0; b < BATCH; b++)
        for (int64_t k = 0; k < shapes[1].dim[3]; k++)
            for (int64_t c = 0; c < shapes[0].dim[3]; c++)
                sum += pow(likeness(STUDENT, b < live, k, c) - likeness(TEACHER, true, k, c), 2);
    return sum / BATCH;
}

typedef struct little_loss {
    lbk_graph *graph;
    lbk_pair pair[LAYERS];
    lbk_loss collected;
    lbk_method_context context;
    lbk_value gradient[LAYERS]; /* of the student's maps */
    double *memory[2048];
} little_loss;

static void build(little_loss *l, const char *iterations) {
    const lbk_method *method = lbk_method_find("kdsvd");
    void *params = NULL;
    must(lbk_graph_create(&l->graph));
    for (int i = 0; i < LAYERS; i++) {
        char name[2][16];
        snprintf(name[0], sizeof name[0], "student%d", i);
        snprintf(name[1], sizeof name[1], "teacher%d", i);
        must(lbk_graph_input(l->graph, name[0], LBK_F32, shapes[i], &l->pair[i].student.value));
        must(lbk_graph_input(l->graph, name[1], LBK_F32, shapes[i], &l->pair[i].teacher.value));
    }
    must(lbk_arena_alloc(&l->graph->arena, method->params_size, &params));
    must(lbk_param_defaults(method->params, &l->graph->arena, params));
    must(lbk_param_set(lbk_param_find(method->params, "iterations"), iterations, &l->graph->arena, params));
    l->context = (lbk_method_context){.graph = l->graph,
                                      .name = "kdsvd",
                                      .params = params,
                                      .hard_weight = LBK_NONE,
                                      .pair_count = LAYERS,
                                      .pair = l->pair,
                                      .loss = &l->collected};
    must(lbk_graph_scalar(l->graph, "weight", LBK_F32, &l->context.weight));
    must(method->build(&l->context));
    lbk_value maps[LAYERS] = {l->pair[0].student.value, l->pair[1].student.value};
    must(lbk_graph_differentiate(l->graph, l->context.total, maps, LAYERS, l->gradient));
    cr_assert_leq(l->graph->value_count, sizeof l->memory / sizeof *l->memory);
}

static double run(little_loss *l, int live, lbk_arena *arena) {
    double weight = 1, maps[SIDES][LAYERS][BATCH * 9 * 7];
    l->memory[l->context.weight] = &weight;
    for (int i = 0; i < LAYERS; i++) {
        fill_map(&shapes[i], angles[STUDENT][i], live, maps[STUDENT][i]);
        fill_map(&shapes[i], angles[TEACHER][i], BATCH, maps[TEACHER][i]);
        l->memory[l->pair[i].student.value] = maps[STUDENT][i];
        l->memory[l->pair[i].teacher.value] = maps[TEACHER][i];
    }
    must(lbk_graph_interpret(l->graph, l->memory, arena));
    return *l->memory[l->context.report];
}

/* RATIO^(2 iterations) of the second vector is left, about. */
static void check(const char *iterations, int live, double bound) {
    little_loss l = {0};
    lbk_arena arena = {0};
    build(&l, iterations);
    double got = run(&l, live, &arena), want = expected(live);
    cr_expect(fabs(got - want) <= bound * want, "%s iterations, %d samples alive: %.15g, expected %.15g", iterations,
              live, got, want);
    for (int i = 0; i < LAYERS; i++) {
        int64_t count = lbk_shape_count(&shapes[i]);
        double *gradient = l.memory[l.gradient[i]], squares[BATCH] = {0};
        for (int64_t k = 0; k < count; k++)
            squares[k * BATCH / count] += gradient[k] * gradient[k];
        for (int b = 0; b < BATCH; b++)
            cr_expect(b < live ? squares[b] > 0 && isfinite(squares[b]) : squares[b] == 0,
                      "layer %d, sample %d of %d alive: gradient %g", i, b, live, sqrt(squares[b]));
    }
    lbk_arena_release(&arena);
    lbk_graph_destroy(l.graph);
}

Test(kdsvd, singular_vectors) {
    check("30", BATCH, 1e-12);
    check("8", BATCH, 1e-4);
}

Test(kdsvd, a_dead_layer_has_no_vector_and_no_gradient) {
    check("8", 1, 1e-4);
}

/* Every op's derivative against central differences of its own float64 reference: signed, element by element, with a random
 * incoming gradient and, for scalar results, the constant 1. The derivative's nodes are run by the references too, so no device is
 * involved and the bound can be tight. */
#include "base/rng.h"
#include "graph/graph.h"
#include "support/sanitized.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP 1e-6
#define BOUND 2e-6                /* of the largest derivative of that input, or of 1 */
#define SAMPLES LBK_ROUNDS(24, 2) /* elements checked per input, */
#define LEAST LBK_ROUNDS(4, 1)    /* fewer where the reference takes long */
#define WORK 1e8                  /* FLOPs of it per input */

typedef struct check {
    const lbk_op *op;
    const lbk_op_example *example;
    lbk_graph *graph;
    lbk_arena arena;
    void *params;
    lbk_value input[LBK_MAX_INPUTS], output[LBK_MAX_OUTPUTS], seed, gradient[LBK_MAX_INPUTS];
    int input_count, output_count, seeded; /* seeded: the output that has an incoming gradient */
    double **memory, *start[LBK_MAX_INPUTS], *analytic[LBK_MAX_INPUTS];
    lbk_rng rng;
} check;

static void must(lbk_status status, const check *c) {
    cr_assert_eq(status, LBK_OK, "%s \"%s\": %s", c->op->name, c->example->params ? c->example->params : "",
                 lbk_error_message());
}

/* Whether the op is to have a derivative with respect to input i. */
static bool is_checked(const check *c, int i) {
    unsigned without = c->op->integers | c->op->scalars | c->op->updates | c->op->detached;
    return c->input[i] != LBK_NONE && !(without >> i & 1u);
}

static void declare(check *c) {
    must(lbk_graph_create(&c->graph), c);
    must(lbk_arena_alloc(&c->arena, c->op->params_size + 1, &c->params), c);
    must(lbk_op_params_parse(c->op, c->example->params ? c->example->params : "", &c->arena, c->params), c);
    c->input_count = c->example->input_count;
    for (int i = 0; i < c->input_count; i++) {
        char name[16];
        snprintf(name, sizeof name, "input%d", i);
        c->input[i] = LBK_NONE;
        if (c->example->input[i].rank >= 0)
            must(lbk_graph_input(c->graph, name, lbk_op_input_dtype(c->op, i), c->example->input[i], &c->input[i]), c);
    }
    must(lbk_graph_node(c->graph, c->op, "checked", c->params, c->input_count, c->input, c->output), c);
    c->output_count = c->graph->nodes[0].output_count;
}

/* Emits the op's rule with the incoming gradient `seed` at one output; false where the op says it has none (attention's saved sums). */
static bool differentiate(check *c, bool one) {
    lbk_tensor_desc input[LBK_MAX_INPUTS], output[LBK_MAX_OUTPUTS];
    const lbk_node node = c->graph->nodes[0];
    lbk_graph_node_descs(c->graph, &node, input, output);
    c->seed = LBK_ONE;
    if (!one)
        must(lbk_graph_input(c->graph, "seed", LBK_F32, output[c->seeded].shape, &c->seed), c);
    lbk_gradient g = {.graph = c->graph,
                      .op = node.op,
                      .params = node.params,
                      .input_count = c->input_count,
                      .output_count = c->output_count,
                      .input_desc = input,
                      .output_desc = output};
    for (int i = 0; i < LBK_MAX_INPUTS; i++)
        g.input_grad[i] = LBK_NONE;
    for (int i = 0; i < c->input_count; i++) {
        g.input[i] = c->input[i];
        g.wanted[i] = is_checked(c, i);
    }
    for (int i = 0; i < LBK_MAX_OUTPUTS; i++)
        g.output_grad[i] = LBK_NONE;
    for (int i = 0; i < c->output_count; i++)
        g.output[i] = c->output[i];
    g.output_grad[c->seeded] = c->seed;
    lbk_status status = c->op->differentiate(&g);
    if (status == LBK_ERR_UNSUPPORTED)
        return false;
    must(status, c);
    for (int i = 0; i < c->input_count; i++)
        c->gradient[i] = g.wanted[i] ? g.input_grad[i] : LBK_NONE;
    return true;
}

static double random_number(check *c, double low, double high) {
    return low + (high - low) * lbk_rng_uniform(&c->rng);
}

static size_t elements(const check *c, lbk_value v) {
    return (size_t)lbk_shape_count(&c->graph->values[v].desc.shape);
}

static void fill(check *c) {
    double low = c->example->low, high = c->example->high;
    if (low == 0 && high == 0)
        low = -1, high = 1;
    must(lbk_arena_alloc(&c->arena, (c->graph->value_count + 1) * sizeof *c->memory, &c->memory), c);
    for (size_t v = 0; v < c->graph->value_count; v++) {
        if (c->graph->values[v].kind != LBK_VALUE_INPUT)
            continue;
        bool integer = c->graph->values[v].desc.dtype == LBK_I32;
        must(lbk_arena_alloc(&c->arena, elements(c, (lbk_value)v) * sizeof(double), &c->memory[v]), c);
        for (size_t k = 0; k < elements(c, (lbk_value)v); k++)
            c->memory[v][k] =
                integer ? (double)lbk_rng_below(
                              &c->rng, (uint32_t)(c->example->integer_below > 0 ? c->example->integer_below : 1))
                : (lbk_value)v == c->seed ? random_number(c, -1, 1)
                                          : random_number(c, low, high);
    }
    for (int i = 0; i < c->input_count; i++) { /* ops may update states */
        if (c->input[i] == LBK_NONE)
            continue;
        must(lbk_arena_alloc(&c->arena, elements(c, c->input[i]) * sizeof(double), &c->start[i]), c);
        memcpy(c->start[i], c->memory[c->input[i]], elements(c, c->input[i]) * sizeof(double));
    }
}

/* The seeded output of the op alone, at the current inputs; free() it. */
static double *evaluate(check *c) {
    for (int i = 0; i < c->input_count; i++)
        if (c->op->updates >> i & 1u)
            memcpy(c->memory[c->input[i]], c->start[i], elements(c, c->input[i]) * sizeof(double));
    size_t all = c->graph->node_count, bytes = elements(c, c->output[c->seeded]) * sizeof(double);
    c->graph->node_count = 1;
    must(lbk_graph_interpret(c->graph, c->memory, &c->arena), c);
    c->graph->node_count = all;
    double *copy = malloc(bytes);
    memcpy(copy, c->memory[c->output[c->seeded]], bytes);
    return copy;
}

/* d(seed . seeded output)/d(input i, element k); outputs are subtracted before they are summed, so that nothing cancels. */
static double difference(check *c, int i, size_t k) {
    double *x = &c->memory[c->input[i]][k], at = *x, sum = 0;
    *x = at + STEP;
    double *above = evaluate(c);
    *x = at - STEP;
    double *below = evaluate(c);
    *x = at;
    for (size_t o = 0; o < elements(c, c->output[c->seeded]); o++)
        sum += (above[o] - below[o]) * (c->seed == LBK_ONE ? 1 : c->memory[c->seed][o]);
    free(above);
    free(below);
    return sum / (2 * STEP);
}

/* The gradients of all inputs, NULL where zero. Copies: what the op itself computes, as losses do, evaluate() overwrites. */
static void gradients_copy(check *c) {
    static double one = 1;
    for (int i = 0; i < c->input_count; i++) {
        c->analytic[i] = c->gradient[i] == LBK_ONE ? &one : NULL;
        if (c->gradient[i] < 0)
            continue;
        size_t bytes = elements(c, c->input[i]) * sizeof(double);
        must(lbk_arena_alloc(&c->arena, bytes, &c->analytic[i]), c);
        memcpy(c->analytic[i], c->memory[c->gradient[i]], bytes);
    }
}

static void compare(check *c, int i) {
    size_t count = elements(c, c->input[i]);
    const double *analytic = c->analytic[i];
    double largest = 1;
    for (size_t k = 0; analytic && k < count; k++)
        largest = fmax(largest, fabs(analytic[k]));
    size_t samples =
        (size_t)fmax(LEAST, fmin(SAMPLES, WORK / (1 + lbk_graph_node_cost(c->graph, &c->graph->nodes[0]).flops)));
    for (size_t s = 0; s < samples && s < count; s++) {
        size_t k = count <= samples ? s : lbk_rng_below(&c->rng, (uint32_t)count);
        double found = analytic ? analytic[k] : 0, expected = difference(c, i, k);
        cr_expect(fabs(found - expected) <= BOUND * largest,
                  "%s \"%s\": d(output %d)/d(input %d)[%zu] is %.12g, differences give %.12g", c->op->name,
                  c->example->params ? c->example->params : "", c->seeded, i, k, found, expected);
    }
}

static bool check_example(const lbk_op *op, const lbk_op_example *example, int output, bool one) {
    check c = {.op = op, .example = example, .seeded = output};
    lbk_rng_init(&c.rng, 20240501, LBK_RNG_TEST, one, (uint64_t)(example - op->examples));
    declare(&c);
    const lbk_tensor_desc *result = output < c.output_count ? lbk_graph_desc(c.graph, c.output[output]) : NULL;
    bool checked = false;
    if (result && result->dtype == LBK_F32 && (!one || (result->shape.rank == 1 && result->shape.dim[0] == 1)))
        checked = differentiate(&c, one);
    if (checked) {
        fill(&c);
        must(lbk_graph_interpret(c.graph, c.memory, &c.arena), &c);
        gradients_copy(&c);
        for (int i = 0; i < c.input_count; i++)
            if (is_checked(&c, i))
                compare(&c, i);
    }
    lbk_graph_destroy(c.graph);
    lbk_arena_release(&c.arena);
    return checked;
}

Test(gradcheck, every_op_and_example) {
    int checked = 0;
    for (const lbk_op *const *op = lbk_op_all(); *op; op++) {
        for (int e = 0; (*op)->differentiate && e < (*op)->example_count; e++) {
            for (int output = 0; output < LBK_MAX_OUTPUTS; output++)
                checked += check_example(*op, &(*op)->examples[e], output, false);
            check_example(*op, &(*op)->examples[e], 0, true);
        }
    }
    cr_assert_gt(checked, 30, "only %d cases", checked);
}

/* Whoever may be trained through must have a derivative, unless it is the derivative of something else or a measure. */
Test(gradcheck, every_layer_has_a_derivative) {
    for (const lbk_op *const *op = lbk_op_all(); *op; op++)
        cr_expect(!(*op)->layer || (*op)->differentiate, "%s is a layer without a derivative", (*op)->name);
}

/* Prints what an op's float64 reference, and that of its derivative, make of given inputs, for tests/graph/check_torch.py.
 *
 *     tool_op OP "key=value ..." SHAPE...        ->  a line of numbers per output, then one per gradient
 *
 * SHAPE is 2x5x7, or "-" for an absent input. Standard input has the elements of all inputs. The gradients are of the sum over
 * k of cos(0.11 k) times element k of output 0, one per floating-point input that is no run-time scalar; none for an op
 * without a derivative. */
#include "graph/graph.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct tool {
    lbk_graph *graph;
    lbk_arena arena;
    const lbk_op *op;
    void *params;
    lbk_value input[LBK_MAX_INPUTS], output[LBK_MAX_OUTPUTS], seed, gradient[LBK_MAX_INPUTS];
    int input_count, output_count;
    double **memory;
} tool;

static lbk_status shape_parse(const char *text, lbk_shape *shape) {
    char *end = NULL;
    for (const char *at = text; shape->rank < LBK_MAX_RANK; at = end + 1) {
        shape->dim[shape->rank++] = strtol(at, &end, 10);
        if (*end != 'x')
            break;
    }
    return *end == '\0' ? LBK_OK : lbk_fail(LBK_ERR_INPUT, "'%s' is no shape", text);
}

static lbk_status graph_fill(tool *t, const char *params, char **shapes) {
    lbk_value *in = t->input;
    LBK_TRY(lbk_graph_create(&t->graph));
    LBK_TRY(lbk_arena_alloc(&t->arena, t->op->params_size + 1, &t->params));
    LBK_TRY(lbk_op_params_parse(t->op, params, &t->arena, t->params));
    for (int i = 0; i < t->input_count; i++) {
        char name[16];
        lbk_shape shape = {0};
        snprintf(name, sizeof name, "input%d", i);
        in[i] = LBK_NONE;
        if (strcmp(shapes[i], "-") == 0)
            continue;
        LBK_TRY(shape_parse(shapes[i], &shape));
        LBK_TRY(lbk_graph_input(t->graph, name, lbk_op_input_dtype(t->op, i), shape, &in[i]));
    }
    LBK_TRY(lbk_graph_node(t->graph, t->op, "op", t->params, t->input_count, in, t->output));
    t->output_count = t->graph->nodes[0].output_count;
    return LBK_OK;
}

static lbk_status differentiate(tool *t) {
    lbk_tensor_desc input[LBK_MAX_INPUTS], output[LBK_MAX_OUTPUTS];
    const lbk_node node = t->graph->nodes[0];
    lbk_graph_node_descs(t->graph, &node, input, output);
    LBK_TRY(lbk_graph_input(t->graph, "seed", LBK_F32, output[0].shape, &t->seed));
    lbk_gradient g = {.graph = t->graph,
                      .op = node.op,
                      .params = node.params,
                      .input_count = t->input_count,
                      .output_count = t->output_count,
                      .input_desc = input,
                      .output_desc = output};
    for (int i = 0; i < LBK_MAX_INPUTS; i++) {
        g.input[i] = t->input[i];
        g.input_grad[i] = LBK_NONE;
        g.wanted[i] = i < t->input_count && t->input[i] != LBK_NONE && !((t->op->integers | t->op->scalars) >> i & 1u);
    }
    for (int i = 0; i < LBK_MAX_OUTPUTS; i++) {
        g.output[i] = t->output[i];
        g.output_grad[i] = i == 0 ? t->seed : LBK_NONE;
    }
    lbk_status status = t->op->differentiate ? t->op->differentiate(&g) : LBK_ERR_UNSUPPORTED;
    memcpy(t->gradient, g.input_grad, sizeof t->gradient);
    return status == LBK_ERR_UNSUPPORTED ? LBK_OK : status;
}

static lbk_status input_read(tool *t, int i) {
    size_t count = (size_t)lbk_shape_count(&lbk_graph_desc(t->graph, t->input[i])->shape);
    double *numbers = NULL;
    LBK_TRY(lbk_arena_alloc(&t->arena, count * sizeof *numbers, &numbers));
    for (size_t k = 0; k < count; k++) {
        char word[64], *end = word;
        if (scanf("%63s", word) == 1)
            numbers[k] = strtod(word, &end);
        if (end == word || *end != '\0')
            return lbk_fail(LBK_ERR_INPUT, "no number for element %zu of input %d on standard input", k, i);
    }
    t->memory[t->input[i]] = numbers;
    return LBK_OK;
}

static lbk_status seed_fill(tool *t) {
    size_t count = (size_t)lbk_shape_count(&lbk_graph_desc(t->graph, t->seed)->shape);
    LBK_TRY(lbk_arena_alloc(&t->arena, count * sizeof(double), &t->memory[t->seed]));
    for (size_t k = 0; k < count; k++)
        t->memory[t->seed][k] = cos(0.11 * (double)k);
    return LBK_OK;
}

static void value_print(const tool *t, lbk_value value) {
    int64_t count = lbk_shape_count(&lbk_graph_desc(t->graph, value)->shape);
    for (int64_t k = 0; k < count; k++)
        printf("%.17g%c", t->memory[value][k], k + 1 < count ? ' ' : '\n');
}

static lbk_status run(tool *t, const char *params, char **shapes) {
    LBK_TRY(graph_fill(t, params, shapes));
    LBK_TRY(differentiate(t));
    LBK_TRY(lbk_arena_alloc(&t->arena, t->graph->value_count * sizeof *t->memory, &t->memory));
    for (int i = 0; i < t->input_count; i++)
        if (t->input[i] != LBK_NONE)
            LBK_TRY(input_read(t, i));
    LBK_TRY(seed_fill(t));
    LBK_TRY(lbk_graph_interpret(t->graph, t->memory, &t->arena));
    for (int i = 0; i < t->output_count; i++)
        value_print(t, t->output[i]);
    for (int i = 0; i < t->input_count; i++)
        if (t->gradient[i] != LBK_NONE)
            value_print(t, t->gradient[i]);
    return LBK_OK;
}

int main(int argc, char **argv) {
    tool t = {.input_count = argc - 3};
    lbk_status status = lbk_fail(LBK_ERR_INPUT, "usage: tool_op OP \"key=value ...\" SHAPE...");
    t.op = argc > 3 && argc <= 3 + LBK_MAX_INPUTS ? lbk_op_find(argv[1]) : NULL;
    if (t.op)
        status = run(&t, argv[2], argv + 3);
    if (status != LBK_OK)
        fprintf(stderr, "%s\n", lbk_error_message());
    lbk_graph_destroy(t.graph);
    lbk_arena_release(&t.arena);
    return lbk_status_exit_code(status);
}

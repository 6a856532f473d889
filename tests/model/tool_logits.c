/* Prints a shipped model's logits on made-up weights, by the float64 interpreter, for tests/model/check_torch.py.
 *
 *     tool_logits MODEL HEIGHTxWIDTHxCHANNELS train|eval
 *
 * First a line "name elements" for every weight in the order of declaration, counters left out; then "logits" and one
 * line for each of two samples. Element i (in file order) of the k-th weight is 0.15 sin(0.37 i + 1.3 k), and 1 more
 * than that for 1-dimensional weights called weight or running_var; pixel i (in the order N, C, H, W) is cos(0.11 i).
 * All rounded to float. */
#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 2, CLASSES = 10 };

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static void weight_fill(const lbk_value_info *info, int k, float *file) {
    int64_t count = lbk_shape_count(&info->desc.shape);
    bool scale =
        info->desc.shape.rank == 1 && (ends_with(info->name, ".weight") || ends_with(info->name, ".running_var"));
    for (int64_t i = 0; i < count; i++)
        file[i] = (float)((scale ? 1 : 0) + 0.15 * sin(0.37 * (double)i + 1.3 * k));
}

/* The k-th weight as doubles in device order. */
static lbk_status weight_make(lbk_arena *arena, const lbk_value_info *info, int k, double **out) {
    size_t count = (size_t)lbk_shape_count(&info->desc.shape);
    float *file = NULL, *device = NULL;
    LBK_TRY(lbk_arena_alloc(arena, count * sizeof *file, &file));
    LBK_TRY(lbk_arena_alloc(arena, count * sizeof *device, &device));
    LBK_TRY(lbk_arena_alloc(arena, count * sizeof **out, out));
    weight_fill(info, k, file);
    lbk_layout_to_device(info->layout, &info->desc.shape, file, device);
    for (size_t i = 0; i < count; i++)
        (*out)[i] = device[i];
    printf("%s %zu\n", info->name, count);
    return LBK_OK;
}

static lbk_status memory_fill(const lbk_graph *graph, lbk_arena *arena, double **memory) {
    int k = 0;
    for (size_t v = 0; v < graph->value_count; v++) {
        const lbk_value_info *info = &graph->values[v];
        if (info->kind == LBK_VALUE_PARAM || info->kind == LBK_VALUE_STATE)
            LBK_TRY(weight_make(arena, info, k++, &memory[v]));
        if (info->kind == LBK_VALUE_SCALAR)
            LBK_TRY(lbk_arena_alloc(arena, sizeof **memory, &memory[v]));
    }
    return LBK_OK;
}

static lbk_status image_make(lbk_arena *arena, const lbk_model_use *use, double **out) {
    int64_t index = 0, channels = use->channels, pixels = (int64_t)use->height * use->width;
    LBK_TRY(lbk_arena_alloc(arena, (size_t)(BATCH * channels * pixels) * sizeof **out, out));
    for (int64_t n = 0; n < BATCH; n++)
        for (int64_t c = 0; c < channels; c++)
            for (int64_t p = 0; p < pixels; p++)
                (*out)[(n * pixels + p) * channels + c] = (float)cos(0.11 * (double)index++);
    return LBK_OK;
}

static lbk_status run(const lbk_model *model, lbk_graph *graph, lbk_arena *arena, lbk_model_use *use) {
    lbk_value input, step;
    lbk_model_built built;
    double **memory = NULL;
    LBK_TRY(lbk_graph_input(graph, "x", LBK_F32, lbk_shape_4(BATCH, use->height, use->width, use->channels), &input));
    LBK_TRY(lbk_graph_scalar(graph, "step", LBK_I32, &step));
    use->step = use->training ? step : LBK_NONE;
    LBK_TRY(lbk_model_build(model, graph, &input, use, &built));
    LBK_TRY(lbk_arena_alloc(arena, graph->value_count * sizeof *memory, &memory));
    LBK_TRY(memory_fill(graph, arena, memory));
    LBK_TRY(image_make(arena, use, &memory[input]));
    LBK_TRY(lbk_graph_interpret(graph, memory, arena));
    puts("logits");
    for (int i = 0; i < BATCH * CLASSES; i++)
        printf("%.17g%c", memory[built.logits][i], (i + 1) % CLASSES ? ' ' : '\n');
    return LBK_OK;
}

int main(int argc, char **argv) {
    lbk_model_use use = {.batch = BATCH, .classes = CLASSES};
    lbk_model model = {0};
    lbk_graph *graph = NULL;
    lbk_arena arena = {0};
    lbk_status status = lbk_fail(LBK_ERR_INPUT, "usage: tool_logits MODEL HEIGHTxWIDTHxCHANNELS train|eval");
    if (argc != 4 || sscanf(argv[2], "%dx%dx%d", &use.height, &use.width, &use.channels) != 3)
        goto out;
    use.training = strcmp(argv[3], "train") == 0;
    LBK_GOTO(lbk_model_load(&model, argv[1], NULL));
    LBK_GOTO(lbk_graph_create(&graph));
    status = run(&model, graph, &arena, &use);
out:
    if (status != LBK_OK)
        fprintf(stderr, "%s\n", lbk_error_message());
    lbk_arena_release(&arena);
    lbk_graph_destroy(graph);
    lbk_model_release(&model);
    return lbk_status_exit_code(status);
}

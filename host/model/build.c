/* Expansion of a network: blocks into their repetitions, lines into nodes. Single nodes: node.c. */
#include "model/build.h"

#include <stdlib.h>
#include <string.h>

#define MAX_REPEAT 10000
#define MAX_TAPS 10000 /* a slip of the pen in nested repeats should not fill the memory */

static lbk_status line_context(const lbk_builder *b, const lbk_net_line *line, const char *path, lbk_status status) {
    return lbk_context(status, "%s:%d: %s", b->model->ini.path, line->entry->line, path);
}

static lbk_status tap_add(lbk_builder *b, const lbk_net_line *line, const char *path, lbk_value value) {
    for (size_t i = 0; i < b->tap_count; i++)
        if (strcmp(b->taps[i].name, path) == 0)
            return line_context(b, line, path, lbk_fail(LBK_ERR_INPUT, "two nodes have this name"));
    if (b->tap_count == MAX_TAPS)
        return line_context(b, line, path, lbk_fail(LBK_ERR_INPUT, "the network has more than %d nodes", MAX_TAPS));
    LBK_TRY(lbk_grow(&b->taps, &b->tap_capacity, b->tap_count + 1, sizeof *b->taps));
    lbk_tap *tap = &b->taps[b->tap_count];
    LBK_TRY(lbk_arena_strdup(&b->graph->arena, path, &tap->name));
    tap->value = value;
    b->tap_count++;
    return LBK_OK;
}

static lbk_status section_build(lbk_builder *b, const lbk_net_block *block, lbk_scope *scope, const char *prefix,
                                lbk_value input, lbk_value *out);

/* The names inside a block for one repetition: its arguments, evaluated where it is called. */
static lbk_status block_scope(lbk_builder *b, const lbk_net_line *line, const lbk_scope *caller, int index,
                              lbk_value input, lbk_scope *scope) {
    lbk_scope call = *caller;
    LBK_TRY(lbk_scope_set(&call, "index", index));
    scope->count = 0;
    for (int i = 0; i < line->arg_count; i++) {
        long long value = 0;
        LBK_TRY(lbk_context(lbk_scope_eval(&call, line->args[i].text, &value), "%s", line->args[i].key));
        LBK_TRY(lbk_scope_set(scope, line->args[i].key, value));
    }
    LBK_TRY(lbk_scope_set(scope, "in", lbk_shape_last(&lbk_graph_desc(b->graph, input)->shape)));
    return lbk_scope_set(scope, "index", index);
}

static lbk_status repeat_count(const lbk_net_line *line, lbk_scope *scope, int *out) {
    long long count = 1;
    if (line->repeat)
        LBK_TRY(lbk_context(lbk_scope_eval(scope, line->repeat, &count), "repeat"));
    if (count < 1 || count > MAX_REPEAT)
        return lbk_fail(LBK_ERR_INPUT, "repeat=%s: %lld is not in [1, %d]", line->repeat, count, MAX_REPEAT);
    *out = (int)count;
    return LBK_OK;
}

/* "layer1", or "layer1.0", "layer1.1", ... and then the tap "layer1" for the last of them. */
static lbk_status block_build(lbk_builder *b, const lbk_net_line *line, lbk_scope *scope, const char *path,
                              lbk_value input, lbk_value *out) {
    int count = 0;
    *out = input;
    LBK_TRY(line_context(b, line, path, repeat_count(line, scope, &count)));
    for (int i = 0; i < count; i++) {
        const char *own = path, *prefix = NULL;
        lbk_scope inner;
        if (line->repeat)
            LBK_TRY(lbk_arena_printf(&b->graph->arena, &own, "%s.%d", path, i));
        LBK_TRY(lbk_arena_printf(&b->graph->arena, &prefix, "%s.", own));
        LBK_TRY(line_context(b, line, own, block_scope(b, line, scope, i, *out, &inner)));
        LBK_TRY(section_build(b, line->block, &inner, prefix, *out, out));
        if (line->repeat)
            LBK_TRY(tap_add(b, line, own, *out));
    }
    return tap_add(b, line, path, *out);
}

/* values[i]: what line i stands for, for lines above this one. */
static lbk_status line_build(lbk_builder *b, const lbk_net_line *line, lbk_scope *scope, const char *prefix,
                             lbk_value input, const lbk_value *values, lbk_value *out) {
    lbk_value from[LBK_MAX_INPUTS];
    const char *path = NULL;
    long long wanted = 1;
    for (int i = 0; i < line->from_count; i++)
        from[i] = line->from[i] == LBK_FROM_INPUT ? input : values[line->from[i]];
    *out = from[0];
    LBK_TRY(lbk_arena_printf(&b->graph->arena, &path, "%s%s", prefix, line->entry->key));
    if (line->when)
        LBK_TRY(line_context(b, line, path, lbk_context(lbk_scope_eval(scope, line->when, &wanted), "when")));
    if (!wanted)
        return LBK_OK;
    if (line->block)
        return block_build(b, line, scope, path, from[0], out);
    LBK_TRY(lbk_build_node(b, line, scope, path, from, out));
    return tap_add(b, line, path, *out);
}

static lbk_status section_build(lbk_builder *b, const lbk_net_block *block, lbk_scope *scope, const char *prefix,
                                lbk_value input, lbk_value *out) {
    lbk_value *values = NULL;
    lbk_status status = LBK_OK;
    LBK_TRY(lbk_calloc((size_t)block->line_count, sizeof *values, &values));
    for (int i = 0; i < block->line_count; i++)
        LBK_GOTO(line_build(b, &block->lines[i], scope, prefix, input, values, &values[i]));
    *out = values[block->line_count - 1];
out:
    free(values);
    return status;
}

static lbk_status input_check(const lbk_builder *b, lbk_value input) {
    const lbk_model *model = b->model;
    const lbk_model_use *use = b->use;
    lbk_shape want = lbk_shape_4(use->batch, use->height, use->width, use->channels);
    LBK_ENSURE(lbk_shape_equal(&lbk_graph_desc(b->graph, input)->shape, &want));
    if (model->input_from_data ||
        (model->height == use->height && model->width == use->width && model->channels == use->channels))
        return LBK_OK;
    return lbk_fail(LBK_ERR_INPUT,
                    "%s: [model] input: the network takes %dx%dx%d, the data is %dx%dx%d "
                    "(height x width x channels)",
                    model->path, model->height, model->width, model->channels, use->height, use->width, use->channels);
}

static lbk_status output_check(const lbk_builder *b, lbk_value logits) {
    const lbk_net_block *network = &b->model->network->blocks[0];
    const lbk_net_line *last = &network->lines[network->line_count - 1];
    const lbk_shape *shape = &lbk_graph_desc(b->graph, logits)->shape;
    lbk_shape want = lbk_shape_2(b->use->batch, b->use->classes);
    char have_text[LBK_SHAPE_TEXT], want_text[LBK_SHAPE_TEXT];
    if (lbk_shape_equal(shape, &want))
        return LBK_OK;
    return line_context(b, last, last->entry->key,
                        lbk_fail(LBK_ERR_INPUT, "the last node's shape is %s, expected batch x classes, %s",
                                 lbk_shape_print(shape, have_text), lbk_shape_print(&want, want_text)));
}

static lbk_status taps_store(lbk_builder *b, lbk_model_built *out) {
    LBK_TRY(lbk_arena_alloc(&b->graph->arena, b->tap_count * sizeof *out->taps, &out->taps));
    memcpy(out->taps, b->taps, b->tap_count * sizeof *out->taps);
    out->tap_count = b->tap_count;
    return LBK_OK;
}

lbk_status lbk_model_build(const lbk_model *model, lbk_graph *graph, lbk_value input, const lbk_model_use *use,
                           lbk_model_built *out) {
    lbk_builder b = {.model = model, .graph = graph, .use = use, .prefix = use->prefix ? use->prefix : ""};
    lbk_scope scope = {.count = 0};
    lbk_status status = LBK_OK;
    memset(out, 0, sizeof *out);
    out->logits = LBK_NONE;
    LBK_GOTO(input_check(&b, input));
    LBK_GOTO(lbk_build_parameters(model, use, &scope));
    LBK_GOTO(lbk_scope_set(&scope, "in", use->channels));
    LBK_GOTO(section_build(&b, &model->network->blocks[0], &scope, "", input, &out->logits));
    LBK_GOTO(output_check(&b, out->logits));
    LBK_GOTO(taps_store(&b, out));
out:
    free(b.taps);
    return status;
}

lbk_value lbk_model_tap(const lbk_model_built *built, const char *name) {
    for (size_t i = 0; i < built->tap_count; i++)
        if (strcmp(built->taps[i].name, name) == 0)
            return built->taps[i].value;
    return LBK_NONE;
}

/* Expansion of a network: blocks into their repetitions, lines into nodes. Single nodes: node.c. */
#include "model/build.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define MAX_REPEAT 10000
#define MAX_TAPS 10000 /* a slip of the pen in nested repeats should not fill the memory */

static lbk_status line_context(const lbk_net_line *line, const char *path, lbk_status status) {
    return lbk_context(status, "%s:%d: %s", line->entry->path, line->entry->line, path);
}

static lbk_status tap_add(lbk_builder *b, const lbk_net_line *line, const char *path, lbk_tap kind) {
    for (size_t i = 0; i < b->tap_count; i++)
        if (strcmp(b->taps[i].name, path) == 0)
            return line_context(line, path, lbk_fail(LBK_ERR_INPUT, "two nodes have this name"));
    if (b->tap_count == MAX_TAPS)
        return line_context(line, path, lbk_fail(LBK_ERR_INPUT, "the network has more than %d nodes", MAX_TAPS));
    LBK_TRY(lbk_grow(&b->taps, &b->tap_capacity, b->tap_count + 1, sizeof *b->taps));
    lbk_tap *tap = &b->taps[b->tap_count];
    *tap = kind;
    LBK_TRY(lbk_arena_strdup(&b->graph->arena, path, &tap->name));
    b->tap_count++;
    return LBK_OK;
}

static lbk_status section_build(lbk_builder *b, const lbk_net_block *block, lbk_scope *scope, const lbk_naming *at,
                                const lbk_value *inputs, lbk_line_value *values);

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

/* The numbers of the repetitions: *first, *first + 1, ..., *count of them. */
static lbk_status repeat_range(const lbk_net_line *line, lbk_scope *scope, int *first, int *count) {
    long long number = 0, repeat = 1;
    if (line->repeat)
        LBK_TRY(lbk_context(lbk_scope_eval(scope, line->repeat, &repeat), "repeat"));
    if (line->first)
        LBK_TRY(lbk_context(lbk_scope_eval(scope, line->first, &number), "first"));
    if (repeat < 1 || repeat > MAX_REPEAT)
        return lbk_fail(LBK_ERR_INPUT, "repeat=%s: %lld is not in [1, %d]", line->repeat, repeat, MAX_REPEAT);
    if (number < 0 || number > MAX_REPEAT)
        return lbk_fail(LBK_ERR_INPUT, "first=%s: %lld is not in [0, %d]", line->first, number, MAX_REPEAT);
    *first = (int)number;
    *count = (int)repeat;
    return LBK_OK;
}

/* Names inside repetition `index` of a block called `own`. */
static lbk_status block_naming(lbk_builder *b, const lbk_net_line *line, const lbk_naming *at, const char *own,
                               int index, lbk_naming *inner) {
    const char *weights = NULL, *text = line->weights ? line->weights : line->entry->key, *number = "";
    LBK_TRY(lbk_arena_printf(&b->graph->arena, &inner->nodes, "%s.", own));
    if (line->repeat)
        LBK_TRY(lbk_arena_printf(&b->graph->arena, &number, "%d", index));
    LBK_TRY(lbk_build_weight_name(b, at, text, number, &weights));
    inner->shared = at->shared || line->weights;
    return lbk_arena_printf(&b->graph->arena, &inner->weights, "%s.", weights);
}

/* "layer1", or "layer1.0", "layer1.1", ... and then the tap "layer1" for the last of them. Each repetition reads the one before in
 * place of its first input. */
static lbk_status block_build(lbk_builder *b, const lbk_net_line *line, lbk_scope *scope, const lbk_naming *at,
                              const char *path, lbk_value *inputs, lbk_line_value *out) {
    int first = 0, count = 0;
    lbk_line_value *values = NULL;
    bool outer = !at->nodes[0];
    LBK_TRY(line_context(line, path, repeat_range(line, scope, &first, &count)));
    LBK_TRY(lbk_arena_alloc(&b->graph->arena, (size_t)line->block->line_count * sizeof *values, &values));
    for (int i = first; i < first + count; i++) {
        const char *own = path;
        lbk_scope inner;
        lbk_naming naming;
        if (line->repeat)
            LBK_TRY(lbk_arena_printf(&b->graph->arena, &own, "%s.%d", path, i));
        LBK_TRY(block_naming(b, line, at, own, i, &naming));
        LBK_TRY(line_context(line, own, block_scope(b, line, scope, i, inputs[0], &inner)));
        LBK_TRY(section_build(b, line->block, &inner, &naming, inputs, values));
        inputs[0] = values[line->block->line_count - 1].output[0];
        if (line->repeat)
            LBK_TRY(tap_add(b, line, own, (lbk_tap){.value = inputs[0], .outer = outer, .repetition = true}));
    }
    *out = (lbk_line_value){1, {inputs[0]}};
    return tap_add(b, line, path, (lbk_tap){.value = inputs[0], .outer = outer});
}

/* The value that `from` means. */
static lbk_status source_get(const lbk_net_from *from, const lbk_value *inputs, const lbk_line_value *values,
                             lbk_value *out) {
    if (from->line < 0) {
        *out = inputs[-1 - from->line];
        return LBK_OK;
    }
    const lbk_line_value *source = &values[from->line];
    if (from->output >= source->count)
        return lbk_fail(LBK_ERR_INPUT, "output %d is asked for, there %s %d", from->output,
                        source->count == 1 ? "is" : "are", source->count);
    *out = source->output[from->output];
    return LBK_OK;
}

/* values[i]: what line i stands for, for lines above this one. */
static lbk_status line_build(lbk_builder *b, const lbk_net_line *line, lbk_scope *scope, const lbk_naming *at,
                             const lbk_value *inputs, const lbk_line_value *values, lbk_line_value *out) {
    lbk_value from[LBK_MAX_INPUTS];
    const char *path = NULL;
    long long wanted = 1;
    LBK_TRY(lbk_arena_printf(&b->graph->arena, &path, "%s%s", at->nodes, line->entry->key));
    for (int i = 0; i < line->from_count; i++)
        LBK_TRY(line_context(line, path, source_get(&line->from[i], inputs, values, &from[i])));
    *out = (lbk_line_value){1, {from[0]}};
    if (line->when)
        LBK_TRY(line_context(line, path, lbk_context(lbk_scope_eval(scope, line->when, &wanted), "when")));
    if (!wanted)
        return LBK_OK;
    if (line->block)
        return block_build(b, line, scope, at, path, from, out);
    LBK_TRY(lbk_build_node(b, line, scope, at, path, from, out));
    return tap_add(b, line, path, (lbk_tap){.value = out->output[0], .outer = !at->nodes[0]});
}

/* Fills values[block->line_count]. */
static lbk_status section_build(lbk_builder *b, const lbk_net_block *block, lbk_scope *scope, const lbk_naming *at,
                                const lbk_value *inputs, lbk_line_value *values) {
    for (int i = 0; i < block->line_count; i++)
        if (!block->lines[i].cut)
            LBK_TRY(line_build(b, &block->lines[i], scope, at, inputs, values, &values[i]));
    return LBK_OK;
}

/* One image. */
static lbk_status image_input(const lbk_model *model, const lbk_model_use *use, lbk_model_input *out) {
    if (!model->input_from_data &&
        (model->height != use->height || model->width != use->width || model->channels != use->channels))
        return lbk_fail(LBK_ERR_INPUT,
                        "%s: [model] input: the network takes %dx%dx%d, the data is %dx%dx%d "
                        "(height x width x channels)",
                        model->path, model->height, model->width, model->channels, use->height, use->width,
                        use->channels);
    *out = (lbk_model_input){"input", {LBK_F32, lbk_shape_4(use->batch, use->height, use->width, use->channels)}};
    return LBK_OK;
}

static lbk_status named_input(const lbk_model *model, const lbk_model_use *use, lbk_scope *scope,
                              const lbk_net_input *input, lbk_model_input *out) {
    const lbk_net_block *main = &model->network->blocks[0];
    out->name = input->name;
    out->desc = (lbk_tensor_desc){input->dtype, lbk_shape_1(use->batch)};
    for (int d = 0; d < input->dim_count; d++) {
        long long size = 0;
        LBK_TRY(lbk_ini_context(lbk_context(lbk_scope_eval(scope, input->dims[d], &size), "%s", input->name),
                                main->inputs_entry));
        if (size < 1 || size > INT_MAX)
            return lbk_ini_fail(&model->ini, main->inputs_entry, "%s: dimension %s: %lld is not in [1, %d]",
                                input->name, input->dims[d], size, INT_MAX);
        out->desc.shape.dim[out->desc.shape.rank++] = size;
    }
    return LBK_OK;
}

static lbk_status inputs_list(const lbk_model *model, const lbk_model_use *use, lbk_scope *scope,
                              lbk_model_input *inputs, int *count) {
    const lbk_net_block *main = &model->network->blocks[0];
    *count = main->input_count;
    if (!main->inputs_entry)
        return image_input(model, use, &inputs[0]);
    for (int i = 0; i < main->input_count; i++)
        LBK_TRY(named_input(model, use, scope, &main->inputs[i], &inputs[i]));
    return LBK_OK;
}

lbk_status lbk_model_inputs(const lbk_model *model, const lbk_model_use *use, lbk_model_input *inputs, int *count) {
    lbk_scope scope = {.count = 0};
    LBK_TRY(lbk_build_parameters(model, use, &scope));
    return inputs_list(model, use, &scope, inputs, count);
}

bool lbk_model_reads_image(const lbk_model *model) {
    return !model->network->blocks[0].inputs_entry;
}

/* The values given are what the network reads. */
static lbk_status inputs_check(const lbk_builder *b, lbk_scope *scope, const lbk_value *inputs) {
    lbk_model_input want[LBK_MODEL_INPUTS];
    int count = 0;
    LBK_TRY(inputs_list(b->model, b->use, scope, want, &count));
    for (int i = 0; i < count; i++) {
        const lbk_tensor_desc *have = lbk_graph_desc(b->graph, inputs[i]);
        LBK_ENSURE(have->dtype == want[i].desc.dtype && lbk_shape_equal(&have->shape, &want[i].desc.shape));
    }
    return LBK_OK;
}

/* A network that does not say what its outputs are ends in logits. */
static lbk_status logits_check(const lbk_builder *b, lbk_value logits) {
    const lbk_net_block *network = &b->model->network->blocks[0];
    const lbk_net_line *last = &network->lines[network->line_count - 1];
    const lbk_shape *shape = &lbk_graph_desc(b->graph, logits)->shape;
    lbk_shape want = lbk_shape_2(b->use->batch, b->use->classes);
    char have_text[LBK_SHAPE_TEXT], want_text[LBK_SHAPE_TEXT];
    if (b->model->network->outputs_entry || lbk_shape_equal(shape, &want))
        return LBK_OK;
    return line_context(last, last->entry->key,
                        lbk_fail(LBK_ERR_INPUT, "the last node's shape is %s, expected batch x classes, %s",
                                 lbk_shape_print(shape, have_text), lbk_shape_print(&want, want_text)));
}

static lbk_status outputs_store(lbk_builder *b, const lbk_value *inputs, const lbk_line_value *values,
                                lbk_model_built *out) {
    const struct lbk_model_network *network = b->model->network;
    for (int i = 0; i < network->output_count; i++) {
        lbk_tap *tap = &out->outputs[i];
        LBK_TRY(lbk_arena_strdup(&b->graph->arena, network->output_names[i], &tap->name));
        LBK_TRY(lbk_context(source_get(&network->outputs[i], inputs, values, &tap->value), "%s: [model] outputs: %s",
                            network->outputs_entry ? network->outputs_entry->path : b->model->ini.path, tap->name));
    }
    out->output_count = network->output_count;
    out->logits = out->outputs[0].value;
    return logits_check(b, out->logits);
}

static lbk_status taps_store(lbk_builder *b, lbk_model_built *out) {
    LBK_TRY(lbk_arena_alloc(&b->graph->arena, b->tap_count * sizeof *out->taps, &out->taps));
    memcpy(out->taps, b->taps, b->tap_count * sizeof *out->taps);
    out->tap_count = b->tap_count;
    return LBK_OK;
}

static lbk_status network_build(lbk_builder *b, const lbk_value *inputs, lbk_model_built *out) {
    const lbk_net_block *main = &b->model->network->blocks[0];
    const lbk_naming top = {"", b->prefix, b->use->shared};
    lbk_scope scope = {.count = 0};
    lbk_line_value *values = NULL;
    LBK_TRY(lbk_build_parameters(b->model, b->use, &scope));
    LBK_TRY(inputs_check(b, &scope, inputs));
    LBK_TRY(lbk_scope_set(&scope, "in", lbk_shape_last(&lbk_graph_desc(b->graph, inputs[0])->shape)));
    LBK_TRY(lbk_arena_alloc(&b->graph->arena, (size_t)main->line_count * sizeof *values, &values));
    LBK_TRY(section_build(b, main, &scope, &top, inputs, values));
    LBK_TRY(outputs_store(b, inputs, values, out));
    LBK_TRY(lbk_build_freeze_check(b));
    return taps_store(b, out);
}

lbk_status lbk_model_build(const lbk_model *model, lbk_graph *graph, const lbk_value *inputs, const lbk_model_use *use,
                           lbk_model_built *out) {
    lbk_builder b = {.model = model, .graph = graph, .use = use, .prefix = use->prefix ? use->prefix : ""};
    memset(out, 0, sizeof *out);
    out->logits = LBK_NONE;
    lbk_status status = network_build(&b, inputs, out);
    free(b.taps);
    return status;
}

lbk_value lbk_model_tap(const lbk_model_built *built, const char *name) {
    for (size_t i = 0; i < built->tap_count; i++)
        if (strcmp(built->taps[i].name, name) == 0)
            return built->taps[i].value;
    return LBK_NONE;
}

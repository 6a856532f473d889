/* The ends of a section: its inputs, its outputs, and what `from` names between them. */
#include "model/network.h"

#include <string.h>

#define MAX_CANDIDATES 320

static lbk_status dtype_parse(const lbk_ini *ini, const lbk_ini_entry *entry, const char *text, lbk_dtype *out) {
    if (strcmp(text, "f32") != 0 && strcmp(text, "i32") != 0)
        return lbk_ini_fail(ini, entry, "expected the type f32 or i32, found \"%s\"", text);
    *out = text[0] == 'f' ? LBK_F32 : LBK_I32;
    return LBK_OK;
}

/* "32,2*width" */
static lbk_status dims_parse(lbk_model *model, const lbk_ini_entry *entry, const char *text, lbk_net_input *input) {
    for (const char *comma; text; text = comma ? comma + 1 : NULL) {
        if (input->dim_count == LBK_MAX_RANK - 1)
            return lbk_ini_fail(&model->ini, entry, "%s has more than %d dimensions", input->name, LBK_MAX_RANK - 1);
        comma = strchr(text, ',');
        size_t length = comma ? (size_t)(comma - text) : strlen(text);
        LBK_TRY(lbk_arena_printf(&model->ini.arena, &input->dims[input->dim_count++], "%.*s", (int)length, text));
    }
    return LBK_OK;
}

/* "tokens:128:i32" under [model], "tokens" in a block. */
static lbk_status input_parse(lbk_model *model, lbk_net_block *block, char *word) {
    lbk_ini *ini = &model->ini;
    const lbk_ini_entry *entry = block->inputs_entry;
    lbk_net_input *input = &block->inputs[block->input_count];
    bool shaped = block == &model->network->blocks[0];
    char *dims = strchr(word, ':'), *dtype = dims ? strchr(dims + 1, ':') : NULL;
    if (block->input_count == LBK_MODEL_INPUTS)
        return lbk_ini_fail(ini, entry, "more than %d inputs", LBK_MODEL_INPUTS);
    if (shaped != (dims != NULL))
        return lbk_ini_fail(ini, entry,
                            shaped ? "expected NAME:DIMENSIONS or NAME:DIMENSIONS:TYPE, found \"%s\""
                                   : "expected a name alone, found \"%s\"",
                            word);
    if (dims)
        *dims++ = '\0';
    if (dtype)
        *dtype++ = '\0';
    if (!lbk_scope_is_name(word))
        return lbk_ini_fail(ini, entry, "expected names of letters, digits and '_', found \"%s\"", word);
    for (int i = 0; i < block->input_count; i++)
        if (strcmp(block->inputs[i].name, word) == 0)
            return lbk_ini_fail(ini, entry, "\"%s\" is named twice", word);
    block->input_count++;
    *input = (lbk_net_input){.name = word, .dtype = LBK_F32};
    if (dims)
        LBK_TRY(dims_parse(model, entry, dims, input));
    return dtype ? dtype_parse(ini, entry, dtype, &input->dtype) : LBK_OK;
}

/* A copy of `text` that may be cut. */
static lbk_status copy_text(lbk_model *model, const char *text, char **out) {
    size_t bytes = strlen(text) + 1;
    LBK_TRY(lbk_arena_alloc(&model->ini.arena, bytes, out));
    memcpy(*out, text, bytes);
    return LBK_OK;
}

lbk_status lbk_net_inputs_parse(lbk_model *model, lbk_net_block *block) {
    char *text = NULL, *rest = NULL;
    if (!block->inputs_entry) {
        block->inputs[block->input_count++] = (lbk_net_input){.name = "input", .read = true};
        return LBK_OK;
    }
    LBK_TRY(copy_text(model, block->inputs_entry->value, &text));
    for (char *word = strtok_r(text, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest))
        LBK_TRY(input_parse(model, block, word));
    if (block->input_count == 0)
        return lbk_ini_fail(&model->ini, block->inputs_entry, "names no input");
    return LBK_OK;
}

lbk_status lbk_net_outputs_parse(lbk_model *model) {
    struct lbk_model_network *network = model->network;
    const lbk_ini_entry *entry = network->outputs_entry;
    lbk_net_block *main = &network->blocks[0];
    char *text = NULL, *rest = NULL;
    if (!entry) {
        network->outputs[0].line = main->line_count - 1;
        network->output_names[network->output_count++] = main->lines[main->line_count - 1].entry->key;
        main->lines[main->line_count - 1].read = true;
        return LBK_OK;
    }
    LBK_TRY(copy_text(model, entry->value, &text));
    for (char *word = strtok_r(text, " \t,", &rest); word; word = strtok_r(NULL, " \t,", &rest)) {
        if (network->output_count == LBK_MODEL_OUTPUTS)
            return lbk_ini_fail(&model->ini, entry, "more than %d outputs", LBK_MODEL_OUTPUTS);
        int at = network->output_count++;
        LBK_TRY(lbk_arena_strdup(&model->ini.arena, word, &network->output_names[at]));
        for (int i = 0; i < at; i++)
            if (strcmp(network->output_names[i], word) == 0)
                return lbk_ini_fail(&model->ini, entry, "\"%s\" is named twice", word);
        LBK_TRY(lbk_net_source_parse(model, main, entry, main->line_count, word, &network->outputs[at]));
        if (network->outputs[at].line < 0)
            return lbk_ini_fail(&model->ini, entry, "\"%s\" is an input of the network", word);
    }
    return network->output_count ? LBK_OK : lbk_ini_fail(&model->ini, entry, "names no node");
}

/* The output behind the colon of "lstm:1"; 0 without one. */
static lbk_status output_parse(const lbk_ini *ini, const lbk_ini_entry *entry, char *text, int *out) {
    char *colon = strchr(text, ':');
    long long number = 0;
    *out = 0;
    if (!colon)
        return LBK_OK;
    if (!lbk_parse_int(colon + 1, &number) || number < 0 || number >= LBK_MAX_OUTPUTS)
        return lbk_ini_fail(ini, entry, "\"%s\": expected an output's number, 0 to %d, behind the colon", text,
                            LBK_MAX_OUTPUTS - 1);
    *colon = '\0';
    *out = (int)number;
    return LBK_OK;
}

/* The input of the section that `name` means; -1: none. "input" always means the first. */
static int input_find(const lbk_net_block *block, const char *name) {
    for (int i = 0; i < block->input_count; i++)
        if (strcmp(block->inputs[i].name, name) == 0)
            return i;
    return strcmp(name, "input") == 0 ? 0 : -1;
}

static lbk_status line_read(const lbk_ini *ini, const lbk_ini_entry *entry, lbk_net_block *block, int own, int found,
                            int output) {
    lbk_net_line *line = &block->lines[found];
    const char *name = line->entry->key;
    if (found == own)
        return lbk_ini_fail(ini, entry, "from=%s: a node cannot read itself", name);
    if (found > own)
        return lbk_ini_fail(ini, entry, "from=%s: \"%s\" stands below, at line %d; a node reads what stands above it",
                            name, name, line->entry->line);
    if (output && line->block)
        return lbk_ini_fail(ini, entry, "%s:%d: %s is a block and has one output", name, output, line->block->name);
    line->read = true;
    return LBK_OK;
}

lbk_status lbk_net_source_parse(lbk_model *model, lbk_net_block *block, const lbk_ini_entry *entry, int own, char *text,
                                lbk_net_from *out) {
    const lbk_ini *ini = &model->ini;
    const char *names[MAX_CANDIDATES];
    size_t count = 0;
    LBK_TRY(output_parse(ini, entry, text, &out->output));
    int input = input_find(block, text);
    if (input >= 0) {
        block->inputs[input].read = true;
        out->line = LBK_FROM_INPUT(input);
        return out->output ? lbk_ini_fail(ini, entry, "%s:%d: an input has one output", text, out->output) : LBK_OK;
    }
    bool from = own < block->line_count; /* else an output of the section */
    for (int i = 0; from && i < block->input_count; i++)
        names[count++] = block->inputs[i].name;
    for (int i = 0; i < block->line_count; i++) {
        const char *name = block->lines[i].entry->key;
        if (strcmp(name, text) == 0) {
            out->line = i;
            return line_read(ini, entry, block, own, i, out->output);
        }
        if (i < own && count < MAX_CANDIDATES)
            names[count++] = name;
    }
    return lbk_ini_unknown(ini, entry, from ? "node in from:" : "node", text, names, count);
}

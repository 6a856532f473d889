/* The sections of a model file: which there are, and what their lines are called. Lines themselves: line.c. */
#include "model/network.h"

#include <ctype.h>
#include <string.h>

#define BLOCK_PREFIX "block "

static bool is_block(const char *section) {
    return strncmp(section, BLOCK_PREFIX, strlen(BLOCK_PREFIX)) == 0;
}

static lbk_status block_name_check(const lbk_model *model, const lbk_net_block *block) {
    const char *path = model->ini.path;
    if (!lbk_scope_is_name(block->name))
        return lbk_fail(LBK_ERR_INPUT, "%s:%d: [%s]: expected a block name of letters, digits and '_', found \"%s\"",
                        path, block->line, block->section, block->name);
    if (lbk_op_find(block->name))
        return lbk_fail(LBK_ERR_INPUT, "%s:%d: [%s]: \"%s\" is an op; choose another name", path, block->line,
                        block->section, block->name);
    for (size_t i = 1; &model->network->blocks[i] != block; i++)
        if (strcmp(model->network->blocks[i].name, block->name) == 0)
            return lbk_fail(LBK_ERR_INPUT, "%s:%d: [%s]: block \"%s\" is there already, line %d", path, block->line,
                            block->section, block->name, model->network->blocks[i].line);
    return LBK_OK;
}

static lbk_status network_missing(const lbk_ini *ini) {
    for (size_t i = 0; i < ini->section_count; i++)
        if (lbk_nearest(ini->sections[i].name, (const char *[]){"network"}, 1))
            return lbk_fail(LBK_ERR_INPUT, "%s:%d: unknown section [%s]; did you mean [network]?", ini->path,
                            ini->sections[i].line, ini->sections[i].name);
    return lbk_fail(LBK_ERR_INPUT, "%s: section [network] is missing", ini->path);
}

static lbk_status sections_collect(lbk_model *model) {
    lbk_ini *ini = &model->ini;
    struct lbk_model_network *network = NULL;
    LBK_TRY(lbk_arena_alloc(&ini->arena, sizeof *network, &network));
    LBK_TRY(lbk_arena_alloc(&ini->arena, (ini->section_count + 1) * sizeof *network->blocks, &network->blocks));
    model->network = network;
    network->block_count = 1;
    for (size_t i = 0; i < ini->section_count; i++) {
        lbk_ini_section *section = &ini->sections[i];
        bool main = strcmp(section->name, "network") == 0;
        if (!main && !is_block(section->name))
            continue;
        section->used = true;
        lbk_net_block *block = &network->blocks[main ? 0 : network->block_count++];
        block->section = section->name;
        block->line = section->line;
        block->name = main ? "" : section->name + strlen(BLOCK_PREFIX);
        if (!main)
            LBK_TRY(block_name_check(model, block));
    }
    return network->blocks[0].section ? LBK_OK : network_missing(ini);
}

static lbk_status parameter_add(const lbk_ini *ini, lbk_net_block *block, const char *word) {
    const lbk_ini_entry *entry = block->parameters_entry;
    if (!lbk_scope_is_name(word))
        return lbk_ini_fail(ini, entry, "expected names of letters, digits and '_', found \"%s\"", word);
    if (strcmp(word, "in") == 0 || strcmp(word, "index") == 0 || lbk_net_is_reserved(word))
        return lbk_ini_fail(ini, entry, "the name \"%s\" is taken", word);
    for (int i = 0; i < block->parameter_count; i++)
        if (strcmp(block->parameters[i], word) == 0)
            return lbk_ini_fail(ini, entry, "\"%s\" is named twice", word);
    if (block->parameter_count >= LBK_SCOPE_MAX - 2) /* "in" and "index" need room too */
        return lbk_ini_fail(ini, entry, "more than %d names", LBK_SCOPE_MAX - 2);
    block->parameters[block->parameter_count++] = word;
    return LBK_OK;
}

/* "width stride" */
static lbk_status parameters_parse(lbk_model *model, lbk_net_block *block) {
    lbk_ini *ini = &model->ini;
    const char *at = block->parameters_entry->value;
    for (;;) {
        at += strspn(at, " \t,");
        size_t length = strcspn(at, " \t,");
        if (length == 0)
            return LBK_OK;
        const char *word = NULL;
        LBK_TRY(lbk_arena_printf(&ini->arena, &word, "%.*s", (int)length, at));
        LBK_TRY(parameter_add(ini, block, word));
        at += length;
    }
}

static lbk_status node_name_check(const lbk_ini *ini, const lbk_net_block *block, const lbk_ini_entry *entry) {
    for (const char *c = entry->key; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("_-.", *c))
            return lbk_ini_fail(ini, entry, "a node's name is made of letters, digits, '_', '-' and '.'");
    if (strcmp(entry->key, "input") == 0)
        return lbk_ini_fail(ini, entry, "the name 'input' is taken: it is the input of the section");
    for (int i = 0; i < block->input_count; i++)
        if (strcmp(entry->key, block->inputs[i].name) == 0)
            return lbk_ini_fail(ini, entry, "the name is taken: it is an input of the section");
    return LBK_OK;
}

/* A line of a section that is no node. */
static bool special_take(lbk_net_block *block, lbk_ini_entry *entry) {
    const lbk_ini_entry **place = strcmp(entry->key, "parameters") == 0 ? &block->parameters_entry
                                  : strcmp(entry->key, "inputs") == 0   ? &block->inputs_entry
                                                                        : NULL;
    if (!block->name[0] || !place)
        return false;
    *place = entry;
    return true;
}

/* Collects the section's entries; the lines are parsed once all blocks' names, arguments and inputs are known. */
static lbk_status entries_collect(lbk_model *model, lbk_net_block *block) {
    lbk_ini *ini = &model->ini;
    LBK_TRY(lbk_arena_alloc(&ini->arena, ini->entry_count * sizeof *block->lines, &block->lines));
    for (size_t i = 0; i < ini->entry_count; i++) {
        lbk_ini_entry *entry = &ini->entries[i];
        if (strcmp(entry->section, block->section) != 0)
            continue;
        entry->used = true;
        if (!special_take(block, entry))
            block->lines[block->line_count++].entry = entry;
    }
    if (block->line_count == 0)
        return lbk_fail(LBK_ERR_INPUT, "%s:%d: [%s]: no nodes", ini->path, block->line, block->section);
    if (block->parameters_entry)
        LBK_TRY(parameters_parse(model, block));
    LBK_TRY(lbk_net_inputs_parse(model, block));
    for (int i = 0; i < block->line_count; i++)
        LBK_TRY(node_name_check(ini, block, block->lines[i].entry));
    return LBK_OK;
}

/* ---- A derived file's [network] ---- */

static lbk_status entry_copy(lbk_arena *arena, const lbk_ini_entry *entry, const lbk_ini_entry **out) {
    lbk_ini_entry *copy = NULL;
    LBK_TRY(lbk_arena_alloc(arena, sizeof *copy, &copy));
    *copy = *entry;
    LBK_TRY(lbk_arena_strdup(arena, entry->section, &copy->section));
    LBK_TRY(lbk_arena_strdup(arena, entry->key, &copy->key));
    LBK_TRY(lbk_arena_strdup(arena, entry->value, &copy->value));
    *out = copy;
    return lbk_arena_strdup(arena, entry->path, &copy->path);
}

static lbk_status new_name_check(const lbk_net_block *main, int count, const lbk_ini *ini, const lbk_ini_entry *entry) {
    for (int i = 0; i < count; i++)
        if (strcmp(main->lines[i].entry->key, entry->key) == 0)
            return lbk_ini_fail(ini, entry, "the base has a node of this name, %s:%d", main->lines[i].entry->path,
                                main->lines[i].entry->line);
    return LBK_OK;
}

/* Appends the lines as they are written. */
static lbk_status lines_append(lbk_model *model, lbk_net_block *main, const lbk_ini *ini) {
    lbk_net_line *lines = NULL;
    size_t before = (size_t)main->line_count;
    LBK_TRY(lbk_arena_alloc(&model->ini.arena, (before + ini->entry_count) * sizeof *lines, &lines));
    memcpy(lines, main->lines, before * sizeof *lines);
    main->lines = lines;
    for (size_t i = 0; i < ini->entry_count; i++) {
        lbk_ini_entry *entry = &ini->entries[i];
        if (strcmp(entry->section, "network") != 0)
            continue;
        entry->used = true;
        LBK_TRY(node_name_check(ini, main, entry));
        LBK_TRY(new_name_check(main, (int)before, ini, entry));
        LBK_TRY(entry_copy(&model->ini.arena, entry, &lines[main->line_count++].entry));
    }
    return LBK_OK;
}

/* Of the first `count` lines those that lead nowhere now. */
static lbk_status lines_cut(lbk_model *model, lbk_net_block *main, int count) {
    const struct lbk_model_network *network = model->network;
    bool *wanted = NULL;
    LBK_TRY(lbk_arena_alloc(&model->ini.arena, (size_t)main->line_count * sizeof *wanted, &wanted));
    for (int i = count; i < main->line_count; i++)
        wanted[i] = true;
    for (int i = 0; i < network->output_count; i++)
        wanted[network->outputs[i].line] = true;
    for (int i = main->line_count - 1; i >= 0; i--)
        for (int k = 0; wanted[i] && k < main->lines[i].from_count; k++)
            if (main->lines[i].from[k].line >= 0)
                wanted[main->lines[i].from[k].line] = true;
    for (int i = 0; i < count; i++)
        main->lines[i].cut = !wanted[i];
    return LBK_OK;
}

lbk_status lbk_net_continue(lbk_model *model, const lbk_ini *ini) {
    struct lbk_model_network *network = model->network;
    lbk_net_block *main = &network->blocks[0];
    int before = main->line_count;
    LBK_TRY(lines_append(model, main, ini));
    if (main->line_count == before)
        return lbk_fail(LBK_ERR_INPUT, "%s: [network]: no nodes", ini->path);
    for (int i = before; i < main->line_count; i++)
        LBK_TRY(lbk_net_line_parse(model, main, &main->lines[i]));
    network->output_count = 0;
    network->outputs_entry = NULL;
    for (size_t i = 0; i < ini->entry_count; i++)
        if (strcmp(ini->entries[i].section, "model") == 0 && strcmp(ini->entries[i].key, "outputs") == 0)
            LBK_TRY(entry_copy(&model->ini.arena, &ini->entries[i], &network->outputs_entry));
    LBK_TRY(lbk_net_outputs_parse(model));
    return lines_cut(model, main, before);
}

/* ---- A file's sections ---- */

lbk_status lbk_net_parse(lbk_model *model) {
    LBK_TRY(sections_collect(model));
    struct lbk_model_network *network = model->network;
    network->blocks[0].inputs_entry = lbk_ini_find(&model->ini, "model", "inputs");
    network->outputs_entry = lbk_ini_find(&model->ini, "model", "outputs");
    for (size_t b = 0; b < network->block_count; b++)
        LBK_TRY(entries_collect(model, &network->blocks[b]));
    for (size_t b = 0; b < network->block_count; b++)
        for (int i = 0; i < network->blocks[b].line_count; i++)
            LBK_TRY(lbk_net_line_parse(model, &network->blocks[b], &network->blocks[b].lines[i]));
    return lbk_net_outputs_parse(model);
}

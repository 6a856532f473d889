/* Model files: where they are, [model] and [parameters], and one file standing on another (`base`). */
#include "model/network.h"

#include "base/file.h"
#include "base/shipped.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BASES 4

typedef struct header {
    const char *base, *summary, *source, *input, *inputs, *outputs, *typical;
} header;

static const lbk_param header_table[] = {
    LBK_PARAM_TEXT(header, base, "", "model file this one is a setting of", NULL),
    LBK_PARAM_TEXT(header, summary, NULL, "what the network is", NULL),
    LBK_PARAM_TEXT(header, source, "", "where it is from", NULL),
    LBK_PARAM_TEXT(header, input, "data", "height x width x channels of one sample, or data", NULL),
    LBK_PARAM_TEXT(header, inputs, "", "in place of input: NAME:DIMENSIONS:TYPE of each", NULL),
    LBK_PARAM_TEXT(header, outputs, "", "nodes that are the network's outputs, the logits first", NULL),
    LBK_PARAM_TEXT(header, typical, "", "height x width x channels and classes that its figures are for", NULL),
    LBK_PARAM_END};

static const lbk_shipped_kind shipped = {"models", "model"};

lbk_status lbk_model_list(lbk_arena *arena, const char *const **names) {
    return lbk_shipped_list(&shipped, arena, names);
}

/* "32x32x3" */
static bool input_parse(const char *text, int *numbers) {
    char copy[64], *rest = NULL;
    if (strlen(text) >= sizeof copy || text[0] == 'x' || strstr(text, "xx") || text[strlen(text) - 1] == 'x')
        return false;
    strcpy(copy, text);
    int count = 0;
    for (char *word = strtok_r(copy, "x", &rest); word; word = strtok_r(NULL, "x", &rest)) {
        long long number = 0;
        if (count == 3 || !lbk_parse_int(word, &number) || number < 1 || number > 65536)
            return false;
        numbers[count++] = (int)number;
    }
    return count == 3;
}

/* "32x32x3 10", or "10" for a network that names its inputs. */
static lbk_status typical_set(lbk_model *model, lbk_ini *ini, const char *text) {
    const lbk_ini_entry *entry = lbk_ini_find(ini, "model", "typical");
    bool image = !lbk_ini_find(&model->ini, "model", "inputs");
    const char *space = strchr(text, ' ');
    char size[64] = "";
    long long classes = 0;
    int numbers[3] = {0};
    if (!entry)
        return LBK_OK;
    if (space && (size_t)(space - text) < sizeof size)
        memcpy(size, text, (size_t)(space - text));
    if (image != (space != NULL) || (image && !input_parse(size, numbers)) ||
        !lbk_parse_int(space ? space + 1 : text, &classes) || classes < 1 || classes > INT_MAX)
        return lbk_ini_fail(ini, entry, "expected %s; found \"%s\"",
                            image ? "HEIGHTxWIDTHxCHANNELS CLASSES, as 32x32x3 10"
                                  : "a number of classes: the network says what it reads",
                            text);
    model->typical = (lbk_model_typical){numbers[0], numbers[1], numbers[2], (int)classes};
    return LBK_OK;
}

static lbk_status header_apply(lbk_model *model, lbk_ini *ini, const header *head, bool derived) {
    lbk_arena *arena = &model->ini.arena;
    LBK_TRY(lbk_arena_strdup(arena, head->summary, &model->summary));
    if (head->source[0] || !derived)
        LBK_TRY(lbk_arena_strdup(arena, head->source, &model->source));
    const lbk_ini_entry *entry = lbk_ini_find(ini, "model", "input");
    LBK_TRY(typical_set(model, ini, head->typical));
    if (derived && !entry)
        return LBK_OK;
    if (derived && model->network->blocks[0].inputs_entry)
        return lbk_ini_fail(ini, entry, "has no effect: \"inputs\" of the base says what the network reads");
    int numbers[3] = {0, 0, 0};
    model->input_from_data = strcmp(head->input, "data") == 0;
    if (!model->input_from_data && !input_parse(head->input, numbers))
        return lbk_ini_fail(ini, entry, "expected HEIGHTxWIDTHxCHANNELS, as 32x32x3, or data; found \"%s\"",
                            head->input);
    model->height = numbers[0];
    model->width = numbers[1];
    model->channels = numbers[2];
    return LBK_OK;
}

bool lbk_model_parameter_is_data(const lbk_model_parameter *parameter) {
    return strcmp(parameter->text, "data") == 0;
}

const char *lbk_model_expression(const char *text) {
    return strncmp(text, "data:", 5) == 0 ? text + 5 : text;
}

static lbk_status parameter_store(lbk_model *model, const lbk_ini *ini, const lbk_ini_entry *entry,
                                  lbk_model_parameter *out) {
    lbk_arena *arena = &model->ini.arena;
    if (!lbk_scope_is_name(entry->key) || strcmp(entry->key, "in") == 0 || strcmp(entry->key, "index") == 0)
        return lbk_ini_fail(ini, entry, "expected a name of letters, digits and '_' other than in and index");
    if (strcmp(entry->value, "data") == 0 && !lbk_model_data_number(NULL, entry->key))
        return lbk_ini_fail(ini, entry, LBK_DATA_EXPECTED);
    out->line = entry->line;
    LBK_TRY(lbk_arena_strdup(arena, ini->path, &out->path));
    LBK_TRY(lbk_arena_strdup(arena, entry->key, &out->name));
    return lbk_arena_strdup(arena, entry->value, &out->text);
}

/* The network's own parameters, in the order of the file. */
static lbk_status parameters_read(lbk_model *model) {
    lbk_ini *ini = &model->ini;
    LBK_TRY(lbk_arena_alloc(&ini->arena, ini->entry_count * sizeof *model->parameters, &model->parameters));
    for (size_t i = 0; i < ini->entry_count; i++) {
        if (strcmp(ini->entries[i].section, "parameters") != 0)
            continue;
        ini->entries[i].used = true;
        LBK_TRY(parameter_store(model, ini, &ini->entries[i], &model->parameters[model->parameter_count++]));
    }
    for (size_t i = 0; i < ini->section_count; i++)
        if (strcmp(ini->sections[i].name, "parameters") == 0)
            ini->sections[i].used = true;
    return LBK_OK;
}

/* A derived file's [parameters] replace defaults of its base. */
static lbk_status parameters_replace(lbk_model *model, lbk_ini *ini) {
    for (size_t i = 0; i < ini->entry_count; i++) {
        lbk_ini_entry *entry = &ini->entries[i];
        if (strcmp(entry->section, "parameters") != 0)
            continue;
        entry->used = true;
        const char *names[LBK_SCOPE_MAX];
        size_t at = 0;
        for (size_t p = 0; p < model->parameter_count; p++)
            names[p] = model->parameters[p].name;
        while (at < model->parameter_count && strcmp(names[at], entry->key) != 0)
            at++;
        if (at == model->parameter_count)
            return lbk_ini_unknown(ini, entry, "parameter", entry->key, names, model->parameter_count);
        LBK_TRY(parameter_store(model, ini, entry, &model->parameters[at]));
    }
    for (size_t i = 0; i < ini->section_count; i++)
        if (strcmp(ini->sections[i].name, "parameters") == 0)
            ini->sections[i].used = true;
    return LBK_OK;
}

static lbk_status own_network_read(lbk_model *model, const header *head) {
    static const char *const sections[] = {"model", "parameters", "network", "block NAME", NULL};
    if (lbk_ini_find(&model->ini, "model", "inputs") && lbk_ini_find(&model->ini, "model", "input"))
        return lbk_ini_fail(&model->ini, lbk_ini_find(&model->ini, "model", "input"),
                            "has no effect: \"inputs\" says what the network reads");
    model->typical.classes = head->inputs[0] ? 1 : 0;
    LBK_TRY(header_apply(model, &model->ini, head, false));
    LBK_TRY(parameters_read(model));
    LBK_TRY(lbk_net_parse(model));
    LBK_TRY(lbk_ini_finish(&model->ini, sections));
    return lbk_net_check(model);
}

static lbk_status file_read(lbk_model *model, const char *path, int depth);

/* What a network reads is said where it begins, what it leaves where it ends. */
static lbk_status ends_check(lbk_ini *ini) {
    static const char *const ends[] = {"inputs", "outputs"};
    bool goes_on = lbk_ini_section_find(ini, "network");
    for (int i = 0; i < (goes_on ? 1 : 2); i++)
        if (lbk_ini_find(ini, "model", ends[i]))
            return lbk_ini_fail(ini, lbk_ini_find(ini, "model", ends[i]), "belongs into the file that has the network");
    return LBK_OK;
}

static lbk_status base_read(lbk_model *model, lbk_ini *ini, const header *head, int depth) {
    static const char *const sections[] = {"model", "parameters", "network", NULL};
    const lbk_ini_entry *entry = lbk_ini_find(ini, "model", "base");
    LBK_TRY(ends_check(ini));
    if (depth == MAX_BASES)
        return lbk_ini_fail(ini, entry, "more than %d files stand on each other", MAX_BASES);
    char *folder = NULL, *path = NULL;
    LBK_TRY(lbk_path_folder(ini->path, &folder));
    lbk_status status = lbk_ini_context(lbk_shipped_find(&shipped, head->base, folder, &path), entry);
    free(folder);
    if (status == LBK_OK)
        status = file_read(model, path, depth + 1);
    if (status == LBK_ERR_IO)
        lbk_ini_context(status, entry);
    free(path);
    LBK_TRY(status);
    LBK_TRY(header_apply(model, ini, head, true));
    LBK_TRY(parameters_replace(model, ini));
    if (lbk_ini_section_find(ini, "network"))
        LBK_TRY(lbk_net_continue(model, ini));
    LBK_TRY(lbk_ini_finish(ini, sections));
    return lbk_net_check(model);
}

static lbk_status file_read(lbk_model *model, const char *path, int depth) {
    header head;
    lbk_ini ini = {0};
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_ini_load(&ini, path));
    LBK_GOTO(lbk_ini_read(&ini, "model", header_table, &head, NULL));
    if (head.base[0]) {
        status = base_read(model, &ini, &head, depth);
    } else {
        model->ini = ini;
        return own_network_read(model, &head);
    }
out:
    lbk_ini_release(&ini);
    return status;
}

/* "models/resnet20.ini" -> "resnet20" */
static lbk_status name_set(lbk_model *model, const char *path) {
    const char *slash = strrchr(path, '/'), *stem = slash ? slash + 1 : path;
    size_t length = strlen(stem);
    if (length > 4 && strcmp(stem + length - 4, ".ini") == 0)
        length -= 4;
    LBK_TRY(lbk_arena_printf(&model->ini.arena, &model->name, "%.*s", (int)length, stem));
    return lbk_arena_strdup(&model->ini.arena, path, &model->path);
}

lbk_status lbk_model_load(lbk_model *model, const char *name, const char *folder) {
    memset(model, 0, sizeof *model);
    char *path = NULL;
    LBK_TRY(lbk_shipped_find(&shipped, name, folder, &path));
    lbk_status status = file_read(model, path, 0);
    if (status == LBK_OK)
        status = name_set(model, path);
    free(path);
    if (status != LBK_OK)
        lbk_model_release(model);
    return status;
}

/* The lines as the [network] of a file. */
static lbk_status lines_read(lbk_ini *ini, const char *name, const lbk_model_line *lines, int count) {
    LBK_TRY(lbk_ini_load(ini, NULL));
    ini->path = name;
    for (int i = 0; i < count; i++)
        LBK_TRY(lbk_ini_add(ini, "network", lines[i].name, lines[i].text, i + 1));
    return LBK_OK;
}

lbk_status lbk_model_extend(lbk_model *model, const lbk_model *base, const char *name, const lbk_model_line *lines,
                            int count) {
    lbk_ini ini = {0};
    lbk_status status = LBK_OK;
    memset(model, 0, sizeof *model);
    LBK_GOTO(file_read(model, base->path, 0));
    LBK_GOTO(name_set(model, base->path));
    LBK_GOTO(lbk_arena_strdup(&model->ini.arena, name, &model->name));
    LBK_GOTO(lines_read(&ini, name, lines, count));
    LBK_GOTO(lbk_net_continue(model, &ini));
    LBK_GOTO(lbk_net_check(model));
out:
    lbk_ini_release(&ini);
    if (status != LBK_OK)
        lbk_model_release(model);
    return status;
}

void lbk_model_release(lbk_model *model) {
    lbk_ini_release(&model->ini);
    memset(model, 0, sizeof *model);
}

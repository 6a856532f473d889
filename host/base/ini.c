#include "base/ini.h"
#include "base/file.h"
#include "base/ini_scan.h"

#if __has_include(<iniparser/iniparser.h>)
#include <iniparser/iniparser.h>
#else
#include <iniparser.h>
#endif

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Loading ---- */

/* What iniparser says last; it has one callback for all threads. */
static _Thread_local char reader_message[256];

static int reader_complain(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(reader_message, sizeof reader_message, fmt, args);
    va_end(args);
    reader_message[strcspn(reader_message, "\n")] = '\0';
    return length;
}

/* iniparser's reading must equal ours, entry by entry: no value reaches a user cut or overwritten. */
static lbk_status readings_compare(const lbk_ini *ini, const dictionary *reading) {
    char name[2 * LBK_INI_NAME_BYTES + 2];
    for (size_t i = 0; i < ini->entry_count; i++) {
        const lbk_ini_entry *entry = &ini->entries[i];
        snprintf(name, sizeof name, "%s:%s", entry->section, entry->key);
        const char *value = iniparser_getstring(reading, name, NULL);
        if (!value || strcmp(value, entry->value) != 0)
            return lbk_ini_fail(ini, entry, "ambiguous value: it reads as \"%s\" or as \"%s\"; put it in double quotes",
                                entry->value, value ? value : "");
    }
    return LBK_OK;
}

static lbk_status reader_check(const lbk_ini *ini) {
    reader_message[0] = '\0';
    iniparser_set_error_callback(reader_complain);
    dictionary *reading = iniparser_load(ini->path);
    iniparser_set_error_callback(NULL);
    if (!reading)
        return lbk_fail(LBK_ERR_INPUT, "%s: iniparser refuses the file: %s", ini->path, reader_message);
    lbk_status status = readings_compare(ini, reading);
    iniparser_freedict(reading);
    return status;
}

lbk_status lbk_ini_load(lbk_ini *ini, const char *path) {
    *ini = (lbk_ini){0};
    char *text;
    size_t length;
    LBK_TRY(lbk_arena_strdup(&ini->arena, path ? path : "command line", &ini->path));
    if (!path)
        return LBK_OK;
    if (lbk_path_exists(path) && !lbk_path_is_regular(path))
        return lbk_fail(LBK_ERR_IO, "cannot read \"%s\": not a regular file", path);
    LBK_TRY(lbk_file_read(path, &text, &length));
    lbk_status status = lbk_ini_scan(ini, text, length);
    free(text);
    return status == LBK_OK ? reader_check(ini) : status;
}

void lbk_ini_release(lbk_ini *ini) {
    free(ini->sections);
    free(ini->entries);
    lbk_arena_release(&ini->arena);
    *ini = (lbk_ini){0};
}

/* ---- Messages ---- */

lbk_status lbk_ini_fail(const lbk_ini *ini, const lbk_ini_entry *entry, const char *fmt, ...) {
    char text[2048];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (!entry)
        return lbk_fail(LBK_ERR_INPUT, "%s: %s", ini->path, text);
    return lbk_ini_context(lbk_fail(LBK_ERR_INPUT, "%s", text), entry);
}

lbk_status lbk_ini_unknown(const lbk_ini *ini, const lbk_ini_entry *entry, const char *noun, const char *word,
                           const char *const *candidates, size_t count) {
    const char *near = lbk_nearest(word, candidates, count);
    if (near)
        return lbk_ini_fail(ini, entry, "unknown %s \"%s\"; did you mean \"%s\"?", noun, word, near);
    if (count == 0)
        return lbk_ini_fail(ini, entry, "unknown %s \"%s\": there are none", noun, word);
    lbk_text all = {0};
    lbk_status status = LBK_OK;
    for (size_t i = 0; i < count && status == LBK_OK; i++)
        status = lbk_text_printf(&all, "%s%s", i ? ", " : "", candidates[i]);
    if (status == LBK_OK)
        status = lbk_ini_fail(ini, entry, "unknown %s \"%s\"; expected one of %s", noun, word, all.data);
    lbk_text_release(&all);
    return status;
}

lbk_status lbk_ini_context(lbk_status status, const lbk_ini_entry *entry) {
    if (entry->line == 0)
        return lbk_context(status, "--set: [%s] %s", entry->section, entry->key);
    return lbk_context(status, "%s:%d: [%s] %s", entry->path, entry->line, entry->section, entry->key);
}

/* `; did you mean "x"?` or nothing, into `text`; returns `text`. */
static const char *suggestion(char text[192], const char *nearest) {
    snprintf(text, 192, nearest ? "; did you mean \"%s\"?" : "%s", nearest ? nearest : "");
    return text;
}

/* ---- Looking up ---- */

static lbk_ini_section *section_of(const lbk_ini *ini, const char *name) {
    for (size_t i = 0; i < ini->section_count; i++)
        if (strcmp(ini->sections[i].name, name) == 0)
            return &ini->sections[i];
    return NULL;
}

const lbk_ini_section *lbk_ini_section_find(const lbk_ini *ini, const char *name) {
    lbk_ini_section *section = section_of(ini, name);
    if (section)
        section->used = true;
    return section;
}

static lbk_ini_entry *entry_of(const lbk_ini *ini, const char *section, const char *key) {
    for (size_t i = 0; i < ini->entry_count; i++)
        if (strcmp(ini->entries[i].key, key) == 0 && strcmp(ini->entries[i].section, section) == 0)
            return &ini->entries[i];
    return NULL;
}

const lbk_ini_entry *lbk_ini_find(lbk_ini *ini, const char *section, const char *key) {
    lbk_ini_entry *entry = entry_of(ini, section, key);
    if (entry) {
        entry->used = true;
        lbk_ini_section_find(ini, section);
    }
    return entry;
}

/* ---- Overriding ---- */

static lbk_status override_fail(const char *assignment, const char *what) {
    return lbk_fail(LBK_ERR_INPUT, "--set \"%.200s\": %s", assignment, what);
}

/* `text` is assignment[0 .. '='), cut into section and key at its last dot. */
static lbk_status override_apply(lbk_ini *ini, const char *assignment, char *text, const char *value) {
    char *dot = strrchr(text, '.');
    if (!dot)
        return override_fail(assignment, "expected section.key=value");
    *dot = '\0';
    const char *key = dot + 1, *fault = lbk_ini_name_fault(text, false);
    if (!fault)
        fault = lbk_ini_name_fault(key, true);
    size_t length = strlen(value);
    if (!fault && lbk_ini_printable(value, length) < length)
        fault = "value is not printable text (UTF-8)";
    if (fault)
        return override_fail(assignment, fault);
    lbk_ini_entry *entry = entry_of(ini, text, key);
    if (entry) {
        entry->line = 0;
        return lbk_arena_strdup(&ini->arena, value, &entry->value);
    }
    if (!section_of(ini, text))
        LBK_TRY(lbk_ini_section_add(ini, text, 0));
    return lbk_ini_entry_add(ini, text, key, value, 0);
}

lbk_status lbk_ini_override(lbk_ini *ini, const char *assignment) {
    const char *equals = strchr(assignment, '=');
    if (!equals)
        return override_fail(assignment, "expected section.key=value");
    char *text;
    LBK_TRY(lbk_strdup(assignment, &text));
    text[equals - assignment] = '\0';
    lbk_status status = override_apply(ini, assignment, text, equals + 1);
    free(text);
    return status;
}

lbk_status lbk_ini_add(lbk_ini *ini, const char *section, const char *key, const char *value, int line) {
    LBK_ENSURE(!lbk_ini_name_fault(section, false) && !lbk_ini_name_fault(key, true));
    if (!section_of(ini, section))
        LBK_TRY(lbk_ini_section_add(ini, section, line));
    return lbk_ini_entry_add(ini, section, key, value, line);
}

/* ---- Defaults from another file ---- */

lbk_status lbk_ini_underlay(lbk_ini *ini, const lbk_ini *below) {
    for (size_t i = 0; i < below->section_count; i++) {
        const lbk_ini_section *section = &below->sections[i];
        if (section_of(ini, section->name))
            continue;
        LBK_TRY(lbk_ini_section_add(ini, section->name, section->line));
        LBK_TRY(lbk_arena_strdup(&ini->arena, section->path, &ini->sections[ini->section_count - 1].path));
        ini->sections[ini->section_count - 1].below = true;
    }
    for (size_t i = 0; i < below->entry_count; i++) {
        const lbk_ini_entry *entry = &below->entries[i];
        if (entry_of(ini, entry->section, entry->key))
            continue;
        LBK_TRY(lbk_ini_entry_add(ini, entry->section, entry->key, entry->value, entry->line));
        LBK_TRY(lbk_arena_strdup(&ini->arena, entry->path, &ini->entries[ini->entry_count - 1].path));
        ini->entries[ini->entry_count - 1].below = true;
    }
    return LBK_OK;
}

/* ---- Reading by table ---- */

static lbk_status unknown_key_fail(const lbk_ini *ini, const lbk_ini_entry *entry, const lbk_param *const *tables,
                                   size_t table_count) {
    char text[192];
    const char **names;
    size_t count = 0;
    for (size_t t = 0; t < table_count; t++)
        for (const lbk_param *param = tables[t]; param && param->name; param++)
            count++;
    LBK_TRY(lbk_calloc(count, sizeof *names, &names));
    count = 0;
    for (size_t t = 0; t < table_count; t++)
        for (const lbk_param *param = tables[t]; param && param->name; param++)
            names[count++] = param->name;
    const char *nearest = lbk_nearest(entry->key, names, count);
    free(names);
    return lbk_ini_fail(ini, entry, "unknown key%s", suggestion(text, nearest));
}

/* The parameter's message starts with the key, so that only the place is put before it. */
static lbk_status entry_set(lbk_ini *ini, const lbk_ini_entry *entry, const lbk_param *param, void *values) {
    lbk_status status = lbk_param_set(param, entry->value, &ini->arena, values);
    if (status != LBK_ERR_INPUT)
        return status;
    if (entry->line == 0)
        return lbk_fail(status, "--set: [%s] %s", entry->section, lbk_error_message());
    return lbk_fail(status, "%s:%d: [%s] %s", entry->path, entry->line, entry->section, lbk_error_message());
}

static lbk_status missing_fail(const lbk_ini *ini, const char *section, const lbk_param *param) {
    const lbk_ini_section *found = section_of(ini, section);
    lbk_text expected = {0};
    lbk_status status = lbk_param_expect(param, &expected);
    if (status == LBK_OK && found && found->line > 0 && !found->below)
        status = lbk_fail(LBK_ERR_INPUT, "%s:%d: [%s] lacks the key \"%s\" (%s)", ini->path, found->line, section,
                          param->name, expected.data);
    else if (status == LBK_OK)
        status = lbk_fail(LBK_ERR_INPUT, "%s: [%s] lacks the key \"%s\" (%s)", ini->path, section, param->name,
                          expected.data);
    lbk_text_release(&expected);
    return status;
}

lbk_status lbk_ini_read_part(lbk_ini *ini, const char *section, const lbk_param *table, void *values, bool *seen) {
    LBK_TRY(lbk_param_defaults(table, &ini->arena, values));
    lbk_ini_section_find(ini, section); /* used, even when it holds no key */
    for (size_t row = 0; table[row].name; row++) {
        lbk_ini_entry *entry = entry_of(ini, section, table[row].name);
        if (!entry && !table[row].fallback)
            return missing_fail(ini, section, &table[row]);
        if (seen)
            seen[row] = entry != NULL;
        if (!entry)
            continue;
        entry->used = true;
        LBK_TRY(entry_set(ini, entry, &table[row], values));
    }
    return LBK_OK;
}

lbk_status lbk_ini_check_section(const lbk_ini *ini, const char *section, const lbk_param *const *tables,
                                 size_t count) {
    for (size_t i = 0; i < ini->entry_count; i++) {
        const lbk_ini_entry *entry = &ini->entries[i];
        bool known = entry->below || strcmp(entry->section, section) != 0;
        for (size_t t = 0; t < count && !known; t++)
            known = tables[t] && lbk_param_find(tables[t], entry->key) != NULL;
        if (!known)
            return unknown_key_fail(ini, entry, tables, count);
    }
    return LBK_OK;
}

lbk_status lbk_ini_read(lbk_ini *ini, const char *section, const lbk_param *table, void *values, bool *seen) {
    LBK_TRY(lbk_ini_check_section(ini, section, &table, 1));
    return lbk_ini_read_part(ini, section, table, values, seen);
}

/* ---- Finishing ---- */

lbk_status lbk_ini_finish(lbk_ini *ini, const char *const *known_sections) {
    char text[192];
    size_t known = 0;
    while (known_sections[known])
        known++;
    for (size_t i = 0; i < ini->section_count; i++) {
        const lbk_ini_section *section = &ini->sections[i];
        if (section->used || section->below)
            continue;
        suggestion(text, lbk_nearest(section->name, known_sections, known));
        if (section->line == 0)
            return lbk_fail(LBK_ERR_INPUT, "--set: unknown or unused section [%s]%s", section->name, text);
        return lbk_fail(LBK_ERR_INPUT, "%s:%d: unknown or unused section [%s]%s", ini->path, section->line,
                        section->name, text);
    }
    for (size_t i = 0; i < ini->entry_count; i++)
        if (!ini->entries[i].used && !ini->entries[i].below)
            return lbk_ini_fail(ini, &ini->entries[i], "this key is not used here");
    return LBK_OK;
}

/* ---- Writing ---- */

lbk_status lbk_ini_value_print(const char *value, lbk_text *out) {
    size_t length = strlen(value);
    if (lbk_ini_printable(value, length) < length)
        return lbk_fail(LBK_ERR_INPUT, "\"%.80s\" is not printable text", value);
    bool blank_end = length && (strchr(" \t", value[0]) || strchr(" \t", value[length - 1]));
    bool quoted =
        blank_end || strpbrk(value, "#;") || *value == '"' || *value == '\'' || (length && value[length - 1] == '\\');
    if (!quoted)
        return lbk_text_append(out, value, length);
    const char *quote = strchr(value, '"') ? "'" : "\"";
    if (strstr(value, quote))
        return lbk_fail(LBK_ERR_INPUT, "\"%.80s\" holds both kinds of quotes: no INI line can hold it", value);
    return lbk_text_printf(out, "%s%s%s", quote, value, quote);
}

lbk_status lbk_ini_param_print(const lbk_param *param, const void *values, lbk_text *out) {
    lbk_text value = {0};
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_param_print(param, values, &value));
    LBK_GOTO(lbk_text_printf(out, "%s = ", param->name));
    LBK_GOTO(lbk_ini_value_print(value.data ? value.data : "", out));
    LBK_GOTO(lbk_text_printf(out, "\n"));
out:
    lbk_text_release(&value);
    return status;
}

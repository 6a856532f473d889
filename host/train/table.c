#include "train/table.h"

#include "base/file.h"
#include "train/role.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const lbk_shipped_kind lbk_table_kind = {"experiments/tables", "table"};

static const lbk_param head_table[] = {
    LBK_PARAM_TEXT(lbk_table_params, summary, NULL, "what it compares", NULL),
    LBK_PARAM_TEXT(lbk_table_params, source, "", "where the expected values are from", NULL),
    LBK_PARAM_TEXT(lbk_table_params, experiment, NULL, "the experiment that all runs are settings of", NULL),
    LBK_PARAM_INT(lbk_table_params, seeds, "3", 1, 1000, NULL, "runs of every cell, with seeds 1, 2, ...", NULL),
    LBK_PARAM_INT(lbk_table_params, teacher_seed, "0", 0, 1000, NULL,
                  "the seed of the one teacher for all seeds; 0: one each", NULL),
    LBK_PARAM_END,
};

typedef struct part_params {
    const char *title, *source;
    lbk_words expected;
} part_params;

static const lbk_param part_table[] = {
    LBK_PARAM_TEXT(part_params, title, "", "how the printed table calls it", NULL),
    LBK_PARAM_TEXT(part_params, source, "", "of the expected values", NULL),
    LBK_PARAM_WORDS(part_params, expected, "", "published test accuracy in percent: COLUMN:VALUE ...", NULL),
    LBK_PARAM_END,
};

#define OWN_KEYS "experiment.seed", "experiment.name", "experiment.student", "experiment.control"

static bool is_own(const char *key, size_t length) {
    static const char *const keys[] = {OWN_KEYS};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strlen(keys[i]) == length && strncmp(keys[i], key, length) == 0)
            return true;
    return false;
}

lbk_status lbk_table_check_override(const char *assignment) {
    if (is_own(assignment, strcspn(assignment, "=")))
        return lbk_fail(LBK_ERR_INPUT, "--set \"%.200s\": a table sets this itself", assignment);
    return LBK_OK;
}

/* It becomes the name of a folder. */
static lbk_status check_name(const lbk_table *t, const lbk_ini_section *section, const char *name) {
    if (!*name || *name == '.' || strpbrk(name, " /*"))
        return lbk_fail(LBK_ERR_INPUT, "%s:%d: [%s]: \"%s\" is no name for a folder", t->ini.path, section->line,
                        section->name, name);
    if (strcmp(section->name, "row.alone") == 0)
        return lbk_fail(LBK_ERR_INPUT, "%s:%d: [%s]: the folder \"alone\" is that of teacher and control", t->ini.path,
                        section->line, section->name);
    return LBK_OK;
}

static lbk_status check_key(const lbk_table *t, const lbk_ini_entry *entry, const lbk_table_part *part, bool row) {
    bool always = row && part - t->rows < LBK_TABLE_OWN;
    if (!strchr(entry->key, '.')) {
        const char *const names[] = {"title", "source", "expected"};
        const char *near = lbk_nearest(entry->key, names, 3);
        return lbk_ini_fail(&t->ini, entry, "unknown key; %s%s%s", near ? "did you mean \"" : "expected section.key",
                            near ? near : "", near ? "\"?" : " of the experiment, title, source or expected");
    }
    if (is_own(entry->key, strlen(entry->key)))
        return lbk_ini_fail(&t->ini, entry, "a table sets this itself");
    if (row && lbk_section_is_teacher(entry->key))
        return lbk_ini_fail(&t->ini, entry, "the teacher is the column's; all rows share it");
    if (always)
        return lbk_ini_fail(&t->ini, entry, "the %s is as the column says; expected title, source or expected",
                            part->name);
    return LBK_OK;
}

static lbk_status read_sets(lbk_table *t, const char *section, lbk_table_part *part, bool row) {
    lbk_ini *ini = &t->ini;
    LBK_TRY(lbk_arena_alloc(&ini->arena, (ini->entry_count + 1) * sizeof *part->sets, &part->sets));
    for (size_t i = 0; i < ini->entry_count; i++) {
        const lbk_ini_entry *entry = &ini->entries[i];
        if (strcmp(entry->section, section) != 0 || lbk_param_find(part_table, entry->key))
            continue;
        LBK_TRY(check_key(t, entry, part, row));
        lbk_ini_find(ini, section, entry->key);
        LBK_TRY(lbk_arena_printf(&ini->arena, &part->sets[part->set_count++], "%s=%s", entry->key, entry->value));
    }
    return LBK_OK;
}

/* "COLUMN:VALUE" */
static lbk_status read_expected(lbk_table *t, const char *section, const lbk_words *words, double *expected) {
    const lbk_ini_entry *entry = lbk_ini_find(&t->ini, section, "expected");
    for (size_t c = 0; c < t->column_count; c++)
        expected[c] = NAN;
    for (int i = 0; i < words->count; i++) {
        const char *word = words->items[i], *colon = strchr(word, ':');
        size_t length = colon ? (size_t)(colon - word) : 0, c = 0;
        double value;
        if (!colon || !lbk_parse_float(colon + 1, &value) || value < 0 || value > 100)
            return lbk_ini_fail(&t->ini, entry, "expected COLUMN:VALUE with a percentage, found \"%s\"", word);
        while (c < t->column_count &&
               (strlen(t->columns[c].name) != length || strncmp(t->columns[c].name, word, length)))
            c++;
        if (c == t->column_count)
            return lbk_ini_fail(&t->ini, entry, "there is no column \"%.*s\"", (int)length, word);
        expected[c] = value;
    }
    return LBK_OK;
}

static lbk_status read_part(lbk_table *t, const lbk_ini_section *section, lbk_table_part *part, bool row) {
    part_params params;
    double *expected = NULL;
    LBK_TRY(check_name(t, section, part->name));
    LBK_TRY(lbk_ini_read_part(&t->ini, section->name, part_table, &params, NULL));
    part->title = *params.title ? params.title : part->name;
    part->source = params.source;
    LBK_TRY(read_sets(t, section->name, part, row));
    if (!row && params.expected.count)
        return lbk_ini_fail(&t->ini, lbk_ini_find(&t->ini, section->name, "expected"), "belongs into a row");
    LBK_TRY(lbk_arena_alloc(&t->ini.arena, (t->column_count + 1) * sizeof *expected, &expected));
    LBK_TRY(read_expected(t, section->name, &params.expected, expected));
    part->expected = expected;
    return LBK_OK;
}

/* The part named by a section "column.NAME" or "row.NAME"; NULL: some other section. Rows of every table have their places. */
static lbk_table_part *part_of(lbk_table *t, const char *section, bool row) {
    const char *prefix = row ? "row." : "column.", *name = section + strlen(prefix);
    if (strncmp(section, prefix, strlen(prefix)) != 0)
        return NULL;
    for (size_t r = 0; row && r < LBK_TABLE_OWN; r++)
        if (strcmp(name, t->rows[r].name) == 0)
            return &t->rows[r];
    lbk_table_part *part = row ? &t->rows[t->row_count++] : &t->columns[t->column_count++];
    part->name = name;
    return part;
}

static lbk_status read_parts(lbk_table *t, bool row) {
    for (size_t i = 0; i < t->ini.section_count; i++) {
        const lbk_ini_section *section = &t->ini.sections[i];
        lbk_table_part *part = part_of(t, section->name, row);
        if (part)
            LBK_TRY(read_part(t, section, part, row));
    }
    return LBK_OK;
}

static lbk_status read_head(lbk_table *t) {
    const char *slash = strrchr(t->ini.path, '/'), *stem = slash ? slash + 1 : t->ini.path;
    char *joined = NULL, *folder = NULL;
    LBK_TRY(lbk_arena_printf(&t->ini.arena, &t->name, "%.*s", (int)strcspn(stem, "."), stem));
    LBK_TRY(lbk_ini_read(&t->ini, "table", head_table, &t->params, NULL));
    if (t->params.teacher_seed > t->params.seeds)
        return lbk_ini_fail(&t->ini, lbk_ini_find(&t->ini, "table", "teacher_seed"), "must be at most seeds = %d",
                            t->params.seeds);
    LBK_TRY(lbk_strdup(t->ini.path, &folder));
    folder[slash ? slash - t->ini.path : 0] = '\0';
    lbk_status status = lbk_path_join(folder, t->params.experiment, &joined);
    if (status == LBK_OK)
        status = lbk_arena_strdup(&t->ini.arena, joined, &t->experiment);
    free(folder);
    free(joined);
    return status;
}

static lbk_status read_all(lbk_table *t) {
    static const char *const known[] = {"table", "column.", "row.", NULL};
    static const char *const always[] = {"teacher", "control"};
    lbk_arena *arena = &t->ini.arena;
    size_t limit = t->ini.section_count + LBK_TABLE_OWN;
    double *none = NULL;
    LBK_TRY(read_head(t));
    LBK_TRY(lbk_arena_alloc(arena, limit * sizeof *t->columns, &t->columns));
    LBK_TRY(lbk_arena_alloc(arena, limit * sizeof *t->rows, &t->rows));
    LBK_TRY(read_parts(t, false));
    LBK_TRY(lbk_arena_alloc(arena, (t->column_count + 1) * sizeof *none, &none));
    for (size_t c = 0; c < t->column_count; c++)
        none[c] = NAN;
    for (; t->row_count < LBK_TABLE_OWN; t->row_count++)
        t->rows[t->row_count] = (lbk_table_part){
            .name = always[t->row_count], .title = always[t->row_count], .source = "", .expected = none};
    LBK_TRY(read_parts(t, true));
    LBK_TRY(lbk_ini_finish(&t->ini, known));
    if (!t->column_count || t->row_count == LBK_TABLE_OWN)
        return lbk_fail(LBK_ERR_INPUT, "%s: has no section [%s.NAME]", t->ini.path, t->column_count ? "row" : "column");
    return LBK_OK;
}

lbk_status lbk_table_load(lbk_table *table, const char *name) {
    char *path = NULL;
    memset(table, 0, sizeof *table);
    LBK_TRY(lbk_shipped_find(&lbk_table_kind, name, NULL, &path));
    lbk_status status = lbk_ini_load(&table->ini, path);
    free(path);
    return status == LBK_OK ? read_all(table) : status;
}

void lbk_table_release(lbk_table *table) {
    lbk_ini_release(&table->ini);
    memset(table, 0, sizeof *table);
}

#include "train/preset.h"

#include "train/experiment.h"

#include <stdlib.h>
#include <string.h>

const lbk_shipped_kind lbk_preset_kind = {"experiments/presets", "preset"};

static const lbk_param header[] = {
    LBK_PARAM_TEXT(lbk_preset, summary, NULL, "what it is", NULL),
    LBK_PARAM_TEXT(lbk_preset, source, "", "where its numbers are from", NULL),
    LBK_PARAM_TEXT(lbk_preset, base, "", "preset that it stands on", NULL),
    LBK_PARAM_END,
};

#define MAX_BASES 4
#define MAX_TABLES 64

/* The tables of all keys that a section may hold, whatever else is chosen. */
typedef struct key_tables {
    const lbk_param *items[MAX_TABLES];
    size_t count;
} key_tables;

static void add(key_tables *t, const lbk_param *table) {
    if (t->count < MAX_TABLES)
        t->items[t->count++] = table;
}

static void add_role(key_tables *t, const lbk_param *own) {
    add(t, own);
    for (const lbk_optimizer *const *o = lbk_optimizer_all(); *o; o++)
        add(t, (*o)->params);
    for (const lbk_schedule *const *s = lbk_schedule_all(); *s; s++)
        add(t, (*s)->params);
}

static void add_data(key_tables *t) {
    add(t, lbk_data_table);
    for (const lbk_dataset *const *d = lbk_dataset_all(); *d; d++)
        add(t, (*d)->params);
}

static const char *const sections[] = {"preset", "data", "teacher", "student", "distill"};
#define SECTIONS (sizeof sections / sizeof sections[0])

/* false: no section of this name belongs into a preset. */
static bool tables_of(const char *section, key_tables *t) {
    const lbk_augmentation *augmentation = NULL;
    const lbk_method *method = NULL;
    if (strncmp(section, "augment.", 8) == 0)
        augmentation = lbk_augmentation_find(section + 8);
    if (strncmp(section, "distill.", 8) == 0 || strncmp(section, "teacher/", 8) == 0)
        method = lbk_method_find(section + 8);
    if (strcmp(section, "preset") == 0)
        add(t, header);
    else if (strcmp(section, "data") == 0)
        add_data(t);
    else if (strcmp(section, "teacher") == 0)
        add_role(t, lbk_teacher_table);
    else if (strcmp(section, "student") == 0)
        add_role(t, lbk_student_table);
    else if (strncmp(section, "assistant.", 10) == 0)
        add_role(t, lbk_assistant_table);
    else if (strcmp(section, "distill") == 0)
        add(t, lbk_objective_table);
    else if (augmentation || method)
        add(t, method ? method->params : augmentation->params);
    return t->count > 0;
}

static lbk_status unknown_section(lbk_ini *ini, const lbk_ini_section *section) {
    const char *names[SECTIONS + 2 * MAX_TABLES];
    size_t count = SECTIONS;
    memcpy(names, sections, sizeof sections);
    for (const lbk_method *const *m = lbk_method_all(); *m && count < SECTIONS + MAX_TABLES; m++)
        LBK_TRY(lbk_arena_printf(&ini->arena, &names[count++], "distill.%s", (*m)->name));
    for (const lbk_augmentation *const *a = lbk_augmentation_all(); *a && count < SECTIONS + 2 * MAX_TABLES; a++)
        LBK_TRY(lbk_arena_printf(&ini->arena, &names[count++], "augment.%s", (*a)->name));
    const char *near = lbk_nearest(section->name, names, count);
    return lbk_fail(LBK_ERR_INPUT, "%s:%d: a preset has no section [%s]%s%s%s", ini->path, section->line, section->name,
                    near ? "; did you mean [" : "", near ? near : "", near ? "]?" : "");
}

static lbk_status check_names(lbk_ini *ini) {
    for (size_t i = 0; i < ini->section_count; i++) {
        key_tables tables = {{0}, 0};
        if (!tables_of(ini->sections[i].name, &tables))
            return unknown_section(ini, &ini->sections[i]);
        LBK_TRY(lbk_ini_check_section(ini, ini->sections[i].name, tables.items, tables.count));
    }
    const lbk_ini_entry *nested = lbk_ini_find(ini, "distill", "preset");
    return nested ? lbk_ini_fail(ini, nested, "a preset names another one as [preset] base") : LBK_OK;
}

static lbk_status load(lbk_preset *preset, const char *name, const char *folder, int depth);

static lbk_status lay_base(lbk_preset *preset, int depth) {
    const lbk_ini_entry *entry = lbk_ini_find(&preset->ini, "preset", "base");
    const char *slash = strrchr(preset->ini.path, '/');
    lbk_preset base = {0};
    char *folder = NULL;
    if (depth == MAX_BASES)
        return lbk_ini_fail(&preset->ini, entry, "more than %d presets stand on each other", MAX_BASES);
    LBK_TRY(lbk_strdup(preset->ini.path, &folder));
    folder[slash ? slash - preset->ini.path : 0] = '\0';
    lbk_status status = lbk_ini_context(load(&base, preset->base, folder, depth + 1), entry);
    if (status == LBK_OK)
        status = lbk_ini_underlay(&preset->ini, &base.ini);
    lbk_preset_release(&base);
    free(folder);
    return status;
}

static lbk_status load(lbk_preset *preset, const char *name, const char *folder, int depth) {
    char *path = NULL;
    memset(preset, 0, sizeof *preset);
    LBK_TRY(lbk_shipped_find(&lbk_preset_kind, name, folder, &path));
    lbk_status status = lbk_ini_load(&preset->ini, path);
    free(path);
    LBK_TRY(status);
    LBK_TRY(lbk_ini_read(&preset->ini, "preset", header, preset, NULL));
    LBK_TRY(check_names(&preset->ini));
    return *preset->base ? lay_base(preset, depth) : LBK_OK;
}

lbk_status lbk_preset_load(lbk_preset *preset, const char *name, const char *folder) {
    return load(preset, name, folder, 1);
}

void lbk_preset_release(lbk_preset *preset) {
    lbk_ini_release(&preset->ini);
    memset(preset, 0, sizeof *preset);
}

/* Strict INI files: iniparser reads, this layer checks.
 *
 * iniparser 4.1 loses line numbers and the case of keys, lets the last of two duplicates win and cuts unquoted values
 * at '#' and ';'. So the file is also scanned once for (section, key as written, line); duplicates (also of a section,
 * also in another case), over-long lines, a key outside a section, an empty key, a line that ends in a backslash and
 * bytes that are not printable UTF-8 are refused here with file and line. Whatever the scan accepts, iniparser reads
 * the same way: the two readings are compared value by value. Every value is then read through base/param.h by the
 * caller's tables. Section names and keys match exactly, in the case written.
 *
 *     # a comment: '#' or ';' at the start of a line, or after white space behind a value
 *     [section name]        <- alone on its line; letters, digits, single spaces and _ - . / * +
 *     key = value           ; up to 1000 bytes a line; keys hold letters, digits and _ - . / * +
 *     key2 = "a # b; c"     ; "..." or '...' keeps '#', ';' and outer spaces; without quotes a '#' or ';' that
 *     key3 = x#y            ; follows something else than white space is refused, as here */
#ifndef LBK_BASE_INI_H
#define LBK_BASE_INI_H

#include "base/param.h"

typedef struct lbk_ini_entry {
    const char *section, *key; /* as written */
    const char *value;         /* trimmed, without comment and outer quotes; "" when empty */
    const char *path;          /* of the file it is from */
    int line;                  /* 1-based; 0 when set from the command line */
    bool used;                 /* somebody asked for it */
    bool below;                /* from lbk_ini_underlay(): a default, which nobody has to use */
} lbk_ini_entry;

typedef struct lbk_ini_section {
    const char *name, *path;
    int line;
    bool used, below;
} lbk_ini_section;

typedef struct lbk_ini {
    const char *path;
    lbk_arena arena; /* owns all text below */
    lbk_ini_section *sections;
    size_t section_count, section_capacity;
    lbk_ini_entry *entries; /* in file order */
    size_t entry_count, entry_capacity;
} lbk_ini;

/* Reads and scans `path`; NULL: an empty file, for overrides alone. Errors: LBK_ERR_IO (cannot read), LBK_ERR_INPUT "path:line: ...". Release in every case. */
lbk_status lbk_ini_load(lbk_ini *ini, const char *path);
void lbk_ini_release(lbk_ini *ini);

/* Applies "section.key=value" (the section may hold dots: the last dot before '=' separates the key). Replaces or adds;
 * pointers to entries and sections got earlier are void afterwards. The value is taken as it stands. */
lbk_status lbk_ini_override(lbk_ini *ini, const char *assignment);

/* Adds "key = value" as line `line` of a file that the program makes up: `ini`, loaded from NULL; ini->path names it in messages. */
lbk_status lbk_ini_add(lbk_ini *ini, const char *section, const char *key, const char *value, int line);

/* Lays `below` under `ini`: what only `below` says holds too, with its own file and line in messages. These entries are
 * defaults: one that fits nothing here (no table knows it, nobody asks for it) is passed over. So check the keys of `below`
 * before. Pointers to entries and sections got earlier are void afterwards; `below` may be released. */
lbk_status lbk_ini_underlay(lbk_ini *ini, const lbk_ini *below);

/* NULL when absent. Marks the section as used. */
const lbk_ini_section *lbk_ini_section_find(const lbk_ini *ini, const char *name);
/* NULL when absent. Marks the entry and its section as used. */
const lbk_ini_entry *lbk_ini_find(lbk_ini *ini, const char *section, const char *key);

/* Reads a section (absent: defaults) into `values` by `table`: defaults first, then every key of the section. An
 * unknown key is refused with the nearest valid name; a required key that is missing is refused. Text lives in
 * ini->arena. `seen`, when not NULL, gets one bool per table row: the key was written in the file. */
lbk_status lbk_ini_read(lbk_ini *ini, const char *section, const lbk_param *table, void *values, bool *seen);

/* For a section whose keys several tables share (a role's own, its optimiser's, its schedule's): read each part, then
 * refuse what none of tables[count] (NULL entries allowed) knows. */
lbk_status lbk_ini_read_part(lbk_ini *ini, const char *section, const lbk_param *table, void *values, bool *seen);
lbk_status lbk_ini_check_section(const lbk_ini *ini, const char *section, const lbk_param *const *tables, size_t count);

/* Refuses any section or key nobody used, naming the nearest of `known_sections` (NULL-terminated). */
lbk_status lbk_ini_finish(lbk_ini *ini, const char *const *known_sections);

/* LBK_ERR_INPUT with "path:line: [section] key: " before the message; line 0 prints "--set" in its place,
 * entry NULL (a default is at fault) "path: " alone. */
lbk_status lbk_ini_fail(const lbk_ini *ini, const lbk_ini_entry *entry, const char *fmt, ...) LBK_PRINTF(3, 4);
/* Refuses `word`, which is none of candidates[count], as lbk_ini_fail() does: `unknown NOUN "WORD"; did you mean "NEAR"?`, or the list
 * of them where none is near. */
lbk_status lbk_ini_unknown(const lbk_ini *ini, const lbk_ini_entry *entry, const char *noun, const char *word,
                           const char *const *candidates, size_t count);
/* Prepends "path:line: [section] key" or "--set: [section] key" to the message behind `status`, as lbk_context() does. */
lbk_status lbk_ini_context(lbk_status status, const lbk_ini_entry *entry);

/* `value` as it must stand behind "key = ", quoted where needed. LBK_ERR_INPUT when no line can hold it. */
lbk_status lbk_ini_value_print(const char *value, lbk_text *out);
/* "name = value\n", which lbk_ini_read() reads back. */
lbk_status lbk_ini_param_print(const lbk_param *param, const void *values, lbk_text *out);

#endif

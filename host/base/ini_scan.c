/* Our own pass over an INI file. It accepts only text that iniparser reads the same way; ini.c compares the two. */
#include "base/ini_scan.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

static bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("_-./*+", c));
}

const char *lbk_ini_name_fault(const char *name, bool key) {
    static const char *const faults[2][3] = {
        {"section name is empty", "section name is longer than 128 bytes",
         "section name may hold letters, digits, single spaces and _ - . / * + only"},
        {"key is empty", "key is longer than 128 bytes", "key may hold letters, digits and _ - . / * + only"}};
    if (!*name)
        return faults[key][0];
    if (strlen(name) > LBK_INI_NAME_BYTES)
        return faults[key][1];
    for (const char *c = name; *c; c++)
        if (!is_name_char(*c) && (key || *c != ' ' || c[1] == ' '))
            return faults[key][2];
    return NULL;
}

/* Bytes of the UTF-8 sequence at `s` (RFC 3629), 0 when it is none or a control character other than tab. */
static size_t utf8_length(const unsigned char *s, size_t room) {
    if (s[0] < 0x80)
        return s[0] == '\t' || (s[0] >= 0x20 && s[0] != 0x7F);
    size_t length = s[0] < 0xC2 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : s[0] < 0xF5 ? 4 : 0;
    if (length == 0 || length > room)
        return 0;
    for (size_t i = 1; i < length; i++)
        if (s[i] < 0x80 || s[i] > 0xBF)
            return 0;
    bool overlong = (s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xF0 && s[1] < 0x90);
    bool surrogate = s[0] == 0xED && s[1] > 0x9F, beyond = s[0] == 0xF4 && s[1] > 0x8F;
    bool control = s[0] == 0xC2 && s[1] < 0xA0;
    return overlong || surrogate || beyond || control ? 0 : length;
}

size_t lbk_ini_printable(const char *bytes, size_t length) {
    size_t at = 0, step = 1;
    while (at < length && step > 0) {
        step = utf8_length((const unsigned char *)bytes + at, length - at);
        at += step;
    }
    return at;
}

lbk_status lbk_ini_section_add(lbk_ini *ini, const char *name, int line) {
    lbk_ini_section section = {.path = ini->path, .line = line};
    LBK_TRY(lbk_arena_strdup(&ini->arena, name, &section.name));
    LBK_TRY(lbk_grow(&ini->sections, &ini->section_capacity, ini->section_count + 1, sizeof section));
    ini->sections[ini->section_count++] = section;
    return LBK_OK;
}

lbk_status lbk_ini_entry_add(lbk_ini *ini, const char *section, const char *key, const char *value, int line) {
    lbk_ini_entry entry = {.path = ini->path, .line = line};
    LBK_TRY(lbk_arena_strdup(&ini->arena, section, &entry.section));
    LBK_TRY(lbk_arena_strdup(&ini->arena, key, &entry.key));
    LBK_TRY(lbk_arena_strdup(&ini->arena, value, &entry.value));
    LBK_TRY(lbk_grow(&ini->entries, &ini->entry_capacity, ini->entry_count + 1, sizeof entry));
    ini->entries[ini->entry_count++] = entry;
    return LBK_OK;
}

/* Cuts white space off both ends of text[*length]. */
static char *trim(char *text, size_t *length) {
    while (*length && is_blank(*text)) {
        text++;
        --*length;
    }
    while (*length && is_blank(text[*length - 1]))
        --*length;
    text[*length] = '\0';
    return text;
}

static lbk_status line_fail(const lbk_ini *ini, int line, const char *what) {
    return lbk_fail(LBK_ERR_INPUT, "%s:%d: %s", ini->path, line, what);
}

/* iniparser ignores case, so two names that differ in nothing else would overwrite each other in there. */
static lbk_status duplicate_fail(const lbk_ini *ini, int line, const char *kind, const char *name, const char *first,
                                 int first_line) {
    if (strcmp(name, first) == 0)
        return lbk_fail(LBK_ERR_INPUT, "%s:%d: %s \"%s\" was given before, in line %d", ini->path, line, kind, name,
                        first_line);
    return lbk_fail(LBK_ERR_INPUT, "%s:%d: %s \"%s\" differs only in case from \"%s\" in line %d", ini->path, line,
                    kind, name, first, first_line);
}

static lbk_status scan_section(lbk_ini *ini, char *text, size_t length, int line) {
    char *close = strchr(text, ']');
    if (!close)
        return line_fail(ini, line, "section name lacks its ']'");
    if (close != text + length - 1)
        return line_fail(ini, line, "text after the ']' of a section (a comment needs a line of its own)");
    size_t name_length = length - 2;
    char *name = trim(text + 1, &name_length);
    const char *fault = lbk_ini_name_fault(name, false);
    if (fault)
        return line_fail(ini, line, fault);
    for (size_t i = 0; i < ini->section_count; i++)
        if (strcasecmp(ini->sections[i].name, name) == 0)
            return duplicate_fail(ini, line, "section", name, ini->sections[i].name, ini->sections[i].line);
    return lbk_ini_section_add(ini, name, line);
}

/* A value in quotes: all between them. Only a comment may follow. */
static const char *cut_quoted(char *value) {
    char *close = strchr(value + 1, *value);
    if (!close)
        return "value lacks its closing quote";
    const char *rest = close + 1 + strspn(close + 1, " \t");
    if (*rest && *rest != '#' && *rest != ';')
        return "text after the closing quote";
    if (*rest && rest == close + 1)
        return "a comment needs white space before it";
    *close = '\0';
    memmove(value, value + 1, (size_t)(close - value));
    return NULL;
}

/* An unquoted value: up to a '#' or ';' that has white space (or the '=') before it. Any other '#' or ';' is refused,
 * because iniparser would cut there in silence. */
static const char *cut_plain(char *value) {
    size_t length = strcspn(value, "#;");
    if (value[length] && length > 0 && !is_blank(value[length - 1]))
        return "'#' and ';' start a comment after white space; put a value that holds one in double quotes";
    trim(value, &length);
    return NULL;
}

static lbk_status scan_entry(lbk_ini *ini, char *text, size_t length, int line) {
    char *equals = strchr(text, '=');
    if (!equals)
        return line_fail(ini, line, "expected [section], key = value or a comment");
    size_t key_length = (size_t)(equals - text), value_length = length - key_length - 1;
    char *value = trim(equals + 1, &value_length);
    char *key = trim(text, &key_length);
    const char *fault = lbk_ini_name_fault(key, true);
    if (fault)
        return line_fail(ini, line, fault);
    if (ini->section_count == 0)
        return lbk_fail(LBK_ERR_INPUT, "%s:%d: key \"%s\" stands before the first [section]", ini->path, line, key);
    fault = *value == '"' || *value == '\'' ? cut_quoted(value) : cut_plain(value);
    const char *section = ini->sections[ini->section_count - 1].name;
    if (fault)
        return lbk_fail(LBK_ERR_INPUT, "%s:%d: [%s] %s: %s", ini->path, line, section, key, fault);
    for (size_t i = ini->entry_count; i-- > 0 && strcmp(ini->entries[i].section, section) == 0;)
        if (strcasecmp(ini->entries[i].key, key) == 0)
            return duplicate_fail(ini, line, "key", key, ini->entries[i].key, ini->entries[i].line);
    return lbk_ini_entry_add(ini, section, key, value, line);
}

static lbk_status scan_line(lbk_ini *ini, char *text, size_t length, int line) {
    if (length > LBK_INI_LINE_BYTES)
        return lbk_fail(LBK_ERR_INPUT, "%s:%d: line of %zu bytes; at most %d", ini->path, line, length,
                        LBK_INI_LINE_BYTES);
    size_t good = lbk_ini_printable(text, length);
    if (good < length)
        return lbk_fail(LBK_ERR_INPUT, "%s:%d: byte 0x%02X in column %zu is not printable text (UTF-8)", ini->path,
                        line, (unsigned char)text[good], good + 1);
    text = trim(text, &length);
    if (length && text[length - 1] == '\\')
        return line_fail(ini, line, "a line may not end in '\\': values and comments take one line");
    if (length == 0 || *text == '#' || *text == ';')
        return LBK_OK;
    return *text == '[' ? scan_section(ini, text, length, line) : scan_entry(ini, text, length, line);
}

lbk_status lbk_ini_scan(lbk_ini *ini, char *text, size_t length) {
    if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        return line_fail(ini, 1, "the file starts with a byte order mark; save it as plain UTF-8");
    char *end = text + length;
    for (int line = 1; text < end; line++) {
        char *newline = memchr(text, '\n', (size_t)(end - text));
        char *stop = newline ? newline : end;
        size_t line_length = (size_t)(stop - text);
        if (newline && line_length && text[line_length - 1] == '\r')
            line_length--;
        text[line_length] = '\0';
        LBK_TRY(scan_line(ini, text, line_length, line));
        text = stop + 1;
    }
    return LBK_OK;
}

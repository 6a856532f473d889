#include "base/param.h"

#include <limits.h>
#include <math.h>
#include <string.h>

/* Without the warm-up; the ends are met exactly. */
static double between(const lbk_ramp *ramp, double progress) {
    if (progress <= 0)
        return ramp->from;
    if (progress >= 1)
        return ramp->to;
    double share = ramp->cosine ? (1 - cos(3.14159265358979323846 * progress)) / 2 : progress;
    return ramp->from + (ramp->to - ramp->from) * share;
}

double lbk_ramp_at(lbk_ramp ramp, double progress, double epoch) {
    double value = between(&ramp, progress);
    return epoch < ramp.warmup ? value * (epoch / ramp.warmup) : value;
}

const lbk_param *lbk_param_find(const lbk_param *table, const char *name) {
    for (; table->name; table++)
        if (strcmp(table->name, name) == 0)
            return table;
    return NULL;
}

static size_t choice_count(const lbk_param *param) {
    size_t count = 0;
    while (param->type == LBK_TYPE_CHOICE && param->choices[count])
        count++;
    return count;
}

static lbk_status refuse(const lbk_param *param, const char *text) {
    lbk_text expected = {0};
    lbk_status status = lbk_param_expect(param, &expected);
    if (status == LBK_OK) {
        const char *nearest = lbk_nearest(text, param->choices, choice_count(param));
        status = lbk_fail(LBK_ERR_INPUT, "%s: expected %s, got \"%.80s\"%s%s%s", param->name, expected.data, text,
                          nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    }
    lbk_text_release(&expected);
    return status;
}

/* Readers get a copy of the text that they may cut up; false means "not such a value". */

/* Cuts white space off both ends, in place. */
static char *trim(char *text) {
    text += strspn(text, " \t");
    size_t length = strlen(text);
    while (length && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        length--;
    text[length] = '\0';
    return text;
}

static bool read_int(const lbk_param *param, char *text, int *out) {
    long long value;
    if (!lbk_parse_int(trim(text), &value) || value < INT_MIN || value > INT_MAX)
        return false;
    *out = (int)value;
    return (double)value >= param->min && (double)value <= param->max;
}

static bool read_float(const lbk_param *param, char *text, double *out) {
    return lbk_parse_float(trim(text), out) && *out >= param->min && *out <= param->max;
}

static bool read_pair(const lbk_param *param, char *text, int out[2]) {
    char *comma = strchr(text, ',');
    if (comma)
        *comma = '\0';
    if (!read_int(param, text, &out[0]))
        return false;
    out[1] = out[0];
    return !comma || read_int(param, comma + 1, &out[1]);
}

/* Cuts `text` before a `word` that has blanks, or an end, on both sides; returns what follows it, NULL when it is not
 * there. */
static char *cut_word(char *text, const char *word) {
    char *at = strstr(text, word), *rest = at ? at + strlen(word) : NULL;
    if (!at || (at > text && !strchr(" \t", at[-1])) || !strchr(" \t", *rest))
        return NULL;
    *at = '\0';
    return rest;
}

/* Epochs, and only where values near 0 are in range. */
static bool read_warmup(const lbk_param *param, char *text, double *out) {
    return lbk_parse_float(trim(text), out) && *out >= 0 && *out <= 1e6 && param->min <= 0 && param->max >= 0;
}

static bool read_ramp(const lbk_param *param, char *text, lbk_ramp *out) {
    *out = (lbk_ramp){0};
    char *warmup = cut_word(text, "warmup"), *cosine = cut_word(text, "cosine"), *arrow = strstr(text, "->");
    if ((warmup && !read_warmup(param, warmup, &out->warmup)) || (cosine && (!arrow || *trim(cosine))))
        return false;
    if (arrow)
        *arrow = '\0';
    if (!read_float(param, text, &out->from))
        return false;
    out->to = out->from;
    out->cosine = cosine != NULL;
    return !arrow || read_float(param, arrow + 2, &out->to);
}

static bool read_bool(const char *text, bool *out) {
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(text, words[i]) == 0) {
            *out = i % 2 == 1;
            return true;
        }
    return false;
}

static bool read_choice(const lbk_param *param, const char *text, int *out) {
    for (int i = 0; param->choices[i]; i++)
        if (strcmp(text, param->choices[i]) == 0) {
            *out = i;
            return true;
        }
    return false;
}

static bool read_ints(const lbk_param *param, char *text, lbk_ints *out) {
    *out = (lbk_ints){0};
    if (!*trim(text))
        return true;
    for (char *comma; text; text = comma ? comma + 1 : NULL) {
        comma = strchr(text, ',');
        if (comma)
            *comma = '\0';
        if (out->count == LBK_MAX_INTS || !read_int(param, text, &out->items[out->count++]))
            return false;
    }
    return true;
}

/* Words end at a comma or at white space; between two commas there must be one. */
static bool read_words(char *text, const char **items, int *count) {
    *count = 0;
    text = trim(text);
    bool comma = false;
    while (*text) {
        size_t length = strcspn(text, ", \t");
        if (length == 0)
            return false;
        items[(*count)++] = text;
        char *end = text + length, *next = end + strspn(end, " \t");
        comma = *next == ',';
        text = next + comma;
        text += strspn(text, " \t");
        *end = '\0';
    }
    return !comma;
}

/* Room for one item per separator and one more. */
static size_t list_limit(const char *text) {
    size_t count = 1;
    for (; *text; text++)
        count += *text == ',' || *text == ' ' || *text == '\t';
    return count;
}

static lbk_status set_words(const lbk_param *param, const char *text, char *scratch, lbk_arena *arena, lbk_words *out) {
    const char **items;
    int count;
    LBK_TRY(lbk_arena_alloc(arena, list_limit(text) * sizeof *items, &items));
    if (!read_words(scratch, items, &count))
        return refuse(param, text);
    *out = (lbk_words){count, items};
    return LBK_OK;
}

/* The types whose values need no memory; false when `text` is none of them. A field changes only when its text is good.
 */
static bool read_scalar(const lbk_param *param, char *text, void *field) {
    union {
        int pair[2];
        double number;
        lbk_ramp ramp;
        bool flag;
        lbk_ints ints;
    } value;
    size_t bytes = 0;
    if (param->type == LBK_TYPE_INT && read_int(param, text, value.pair))
        bytes = sizeof(int);
    else if (param->type == LBK_TYPE_PAIR && read_pair(param, text, value.pair))
        bytes = sizeof value.pair;
    else if (param->type == LBK_TYPE_INTS && read_ints(param, text, &value.ints))
        bytes = sizeof value.ints;
    else if (param->type == LBK_TYPE_FLOAT && read_float(param, text, &value.number))
        bytes = sizeof value.number;
    else if (param->type == LBK_TYPE_SCHEDULE && read_ramp(param, text, &value.ramp))
        bytes = sizeof value.ramp;
    else if (param->type == LBK_TYPE_BOOL && read_bool(trim(text), &value.flag))
        bytes = sizeof value.flag;
    else if (param->type == LBK_TYPE_CHOICE && read_choice(param, trim(text), value.pair))
        bytes = sizeof(int);
    memcpy(field, &value, bytes);
    return bytes > 0;
}

lbk_status lbk_param_set(const lbk_param *param, const char *text, lbk_arena *arena, void *values) {
    void *field = (char *)values + param->offset;
    const char *copy;
    LBK_TRY(lbk_arena_strdup(arena, text, &copy));
    char *scratch = (char *)copy; /* the arena's memory is ours to write */
    switch (param->type) {
    case LBK_TYPE_TEXT:
        *(const char **)field = copy;
        return LBK_OK;
    case LBK_TYPE_WORDS:
        return set_words(param, text, scratch, arena, field);
    default:
        return read_scalar(param, scratch, field) ? LBK_OK : refuse(param, text);
    }
}

lbk_status lbk_param_defaults(const lbk_param *table, lbk_arena *arena, void *values) {
    for (; table->name; table++)
        if (table->fallback)
            LBK_TRY(lbk_context(lbk_param_set(table, table->fallback, arena, values), "default"));
    return LBK_OK;
}

/* Typed parameters: name, type, default, range, unit, one line of meaning and source, written once. INI checking,
 * `limbeck describe`, the reference docs and the struct that code reads all come from one table.
 *
 *     typedef struct { int out; int kernel[2]; bool bias; } conv_params;
 *     static const lbk_param conv_table[] = {
 *         LBK_PARAM_INT(conv_params, out, NULL, 1, 1 << 20, "channels", "output channels", NULL),   // NULL: required
 *         LBK_PARAM_PAIR(conv_params, kernel, "1", 1, 99, "pixels", "kernel height,width; one number for both", NULL),
 *         LBK_PARAM_BOOL(conv_params, bias, "yes", "add a bias per output channel", NULL),
 *         LBK_PARAM_END};
 */
#ifndef LBK_BASE_PARAM_H
#define LBK_BASE_PARAM_H

#include "base/memory.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum lbk_param_type {
    LBK_TYPE_INT,      /* int */
    LBK_TYPE_PAIR,     /* int[2]: "3" gives 3,3; "3,5" gives 3,5 */
    LBK_TYPE_FLOAT,    /* double */
    LBK_TYPE_BOOL,     /* bool: yes/no, true/false, on/off, 1/0 */
    LBK_TYPE_CHOICE,   /* int: index into `choices` */
    LBK_TYPE_TEXT,     /* const char *: owned by the arena given to lbk_param_set() */
    LBK_TYPE_SCHEDULE, /* lbk_ramp: see there for what may be written */
    LBK_TYPE_INTS,     /* lbk_ints: comma-separated list; may be empty */
    LBK_TYPE_WORDS,    /* lbk_words: comma- or space-separated list */
} lbk_param_type;

/* A number over the run.
 *
 *     0.9                     stays
 *     10 -> 1                 goes from `from` at the first step to `to` at the last one, along a straight line
 *     10 -> 1 cosine          along half a cosine: to + (from - to) (1 + cos(pi progress)) / 2
 *     0.9 warmup 20           any of these times min(epoch / 20, 1)
 *
 * A warm-up begins near 0, so that it is refused where 0 is out of the parameter's range. */
typedef struct lbk_ramp {
    double from, to;
    double warmup; /* epochs; 0: none */
    bool cosine;
} lbk_ramp;

/* The value of the step that is at `progress` in [0, 1] of the run and after which `epoch` epochs are done, with
 * fraction: so the warm-up's first step is not lost and its last one has the full value. */
double lbk_ramp_at(lbk_ramp ramp, double progress, double epoch);

/* The items lie in the struct, so that parameters of ops stay plain data, which a rule of differentiation fills and copies. */
#define LBK_MAX_INTS 16
typedef struct lbk_ints {
    int count;
    int items[LBK_MAX_INTS];
} lbk_ints;

typedef struct lbk_words {
    int count;
    const char *const *items;
} lbk_words;

typedef struct lbk_param {
    const char *name; /* NULL ends a table */
    lbk_param_type type;
    size_t offset;              /* of the field in the struct */
    const char *fallback;       /* default, as the user would write it; NULL: the key is required */
    double min, max;            /* numbers (each of a list or pair, both ends of a ramp) must lie in [min, max] */
    const char *const *choices; /* CHOICE: NULL-terminated */
    const char *unit;           /* "pixels", "epochs", ... or NULL */
    const char *meaning;        /* one line */
    const char *source;         /* paper or equation, or NULL */
} lbk_param;

#define LBK_PARAM_INT(S, f, def, lo, hi, unit, text, src)                                                              \
    { #f, LBK_TYPE_INT, offsetof(S, f), def, lo, hi, NULL, unit, text, src }
#define LBK_PARAM_PAIR(S, f, def, lo, hi, unit, text, src)                                                             \
    { #f, LBK_TYPE_PAIR, offsetof(S, f), def, lo, hi, NULL, unit, text, src }
#define LBK_PARAM_FLOAT(S, f, def, lo, hi, unit, text, src)                                                            \
    { #f, LBK_TYPE_FLOAT, offsetof(S, f), def, lo, hi, NULL, unit, text, src }
#define LBK_PARAM_BOOL(S, f, def, text, src)                                                                           \
    { #f, LBK_TYPE_BOOL, offsetof(S, f), def, 0, 1, NULL, NULL, text, src }
#define LBK_PARAM_CHOICE(S, f, def, list, text, src)                                                                   \
    { #f, LBK_TYPE_CHOICE, offsetof(S, f), def, 0, 0, list, NULL, text, src }
#define LBK_PARAM_TEXT(S, f, def, text, src)                                                                           \
    { #f, LBK_TYPE_TEXT, offsetof(S, f), def, 0, 0, NULL, NULL, text, src }
/* A text that names a file or folder; an experiment that is written out has it absolute. */
#define LBK_PATH_UNIT "path"
#define LBK_PARAM_PATH(S, f, def, text, src)                                                                           \
    { #f, LBK_TYPE_TEXT, offsetof(S, f), def, 0, 0, NULL, LBK_PATH_UNIT, text, src }
#define LBK_PARAM_SCHEDULE(S, f, def, lo, hi, unit, text, src)                                                         \
    { #f, LBK_TYPE_SCHEDULE, offsetof(S, f), def, lo, hi, NULL, unit, text, src }
#define LBK_PARAM_INTS(S, f, def, lo, hi, unit, text, src)                                                             \
    { #f, LBK_TYPE_INTS, offsetof(S, f), def, lo, hi, NULL, unit, text, src }
#define LBK_PARAM_WORDS(S, f, def, text, src)                                                                          \
    { #f, LBK_TYPE_WORDS, offsetof(S, f), def, 0, 0, NULL, NULL, text, src }
#define LBK_PARAM_END                                                                                                  \
    { NULL, LBK_TYPE_INT, 0, NULL, 0, 0, NULL, NULL, NULL, NULL }

const lbk_param *lbk_param_find(const lbk_param *table, const char *name);

/* Parses `text` wholly into the field of `values` (a pointer to the struct). Words and text live in `arena`.
 * LBK_ERR_INPUT names the parameter, the text, what was expected and its range; the caller prepends file and line. */
lbk_status lbk_param_set(const lbk_param *param, const char *text, lbk_arena *arena, void *values);

/* Fills every field that has a default. */
lbk_status lbk_param_defaults(const lbk_param *table, lbk_arena *arena, void *values);

/* The field as the user would write it (round-trips through lbk_param_set()). */
lbk_status lbk_param_print(const lbk_param *param, const void *values, lbk_text *out);

/* "integer in [1, 99]", "yes or no", "one of a, b": for messages, listings and docs. */
lbk_status lbk_param_expect(const lbk_param *param, lbk_text *out);

/* Whole-string number parsing, base 10 only: no leading/trailing junk, no hex, no inf/nan. */
bool lbk_parse_int(const char *text, long long *out);
bool lbk_parse_float(const char *text, double *out);

/* The candidate nearest to `word` by edit distance, or NULL when none is near enough to suggest. */
const char *lbk_nearest(const char *word, const char *const *candidates, size_t count);

#endif

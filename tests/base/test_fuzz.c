/* Damaged input: parsers refuse it or read it, and what they read they can write and read again. */
#include "base/expr.h"
#include "base/ini.h"
#include "support/mutate.h"
#include "support/scratch.h"

#include <limits.h>

static scratch s;

static void setup(void) {
    scratch_make(&s);
}
static void teardown(void) {
    scratch_remove(&s);
}

TestSuite(fuzz, .init = setup, .fini = teardown);

static const char *const ini_seeds[] = {
    "# comment\n[model]\nsummary = a ; b\ninput = 32x32x3\n[network]\nconv1 = conv2d out=width kernel=3\n",
    "[a]\nx = \"q # r\" ; c\ny = 'it\"s'\n[b c]\nz =\nw = \"\" # e\n",
    "[a]\r\nk = v\r\n\r\n[b]\r\nk = caf\xC3\xA9 -> \xE2\x86\x92\r\n",
};

/* Writes what was read and reads it back. */
static void expect_round_trip(const lbk_ini *ini) {
    lbk_text text = {0};
    lbk_ini again;
    for (size_t i = 0; i < ini->section_count; i++) {
        lbk_text_printf(&text, "[%s]\n", ini->sections[i].name);
        for (size_t j = 0; j < ini->entry_count; j++) {
            if (strcmp(ini->entries[j].section, ini->sections[i].name) != 0)
                continue;
            lbk_text_printf(&text, "%s = ", ini->entries[j].key);
            if (lbk_ini_value_print(ini->entries[j].value, &text) != LBK_OK)
                lbk_text_printf(&text, "%s", ini->entries[j].value);
            lbk_text_printf(&text, "\n");
        }
    }
    if (text.length) {
        const char *path = scratch_write(&s, "again.ini", text.data, text.length);
        cr_assert_eq(lbk_ini_load(&again, path), LBK_OK, "%s", lbk_error_message());
        cr_assert_eq(again.entry_count, ini->entry_count);
        for (size_t i = 0; i < ini->entry_count; i++)
            cr_assert_str_eq(again.entries[i].value, ini->entries[i].value);
        lbk_ini_release(&again);
    }
    lbk_text_release(&text);
}

/* Never the two messages that mean "iniparser reads this otherwise": whatever it does otherwise is refused before. */
Test(fuzz, ini) {
    lbk_rng rng;
    int accepted = 0;
    lbk_rng_init(&rng, 1, LBK_RNG_TEST, 0, 0);
    for (int i = 0; i < 4000; i++) {
        char text[400];
        const char *seed = ini_seeds[i % 3];
        size_t length = strlen(seed);
        lbk_ini ini;
        memcpy(text, seed, length);
        mutate(&rng, text, &length, sizeof text, "[]=#;\"'\\\n\r\t :ab");
        lbk_status status = lbk_ini_load(&ini, scratch_write(&s, "x.ini", text, length));
        cr_assert(status == LBK_OK || status == LBK_ERR_INPUT);
        if (status == LBK_OK) {
            accepted++;
            expect_round_trip(&ini);
        } else {
            cr_assert_null(strstr(lbk_error_message(), "ambiguous"), "%s\n%.*s", lbk_error_message(), (int)length,
                           text);
            cr_assert_null(strstr(lbk_error_message(), "iniparser"), "%s\n%.*s", lbk_error_message(), (int)length,
                           text);
        }
        lbk_ini_release(&ini);
    }
    cr_assert(accepted > 400 && accepted < 3600, "%d: the mutations are too weak or too strong", accepted);
}

typedef struct values {
    int integer, pair[2], choice;
    double number;
    bool flag;
    lbk_ramp ramp;
    lbk_ints ints;
    lbk_words words;
} values;

static const char *const choices[] = {"alpha", "beta", NULL};

static const lbk_param table[] = {LBK_PARAM_INT(values, integer, NULL, -100000, INT_MAX, NULL, "", NULL),
                                  LBK_PARAM_PAIR(values, pair, NULL, INT_MIN, 5000, NULL, "", NULL),
                                  LBK_PARAM_FLOAT(values, number, NULL, -1e300, 1e300, NULL, "", NULL),
                                  LBK_PARAM_SCHEDULE(values, ramp, NULL, -1e300, 1e300, NULL, "", NULL),
                                  LBK_PARAM_INTS(values, ints, NULL, INT_MIN, INT_MAX, NULL, "", NULL),
                                  LBK_PARAM_WORDS(values, words, NULL, "", NULL),
                                  LBK_PARAM_BOOL(values, flag, NULL, "", NULL),
                                  LBK_PARAM_CHOICE(values, choice, NULL, choices, "", NULL),
                                  LBK_PARAM_END};

static const char *const param_seeds[] = {"-1234",     "12,345", "-0.25e-3", "10 -> 0.5 cosine warmup 3",
                                          "1, 20,300", "a, b c", "yes",      "alpha"};

static void expect_param_round_trip(const lbk_param *param, const values *read, lbk_arena *arena) {
    lbk_text once = {0}, twice = {0};
    values again = {0};
    cr_assert_eq(lbk_param_print(param, read, &once), LBK_OK);
    cr_assert_eq(lbk_param_set(param, once.data, arena, &again), LBK_OK, "%s", lbk_error_message());
    cr_assert_eq(lbk_param_print(param, &again, &twice), LBK_OK);
    cr_assert_str_eq(once.data, twice.data);
    lbk_text_release(&once);
    lbk_text_release(&twice);
}

Test(fuzz, params) {
    lbk_rng rng;
    int accepted = 0;
    lbk_rng_init(&rng, 2, LBK_RNG_TEST, 0, 0);
    for (int i = 0; i < 40000; i++) {
        char text[64];
        const lbk_param *param = &table[i % 8];
        size_t length = strlen(param_seeds[i % 8]);
        lbk_arena arena = {0};
        values read = {0};
        memcpy(text, param_seeds[i % 8], length);
        mutate(&rng, text, &length, sizeof text - 1, "0123456789+-.,eE> x\t");
        text[length] = '\0';
        lbk_status status = lbk_param_set(param, text, &arena, &read);
        cr_assert(status == LBK_OK || status == LBK_ERR_INPUT);
        if (status == LBK_OK) {
            accepted++;
            expect_param_round_trip(param, &read, &arena);
        }
        lbk_arena_release(&arena);
    }
    cr_assert(accepted > 4000 && accepted < 36000, "%d", accepted);
}

static bool look_up(void *context, const char *name, size_t length, long long *out) {
    (void)context;
    *out = length == 1 ? name[0] - 'a' : -5;
    return length <= 2;
}

/* A sum of two evaluated expressions in parentheses is the sum of their values. */
Test(fuzz, expressions) {
    static const char *const seeds[] = {"a + 2 * (b - 3) / c % 7", "a == 0 ? 2 : n != 1 || a < b && !c",
                                        "-a * -(9223372036854775807 - bb)"};
    lbk_rng rng;
    int accepted = 0;
    lbk_rng_init(&rng, 3, LBK_RNG_TEST, 0, 0);
    for (int i = 0; i < 40000; i++) {
        char text[128], wrapped[160];
        size_t length = strlen(seeds[i % 3]);
        long long value, sum;
        memcpy(text, seeds[i % 3], length);
        mutate(&rng, text, &length, sizeof text - 1, "0129+-*/%()?:<>=!&| ab");
        text[length] = '\0';
        lbk_status status = lbk_expr_eval(text, look_up, NULL, &value);
        cr_assert(status == LBK_OK || status == LBK_ERR_INPUT);
        if (status != LBK_OK || value > LLONG_MAX - 7)
            continue;
        accepted++;
        snprintf(wrapped, sizeof wrapped, "7 + (%s)", text);
        cr_assert_eq(lbk_expr_eval(wrapped, look_up, NULL, &sum), LBK_OK, "%s", lbk_error_message());
        cr_assert_eq(sum, value + 7, "%s", text);
    }
    cr_assert(accepted > 4000 && accepted < 36000, "%d", accepted);
}

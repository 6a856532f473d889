#include "base/param.h"

#include <criterion/criterion.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct values {
    int out, any;
    int kernel[2];
    double rate, free;
    bool bias;
    int optim;
    const char *name;
    lbk_ramp temperature, weight;
    lbk_ints steps;
    lbk_words taps;
} values;

static const char *const optims[] = {"sgd", "adam", "adamw", NULL};

static const lbk_param table[] = {LBK_PARAM_INT(values, out, NULL, 1, 1 << 20, "channels", "output channels", NULL),
                                  LBK_PARAM_INT(values, any, "0", INT_MIN, INT_MAX, NULL, "any integer", NULL),
                                  LBK_PARAM_PAIR(values, kernel, "1", 1, 99, "pixels", "kernel size", NULL),
                                  LBK_PARAM_FLOAT(values, rate, "0.1", 0, 10, NULL, "learning rate", NULL),
                                  LBK_PARAM_FLOAT(values, free, "0", -DBL_MAX, DBL_MAX, NULL, "any number", NULL),
                                  LBK_PARAM_BOOL(values, bias, "yes", "add a bias", NULL),
                                  LBK_PARAM_CHOICE(values, optim, "sgd", optims, "optimiser", NULL),
                                  LBK_PARAM_TEXT(values, name, "resnet 20", "model", NULL),
                                  LBK_PARAM_SCHEDULE(values, temperature, "4", 0.5, 100, NULL, "temperature", NULL),
                                  LBK_PARAM_SCHEDULE(values, weight, "1", 0, 10, NULL, "weight", NULL),
                                  LBK_PARAM_INTS(values, steps, "", 0, 1000, "epochs", "milestones", NULL),
                                  LBK_PARAM_WORDS(values, taps, "a b", "taps", NULL),
                                  LBK_PARAM_END};

static lbk_arena arena;

static void teardown(void) {
    lbk_arena_release(&arena);
}

TestSuite(param, .fini = teardown);

static lbk_status set(values *v, const char *name, const char *text) {
    const lbk_param *param = lbk_param_find(table, name);
    cr_assert_not_null(param, "%s", name);
    return lbk_param_set(param, text, &arena, v);
}

Test(param, defaults) {
    values v = {.out = -7};
    cr_assert_eq(lbk_param_defaults(table, &arena, &v), LBK_OK, "%s", lbk_error_message());
    cr_assert_eq(v.out, -7, "a required parameter has no default");
    cr_assert(v.any == 0 && v.kernel[0] == 1 && v.kernel[1] == 1 && v.rate == 0.1 && v.bias && v.optim == 0);
    cr_assert_str_eq(v.name, "resnet 20");
    cr_assert(v.temperature.from == 4 && v.temperature.to == 4);
    cr_assert_eq(v.steps.count, 0);
    cr_assert_eq(v.taps.count, 2);
    cr_assert_str_eq(v.taps.items[1], "b");
}

/* What a user may write, and how it prints. */
static const struct {
    const char *name, *text, *printed;
} good[] = {
    {"out", "1", "1"},
    {"out", "010", "10"},
    {"out", "+5", "5"},
    {"out", "1048576", "1048576"},
    {"any", "-2147483648", "-2147483648"},
    {"any", "2147483647", "2147483647"},
    {"any", "-0", "0"},
    {"kernel", "3", "3"},
    {"kernel", "3,5", "3,5"},
    {"kernel", " 3 , 5 ", "3,5"},
    {"kernel", "7,7", "7"},
    {"rate", "0", "0"},
    {"rate", ".5", "0.5"},
    {"rate", "5.", "5"},
    {"rate", "1e-3", "0.001"},
    {"rate", "1E+1", "10"},
    {"rate", "0.30000000000000004", "0.30000000000000004"},
    {"free", "-1.7976931348623157e308", "-1.7976931348623157e+308"},
    {"free", "5e-324", "4.94065645841247e-324"},
    {"free", "0.1", "0.1"},
    {"free", "-0", "-0"},
    {"bias", "yes", "yes"},
    {"bias", "no", "no"},
    {"bias", "true", "yes"},
    {"bias", "false", "no"},
    {"bias", "on", "yes"},
    {"bias", "off", "no"},
    {"bias", "1", "yes"},
    {"bias", "0", "no"},
    {"optim", "adamw", "adamw"},
    {"optim", "sgd", "sgd"},
    {"name", "a # b, c", "a # b, c"},
    {"name", "", ""},
    {"temperature", "10 -> 1", "10 -> 1"},
    {"temperature", "10->1", "10 -> 1"},
    {"temperature", "1e1->.5", "10 -> 0.5"},
    {"temperature", "3", "3"},
    {"temperature", "3 -> 3", "3"},
    {"temperature", "3 -> 3 cosine", "3"},
    {"temperature", "10 -> 1 cosine", "10 -> 1 cosine"},
    {"temperature", " 10->1\tcosine ", "10 -> 1 cosine"},
    {"weight", "0.9 warmup 20", "0.9 warmup 20"},
    {"weight", "9 -> 1   warmup  .5", "9 -> 1 warmup 0.5"},
    {"weight", "9 -> 1 cosine warmup 1e2", "9 -> 1 cosine warmup 100"},
    {"weight", "9 warmup 0", "9"},
    {"steps", "", ""},
    {"steps", "5", "5"},
    {"steps", "150,180 , 210", "150, 180, 210"},
    {"steps", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16", "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16"},
    {"taps", "", ""},
    {"taps", "layer1.0, layer2 ,fc", "layer1.0, layer2, fc"},
    {"taps", "x y\tz", "x, y, z"},
};

Test(param, good_values_print_and_round_trip) {
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        values v = {0};
        const lbk_param *param = lbk_param_find(table, good[i].name);
        cr_assert_eq(set(&v, good[i].name, good[i].text), LBK_OK, "%s", lbk_error_message());
        lbk_text once = {0}, twice = {0};
        cr_assert_eq(lbk_param_print(param, &v, &once), LBK_OK);
        cr_expect_str_eq(once.data, good[i].printed);
        values again = {0};
        cr_assert_eq(lbk_param_set(param, once.data, &arena, &again), LBK_OK, "%s", lbk_error_message());
        cr_assert_eq(lbk_param_print(param, &again, &twice), LBK_OK);
        cr_expect_str_eq(twice.data, once.data);
        if (param->type == LBK_TYPE_FLOAT)
            cr_expect(memcmp((char *)&v + param->offset, (char *)&again + param->offset, sizeof(double)) == 0);
        lbk_text_release(&once);
        lbk_text_release(&twice);
    }
}

#define INT_RANGE "expected integer in [1, 1048576], got "
#define RATE_RANGE "rate: expected number in [0, 10], got "
#define RAMP "temperature: expected number or \"from -> to [cosine]\", each in [0.5, 100], got "
#define WARM "weight: expected number or \"from -> to [cosine]\", each in [0, 10]; \"warmup EPOCHS\" may follow, got "
#define PAIR "kernel: expected one integer or two, \"a,b\", each in [1, 99], got "
#define STEPS "steps: expected at most 16 comma-separated integers, each in [0, 1000], got "
#define OPTIM "optim: expected one of sgd, adam, adamw, got "
#define WORDS "taps: expected words separated by commas or spaces, got "

static const struct {
    const char *name, *text, *message;
} bad[] = {
    {"out", "32x", "out: " INT_RANGE "\"32x\""},
    {"out", "0x20", "out: " INT_RANGE "\"0x20\""},
    {"out", "", "out: " INT_RANGE "\"\""},
    {"out", "0", "out: " INT_RANGE "\"0\""},
    {"out", "-1", "out: " INT_RANGE "\"-1\""},
    {"out", "1048577", "out: " INT_RANGE "\"1048577\""},
    {"out", "3.0", "out: " INT_RANGE "\"3.0\""},
    {"out", "1e3", "out: " INT_RANGE "\"1e3\""},
    {"out", "3 4", "out: " INT_RANGE "\"3 4\""},
    {"out", "--3", "out: " INT_RANGE "\"--3\""},
    {"out", "99999999999999999999", "out: " INT_RANGE "\"99999999999999999999\""},
    {"out", "4294967297", "out: " INT_RANGE "\"4294967297\""},
    {"out", "\xD9\xA3", "out: " INT_RANGE "\"\xD9\xA3\""},
    {"any", "2147483648", "any: expected integer, got \"2147483648\""},
    {"kernel", "3,", PAIR "\"3,\""},
    {"kernel", ",3", PAIR "\",3\""},
    {"kernel", "3,100", PAIR "\"3,100\""},
    {"kernel", "3,5,7", PAIR "\"3,5,7\""},
    {"kernel", "3x5", PAIR "\"3x5\""},
    {"kernel", "0", PAIR "\"0\""},
    {"rate", "inf", RATE_RANGE "\"inf\""},
    {"rate", "nan", RATE_RANGE "\"nan\""},
    {"rate", "0x1p-3", RATE_RANGE "\"0x1p-3\""},
    {"rate", "1e999", RATE_RANGE "\"1e999\""},
    {"rate", "1e-999", RATE_RANGE "\"1e-999\""},
    {"rate", "0.1f", RATE_RANGE "\"0.1f\""},
    {"rate", "0,1", RATE_RANGE "\"0,1\""},
    {"rate", "1e", RATE_RANGE "\"1e\""},
    {"rate", ".", RATE_RANGE "\".\""},
    {"rate", "-0.001", RATE_RANGE "\"-0.001\""},
    {"rate", "10.000001", RATE_RANGE "\"10.000001\""},
    {"free", "infinity", "free: expected number, got \"infinity\""},
    {"bias", "maybe", "bias: expected yes or no, got \"maybe\""},
    {"bias", "Yes", "bias: expected yes or no, got \"Yes\""},
    {"bias", "2", "bias: expected yes or no, got \"2\""},
    {"bias", "", "bias: expected yes or no, got \"\""},
    {"optim", "adan", OPTIM "\"adan\"; did you mean \"adam\"?"},
    {"optim", "Adamw", OPTIM "\"Adamw\"; did you mean \"adamw\"?"},
    {"optim", "gsd", OPTIM "\"gsd\"; did you mean \"sgd\"?"},
    {"optim", "lion", OPTIM "\"lion\""},
    {"optim", "", OPTIM "\"\""},
    {"temperature", "10 ->", RAMP "\"10 ->\""},
    {"temperature", "-> 1", RAMP "\"-> 1\""},
    {"temperature", "10 -> 0.4", RAMP "\"10 -> 0.4\""},
    {"temperature", "101 -> 1", RAMP "\"101 -> 1\""},
    {"temperature", "10 -> 5 -> 1", RAMP "\"10 -> 5 -> 1\""},
    {"temperature", "10 - > 1", RAMP "\"10 - > 1\""},
    {"temperature", "10 1", RAMP "\"10 1\""},
    {"temperature", "nan -> 1", RAMP "\"nan -> 1\""},
    {"temperature", "10 -> ", RAMP "\"10 -> \""},
    {"temperature", "cosine", RAMP "\"cosine\""},
    {"temperature", "4 cosine", RAMP "\"4 cosine\""},
    {"temperature", "10 -> cosine", RAMP "\"10 -> cosine\""},
    {"temperature", "10 -> 1cosine", RAMP "\"10 -> 1cosine\""},
    {"temperature", "10 -> 1 cosine 2", RAMP "\"10 -> 1 cosine 2\""},
    {"temperature", "10 -> 1 linear", RAMP "\"10 -> 1 linear\""},
    {"temperature", "cosine 10 -> 1", RAMP "\"cosine 10 -> 1\""},
    {"temperature", "4 warmup 20", RAMP "\"4 warmup 20\""}, /* it would begin below the range */
    {"weight", "1 warmup", WARM "\"1 warmup\""},
    {"weight", "warmup 20", WARM "\"warmup 20\""},
    {"weight", "1 warmup -1", WARM "\"1 warmup -1\""},
    {"weight", "1 warmup 1000001", WARM "\"1 warmup 1000001\""},
    {"weight", "1 warmup 20 epochs", WARM "\"1 warmup 20 epochs\""},
    {"weight", "1 warmup20", WARM "\"1 warmup20\""},
    {"weight", "1warmup 20", WARM "\"1warmup 20\""},
    {"weight", "9 -> 1 warmup 20 cosine", WARM "\"9 -> 1 warmup 20 cosine\""},
    {"weight", "9 -> 11", WARM "\"9 -> 11\""},
    {"steps", "1,,2", STEPS "\"1,,2\""},
    {"steps", "1,2,", STEPS "\"1,2,\""},
    {"steps", ",", STEPS "\",\""},
    {"steps", "1 2", STEPS "\"1 2\""},
    {"steps", "1,1001", STEPS "\"1,1001\""},
    {"steps", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", STEPS "\"1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17\""},
    {"taps", "a,,b", WORDS "\"a,,b\""},
    {"taps", ",a", WORDS "\",a\""},
    {"taps", "a,", WORDS "\"a,\""},
    {"taps", "a , , b", WORDS "\"a , , b\""},
};

Test(param, bad_values_are_refused_and_change_nothing) {
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        values v, before;
        memset(&v, 0x5A, sizeof v);
        memcpy(&before, &v, sizeof v);
        cr_expect_eq(set(&v, bad[i].name, bad[i].text), LBK_ERR_INPUT, "%s = %s", bad[i].name, bad[i].text);
        cr_expect_str_eq(lbk_error_message(), bad[i].message);
        cr_expect_eq(memcmp(&v, &before, sizeof v), 0, "%s = %s", bad[i].name, bad[i].text);
    }
}

Test(param, long_text_is_cut_in_messages) {
    char text[500];
    values v = {0};
    memset(text, 'q', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    cr_assert_eq(set(&v, "out", text), LBK_ERR_INPUT);
    cr_assert_lt(strlen(lbk_error_message()), 150);
}

Test(param, expectations) {
    static const struct {
        double min, max;
        lbk_param_type type;
        const char *text;
    } rows[] = {
        {1, 99, LBK_TYPE_INT, "integer in [1, 99]"},
        {1, INT_MAX, LBK_TYPE_INT, "integer >= 1"},
        {INT_MIN, 5, LBK_TYPE_INT, "integer <= 5"},
        {INT_MIN, INT_MAX, LBK_TYPE_INTS, "at most 16 comma-separated integers"},
        {0, INFINITY, LBK_TYPE_FLOAT, "number >= 0"},
        {-INFINITY, INFINITY, LBK_TYPE_FLOAT, "number"},
        {0.25, 1e-3, LBK_TYPE_FLOAT, "number in [0.25, 0.001]"},
        {0, DBL_MAX, LBK_TYPE_SCHEDULE, "number or \"from -> to [cosine]\", each >= 0; \"warmup EPOCHS\" may follow"},
        {1, DBL_MAX, LBK_TYPE_SCHEDULE, "number or \"from -> to [cosine]\", each >= 1"},
        {-DBL_MAX, DBL_MAX, LBK_TYPE_SCHEDULE, "number or \"from -> to [cosine]\"; \"warmup EPOCHS\" may follow"},
        {0, 1, LBK_TYPE_BOOL, "yes or no"},
        {0, 0, LBK_TYPE_TEXT, "text"},
        {0, 0, LBK_TYPE_CHOICE, "one of sgd, adam, adamw"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        lbk_param param = {"x", rows[i].type, 0, NULL, rows[i].min, rows[i].max, optims, NULL, NULL, NULL};
        lbk_text text = {0};
        cr_assert_eq(lbk_param_expect(&param, &text), LBK_OK);
        cr_expect_str_eq(text.data, rows[i].text);
        lbk_text_release(&text);
    }
}

Test(param, find) {
    cr_assert_eq(lbk_param_find(table, "rate"), &table[3]);
    cr_assert_null(lbk_param_find(table, "Rate"));
    cr_assert_null(lbk_param_find(table, ""));
}

Test(param, ramp) {
    lbk_ramp falling = {.from = 10, .to = 2};
    cr_assert_eq(lbk_ramp_at(falling, 0, 0), 10);
    cr_assert_eq(lbk_ramp_at(falling, 0.25, 7), 8);
    cr_assert_eq(lbk_ramp_at(falling, 1, 9), 2);
    cr_assert_eq(lbk_ramp_at(falling, -1, 0), 10);
    cr_assert_eq(lbk_ramp_at(falling, 2, 9), 2);
    cr_assert_eq(lbk_ramp_at((lbk_ramp){.from = 0.1, .to = 0.1}, 0.7, 3), 0.1);
}

Test(param, ramp_along_a_cosine) {
    lbk_ramp falling = {.from = 10, .to = 2, .cosine = true};
    cr_assert_eq(lbk_ramp_at(falling, 0, 0), 10);
    cr_assert_eq(lbk_ramp_at(falling, 1, 0), 2);
    cr_assert_float_eq(lbk_ramp_at(falling, 0.5, 0), 6, 1e-14);
    cr_assert_float_eq(lbk_ramp_at(falling, 0.25, 0), 6 + 2 * sqrt(2), 1e-14);
    cr_assert_float_eq(lbk_ramp_at(falling, 2.0 / 3, 0), 4, 1e-14);
}

Test(param, ramp_with_warmup) {
    lbk_ramp still = {.from = 8, .to = 8, .warmup = 20}, falling = {.from = 10, .to = 2, .warmup = 4};
    cr_assert_eq(lbk_ramp_at(still, 0, 0.5), 0.2);
    cr_assert_eq(lbk_ramp_at(still, 0.1, 5), 2, "5 of 20 epochs done");
    cr_assert_eq(lbk_ramp_at(still, 0.4, 20), 8);
    cr_assert_eq(lbk_ramp_at(still, 1, 50), 8);
    cr_assert_eq(lbk_ramp_at(falling, 0.25, 2), 4, "half of 8");
    cr_assert_eq(lbk_ramp_at(falling, 0.5, 4), 6);
}

Test(param, nearest) {
    static const char *const words[] = {"epochs", "lr", "batch", "momentum", "weight_decay", ""};
    static const char *const rows[][2] = {{"epoch", "epochs"},
                                          {"eopchs", "epochs"},
                                          {"LR", "lr"},
                                          {"bacth", "batch"},
                                          {"weight-decay", "weight_decay"},
                                          {"weigthdecay", "weight_decay"},
                                          {"momentun", "momentum"},
                                          {"b", NULL},
                                          {"", NULL},
                                          {"warmup", NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *nearest = lbk_nearest(rows[i][0], words, 6);
        if (rows[i][1])
            cr_expect_str_eq(nearest ? nearest : "(none)", rows[i][1]);
        else
            cr_expect_null(nearest, "%s", rows[i][0]);
    }
    char longest[200];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    const char *const alone[] = {longest};
    cr_expect_null(lbk_nearest("epochs", alone, 1));
    cr_expect_null(lbk_nearest(longest, alone, 1));
}

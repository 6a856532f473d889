#include "base/expr.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {"width", "n", "zero", "index", "huge"};
static const long long numbers[] = {16, 3, 0, 2, 9223372036854775807};

static bool look_up(void *context, const char *name, size_t length, long long *out) {
    int *calls = context;
    *calls += 1;
    for (size_t i = 0; i < 5; i++)
        if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0) {
            *out = numbers[i];
            return true;
        }
    return false;
}

static const struct {
    const char *text;
    long long value;
} good[] = {
    {"7", 7},
    {" 007 ", 7},
    {"2*width", 32},
    {"2 * width + n", 35},
    {"2 * (width + n)", 38},
    {"1 + 2 * 3 - 4", 3},
    {"10 - 4 - 3", 3},
    {"100 / 7 / 2", 7},
    {"-7 / 2", -3},
    {"-7 % 2", -1},
    {"7 % -2", 1},
    {"2 - -3", 5},
    {"- - 3", 3},
    {"+3", 3},
    {"!0", 1},
    {"!width", 0},
    {"!!width", 1},
    {"-!0", -1},
    {"1 < 2", 1},
    {"2 < 1", 0},
    {"2 <= 2", 1},
    {"2 >= 3", 0},
    {"3 > 2", 1},
    {"1 == 1", 1},
    {"1 != 1", 0},
    {"1 < 2 == 1", 1},
    {"1 + 1 < 3", 1},
    {"1 && 0 || 1", 1},
    {"1 || 0 && 0", 1},
    {"0 && 1", 0},
    {"5 && 7", 1},
    {"0 || 0", 0},
    {"index==0?2:1", 1},
    {"zero==0?2:1", 2},
    {"1 ? 0 ? 3 : 4 : 5", 4},
    {"0 ? 1 : 0 ? 2 : 3", 3},
    {"(1 ? 2 : 3) * 10", 20},
    {"1 || 2 ? 8 : 9", 8},
    {"zero ? 8 / zero : 4", 4},
    {"zero == 0 || 8 / zero", 1},
    {"zero && 8 % zero", 0},
    {"1 ? 5 : huge * huge", 5},
    {"0 ? -(0 - huge - 1) : 5", 5},
    {"9223372036854775807", 9223372036854775807},
    {"-9223372036854775807 - 1", -9223372036854775807 - 1},
    {"(-9223372036854775807 - 1) % -1", 0},
    {"((((3))))", 3},
    {"1\t+\t2", 3},
};

Test(expr, values) {
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        long long value = -99;
        int calls = 0;
        cr_expect_eq(lbk_expr_eval(good[i].text, look_up, &calls, &value), LBK_OK, "%s", lbk_error_message());
        cr_expect_eq(value, good[i].value, "%s = %lld", good[i].text, value);
    }
}

static const struct {
    const char *text;
    int column;
    const char *message;
} bad[] = {
    {"", 1, "ends where a value is expected"},
    {"   ", 4, "ends where a value is expected"},
    {"1 +", 4, "ends where a value is expected"},
    {"1 2", 3, "expected an operator or the end"},
    {"(1 + 2", 1, "this '(' is not closed"},
    {"2 * (1", 5, "this '(' is not closed"},
    {"1)", 2, "expected an operator or the end"},
    {"()", 2, "expected a number, a name or '('"},
    {"*3", 1, "expected a number, a name or '('"},
    {"1 ? 2", 6, "expected ':' of '?:'"},
    {"1 ? : 3", 5, "expected a number, a name or '('"},
    {"3x", 1, "not an integer"},
    {"0x10", 1, "not an integer"},
    {"1.5", 1, "not an integer"},
    {"2e3", 1, "not an integer"},
    {"1 = 1", 3, "expected an operator or the end"},
    {"1 & 1", 3, "expected an operator or the end"},
    {"1 | 1", 3, "expected an operator or the end"},
    {"1 ^ 1", 3, "expected an operator or the end"},
    {"~1", 1, "expected a number, a name or '('"},
    {"\"a\"", 1, "expected a number, a name or '('"},
    {"1 / 0", 3, "division by zero"},
    {"1 % zero", 3, "division by zero"},
    {"9223372036854775808", 1, "number too large"},
    {"huge + 1", 6, "overflow"},
    {"-huge - 2", 7, "overflow"},
    {"2 * huge", 3, "overflow"},
    {"(-huge - 1) / -1", 13, "overflow"},
    {"-(-huge - 1)", 1, "overflow"},
    {"2 * widht", 5, "unknown name \"widht\"; did you mean \"width\"?"},
    {"indx == 0", 1, "unknown name \"indx\"; did you mean \"index\"?"},
    {"0 && foo_bar", 6, "unknown name \"foo_bar\""},
    {"1 ? 2 : foo_bar", 9, "unknown name \"foo_bar\""},
    {"in dex", 1, "unknown name \"in\""},
    {"width\n", 6, "expected an operator or the end"},
};

Test(expr, failures_name_the_column) {
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        long long value = -99;
        int calls = 0;
        char message[512];
        snprintf(message, sizeof message, "expression \"%s\", column %d: %s", bad[i].text, bad[i].column,
                 bad[i].message);
        cr_expect_eq(lbk_expr_eval_names(bad[i].text, look_up, &calls, names, 5, &value), LBK_ERR_INPUT, "%s",
                     bad[i].text);
        cr_expect_str_eq(lbk_error_message(), message);
        cr_expect_eq(value, -99, "the result changed: %s", bad[i].text);
    }
}

Test(expr, no_names_at_all) {
    long long value;
    cr_assert_eq(lbk_expr_eval("4 * 4", NULL, NULL, &value), LBK_OK);
    cr_assert_eq(value, 16);
    cr_assert_eq(lbk_expr_eval("n", NULL, NULL, &value), LBK_ERR_INPUT);
    cr_assert_str_eq(lbk_error_message(), "expression \"n\", column 1: unknown name \"n\"");
}

static void expect_too_deep(const char *piece, const char *end) {
    char text[4000] = "";
    long long value;
    for (int i = 0; i < 1000; i++)
        strcat(text, piece);
    strcat(text, end);
    cr_expect_eq(lbk_expr_eval(text, NULL, NULL, &value), LBK_ERR_INPUT);
    cr_expect_not_null(strstr(lbk_error_message(), "nested too deeply"));
}

Test(expr, depth_is_bounded) {
    expect_too_deep("(", "1");
    expect_too_deep("-", "1");
    expect_too_deep("1?", "1");
    expect_too_deep("!(", "1");
}

/* Names without values yet read as 0 here: no arithmetic may fail, all else does. */
Test(expr, check_looks_at_syntax_and_names_only) {
    int calls = 0;
    cr_expect_eq(lbk_expr_check("8 / zero + huge * huge - 1 % zero", look_up, &calls, names, 5), LBK_OK, "%s",
                 lbk_error_message());
    cr_expect_eq(lbk_expr_check("1 +", look_up, &calls, names, 5), LBK_ERR_INPUT);
    cr_expect_str_eq(lbk_error_message(), "expression \"1 +\", column 4: ends where a value is expected");
    cr_expect_eq(lbk_expr_check("0 && widht", look_up, &calls, names, 5), LBK_ERR_INPUT);
    cr_expect_str_eq(lbk_error_message(),
                     "expression \"0 && widht\", column 6: unknown name \"widht\"; did you mean \"width\"?");
    cr_expect_eq(lbk_expr_check("99999999999999999999", look_up, &calls, names, 5), LBK_ERR_INPUT);
}

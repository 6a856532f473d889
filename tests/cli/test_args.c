/* Taking a command line apart. */
#include "cli/cli.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARGS(...)                                                                                                      \
    char *words[] = {__VA_ARGS__};                                                                                     \
    lbk_args args = {(int)(sizeof words / sizeof words[0]), words}

#define FAILS(call, message)                                                                                           \
    do {                                                                                                               \
        cr_expect_eq((call), LBK_ERR_INPUT);                                                                           \
        cr_expect_str_eq(lbk_error_message(), message);                                                                \
    } while (0)

Test(args, flags_anywhere_and_repeated) {
    ARGS("--json", "file", "--quiet", "--json");
    cr_expect(lbk_args_flag(&args, "--json"));
    cr_expect_not(lbk_args_flag(&args, "--json"));
    cr_expect_not(lbk_args_flag(&args, "--jso"));
    cr_expect(lbk_args_flag(&args, "--quiet"));
    cr_assert_eq(args.count, 1);
    cr_expect_str_eq(args.items[0], "file");
}

Test(args, values_in_both_forms) {
    ARGS("a", "--out", "x", "--dump=y=z", "--outer", "b");
    const char *value;
    cr_assert_eq(lbk_args_value(&args, "--out", &value), LBK_OK);
    cr_expect_str_eq(value, "x");
    cr_assert_eq(lbk_args_value(&args, "--dump", &value), LBK_OK);
    cr_expect_str_eq(value, "y=z");
    cr_assert_eq(lbk_args_value(&args, "--none", &value), LBK_OK);
    cr_expect_null(value);
    FAILS(lbk_args_finish(&args, 0, 9, "limbeck x"), "unknown option '--outer'; usage: limbeck x");
}

Test(args, a_value_that_is_missing_or_given_twice) {
    const char *value;
    ARGS("--out", "x", "--out=y", "--dump");
    FAILS(lbk_args_value(&args, "--dump", &value), "--dump needs a value");
    FAILS(lbk_args_value(&args, "--out", &value), "--out is given twice");
}

Test(args, integers) {
    static const char *const bad[] = {"--n=",  "--n=4x",  "--n= 4",  "--n=0x4",
                                      "--n=0", "--n=101", "--n=1e1", "--n=99999999999999999999"};
    int64_t value;
    ARGS("--n=100");
    cr_assert_eq(lbk_args_int(&args, "--n", 7, 1, 100, &value), LBK_OK);
    cr_expect_eq(value, 100);
    cr_assert_eq(lbk_args_int(&args, "--n", 7, 1, 100, &value), LBK_OK);
    cr_expect_eq(value, 7);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char expected[96], *word = (char *)(uintptr_t)bad[i];
        lbk_args one = {1, &word};
        snprintf(expected, sizeof expected, "--n: '%s' is no integer in [1, 100]", bad[i] + 4);
        FAILS(lbk_args_int(&one, "--n", 7, 1, 100, &value), expected);
    }
}

Test(args, lists) {
    ARGS("--set", "a.b=1", "file", "--set=c.d=2");
    const char **values;
    size_t count;
    cr_assert_eq(lbk_args_values(&args, "--set", &values, &count), LBK_OK);
    cr_assert_eq(count, 2);
    cr_expect_str_eq(values[0], "a.b=1");
    cr_expect_str_eq(values[1], "c.d=2");
    cr_expect_null(values[2]);
    free(values);
    cr_assert_eq(lbk_args_values(&args, "--set", &values, &count), LBK_OK);
    cr_expect_eq(count, 0);
    free(values);
    cr_expect_eq(lbk_args_finish(&args, 1, 1, ""), LBK_OK);
}

Test(args, word_counts) {
    ARGS("a", "b");
    FAILS(lbk_args_finish(&args, 3, 4, "limbeck x A B C"), "something is missing; usage: limbeck x A B C");
    FAILS(lbk_args_finish(&args, 0, 1, "limbeck x"), "too many words; usage: limbeck x");
    cr_expect_eq(lbk_args_finish(&args, 2, 2, ""), LBK_OK);
}

/* A lone '-' is a word, as elsewhere. */
Test(args, dash_is_a_word) {
    ARGS("-");
    cr_expect_eq(lbk_args_finish(&args, 1, 1, ""), LBK_OK);
}

Test(commands, all_are_described) {
    for (const lbk_command *c = lbk_cli_commands(); c->name; c++) {
        cr_expect(c->usage && c->summary && c->help && c->run, "%s", c->name);
        cr_expect_eq(strncmp(c->usage, c->name, strlen(c->name)), 0, "usage of %s: %s", c->name, c->usage);
    }
}

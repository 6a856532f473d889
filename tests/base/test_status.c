#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

Test(status, chain_reads_from_outside_in) {
    cr_assert_str_eq(lbk_error_message(), "");
    lbk_status status = lbk_fail(LBK_ERR_INPUT, "unknown op \"%s\"", "conv3d");
    status = lbk_context(status, "models/y.ini:%d", 4);
    status = lbk_context(status, "[teacher] model");
    cr_assert_eq(status, LBK_ERR_INPUT);
    cr_assert_str_eq(lbk_error_message(), "[teacher] model: models/y.ini:4: unknown op \"conv3d\"");
    lbk_error_clear();
    cr_assert_str_eq(lbk_error_message(), "");
}

Test(status, context_of_success_does_nothing) {
    lbk_error_clear();
    cr_assert_eq(lbk_context(LBK_OK, "while reading"), LBK_OK);
    cr_assert_str_eq(lbk_error_message(), "");
}

Test(status, message_may_be_its_own_argument) {
    lbk_fail(LBK_ERR_IO, "disk full");
    lbk_fail(LBK_ERR_IO, "a: %s, again: %s", lbk_error_message(), lbk_error_message());
    cr_assert_str_eq(lbk_error_message(), "a: disk full, again: disk full");
    lbk_context(LBK_ERR_IO, "%s", lbk_error_message());
    cr_assert_str_eq(lbk_error_message(), "a: disk full, again: disk full: a: disk full, again: disk full");
}

Test(status, long_messages_are_cut_and_say_so) {
    char word[3001];
    memset(word, 'x', 3000);
    word[3000] = '\0';
    lbk_fail(LBK_ERR_IO, "%s%s", word, word);
    cr_assert_eq(strlen(lbk_error_message()), 4095);
    cr_assert_str_eq(lbk_error_message() + 4092, "...");
    for (int i = 0; i < 3; i++)
        lbk_context(LBK_ERR_IO, "%s%s", word, word);
    cr_assert_eq(strlen(lbk_error_message()), 4095);
    cr_assert_str_eq(lbk_error_message() + 4092, "...");
}

static void *fail_elsewhere(void *unused) {
    lbk_fail(LBK_ERR_DEVICE, "in another thread");
    return unused;
}

Test(status, threads_do_not_see_each_others_messages) {
    pthread_t thread;
    lbk_fail(LBK_ERR_INPUT, "mine");
    cr_assert_eq(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
    pthread_join(thread, NULL);
    cr_assert_str_eq(lbk_error_message(), "mine");
}

Test(status, codes) {
    static const struct {
        lbk_status code;
        int exit_code;
        const char *name;
    } rows[] = {{LBK_OK, 0, "ok"},
                {LBK_ERR_INPUT, 2, "input error"},
                {LBK_ERR_IO, 3, "file error"},
                {LBK_ERR_DEVICE, 4, "device error"},
                {LBK_ERR_MEMORY, 5, "out of memory"},
                {LBK_ERR_UNSUPPORTED, 6, "unsupported"},
                {LBK_ERR_INTERRUPTED, 130, "interrupted"},
                {LBK_ERR_INTERNAL, 70, "internal error"},
                {(lbk_status)99, 70, "unknown error"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_expect_eq(lbk_status_exit_code(rows[i].code), rows[i].exit_code);
        cr_expect_str_eq(lbk_status_name(rows[i].code), rows[i].name);
    }
}

static lbk_status ensure(int value) {
    LBK_ENSURE(value > 0);
    return LBK_OK;
}

static lbk_status try_both(int value, int *reached) {
    LBK_TRY(ensure(value));
    *reached = 1;
    return LBK_OK;
}

Test(status, ensure_names_the_condition_and_try_passes_it_on) {
    int reached = 0;
    cr_assert_eq(try_both(-1, &reached), LBK_ERR_INTERNAL);
    cr_assert_eq(reached, 0);
    cr_assert_not_null(strstr(lbk_error_message(), "test_status.c:"));
    cr_assert_not_null(strstr(lbk_error_message(), "broken invariant: value > 0"));
    cr_assert_eq(try_both(1, &reached), LBK_OK);
    cr_assert_eq(reached, 1);
}

typedef struct seen {
    int lines;
    lbk_log_level level;
    size_t length;
    char last[64];
} seen;

static void note(void *context, lbk_log_level level, const char *line) {
    seen *s = context;
    s->lines++;
    s->level = level;
    s->length = strlen(line);
    snprintf(s->last, sizeof s->last, "%s", line);
}

Test(log, level_sink_and_long_lines) {
    seen s = {0};
    char word[5001];
    memset(word, 'y', 5000);
    word[5000] = '\0';
    lbk_log(LBK_LOG_WARN, "dropped: no sink");
    lbk_log_set(note, &s, LBK_LOG_INFO);
    lbk_log(LBK_LOG_DEBUG, "dropped: too low");
    cr_assert_eq(s.lines, 0);
    lbk_log(LBK_LOG_WARN, "loss %d", 7);
    cr_assert_eq(s.lines, 1);
    cr_assert_eq(s.level, LBK_LOG_WARN);
    cr_assert_str_eq(s.last, "loss 7");
    lbk_log(LBK_LOG_INFO, "%s", word);
    cr_assert_eq(s.length, 5000);
    lbk_log_set(NULL, NULL, LBK_LOG_DEBUG);
    lbk_log(LBK_LOG_WARN, "dropped");
    cr_assert_eq(s.lines, 2);
}

Test(clock, runs_forward) {
    struct timespec before, after, pause = {0, 2000000};
    clock_gettime(CLOCK_MONOTONIC, &before);
    uint64_t start = lbk_clock_ns();
    nanosleep(&pause, NULL);
    double seconds = lbk_clock_since(start);
    clock_gettime(CLOCK_MONOTONIC, &after);
    double around = (double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec);
    cr_assert(seconds >= 0.002 && seconds <= around, "%.9f s of %.9f", seconds, around);
}

/* Published FNV-1a test values (http://www.isthe.com/chongo/src/fnv/test_fnv.c). */
Test(hash, fnv1a_known_answers) {
    cr_assert_eq(lbk_hash_bytes(LBK_HASH_START, "", 0), 0xcbf29ce484222325u);
    cr_assert_eq(lbk_hash_bytes(LBK_HASH_START, "a", 1), 0xaf63dc4c8601ec8cu);
    cr_assert_eq(lbk_hash_bytes(LBK_HASH_START, "foobar", 6), 0x85944171f73967e8u);
}

Test(hash, text_counts_its_end) {
    uint64_t ab_ = lbk_hash_text(lbk_hash_text(LBK_HASH_START, "ab"), "");
    uint64_t a_b = lbk_hash_text(lbk_hash_text(LBK_HASH_START, "a"), "b");
    cr_assert_neq(ab_, a_b);
    cr_assert_eq(lbk_hash_text(LBK_HASH_START, "ab"), lbk_hash_bytes(LBK_HASH_START, "ab", 3));
}

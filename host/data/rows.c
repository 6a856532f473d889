#include "data/rows.h"

#include "data/split.h"

#include <stdlib.h>
#include <string.h>

lbk_status lbk_rows_alloc(lbk_rows *rows, uint32_t count) {
    rows->count = count;
    LBK_TRY(lbk_calloc(count, sizeof *rows->label, &rows->label));
    LBK_TRY(lbk_calloc(count, sizeof *rows->test, &rows->test));
    LBK_TRY(lbk_calloc(count, sizeof *rows->train_order, &rows->train_order));
    return lbk_calloc(count, sizeof *rows->test_order, &rows->test_order);
}

void lbk_rows_release(lbk_rows *rows) {
    free(rows->label);
    free(rows->test);
    free(rows->train_order);
    free(rows->test_order);
    *rows = (lbk_rows){0};
}

lbk_status lbk_rows_split(lbk_rows *rows, int classes, double test_share) {
    const lbk_split_rule rule = {.share = test_share, .leave_one = true};
    int *labels = NULL;
    LBK_TRY(lbk_calloc(rows->count, sizeof *labels, &labels));
    for (uint32_t i = 0; i < rows->count; i++) /* those that nobody knows are a class of their own, and stay */
        labels[i] = rows->label[i] < 0 ? classes : rows->label[i];
    lbk_status status =
        lbk_split_choose(labels, rows->count, classes + 1, rule, LBK_SPLIT_SEED, LBK_SPLIT_TEST, rows->test);
    for (uint32_t i = 0; i < rows->count; i++)
        rows->test[i] = rows->test[i] && rows->label[i] >= 0;
    free(labels);
    return status;
}

lbk_status lbk_rows_finish(lbk_rows *rows, lbk_source *source) {
    for (uint32_t i = 0; i < rows->count; i++) {
        LBK_ENSURE(rows->label[i] >= 0 || !rows->test[i]);
        if (rows->test[i])
            rows->test_order[rows->test_count++] = i;
        else
            rows->train_order[rows->train_count++] = i;
    }
    source->train_count = rows->train_count;
    source->test_count = rows->test_count;
    return LBK_OK;
}

uint32_t lbk_rows_find(const lbk_rows *rows, lbk_part part, uint32_t index) {
    return part == LBK_PART_TEST ? rows->test_order[index] : rows->train_order[index];
}

static int by_value(const void *a, const void *b) {
    long long x = strtoll(*(const char *const *)a, NULL, 10), y = strtoll(*(const char *const *)b, NULL, 10);
    return (x > y) - (x < y);
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

lbk_status lbk_rows_classes(const lbk_dictionary *names, lbk_arena *arena, lbk_source *source, int **rank) {
    const char **sorted = NULL;
    size_t count = (size_t)names->count;
    bool numbers = true;
    long long value;
    if (names->count < 2)
        return lbk_fail(LBK_ERR_INPUT, "%d class%s, expected at least two", names->count, names->count ? "" : "es");
    LBK_TRY(lbk_arena_alloc(arena, count * sizeof *sorted, &sorted));
    LBK_TRY(lbk_arena_alloc(arena, count * sizeof **rank, rank));
    for (size_t i = 0; i < count; i++) {
        LBK_TRY(lbk_arena_strdup(arena, names->words[i], &sorted[i]));
        numbers = numbers && lbk_parse_int(sorted[i], &value);
    }
    qsort(sorted, count, sizeof *sorted, numbers ? by_value : by_text);
    for (int i = 0; i < names->count; i++)
        (*rank)[lbk_dictionary_find(names, sorted[i], strlen(sorted[i]))] = i;
    source->classes = names->count;
    source->class_names = sorted;
    return LBK_OK;
}

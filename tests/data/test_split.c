/* Class-balanced choices. */
#include "data/split.h"

#include <criterion/criterion.h>
#include <string.h>

enum { COUNT = 1000, CLASSES = 4 };

/* Class sizes 500, 300, 199, 1. */
static void make_labels(int *labels) {
    for (int i = 0; i < COUNT; i++)
        labels[i] = i == 77 ? 3 : i % 10 < 5 ? 0 : i % 10 < 8 ? 1 : 2;
    labels[78] = 0; /* 77 was of class 1 and 78 of class 2 */
    labels[79] = 1;
    labels[80] = 0;
}

static void count_chosen(const int *labels, const bool *chosen, int counts[CLASSES]) {
    memset(counts, 0, CLASSES * sizeof *counts);
    for (int i = 0; i < COUNT; i++)
        counts[labels[i]] += chosen[i];
}

static void choose(const int *labels, lbk_split_rule rule, uint64_t seed, bool *chosen) {
    cr_assert_eq(lbk_split_choose(labels, COUNT, CLASSES, rule, seed, LBK_SPLIT_LABELS, chosen), LBK_OK);
}

Test(split, takes_the_rounded_share_of_each_class_and_at_least_one) {
    int labels[COUNT], all[CLASSES], counts[CLASSES];
    bool chosen[COUNT];
    make_labels(labels);
    choose(labels, (lbk_split_rule){.share = 1.0}, 1, chosen);
    count_chosen(labels, chosen, all);
    cr_assert_eq(all[0] + all[1] + all[2] + all[3], COUNT);
    cr_assert_eq(all[3], 1);
    choose(labels, (lbk_split_rule){.share = 0.1}, 1, chosen);
    count_chosen(labels, chosen, counts);
    for (int c = 0; c < 3; c++)
        cr_assert_eq(counts[c], (int)(all[c] * 0.1 + 0.5));
    cr_assert_eq(counts[3], 1);
    choose(labels, (lbk_split_rule){.share = 0.0001}, 1, chosen);
    count_chosen(labels, chosen, counts);
    for (int c = 0; c < CLASSES; c++)
        cr_assert_eq(counts[c], 1);
    choose(labels, (lbk_split_rule){.share = 0}, 1, chosen);
    count_chosen(labels, chosen, counts);
    for (int c = 0; c < CLASSES; c++)
        cr_assert_eq(counts[c], 0);
}

Test(split, leave_one_never_takes_a_whole_class) {
    int labels[COUNT], counts[CLASSES], all[CLASSES];
    bool chosen[COUNT];
    make_labels(labels);
    choose(labels, (lbk_split_rule){.share = 1.0}, 1, chosen);
    count_chosen(labels, chosen, all);
    choose(labels, (lbk_split_rule){.share = 1.0, .leave_one = true}, 1, chosen);
    count_chosen(labels, chosen, counts);
    for (int c = 0; c < CLASSES; c++)
        cr_assert_eq(counts[c], all[c] - 1);
    choose(labels, (lbk_split_rule){.fixed = 36, .leave_one = true}, 1, chosen);
    count_chosen(labels, chosen, counts);
    cr_assert(counts[0] == 36 && counts[1] == 36 && counts[2] == 36 && counts[3] == 0);
}

Test(split, a_larger_share_contains_the_smaller_and_seeds_differ) {
    int labels[COUNT], differ = 0;
    bool small[COUNT], large[COUNT], other[COUNT];
    make_labels(labels);
    choose(labels, (lbk_split_rule){.share = 0.05}, 9, small);
    choose(labels, (lbk_split_rule){.share = 0.4}, 9, large);
    choose(labels, (lbk_split_rule){.share = 0.4}, 10, other);
    for (int i = 0; i < COUNT; i++) {
        cr_assert(!small[i] || large[i]);
        differ += large[i] != other[i];
    }
    cr_assert_gt(differ, 300); /* independent choices of 40 % differ in 480 */
}

/* The dataset that no file holds. */
#include "data/dataset.h"

#include <criterion/criterion.h>
#include <string.h>

enum { H = 5, W = 4, C = 2, CLASSES = 3 };

static void open_it(lbk_source *source) {
    const lbk_dataset *d = lbk_dataset_find("synthetic");
    lbk_arena arena = {0};
    void *params;
    cr_assert_eq(lbk_arena_alloc(&arena, d->params_size, &params), LBK_OK);
    cr_assert_eq(lbk_param_defaults(d->params, &arena, params), LBK_OK);
    static const char *const texts[][2] = {{"height", "5"},  {"width", "4"}, {"channels", "2"},
                                           {"classes", "3"}, {"train", "9"}, {"test", "6"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        cr_assert_eq(lbk_param_set(lbk_param_find(d->params, texts[i][0]), texts[i][1], &arena, params), LBK_OK);
    *source = (lbk_source){0};
    cr_assert_eq(d->open(params, NULL, source), LBK_OK, "%s", lbk_error_message());
    lbk_arena_release(&arena);
}

static int sample(const lbk_source *source, lbk_part part, uint32_t index, float *pixels) {
    int label;
    cr_assert_eq(lbk_dataset_find("synthetic")->read(source, part, index, &(lbk_numbers){.f32 = pixels}, &label),
                 LBK_OK);
    return label;
}

static double distance(const float *a, const float *b) {
    double sum = 0;
    for (int i = 0; i < H * W * C; i++)
        sum += (double)(a[i] - b[i]) * (double)(a[i] - b[i]);
    return sum;
}

Test(synthetic, classes_differ_and_samples_vary) {
    lbk_source source;
    float a[H * W * C], b[H * W * C], c[H * W * C];
    open_it(&source);
    cr_assert(source.height == H && source.width == W && source.channels == C && source.classes == CLASSES);
    cr_assert(source.train_count == 9 && source.test_count == 6);
    for (uint32_t i = 0; i < 9; i++)
        cr_expect_eq(sample(&source, LBK_PART_TRAIN, i, a), (int)(i % CLASSES));
    sample(&source, LBK_PART_TRAIN, 0, a);
    sample(&source, LBK_PART_TRAIN, 3, b);
    sample(&source, LBK_PART_TRAIN, 1, c);
    cr_expect_gt(distance(a, b), 0, "two samples of a class are the same");
    sample(&source, LBK_PART_TEST, 0, b);
    cr_expect_gt(distance(a, b), 0, "the test part repeats the training part");
    for (int i = 0; i < H * W * C; i++)
        cr_expect(a[i] >= 0 && a[i] <= 1);
    lbk_dataset_find("synthetic")->close(&source);
}

Test(synthetic, is_the_same_every_time) {
    lbk_source one, two;
    float a[H * W * C], b[H * W * C];
    open_it(&one);
    open_it(&two);
    for (uint32_t i = 0; i < 6; i++) {
        sample(&one, LBK_PART_TEST, i, a);
        sample(&two, LBK_PART_TEST, i, b);
        cr_expect_eq(memcmp(a, b, sizeof a), 0);
    }
    lbk_dataset_find("synthetic")->close(&one);
    lbk_dataset_find("synthetic")->close(&two);
}

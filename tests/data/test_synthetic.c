/* The datasets that no file holds: images, and random numbers for named inputs. */
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

/* ---- random ---- */

enum { LENGTH = 12, VOCABULARY = 7 };

static lbk_status open_random(const char *inputs, lbk_source *source) {
    const lbk_dataset *d = lbk_dataset_find("random");
    const char *const texts[][2] = {
        {"inputs", inputs}, {"vocabulary", "7"}, {"classes", "3"}, {"train", "40"}, {"test", "6"}};
    lbk_arena arena = {0};
    void *params;
    cr_assert_eq(lbk_arena_alloc(&arena, d->params_size, &params), LBK_OK);
    cr_assert_eq(lbk_param_defaults(d->params, &arena, params), LBK_OK);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        cr_assert_eq(lbk_param_set(lbk_param_find(d->params, texts[i][0]), texts[i][1], &arena, params), LBK_OK);
    *source = (lbk_source){0};
    lbk_status status = d->open(params, NULL, source);
    lbk_arena_release(&arena);
    return status;
}

typedef struct sentence {
    int32_t tokens[LENGTH], mask[LENGTH], types[LENGTH], lengths[1];
    float frames[6];
} sentence;

static void read_sentence(const lbk_source *source, lbk_part part, uint32_t index, sentence *out, int *label) {
    const lbk_numbers inputs[] = {
        {.i32 = out->tokens}, {.i32 = out->mask}, {.i32 = out->types}, {.i32 = out->lengths}, {.f32 = out->frames}};
    cr_assert_eq(lbk_dataset_find("random")->read(source, part, index, inputs, label), LBK_OK);
}

static const char sentence_inputs[] = "tokens:12:i32 mask:12:i32 types:12:i32 lengths:1:i32 frames:2x3";

Test(random, a_sample_is_as_long_as_its_mask_and_length_say) {
    lbk_source source;
    int shortest = LENGTH, longest = 0, label;
    cr_assert_eq(open_random(sentence_inputs, &source), LBK_OK, "%s", lbk_error_message());
    cr_assert(source.input_count == 5 && source.sizes[0].value == VOCABULARY);
    cr_assert(source.inputs[4].desc.dtype == LBK_F32 && source.inputs[4].desc.shape.rank == 2);
    for (uint32_t n = 0; n < 40; n++) {
        sentence s;
        read_sentence(&source, LBK_PART_TRAIN, n, &s, &label);
        int length = s.lengths[0];
        cr_expect(label == (int)(n % 3) && length > LENGTH / 2 && length <= LENGTH);
        for (int i = 0; i < LENGTH; i++)
            cr_expect(s.mask[i] == (i < length) && s.types[i] == 0 && s.tokens[i] >= 0 &&
                      s.tokens[i] < (i < length ? VOCABULARY : 1));
        for (int i = 0; i < 6; i++)
            cr_expect(s.frames[i] >= -1 && s.frames[i] < 1);
        shortest = length < shortest ? length : shortest;
        longest = length > longest ? length : longest;
    }
    cr_expect(shortest < longest && longest == LENGTH);
    lbk_dataset_find("random")->close(&source);
}

Test(random, is_the_same_every_time_and_differs_between_samples) {
    lbk_source one, two;
    sentence a, b, c;
    int label;
    cr_assert_eq(open_random(sentence_inputs, &one), LBK_OK);
    cr_assert_eq(open_random(sentence_inputs, &two), LBK_OK);
    read_sentence(&one, LBK_PART_TEST, 1, &a, &label);
    read_sentence(&two, LBK_PART_TEST, 1, &b, &label);
    read_sentence(&two, LBK_PART_TRAIN, 1, &c, &label);
    cr_expect_eq(memcmp(&a, &b, sizeof a), 0);
    cr_expect_neq(memcmp(a.tokens, c.tokens, sizeof a.tokens), 0, "the test part repeats the training part");
    lbk_dataset_find("random")->close(&one);
    lbk_dataset_find("random")->close(&two);
}

Test(random, refuses_what_is_no_input) {
    static const char *const wrong[] = {
        "tokens",     "tokens:",         ":12",       "tokens:12:f16",       "tokens:0",          "tokens:12x",
        "tokens:x12", "tokens:12:i32:7", "tokens:-3", "a:1x1x1x1x1x1x1x1x1", "tokens:99999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        lbk_source source;
        cr_expect_eq(open_random(wrong[i], &source), LBK_ERR_INPUT, "%s", wrong[i]);
        lbk_dataset_find("random")->close(&source);
    }
}

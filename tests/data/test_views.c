/* What each network sees: against augmentations applied here to images read from the dataset. */
#include "data/augment.h"
#include "data/helpers/box.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(views, .init = box_make, .fini = box_remove, .timeout = 900);

enum { BATCH = 16, HEIGHT = 8, WIDTH = 9, CHANNELS = 3, SIZE = HEIGHT * WIDTH * CHANNELS };

#define SET                                                                                                            \
    "[data]\ndataset = synthetic\nbatch = 16\nheight = 8\nwidth = 9\ntrain = 64\ntest = 16\nvalidation = 0.25\n"       \
    "normalize = no\n"

/* The first batch of an epoch of a part. It stays where it is: the loader's threads read `box`. */
typedef struct first_batch {
    box_data box;
    lbk_loader *loader;
    lbk_batch *batch;
} first_batch;

static void open_first(first_batch *first, const char *text, lbk_part part, uint32_t epoch) {
    box_open_ok(&first->box, text, 7);
    cr_assert_eq(lbk_loader_create(&first->box.data, part, epoch, 0, epoch + 1, 2, 2, &first->loader), LBK_OK);
    cr_assert_eq(lbk_loader_next(first->loader, &first->batch), LBK_OK, "%s", lbk_error_message());
    cr_assert_eq(first->batch->valid, BATCH);
}

static void close_first(first_batch *first) {
    lbk_loader_release_batch(first->loader, first->batch);
    lbk_loader_destroy(first->loader);
    box_close(&first->box);
}

static void read_raw(const first_batch *first, lbk_part part, int row, float *pixels) {
    const lbk_data *data = &first->box.data;
    int label;
    cr_assert_eq(
        data->dataset->read(&data->source, part, first->batch->samples[row], &(lbk_numbers){.f32 = pixels}, &label),
        LBK_OK);
}

/* By a fixed augmentation, which draws no numbers. */
static void apply_fixed(const char *name, float *pixels) {
    float scratch[SIZE];
    lbk_image image = {.height = HEIGHT, .width = WIDTH, .channels = CHANNELS, .pixels = pixels, .scratch = scratch};
    cr_assert_eq(lbk_augmentation_find(name)->apply(NULL, NULL, &image), LBK_OK);
}

static bool same(const float *a, const float *b, size_t count) {
    return memcmp(a, b, count * sizeof *a) == 0;
}

#define AUGMENTED SET "augment = flip, color_jitter\n"

Test(views, are_one_and_the_same_unless_told_otherwise) {
    static const char *const texts[] = {AUGMENTED, AUGMENTED "student_view = cutout\nteacher_view = cutout\n",
                                        AUGMENTED "student_view = plain\nteacher_view = plain\n"};
    for (int t = 0; t < 3; t++) {
        first_batch first;
        open_first(&first, texts[t], LBK_PART_TRAIN, 0);
        cr_assert(first.batch->teacher_inputs[0].f32 == first.batch->inputs[0].f32);
        close_first(&first);
    }
}

/* The student's view is not moved by the teacher's, and the other way round. */
Test(views, plain_is_the_image_itself) {
    first_batch both, teacher, student;
    open_first(&both, AUGMENTED, LBK_PART_TRAIN, 2);
    open_first(&teacher, AUGMENTED "teacher_view = plain\n", LBK_PART_TRAIN, 2);
    open_first(&student, AUGMENTED "student_view = plain\n", LBK_PART_TRAIN, 2);
    float raw[SIZE];
    for (int i = 0; i < BATCH; i++) {
        read_raw(&both, LBK_PART_TRAIN, i, raw);
        cr_assert_not(same(both.batch->inputs[0].f32 + i * SIZE, raw, SIZE));
        cr_assert(same(teacher.batch->teacher_inputs[0].f32 + i * SIZE, raw, SIZE));
        cr_assert(same(student.batch->inputs[0].f32 + i * SIZE, raw, SIZE));
    }
    cr_assert(same(teacher.batch->inputs[0].f32, both.batch->inputs[0].f32, BATCH * SIZE));
    cr_assert(same(student.batch->teacher_inputs[0].f32, both.batch->inputs[0].f32, BATCH * SIZE));
    close_first(&both);
    close_first(&teacher);
    close_first(&student);
}

Test(views, other_kinds_of_image_follow_the_common_augmentations) {
    first_batch first, both, plain;
    open_first(&first, AUGMENTED "teacher_view = edges\nstudent_view = grayscale\n", LBK_PART_TRAIN, 1);
    open_first(&both, AUGMENTED, LBK_PART_TRAIN, 1);
    open_first(&plain, AUGMENTED "teacher_view = plain, grayscale, edges\n", LBK_PART_TRAIN, 1);
    float expected[SIZE];
    for (int i = 0; i < BATCH; i++) {
        memcpy(expected, both.batch->inputs[0].f32 + i * SIZE, sizeof expected);
        apply_fixed("edges", expected);
        cr_assert(same(first.batch->teacher_inputs[0].f32 + i * SIZE, expected, SIZE));
        memcpy(expected, both.batch->inputs[0].f32 + i * SIZE, sizeof expected);
        apply_fixed("grayscale", expected);
        cr_assert(same(first.batch->inputs[0].f32 + i * SIZE, expected, SIZE));
        read_raw(&plain, LBK_PART_TRAIN, i, expected);
        apply_fixed("grayscale", expected);
        apply_fixed("edges", expected);
        cr_assert(same(plain.batch->teacher_inputs[0].f32 + i * SIZE, expected, SIZE));
    }
    close_first(&first);
    close_first(&both);
    close_first(&plain);
}

/* Kinds of image stay when a network is evaluated, random changes go. */
Test(views, evaluation_keeps_what_is_fixed) {
    static const lbk_part parts[] = {LBK_PART_VALIDATION, LBK_PART_TEST};
    for (int p = 0; p < 2; p++) {
        first_batch first;
        open_first(&first,
                   AUGMENTED "mix = mixup\nteacher_view = cutout, edges\nstudent_view = plain, random_erasing\n",
                   parts[p], 0);
        float expected[SIZE];
        for (int i = 0; i < BATCH; i++) {
            read_raw(&first, p == 0 ? LBK_PART_TRAIN : LBK_PART_TEST, i, expected);
            cr_assert(same(first.batch->inputs[0].f32 + i * SIZE, expected, SIZE));
            apply_fixed("edges", expected);
            cr_assert(same(first.batch->teacher_inputs[0].f32 + i * SIZE, expected, SIZE));
        }
        close_first(&first);
    }
}

/* Cut squares of the mean, which without normalisation is 0: the pixels besides them are the other's. */
Test(views, random_changes_of_one_network_alone) {
    first_batch first, again, both;
    open_first(&first, AUGMENTED "student_view = cutout\n[augment.cutout]\nsize = 4\n", LBK_PART_TRAIN, 1);
    open_first(&again, AUGMENTED "student_view = cutout\n[augment.cutout]\nsize = 4\n", LBK_PART_TRAIN, 1);
    open_first(&both, AUGMENTED, LBK_PART_TRAIN, 1);
    cr_assert(same(first.batch->teacher_inputs[0].f32, both.batch->inputs[0].f32, BATCH * SIZE));
    cr_assert(same(first.batch->inputs[0].f32, again.batch->inputs[0].f32, BATCH * SIZE));
    for (int i = 0; i < BATCH; i++) {
        int cut = 0;
        for (int k = i * SIZE; k < (i + 1) * SIZE; k++) {
            bool changed = first.batch->inputs[0].f32[k] != both.batch->inputs[0].f32[k];
            cr_assert(!changed || first.batch->inputs[0].f32[k] == 0.0f);
            cut += changed;
        }
        cr_assert(cut > 0 && cut <= 16 * CHANNELS, "%d", cut);
    }
    close_first(&first);
    close_first(&again);
    close_first(&both);
}

/* A teacher that learns is not shown plain images, which are for the one that is asked. */
Test(views, the_teachers_own_training) {
    first_batch first, both, alone;
    open_first(&first, AUGMENTED "teacher_view = plain, edges\n", LBK_PART_TEACHER, 1);
    open_first(&both, AUGMENTED, LBK_PART_TRAIN, 1);
    open_first(&alone, AUGMENTED, LBK_PART_TEACHER, 1);
    cr_assert(first.batch->teacher_inputs[0].f32 == first.batch->inputs[0].f32);
    cr_assert(same(alone.batch->inputs[0].f32, both.batch->inputs[0].f32, BATCH * SIZE));
    cr_assert_arr_eq(alone.batch->labels, both.batch->labels, BATCH * sizeof(int32_t));
    for (int i = 0; i < BATCH; i++) {
        float expected[SIZE];
        memcpy(expected, both.batch->inputs[0].f32 + i * SIZE, sizeof expected);
        apply_fixed("edges", expected);
        cr_assert(same(first.batch->inputs[0].f32 + i * SIZE, expected, SIZE));
    }
    close_first(&first);
    close_first(&both);
    close_first(&alone);
}

/* Both views are mixed with the same partner in the same way. */
Test(views, are_mixed_alike) {
    first_batch first, apart;
    open_first(&first, AUGMENTED "teacher_view = plain\nmix = mixup\n[mix.mixup]\nalpha = 5\n", LBK_PART_TRAIN, 1);
    open_first(&apart, AUGMENTED "teacher_view = plain\n", LBK_PART_TRAIN, 1);
    const lbk_batch *mixed = first.batch, *plain = apart.batch;
    cr_assert(mixed->share[0] > 0.05f && mixed->share[0] < 0.95f);
    for (int i = 0; i < BATCH * SIZE; i++) {
        int row = i / SIZE;
        size_t other = mixed->partners[row] * SIZE + (size_t)(i % SIZE);
        float own = mixed->share[row];
        cr_assert_float_eq(mixed->inputs[0].f32[i],
                           own * plain->inputs[0].f32[i] + (1 - own) * plain->inputs[0].f32[other], 1e-6f);
        cr_assert_float_eq(mixed->teacher_inputs[0].f32[i],
                           own * plain->teacher_inputs[0].f32[i] + (1 - own) * plain->teacher_inputs[0].f32[other],
                           1e-6f);
    }
    close_first(&first);
    close_first(&apart);
}

Test(views, are_normalised) {
    first_batch first;
    open_first(&first,
               "[data]\ndataset = synthetic\nbatch = 16\nheight = 8\nwidth = 9\ntrain = 64\n"
               "teacher_view = edges\n",
               LBK_PART_TRAIN, 0);
    const lbk_data *data = &first.box.data;
    for (int i = 0; i < BATCH; i++) {
        float expected[SIZE];
        read_raw(&first, LBK_PART_TRAIN, i, expected);
        apply_fixed("edges", expected);
        for (int k = 0; k < SIZE; k++) {
            int c = k % CHANNELS;
            float value = (expected[k] - data->mean[c]) / data->deviation[c];
            cr_assert_float_eq(first.batch->teacher_inputs[0].f32[i * SIZE + k], value, 1e-5f);
        }
    }
    close_first(&first);
}

/* What a cache of the teacher's outputs goes by. */
Test(views, the_teachers_vary_or_not) {
    static const struct {
        const char *text;
        bool vary;
    } cases[] = {
        {SET, false},
        {AUGMENTED, true},
        {AUGMENTED "teacher_view = plain\n", false},
        {AUGMENTED "teacher_view = plain, edges\n", false},
        {AUGMENTED "teacher_view = plain, cutout\n", true},
        {AUGMENTED "student_view = plain\n", true},
        {SET "student_view = cutout\n", false},
        {SET "mix = mixup\n", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        box_data box;
        box_open_ok(&box, cases[i].text, 7);
        cr_assert(lbk_data_views_vary(&box.data) == cases[i].vary, "%s", cases[i].text);
        box_close(&box);
    }
}

Test(views, refuse_wrong_lists) {
    box_expect_error(SET "teacher_view = egdes\n", LBK_ERR_INPUT,
                     "@/x.ini:10: [data] teacher_view: unknown augmentation \"egdes\"; did you mean \"edges\"?");
    box_expect_error(SET "student_view = edges, edges\n", LBK_ERR_INPUT,
                     "@/x.ini:10: [data] student_view: \"edges\" is named twice");
    box_expect_error(SET "student_view = same, edges\n", LBK_ERR_INPUT,
                     "@/x.ini:10: [data] student_view: \"same\" stands alone or not at all");
    box_expect_error(AUGMENTED "student_view = edges, plain\n", LBK_ERR_INPUT,
                     "@/x.ini:11: [data] student_view: \"plain\" stands before all others");
    box_expect_error(SET "teacher_view = plain\n", LBK_ERR_INPUT,
                     "@/x.ini:10: [data] teacher_view: \"plain\" has no effect: there is no augment");
    box_expect_error(AUGMENTED "teacher_view = flip\n", LBK_ERR_INPUT,
                     "@/x.ini:11: [data] teacher_view: \"flip\" is done by augment already");
    box_expect_error(
        SET "augment = edges\n", LBK_ERR_INPUT,
        "@/x.ini:10: [data] augment: \"edges\" makes another kind of image, also to evaluate on; name it in "
        "student_view, teacher_view or both");
    box_expect_error(SET "teacher_view = cutout\n[augment.crop]\npadding = 1\n", LBK_ERR_INPUT,
                     "@/x.ini:11: [augment.crop] has no effect: [data] augment does not name \"crop\"");
}

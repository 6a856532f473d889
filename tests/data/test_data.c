/* [data] and [augment.*]: what is read, refused, split and normalised. */
#include "data/helpers/box.h"

#include "data/view.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(data, .init = box_make, .fini = box_remove);

#define DIGITS "[data]\ndataset = digits\n"

static int label_of(const box_data *box, uint32_t index) {
    int label = -1;
    cr_assert_eq(box->data.dataset->read(&box->data.source, LBK_PART_TRAIN, index, NULL, &label), LBK_OK);
    return label;
}

Test(data, reads_every_key) {
    box_data box;
    box_open_ok(&box,
                DIGITS "batch = 32\nshuffle = no\naugment = flip, crop\nlabels = 0.5\nvalidation = 0.25\n"
                       "normalize = no\n[augment.crop]\npadding = 1\n",
                7);
    const lbk_data *data = &box.data;
    cr_assert(data->params.batch == 32 && !data->params.shuffle && !data->params.normalize);
    cr_assert_eq(data->seed, 7);
    cr_assert_eq(data->augmentation_count, 2);
    cr_assert_str_eq(data->augmentation[0]->name, "flip");
    cr_assert_str_eq(data->augmentation[1]->name, "crop");
    cr_assert_eq(*(const double *)data->augmentation_params[0], 0.5);
    cr_assert_eq(*(const int *)data->augmentation_params[1], 1);
    cr_assert(data->mean[0] == 0.0f && data->deviation[0] == 1.0f);
    cr_assert_eq(lbk_data_count(data, LBK_PART_TRAIN) + lbk_data_count(data, LBK_PART_VALIDATION), 1437);
    cr_assert_eq(lbk_data_count(data, LBK_PART_TEST), 360);
    cr_assert_eq(lbk_data_batches_per_epoch(data, LBK_PART_TRAIN), data->train_count / 32);
    cr_assert_eq(lbk_data_batches_per_epoch(data, LBK_PART_TEST), 12); /* 11.25 */
    const char *known[] = {NULL};
    cr_assert_eq(lbk_ini_finish(&box.ini, known), LBK_OK, "%s", lbk_error_message());
    box_close(&box);
}

/* 20 % of every class, rounded; the same for every seed, disjoint from the training samples, and complete. */
Test(data, validation_is_balanced_and_fixed) {
    uint32_t first[400];
    for (uint64_t seed = 1; seed <= 2; seed++) {
        box_data box;
        int part_of[1437] = {0}, all[10] = {0}, held[10] = {0};
        box_open_ok(&box, DIGITS "validation = 0.2\n", seed);
        for (uint32_t i = 0; i < box.data.validation_count; i++) {
            part_of[box.data.validation[i]]++;
            held[label_of(&box, box.data.validation[i])]++;
            if (seed == 1)
                first[i] = box.data.validation[i];
            cr_assert_eq(first[i], box.data.validation[i]);
        }
        for (uint32_t i = 0; i < box.data.train_count; i++)
            part_of[box.data.train[i]] += 10;
        for (uint32_t i = 0; i < 1437; i++) {
            cr_assert(part_of[i] == 1 || part_of[i] == 10);
            all[label_of(&box, i)]++;
        }
        for (int c = 0; c < 10; c++)
            cr_assert_eq(held[c], (int)(all[c] * 0.2 + 0.5));
        box_close(&box);
    }
}

static int labelled_of_class(const box_data *box, int label) {
    int count = 0;
    for (uint32_t i = 0; i < box->data.source.train_count; i++)
        count += box->data.labelled[i] && label_of(box, i) == label;
    return count;
}

Test(data, label_budget_is_balanced_and_never_in_the_validation_part) {
    box_data box;
    box_open_ok(&box, DIGITS "labels = 0.1\nvalidation = 0.3\n", 3);
    int train[10] = {0};
    for (uint32_t i = 0; i < box.data.train_count; i++)
        train[label_of(&box, box.data.train[i])]++;
    for (int c = 0; c < 10; c++)
        cr_assert_eq(labelled_of_class(&box, c), (int)(train[c] * 0.1 + 0.5), "class %d", c);
    for (uint32_t i = 0; i < box.data.validation_count; i++)
        cr_assert_not(box.data.labelled[box.data.validation[i]]);
    box_close(&box);
}

Test(data, label_budget_ends) {
    box_data box;
    box_open_ok(&box, DIGITS "labels = 0.0001\n", 3);
    for (int c = 0; c < 10; c++)
        cr_assert_eq(labelled_of_class(&box, c), 1);
    box_close(&box);
    box_open_ok(&box, DIGITS "labels = 0\n", 3);
    for (int c = 0; c < 10; c++)
        cr_assert_eq(labelled_of_class(&box, c), 0);
    box_close(&box);
    box_open_ok(&box, DIGITS, 3);
    for (uint32_t i = 0; i < 1437; i++)
        cr_assert(box.data.labelled[i]);
    box_close(&box);
}

Test(data, label_budget_depends_on_the_seed_and_grows_with_the_share) {
    box_data a, b, c;
    int differ = 0;
    box_open_ok(&a, DIGITS "labels = 0.3\n", 3);
    box_open_ok(&b, DIGITS "labels = 0.3\n", 4);
    box_open_ok(&c, DIGITS "labels = 0.1\n", 3);
    for (uint32_t i = 0; i < 1437; i++) {
        differ += a.data.labelled[i] != b.data.labelled[i];
        cr_assert(!c.data.labelled[i] || a.data.labelled[i]);
    }
    cr_assert_gt(differ, 400); /* independent choices differ in 42 % of 1437 */
    box_close(&a);
    box_close(&b);
    box_close(&c);
}

static void count_train(const box_data *box, int counts[10]) {
    for (int c = 0; c < 10; c++)
        counts[c] = 0;
    for (uint32_t i = 0; i < box->data.train_count; i++) {
        counts[label_of(box, box->data.train[i])]++;
        cr_assert(i == 0 || box->data.train[i] > box->data.train[i - 1]); /* in file order, each once */
    }
}

/* Validation comes first and is the same as without a subset; labels come last and are a share of the subset. */
Test(data, subset_is_balanced_and_composes) {
    box_data all, part;
    int before[10], after[10];
    box_open_ok(&all, DIGITS "validation = 0.2\n", 3);
    box_open_ok(&part, DIGITS "validation = 0.2\nsubset = 0.3\nlabels = 0.5\n", 3);
    count_train(&all, before);
    count_train(&part, after);
    cr_assert_eq(all.data.validation_count, part.data.validation_count);
    cr_assert_arr_eq(all.data.validation, part.data.validation, all.data.validation_count * sizeof(uint32_t));
    for (int c = 0; c < 10; c++) {
        cr_assert_eq(after[c], (int)(before[c] * 0.3 + 0.5), "class %d", c);
        cr_assert_eq(labelled_of_class(&part, c), (int)(after[c] * 0.5 + 0.5), "class %d", c);
    }
    int labelled = 0, inside = 0;
    for (uint32_t i = 0; i < 1437; i++)
        labelled += part.data.labelled[i];
    for (uint32_t i = 0; i < part.data.train_count; i++)
        inside += part.data.labelled[part.data.train[i]];
    cr_assert(labelled == inside && labelled > 100);
    for (int c = 0; c < 4; c++)
        cr_assert(all.data.mean[c] == part.data.mean[c] && all.data.deviation[c] == part.data.deviation[c]);
    box_close(&all);
    box_close(&part);
    box_open_ok(&part, DIGITS "subset = 0.0001\n", 3);
    cr_assert_eq(part.data.train_count, 10); /* one of each class */
    box_close(&part);
}

Test(data, subset_of_any_samples) {
    box_data box;
    int counts[10], uneven = 0;
    box_open_ok(&box, DIGITS "subset = 0.1\nsubset_balanced = no\n", 3);
    cr_assert_eq(box.data.train_count, 144); /* 143.7 */
    count_train(&box, counts);
    for (int c = 0; c < 10; c++)
        uneven += abs(counts[c] - 14) > 1;
    cr_assert_gt(uneven, 2);
    box_close(&box);
    box_open_ok(&box, DIGITS "subset = 0.000001\nsubset_balanced = no\n", 3);
    cr_assert_eq(box.data.train_count, 1);
    box_close(&box);
}

Test(data, subset_depends_on_the_seed_and_grows_with_the_share) {
    box_data small, large, other;
    bool in[1437] = {false};
    uint32_t shared = 0;
    box_open_ok(&small, DIGITS "subset = 0.1\n", 3);
    box_open_ok(&large, DIGITS "subset = 0.4\n", 3);
    box_open_ok(&other, DIGITS "subset = 0.4\n", 4);
    for (uint32_t i = 0; i < large.data.train_count; i++)
        in[large.data.train[i]] = true;
    for (uint32_t i = 0; i < small.data.train_count; i++)
        cr_assert(in[small.data.train[i]]);
    for (uint32_t i = 0; i < other.data.train_count; i++)
        shared += in[other.data.train[i]];
    cr_assert(shared > 150 && shared < 310, "%u", shared); /* 16 % of 1437: 230 */
    box_close(&small);
    box_close(&large);
    box_close(&other);
}

Test(data, refuses_subsets_without_effect) {
    box_expect_error(DIGITS "subset_balanced = no\n", LBK_ERR_INPUT,
                     "@/x.ini:3: [data] subset_balanced: has no effect: subset is 1");
    box_expect_error(DIGITS "subset = 0\n", LBK_ERR_INPUT,
                     "@/x.ini:3: [data] subset: expected number in [1e-06, 1], got \"0\"");
}

Test(data, normalised_training_views_have_mean_0_and_deviation_1) {
    box_data box;
    lbk_view view;
    double sum = 0, square = 0;
    float pixels[64], scratch[64];
    int label;
    box_open_ok(&box, DIGITS, 1);
    cr_assert_eq(lbk_view_init(&view, &box.data), LBK_OK);
    for (uint32_t i = 0; i < 1437; i++) {
        cr_assert_eq(lbk_view_read(&view, LBK_PART_TRAIN, 0, i, &(lbk_numbers){.f32 = pixels}, NULL, scratch, &label),
                     LBK_OK);
        for (int k = 0; k < 64; k++) {
            sum += (double)pixels[k];
            square += (double)pixels[k] * (double)pixels[k];
        }
    }
    double n = 1437.0 * 64.0;
    cr_assert_float_eq(sum / n, 0.0, 1e-5);
    cr_assert_float_eq(square / n, 1.0, 1e-5);
    lbk_view_release(&view);
    box_close(&box);
}

/* Per-channel numbers: a colour set of three flat channels, of which blue never varies. */
Test(data, normalisation_is_per_channel) {
    unsigned char low[3 * 4], high[3 * 4];
    for (int i = 0; i < 4; i++) {
        memcpy(low + 3 * i, (unsigned char[]){0, 51, 102}, 3);
        memcpy(high + 3 * i, (unsigned char[]){102, 255, 102}, 3);
    }
    box_write_png("f/train/a/1.png", 2, 2, 3, low);
    box_write_png("f/train/b/1.png", 2, 2, 3, high);
    box_write_png("f/test/a/1.png", 2, 2, 3, low);
    box_write_png("f/test/b/1.png", 2, 2, 3, high);
    box_data box;
    box_open_ok(&box, "[data]\ndataset = image_folder\npath = f\n", 1);
    static const float mean[] = {0.2f, 0.6f, 0.4f}, deviation[] = {0.2f, 0.4f, 1.0f};
    for (int c = 0; c < 3; c++) {
        cr_assert_float_eq(box.data.mean[c], mean[c], 1e-6f);
        cr_assert_float_eq(box.data.deviation[c], deviation[c], 1e-6f);
    }
    box_close(&box);
}

Test(data, refuses_wrong_sections) {
    box_expect_error("[other]\nx = 1\n", LBK_ERR_INPUT, "@/x.ini: [data] lacks the key \"dataset\" (a dataset's name)");
    box_expect_error("[data]\nbatch = 8\n", LBK_ERR_INPUT,
                     "@/x.ini:1: [data] lacks the key \"dataset\" (a dataset's name)");
    box_expect_error("[data]\ndataset = digit\n", LBK_ERR_INPUT,
                     "@/x.ini:2: [data] dataset: unknown dataset \"digit\"; did you mean \"digits\"?");
    box_expect_error("[data]\ndataset = imagenet-21k-winter\n", LBK_ERR_INPUT,
                     "@/x.ini:2: [data] dataset: unknown dataset \"imagenet-21k-winter\"");
    box_expect_error(DIGITS "bacth = 8\n", LBK_ERR_INPUT,
                     "@/x.ini:3: [data] bacth: unknown key; did you mean \"batch\"?");
    box_expect_error(DIGITS "batch = 0\n", LBK_ERR_INPUT,
                     "@/x.ini:3: [data] batch: expected integer in [1, 65536], got \"0\"");
    box_expect_error(DIGITS "labels = 1.5\n", LBK_ERR_INPUT,
                     "@/x.ini:3: [data] labels: expected number in [0, 1], got \"1.5\"");
}

Test(data, refuses_wrong_augmentations) {
    box_expect_error(DIGITS "augment = crop, filp\n", LBK_ERR_INPUT,
                     "@/x.ini:3: [data] augment: unknown augmentation \"filp\"; did you mean \"flip\"?");
    box_expect_error(DIGITS "augment = crop, crop\n", LBK_ERR_INPUT,
                     "@/x.ini:3: [data] augment: \"crop\" is named twice");
    box_expect_error(DIGITS "augment = none, crop\n", LBK_ERR_INPUT,
                     "@/x.ini:3: [data] augment: \"none\" stands alone or not at all");
    box_expect_error(DIGITS "augment = crop\n[augment.crop]\npading = 2\n", LBK_ERR_INPUT,
                     "@/x.ini:5: [augment.crop] pading: unknown key; did you mean \"padding\"?");
    box_expect_error(DIGITS "augment = flip\n[augment.crop]\npadding = 2\n", LBK_ERR_INPUT,
                     "@/x.ini:4: [augment.crop] has no effect: [data] augment does not name \"crop\"");
    box_expect_error(DIGITS "[augment.corp]\npadding = 2\n", LBK_ERR_INPUT,
                     "@/x.ini:3: [augment.corp]: unknown augmentation \"corp\"; did you mean \"crop\"?");
    box_expect_error(DIGITS "augment = crop\n[augment.crop]\npadding = 8\n", LBK_ERR_INPUT,
                     "dataset digits: crop: padding 8 is not smaller than the image, 8x8");
}

/* What is printed says everything: read again, it prints the same. */
Test(data, prints_what_it_reads) {
    box_data box, again;
    lbk_text first = {0}, second = {0};
    box_open_ok(&box,
                DIGITS
                "augment = crop, rotate\nstudent_view = plain, cutout\nteacher_view = edges, cutout\nmix = cutmix\n"
                "subset = 0.5\nsubset_balanced = no\n[augment.cutout]\nholes = 2\n[mix.cutmix]\np = 0.25\n",
                7);
    cr_assert_eq(lbk_data_print(&box.data, box_path(), &first), LBK_OK);
    box_open_ok(&again, first.data, 7);
    cr_assert_eq(lbk_data_print(&again.data, box_path(), &second), LBK_OK);
    cr_assert_str_eq(first.data, second.data);
    cr_assert_not_null(strstr(first.data, "\n[mix.cutmix]\nalpha = 1\np = 0.25\n"), "%s", first.data);
    cr_assert_not_null(strstr(first.data, "\n[augment.cutout]\nsize = 8\nholes = 2\n"), "%s", first.data);
    lbk_text_release(&first);
    lbk_text_release(&second);
    box_close(&box);
    box_close(&again);
}

/* The digits inside the program. */
#include "base/hash.h"
#include "data/helpers/box.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(digits, .init = box_make, .fini = box_remove);

Test(digits, split_is_fixed_and_balanced) {
    uint64_t seeds[] = {1, 99}, hash[2];
    for (int s = 0; s < 2; s++) {
        box_data box;
        box_open_ok(&box, "[data]\ndataset = digits\n", seeds[s]);
        const lbk_source *source = &box.data.source;
        cr_assert(source->height == 8 && source->width == 8 && source->channels == 1 && source->classes == 10);
        cr_assert_eq(source->train_count, 1437);
        cr_assert_eq(source->test_count, 360);
        int counts[10] = {0}, label;
        float pixels[64];
        hash[s] = LBK_HASH_START;
        for (uint32_t i = 0; i < 360; i++) {
            cr_assert_eq(box.data.dataset->read(source, LBK_PART_TEST, i, &(lbk_numbers){.f32 = pixels}, &label),
                         LBK_OK);
            counts[label]++;
            hash[s] = lbk_hash_bytes(hash[s], pixels, sizeof pixels);
        }
        for (int c = 0; c < 10; c++)
            cr_assert_eq(counts[c], 36);
        box_close(&box);
    }
    cr_assert_eq(hash[0], hash[1]);
    /* Published accuracies depend on this split: it may never change. */
    cr_assert_eq(hash[0], 0xf091cf7cfc0c2e5cull, "0x%016llxull", (unsigned long long)hash[0]);
}

/* The first scan of the file, as anyone can see in digits.csv.gz; file order is kept within each part. */
Test(digits, pixels_are_sixteenths_of_the_files_values) {
    static const unsigned char first[64] = {
        0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0, 0, 3, 15, 2, 0,  11, 8, 0, 0, 4, 12, 0,  0,  8, 8, 0,
        0, 5, 8, 0,  0, 9, 8, 0, 0, 4, 11, 0,  1,  12, 7, 0, 0, 2, 14, 5, 10, 12, 0, 0, 0, 0, 6,  13, 10, 0, 0, 0};
    box_data box;
    int label, found = 0;
    float pixels[64];
    box_open_ok(&box, "[data]\ndataset = digits\n", 1);
    for (int part = LBK_PART_TRAIN; part <= LBK_PART_TEST; part += 2) {
        cr_assert_eq(box.data.dataset->read(&box.data.source, (lbk_part)part, 0, &(lbk_numbers){.f32 = pixels}, &label),
                     LBK_OK);
        bool same = label == 0;
        for (int i = 0; i < 64; i++)
            same = same && pixels[i] == (float)first[i] / 16.0f;
        found += same;
    }
    cr_assert_eq(found, 1);
    box_close(&box);
}

Test(digits, normalisation_is_that_of_the_training_part) {
    box_data box;
    box_open_ok(&box, "[data]\ndataset = digits\nvalidation = 0.2\n", 1);
    double sum = 0, square = 0;
    float pixels[64];
    int label;
    for (uint32_t i = 0; i < 1437; i++) {
        cr_assert_eq(box.data.dataset->read(&box.data.source, LBK_PART_TRAIN, i, &(lbk_numbers){.f32 = pixels}, &label),
                     LBK_OK);
        for (int k = 0; k < 64; k++) {
            double value = (double)pixels[k] - 0.25; /* another path to the variance than the code's */
            sum += value;
            square += value * value;
        }
    }
    double n = 1437.0 * 64.0, mean = sum / n;
    cr_assert_float_eq((double)box.data.mean[0], mean + 0.25, 1e-6);
    cr_assert_float_eq((double)box.data.deviation[0] * box.data.deviation[0], square / n - mean * mean, 1e-6);
    box_close(&box);
}

Test(digits, has_no_key_of_its_own) {
    box_expect_error("[data]\ndataset = digits\nsource = x\n", LBK_ERR_INPUT, "@/x.ini:3: [data] source: unknown key");
}

/* IDX files: exact bytes, plain and gzip, every naming, the split of a single pair, and what is refused. */
#include "data/helpers/box.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(idx, .init = box_make, .fini = box_remove);

enum { H = 2, W = 3, SIZE = H * W, MAX = 64 };

static void put32(unsigned char *at, uint32_t value) {
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(value >> (24 - 8 * i));
}

static unsigned char pixel(int sample, int i) {
    return (unsigned char)(sample * 37 + i * 11);
}

/* Both return the file's length. Labels go 0, 1, 2, 0, 1, 2, ... */
static size_t images_file(unsigned char *out, int count, int height, int width) {
    put32(out, 0x803);
    put32(out + 4, (uint32_t)count);
    put32(out + 8, (uint32_t)height);
    put32(out + 12, (uint32_t)width);
    for (int s = 0; s < count; s++)
        for (int i = 0; i < height * width; i++)
            out[16 + s * height * width + i] = pixel(s, i);
    return 16 + (size_t)(count * height * width);
}

static size_t labels_file(unsigned char *out, int count) {
    put32(out, 0x801);
    put32(out + 4, (uint32_t)count);
    for (int s = 0; s < count; s++)
        out[8 + s] = (unsigned char)(s % 3);
    return 8 + (size_t)count;
}

static void write_pair(const char *images, const char *labels, int count) {
    unsigned char bytes[16 + MAX * SIZE];
    size_t length = images_file(bytes, count, H, W);
    box_write(images, bytes, length);
    length = labels_file(bytes, count);
    box_write(labels, bytes, length);
}

static void write_pair_gzip(const char *images, const char *labels, int count) {
    unsigned char bytes[16 + MAX * SIZE];
    size_t length = images_file(bytes, count, H, W);
    box_write_gzip(images, bytes, length);
    length = labels_file(bytes, count);
    box_write_gzip(labels, bytes, length);
}

static void expect_sample(const box_data *box, lbk_part part, uint32_t index, int sample) {
    float pixels[SIZE];
    int label = -1, only = -1;
    const lbk_source *source = &box->data.source;
    cr_assert_eq(box->data.dataset->read(source, part, index, &(lbk_numbers){.f32 = pixels}, &label), LBK_OK);
    cr_assert_eq(box->data.dataset->read(source, part, index, NULL, &only), LBK_OK);
    cr_assert_eq(label, sample % 3);
    cr_assert_eq(only, label);
    for (int i = 0; i < SIZE; i++)
        cr_assert_eq(pixels[i], (float)pixel(sample, i) / 255.0f);
}

static void expect_both_parts(const char *ini, uint32_t train, uint32_t test) {
    box_data box;
    box_open_ok(&box, ini, 1);
    const lbk_source *source = &box.data.source;
    cr_assert(source->height == H && source->width == W && source->channels == 1 && source->classes == 3);
    cr_assert_eq(source->train_count, train);
    cr_assert_eq(source->test_count, test);
    for (uint32_t i = 0; i < train; i++)
        expect_sample(&box, LBK_PART_TRAIN, i, (int)i);
    for (uint32_t i = 0; i < test; i++)
        expect_sample(&box, LBK_PART_TEST, i, (int)i);
    box_close(&box);
}

Test(idx, reads_a_folder_with_the_usual_names) {
    write_pair("m/train-images-idx3-ubyte", "m/train-labels-idx1-ubyte", 7);
    write_pair_gzip("m/t10k-images-idx3-ubyte.gz", "m/t10k-labels-idx1-ubyte.gz", 4);
    expect_both_parts("[data]\ndataset = idx\npath = m\n", 7, 4);
    write_pair_gzip("d/train-images.idx3-ubyte.gz", "d/train-labels.idx1-ubyte.gz", 5);
    write_pair("d/t10k-images.idx3-ubyte", "d/t10k-labels.idx1-ubyte", 3);
    expect_both_parts("[data]\ndataset = idx\npath = d\n", 5, 3);
}

Test(idx, reads_named_files) {
    write_pair("a.images", "a.labels", 6);
    write_pair_gzip("sub/b.images", "b.labels", 3);
    expect_both_parts("[data]\ndataset = idx\ntrain_images = a.images\ntrain_labels = a.labels\n"
                      "test_images = sub/b.images\ntest_labels = b.labels\n",
                      6, 3);
}

/* 30 samples, ten of a class: 3 of each class are test samples, whatever the seed; every sample is in exactly one part.
 */
Test(idx, splits_a_single_pair) {
    uint32_t first[9];
    write_pair("m/t10k-images-idx3-ubyte", "m/t10k-labels-idx1-ubyte", 30);
    for (uint64_t seed = 1; seed <= 3; seed++) {
        box_data box;
        bool seen[30] = {false};
        box_open_ok(&box, "[data]\ndataset = idx\npath = m\ntest_share = 0.3\n", seed);
        cr_assert(box.data.source.train_count == 21 && box.data.source.test_count == 9);
        int counts[3] = {0};
        for (uint32_t i = 0; i < 30; i++) {
            float pixels[SIZE];
            int label, sample = 0;
            lbk_part part = i < 21 ? LBK_PART_TRAIN : LBK_PART_TEST;
            cr_assert_eq(box.data.dataset->read(&box.data.source, part, i < 21 ? i : i - 21,
                                                &(lbk_numbers){.f32 = pixels}, &label),
                         LBK_OK);
            while (sample < 30 && (float)pixel(sample, 0) / 255.0f != pixels[0])
                sample++;
            cr_assert_lt(sample, 30);
            cr_assert_not(seen[sample]);
            seen[sample] = true;
            cr_assert_eq(label, sample % 3);
            if (i < 21)
                continue;
            counts[label]++;
            if (seed == 1)
                first[i - 21] = (uint32_t)sample;
            cr_assert_eq(first[i - 21], (uint32_t)sample);
        }
        cr_assert(counts[0] == 3 && counts[1] == 3 && counts[2] == 3);
        box_close(&box);
    }
}

#define INI "[data]\ndataset = idx\npath = m\n"

static void write_good(void) {
    write_pair("m/train-images-idx3-ubyte", "m/train-labels-idx1-ubyte", 6);
    write_pair("m/t10k-images-idx3-ubyte", "m/t10k-labels-idx1-ubyte", 3);
}

/* The training images with `length` bytes changed at `at` and cut (or filled up with 9s) to `total`. */
static void spoil_images(size_t at, const char *change, size_t length, size_t total) {
    unsigned char bytes[16 + MAX * SIZE];
    memset(bytes, 9, sizeof bytes);
    images_file(bytes, 6, H, W);
    memcpy(bytes + at, change, length);
    box_write("m/train-images-idx3-ubyte", bytes, total);
}

Test(idx, refuses_damaged_image_files) {
    enum { WHOLE = 16 + 6 * SIZE };
    write_good();
    spoil_images(0, "", 0, 3);
    box_expect_error(INI, LBK_ERR_INPUT,
                     "dataset idx: @/m/train-images-idx3-ubyte: byte 3: ends inside the magic number");
    spoil_images(3, "\x01", 1, WHOLE);
    box_expect_error(INI, LBK_ERR_INPUT,
                     "dataset idx: @/m/train-images-idx3-ubyte: byte 0: magic number 0x00000801, expected 0x00000803 "
                     "(unsigned bytes, 3 dimensions)");
    spoil_images(0, "", 0, 13);
    box_expect_error(INI, LBK_ERR_INPUT,
                     "dataset idx: @/m/train-images-idx3-ubyte: byte 13: ends inside the header of 16 bytes");
    spoil_images(12, "\0\0\0\0", 4, WHOLE);
    box_expect_error(INI, LBK_ERR_INPUT,
                     "dataset idx: @/m/train-images-idx3-ubyte: byte 12: dimension 2 is 0, expected 1 to 16384");
    spoil_images(8, "\xff\xff\xff\xff", 4, WHOLE);
    box_expect_error(
        INI, LBK_ERR_INPUT,
        "dataset idx: @/m/train-images-idx3-ubyte: byte 8: dimension 1 is 4294967295, expected 1 to 16384");
    spoil_images(4, "\xff\xff\xff\xff", 4, WHOLE);
    box_expect_error(INI, LBK_ERR_INPUT,
                     "dataset idx: @/m/train-images-idx3-ubyte: byte 52: ends inside sample 6 of 4294967295");
    spoil_images(0, "", 0, WHOLE - 1);
    box_expect_error(INI, LBK_ERR_INPUT,
                     "dataset idx: @/m/train-images-idx3-ubyte: byte 51: ends inside sample 5 of 6");
    spoil_images(0, "", 0, WHOLE + 2);
    box_expect_error(INI, LBK_ERR_INPUT,
                     "dataset idx: @/m/train-images-idx3-ubyte: byte 52: 2 trailing bytes after the last of 6 samples");
}

Test(idx, refuses_labels_that_do_not_fit) {
    unsigned char bytes[MAX];
    write_good();
    size_t length = labels_file(bytes, 5);
    box_write("m/train-labels-idx1-ubyte", bytes, length);
    box_expect_error(
        INI, LBK_ERR_INPUT,
        "dataset idx: @/m/train-labels-idx1-ubyte: byte 4: 5 labels, but @/m/train-images-idx3-ubyte has 6 images");
    length = labels_file(bytes, 6);
    bytes[8 + 4] = 7;
    box_write("m/train-labels-idx1-ubyte", bytes, length);
    box_expect_error(INI "classes = 3\n", LBK_ERR_INPUT,
                     "dataset idx: @/m/train-labels-idx1-ubyte: byte 12: label 7, expected 0 to 2");
    write_good();
    length = labels_file(bytes, 3);
    bytes[8 + 1] = 3; /* the training labels reach 2 */
    box_write("m/t10k-labels-idx1-ubyte", bytes, length);
    box_expect_error(INI, LBK_ERR_INPUT, "dataset idx: @/m/t10k-labels-idx1-ubyte: byte 9: label 3, expected 0 to 2");
    length = labels_file(bytes, 6);
    box_write("m/train-labels-idx1-ubyte", bytes, 7);
    box_expect_error(INI, LBK_ERR_INPUT,
                     "dataset idx: @/m/train-labels-idx1-ubyte: byte 7: ends inside the header of 8 bytes");
    bytes[2] = 9;
    box_write("m/train-labels-idx1-ubyte", bytes, length);
    box_expect_error(INI, LBK_ERR_INPUT,
                     "dataset idx: @/m/train-labels-idx1-ubyte: byte 0: magic number 0x00000901, expected 0x00000801 "
                     "(unsigned bytes, 1 dimension)");
}

Test(idx, refuses_test_images_of_another_size) {
    unsigned char bytes[16 + MAX * SIZE];
    write_good();
    size_t length = images_file(bytes, 3, 3, 3);
    box_write("m/t10k-images-idx3-ubyte", bytes, length);
    box_expect_error(INI, LBK_ERR_INPUT,
                     "dataset idx: @/m/t10k-images-idx3-ubyte: byte 8: images of 3x3, but the training images are 2x3");
}

Test(idx, refuses_damaged_gzip) {
    unsigned char bytes[16 + MAX * SIZE], *packed;
    size_t length = images_file(bytes, 6, H, W);
    write_good();
    box_delete("m/train-images-idx3-ubyte");
    box_write_gzip("m/train-images-idx3-ubyte.gz", bytes, length);
    packed = box_read("m/train-images-idx3-ubyte.gz", &length);
    packed[length - 8] ^= 1; /* the checksum */
    box_write("m/train-images-idx3-ubyte.gz", packed, length);
    char expected[256];
    snprintf(expected, sizeof expected,
             "dataset idx: @/m/train-images-idx3-ubyte.gz: damaged gzip data at byte %zu: incorrect data check",
             length - 4);
    box_expect_error(INI, LBK_ERR_INPUT, expected);
    packed[length - 8] ^= 1;
    box_write("m/train-images-idx3-ubyte.gz", packed, length - 9);
    snprintf(expected, sizeof expected,
             "dataset idx: @/m/train-images-idx3-ubyte.gz: gzip data cut short at byte %zu, after 52 inflated bytes",
             length - 9);
    box_expect_error(INI, LBK_ERR_INPUT, expected);
    box_write("m/train-images-idx3-ubyte.gz", packed, 5);
    box_expect_error(
        INI, LBK_ERR_INPUT,
        "dataset idx: @/m/train-images-idx3-ubyte.gz: gzip data cut short at byte 5, after 0 inflated bytes");
    packed[2] = 3; /* not deflate */
    box_write("m/train-images-idx3-ubyte.gz", packed, length);
    box_expect_error(
        INI, LBK_ERR_INPUT,
        "dataset idx: @/m/train-images-idx3-ubyte.gz: damaged gzip data at byte 4: unknown compression method");
    free(packed);
}

Test(idx, refuses_keys_that_contradict_each_other) {
    write_good();
    box_expect_error("[data]\ndataset = idx\n", LBK_ERR_INPUT,
                     "dataset idx: no files named: give path, or train_images and train_labels");
    box_expect_error("[data]\ndataset = idx\ntrain_images = m/train-images-idx3-ubyte\n", LBK_ERR_INPUT,
                     "dataset idx: train_images and train_labels belong together; train_labels is missing");
    box_expect_error("[data]\ndataset = idx\ntest_labels = x\n", LBK_ERR_INPUT,
                     "dataset idx: test_images and test_labels belong together; test_images is missing");
    box_expect_error(INI "train_images = m/train-images-idx3-ubyte\n", LBK_ERR_INPUT,
                     "dataset idx: path and names of single files are both given; give one or the other");
    box_expect_error(INI "test_share = 0.2\n", LBK_ERR_INPUT,
                     "dataset idx: test_share has no effect: both a training and a test pair of files are there");
    box_expect_error(INI "test_share = 0.95\n", LBK_ERR_INPUT,
                     "@/x.ini:4: [data] test_share: expected number in [0, 0.9], got \"0.95\"");
}

Test(idx, refuses_incomplete_folders) {
    write_good();
    box_delete("m/t10k-images-idx3-ubyte");
    box_expect_error(INI, LBK_ERR_INPUT, "dataset idx: @/m: has t10k-labels-idx1-ubyte but no t10k-images-idx3-ubyte");
    box_delete("m/t10k-labels-idx1-ubyte");
    box_expect_error(
        INI, LBK_ERR_INPUT,
        "dataset idx: @/m/train-images-idx3-ubyte is the only pair of files: set test_share to split it, or "
        "name the test pair");
    box_delete("m/train-labels-idx1-ubyte");
    box_delete("m/train-images-idx3-ubyte");
    box_expect_error(INI, LBK_ERR_INPUT,
                     "dataset idx: @/m: has neither train-images-idx3-ubyte nor t10k-images-idx3-ubyte, plain or .gz");
    box_expect_error("[data]\ndataset = idx\npath = gone\n", LBK_ERR_INPUT, "dataset idx: @/gone: not a folder");
    box_expect_error("[data]\ndataset = idx\ntrain_images = gone\ntrain_labels = gone\ntest_share = 0.5\n", LBK_ERR_IO,
                     "dataset idx: cannot read \"@/gone\": No such file or directory");
}

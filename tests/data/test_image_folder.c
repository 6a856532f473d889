/* Folders of JPEG and PNG files: order, exact pixels, conversion, resizing, and what is refused. */
#include "data/helpers/box.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(image_folder, .init = box_make, .fini = box_remove);

#define INI "[data]\ndataset = image_folder\npath = f\n"
#define GRAY INI "channels = gray\n"

/* One PNG of height x width in each class folder of both parts, grey value `value` everywhere unless changed by a test.
 */
static void write_grey(const char *name, int height, int width, unsigned char value) {
    unsigned char pixels[64 * 64];
    memset(pixels, value, sizeof pixels);
    box_write_png(name, height, width, 1, pixels);
}

static void write_small_set(void) {
    write_grey("f/train/cat/1.png", 4, 6, 10);
    write_grey("f/train/dog/1.png", 4, 6, 20);
    write_grey("f/test/cat/1.png", 4, 6, 30);
    write_grey("f/test/dog/1.png", 4, 6, 40);
}

static lbk_status read_sample(const box_data *box, lbk_part part, uint32_t index, float *pixels, int *label) {
    return box->data.dataset->read(&box->data.source, part, index, pixels ? &(lbk_numbers){.f32 = pixels} : NULL,
                                   label);
}

Test(image_folder, classes_and_files_come_in_the_order_of_their_names) {
    box_data box;
    float pixels[24];
    static const int labels[] = {0, 0, 0, 0, 1}, values[] = {3, 1, 2, 10, 20};
    write_small_set();
    write_grey("f/train/cat/0.Png", 4, 6, 3);
    write_grey("f/train/cat/01.png", 4, 6, 1);
    write_grey("f/train/cat/02.jpeg", 4, 6, 2); /* a PNG all the same: the bytes decide */
    box_write("f/train/cat/notes.txt", "x", 1);
    box_write("f/train/cat/.hidden.png", "x", 1);
    box_write("f/train/list.txt", "x", 1);
    box_open_ok(&box, GRAY, 1);
    const lbk_source *source = &box.data.source;
    cr_assert(source->height == 4 && source->width == 6 && source->channels == 1 && source->classes == 2);
    cr_assert_str_eq(source->class_names[0], "cat");
    cr_assert_str_eq(source->class_names[1], "dog");
    cr_assert(source->train_count == 5 && source->test_count == 2);
    for (int i = 0; i < 5; i++) {
        int label = -1, only = -1;
        cr_assert_eq(read_sample(&box, LBK_PART_TRAIN, (uint32_t)i, pixels, &label), LBK_OK);
        cr_assert_eq(read_sample(&box, LBK_PART_TRAIN, (uint32_t)i, NULL, &only), LBK_OK);
        cr_assert(label == labels[i] && only == labels[i], "%d", i);
        cr_assert_eq(pixels[23], (float)values[i] / 255.0f, "%d", i);
    }
    box_close(&box);
}

Test(image_folder, png_colours_are_exact_kept_or_not) {
    const char *texts[] = {INI, INI "keep = no\n"};
    unsigned char rgb[4 * 6 * 3];
    float pixels[4 * 6 * 3];
    for (int i = 0; i < 72; i++)
        rgb[i] = (unsigned char)(i * 3 + 7);
    write_small_set();
    box_write_png("f/test/dog/2.png", 4, 6, 3, rgb);
    for (int t = 0; t < 2; t++) {
        box_data box;
        int label;
        box_open_ok(&box, texts[t], 1);
        for (int again = 0; again < 3; again++) {
            cr_assert_eq(read_sample(&box, LBK_PART_TEST, 2, pixels, &label), LBK_OK, "%s", lbk_error_message());
            for (int i = 0; i < 72; i++)
                cr_assert_eq(pixels[i], (float)rgb[i] / 255.0f);
            cr_assert_eq(read_sample(&box, LBK_PART_TEST, 1, pixels, &label), LBK_OK); /* grey becomes RGB */
            cr_assert_eq(pixels[71], 40.0f / 255.0f);
        }
        box_close(&box);
    }
}

/* At quality 100 every quantum is 1, and an 8x8 block of one value is its mean alone: such a JPEG loses nothing. */
Test(image_folder, grey_jpeg_of_flat_blocks_is_exact) {
    enum { H = 16, W = 24 };
    unsigned char grey[H * W];
    float pixels[H * W * 3];
    int label;
    box_data box;
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            grey[y * W + x] = (unsigned char)(40 + 30 * (y / 8 * 3 + x / 8));
    box_write_jpeg("f/train/a/x.jpg", H, W, 1, grey);
    box_write_jpeg("f/test/a/x.jpeg", H, W, 1, grey);
    box_open_ok(&box, GRAY, 1);
    cr_assert_eq(read_sample(&box, LBK_PART_TRAIN, 0, pixels, &label), LBK_OK);
    for (int i = 0; i < H * W; i++)
        cr_assert_eq(pixels[i], (float)grey[i] / 255.0f, "%d", i);
    box_close(&box);
    box_open_ok(&box, INI, 1);
    cr_assert_eq(read_sample(&box, LBK_PART_TEST, 0, pixels, &label), LBK_OK);
    for (int i = 0; i < H * W * 3; i++)
        cr_assert_eq(pixels[i], (float)grey[i / 3] / 255.0f, "%d", i);
    box_close(&box);
}

/* Colour goes through YCbCr with integers: each of the two conversions may be off by one. */
Test(image_folder, colour_jpeg_keeps_the_order_of_channels) {
    enum { SIDE = 16 };
    unsigned char rgb[SIDE * SIDE * 3];
    float pixels[SIDE * SIDE * 3];
    int label;
    box_data box;
    for (int i = 0; i < SIDE * SIDE; i++) {
        rgb[i * 3] = 200;
        rgb[i * 3 + 1] = 90;
        rgb[i * 3 + 2] = 30;
    }
    box_write_jpeg("f/train/a/x.jpg", SIDE, SIDE, 3, rgb);
    box_write_jpeg("f/test/a/x.jpg", SIDE, SIDE, 3, rgb);
    box_open_ok(&box, INI, 1);
    cr_assert_eq(read_sample(&box, LBK_PART_TRAIN, 0, pixels, &label), LBK_OK);
    for (int i = 0; i < SIDE * SIDE * 3; i++)
        cr_assert_float_eq(pixels[i] * 255.0f, rgb[i], 2.01f, "%d", i);
    box_close(&box);
}

static void expect_resized(const char *ini, const float *expected, int count) {
    box_data box;
    float pixels[64];
    int label;
    box_open_ok(&box, ini, 1);
    cr_assert_eq(read_sample(&box, LBK_PART_TEST, 0, pixels, &label), LBK_OK);
    for (int i = 0; i < count; i++)
        cr_assert_eq(pixels[i] * 255.0f, expected[i], "%d: %g, expected %g", i, (double)(pixels[i] * 255.0f),
                     (double)expected[i]);
    box_close(&box);
}

Test(image_folder, shrinking_averages_the_area) {
    static const unsigned char four[16] = {0, 4, 100, 100, 8, 12, 100, 104, 1, 1, 2, 2, 1, 1, 2, 3};
    static const unsigned char three[3] = {0, 90, 180};
    write_grey("f/train/a/x.png", 5, 5, 50);
    box_write_png("f/test/a/x.png", 4, 4, 1, four);
    expect_resized(GRAY "height = 2\nwidth = 2\n", (float[]){6, 101, 1, 2}, 4); /* 6, 101, 1, 2.25 */
    box_write_png("f/test/a/x.png", 1, 3, 1, three);
    expect_resized(GRAY "height = 1\nwidth = 2\n", (float[]){30, 150}, 2); /* (0 + 90/2) / 1.5, (90/2 + 180) / 1.5 */
}

Test(image_folder, growing_is_linear_between_centres) {
    static const unsigned char two[2] = {0, 100};
    write_grey("f/train/a/x.png", 5, 5, 50);
    box_write_png("f/test/a/x.png", 1, 2, 1, two);
    expect_resized(GRAY "height = 2\nwidth = 4\n", (float[]){0, 25, 75, 100, 0, 25, 75, 100}, 8);
    box_write_png("f/test/a/x.png", 2, 1, 1, two);
    expect_resized(GRAY "height = 4\nwidth = 1\n", (float[]){0, 25, 75, 100}, 4);
}

Test(image_folder, refuses_folders_that_do_not_fit) {
    box_expect_error("[data]\ndataset = image_folder\n", LBK_ERR_INPUT,
                     "@/x.ini:1: [data] lacks the key \"path\" (text)");
    box_expect_error(INI, LBK_ERR_INPUT, "dataset image_folder: @/f/train: not a folder");
    box_write("f/train/readme.txt", "x", 1);
    box_expect_error(INI, LBK_ERR_INPUT, "dataset image_folder: @/f/train: no class folders");
    write_small_set();
    box_write("f/train/eel/readme.txt", "x", 1);
    box_expect_error(INI, LBK_ERR_INPUT, "dataset image_folder: @/f/train/eel: no .jpg, .jpeg or .png files");
    write_grey("f/train/eel/1.png", 4, 6, 1);
    box_expect_error(INI, LBK_ERR_INPUT,
                     "dataset image_folder: @/f/test: has no folder for class \"eel\", which @/f/train has");
    write_grey("f/test/ant/1.png", 4, 6, 1);
    box_expect_error(INI, LBK_ERR_INPUT,
                     "dataset image_folder: @/f/train: has no folder for class \"ant\", which @/f/test has");
    box_expect_error(INI "height = 4\n", LBK_ERR_INPUT,
                     "dataset image_folder: @/f/train: has no folder for class \"ant\", "
                     "which @/f/test has");
}

Test(image_folder, refuses_sizes_that_do_not_fit) {
    box_data box;
    float pixels[24 * 3];
    int label;
    write_small_set();
    box_expect_error(INI "height = 4\n", LBK_ERR_INPUT,
                     "dataset image_folder: height and width belong together; width is missing");
    write_grey("f/test/dog/1.png", 4, 5, 1);
    box_open_ok(&box, INI, 1);
    box_expect_message(read_sample(&box, LBK_PART_TEST, 1, pixels, &label), LBK_ERR_INPUT,
                       "@/f/test/dog/1.png: image of 4x5, but the first is 4x6; set height and width to resize all");
    cr_assert_eq(read_sample(&box, LBK_PART_TEST, 0, pixels, &label), LBK_OK);
    box_close(&box);
    box_expect_error(INI "channels = 2\n", LBK_ERR_INPUT,
                     "@/x.ini:4: [data] channels: expected one of gray, rgb, got \"2\"");
}

static void expect_undecodable(const void *bytes, size_t length, const char *message) {
    box_write("f/train/cat/1.png", bytes, length);
    box_expect_error(INI, LBK_ERR_INPUT, message);
}

/* Where the compressed pixels of a PNG start. */
static size_t find_pixels(const unsigned char *bytes, size_t length) {
    for (size_t i = 0; i + 4 < length; i++)
        if (memcmp(bytes + i, "IDAT", 4) == 0)
            return i + 4;
    cr_assert_fail("a PNG without IDAT");
    return 0;
}

Test(image_folder, refuses_undecodable_files) {
    size_t length;
    write_small_set();
    unsigned char *bytes = box_read("f/train/cat/1.png", &length);
    size_t pixels = find_pixels(bytes, length);
    expect_undecodable("not an image", 12, "dataset image_folder: @/f/train/cat/1.png: byte 0: neither JPEG nor PNG");
    expect_undecodable("", 0, "dataset image_folder: @/f/train/cat/1.png: byte 0: neither JPEG nor PNG");
    expect_undecodable(bytes, 20,
                       "dataset image_folder: @/f/train/cat/1.png: undecodable PNG header: read beyond end of data");
    expect_undecodable(
        bytes, pixels + 3,
        "dataset image_folder: @/f/train/cat/1.png: undecodable PNG pixels, # bytes: read beyond end of data");
    bytes[pixels + 5] ^= 0x55;
    box_write("f/train/cat/1.png", bytes, length);
    box_data box;
    cr_assert_eq(box_open(&box, INI, 1), LBK_ERR_INPUT); /* zlib or the checksum sees it first: the wording is theirs */
    cr_assert_not_null(strstr(lbk_error_message(), "/f/train/cat/1.png: undecodable PNG pixels, "));
    box_close(&box);
    free(bytes);
}

Test(image_folder, refuses_cut_and_damaged_jpeg) {
    enum { SIDE = 32 };
    unsigned char grey[SIDE * SIDE], *bytes;
    size_t length;
    write_small_set();
    for (int i = 0; i < SIDE * SIDE; i++)
        grey[i] = (unsigned char)(i * 31);
    box_write_jpeg("x.jpg", SIDE, SIDE, 1, grey);
    bytes = box_read("x.jpg", &length);
    expect_undecodable(
        bytes, 10,
        "dataset image_folder: @/f/train/cat/1.png: undecodable JPEG near byte # of 10: Premature end of JPEG file");
    expect_undecodable(
        bytes, length - 200,
        "dataset image_folder: @/f/train/cat/1.png: undecodable JPEG near byte # of #: Premature end of JPEG file");
    bytes[length - 100] = 0xff; /* an early end marker */
    bytes[length - 99] = 0xd9;
    expect_undecodable(bytes, length,
                       "dataset image_folder: @/f/train/cat/1.png: undecodable JPEG near byte # of #: "
                       "Corrupt JPEG data: premature end of data segment");
    free(bytes);
}

/* A header that promises more pixels than any file should have. */
Test(image_folder, refuses_enormous_images) {
    enum { SIDE = 16 };
    unsigned char grey[SIDE * SIDE], *bytes;
    size_t length, at = 0;
    write_small_set();
    memset(grey, 77, sizeof grey);
    box_write_jpeg("x.jpg", SIDE, SIDE, 1, grey);
    bytes = box_read("x.jpg", &length);
    while (at + 9 < length &&
           !(bytes[at] == 0xff && bytes[at + 1] == 0xc0)) /* start of frame: length, 8, height, width */
        at++;
    memset(bytes + at + 5, 0xfa, 4);
    expect_undecodable(
        bytes, length,
        "dataset image_folder: @/f/train/cat/1.png: image of 64250x64250; at most 67108864 pixels are read");
    free(bytes);
}

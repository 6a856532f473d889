/* CIFAR's binary records: exact pixels and labels, and what is refused. */
#include "data/helpers/box.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(cifar, .init = box_make, .fini = box_remove);

enum { PLANE = 1024, PIXELS = 3 * PLANE, MAX_RECORD = PIXELS + 2 };

static unsigned char value(int sample, int channel, int i) {
    return (unsigned char)(sample * 13 + channel * 101 + i * 7);
}

/* `count` records from sample number `first` on; label bytes are (sample % 20, sample % 100) or (sample % 10). */
static void write_records(const char *name, int label_bytes, int first, int count) {
    size_t record = (size_t)label_bytes + PIXELS;
    unsigned char *bytes = malloc(record * (size_t)count), *at = bytes;
    for (int s = first; s < first + count; s++) {
        if (label_bytes == 2)
            *at++ = (unsigned char)(s % 20);
        *at++ = (unsigned char)(s % (label_bytes == 2 ? 100 : 10));
        for (int c = 0; c < 3; c++)
            for (int i = 0; i < PLANE; i++)
                *at++ = value(s, c, i);
    }
    box_write(name, bytes, record * (size_t)count);
    free(bytes);
}

static void write_cifar10(const char *folder) {
    char name[128];
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "%s/data_batch_%d.bin", folder, i + 1);
        write_records(name, 1, i * 3, 3);
    }
    snprintf(name, sizeof name, "%s/test_batch.bin", folder);
    write_records(name, 1, 100, 4);
}

static void expect_sample(const box_data *box, lbk_part part, uint32_t index, int sample, int label) {
    float pixels[PIXELS];
    int found;
    cr_assert_eq(box->data.dataset->read(&box->data.source, part, index, &(lbk_numbers){.f32 = pixels}, &found),
                 LBK_OK);
    cr_assert_eq(found, label);
    for (int i = 0; i < PLANE; i++)
        for (int c = 0; c < 3; c++)
            cr_assert_eq(pixels[i * 3 + c], (float)value(sample, c, i) / 255.0f);
}

Test(cifar, reads_cifar10_from_the_folder_or_the_one_above) {
    const char *texts[] = {"[data]\ndataset = cifar10\npath = up/cifar-10-batches-bin\n",
                           "[data]\ndataset = cifar10\npath = up\n"};
    write_cifar10("up/cifar-10-batches-bin");
    for (int t = 0; t < 2; t++) {
        box_data box;
        box_open_ok(&box, texts[t], 1);
        const lbk_source *source = &box.data.source;
        cr_assert(source->height == 32 && source->width == 32 && source->channels == 3 && source->classes == 10);
        cr_assert(source->train_count == 15 && source->test_count == 4 && !source->class_names);
        for (int i = 0; i < 15; i++)
            expect_sample(&box, LBK_PART_TRAIN, (uint32_t)i, i, i % 10);
        for (int i = 0; i < 4; i++)
            expect_sample(&box, LBK_PART_TEST, (uint32_t)i, 100 + i, i);
        cr_assert_float_eq(box.data.mean[2], 0.4465f, 1e-4f);
        box_close(&box);
    }
}

Test(cifar, reads_cifar100_fine_and_coarse) {
    box_data box;
    write_records("c/train.bin", 2, 0, 60);
    write_records("c/test.bin", 2, 95, 5);
    box_open_ok(&box, "[data]\ndataset = cifar100\npath = c\n", 1);
    cr_assert_eq(box.data.source.classes, 100);
    expect_sample(&box, LBK_PART_TRAIN, 59, 59, 59);
    expect_sample(&box, LBK_PART_TEST, 4, 99, 99);
    box_close(&box);
    box_open_ok(&box, "[data]\ndataset = cifar100\npath = c\ncoarse = yes\n", 1);
    cr_assert_eq(box.data.source.classes, 20);
    expect_sample(&box, LBK_PART_TRAIN, 59, 59, 19);
    expect_sample(&box, LBK_PART_TEST, 4, 99, 19);
    box_close(&box);
}

Test(cifar, reads_class_names_where_there_are_some) {
    box_data box;
    const char names[] = "zero\none\ntwo\nthree\r\nfour\nfive\nsix\nseven\neight\nnine\n\n";
    write_cifar10("c");
    box_write("c/batches.meta.txt", names, strlen(names));
    box_open_ok(&box, "[data]\ndataset = cifar10\npath = c\n", 1);
    cr_assert_str_eq(box.data.source.class_names[0], "zero");
    cr_assert_str_eq(box.data.source.class_names[3], "three");
    cr_assert_str_eq(box.data.source.class_names[9], "nine");
    box_close(&box);
    box_write("c/batches.meta.txt", names, 12);
    box_expect_error("[data]\ndataset = cifar10\npath = c\n", LBK_ERR_INPUT,
                     "dataset cifar10: @/c/batches.meta.txt: 3 class names, expected 10");
}

Test(cifar, refuses_damaged_files) {
    static const char ini[] = "[data]\ndataset = cifar10\npath = c\n";
    write_cifar10("c");
    size_t length;
    unsigned char *bytes = box_read("c/data_batch_3.bin", &length);
    box_write("c/data_batch_3.bin", bytes, length - 100);
    box_expect_error(
        ini, LBK_ERR_INPUT,
        "dataset cifar10: @/c/data_batch_3.bin: byte 9119: ends inside record 2; expected whole records of 3073 "
        "bytes");
    box_write("c/data_batch_3.bin", bytes, 0);
    box_expect_error(
        ini, LBK_ERR_INPUT,
        "dataset cifar10: @/c/data_batch_3.bin: byte 0: ends inside record 0; expected whole records of 3073 bytes");
    bytes[3073] = 10;
    box_write("c/data_batch_3.bin", bytes, length);
    box_expect_error(ini, LBK_ERR_INPUT,
                     "dataset cifar10: @/c/data_batch_3.bin: byte 3073: record 1 has label 10, expected 0 to 9");
    box_delete("c/data_batch_3.bin");
    box_expect_error(ini, LBK_ERR_IO,
                     "dataset cifar10: cannot read \"@/c/data_batch_3.bin\": No such file or directory");
    box_expect_error("[data]\ndataset = cifar10\npath = gone\n", LBK_ERR_INPUT,
                     "dataset cifar10: @/gone: not a folder");
    free(bytes);
}

/* The label that is not used must be valid too: a shifted file shows there. */
Test(cifar, refuses_a_bad_coarse_label) {
    size_t length;
    write_records("c/train.bin", 2, 0, 3);
    write_records("c/test.bin", 2, 0, 3);
    unsigned char *bytes = box_read("c/test.bin", &length);
    bytes[2 * 3074] = 20;
    box_write("c/test.bin", bytes, length);
    box_expect_error("[data]\ndataset = cifar100\npath = c\n", LBK_ERR_INPUT,
                     "dataset cifar100: @/c/test.bin: byte 6148: record 2 has label 20, expected 0 to 19");
    bytes[2 * 3074] = 1;
    bytes[2 * 3074 + 1] = 100;
    box_write("c/test.bin", bytes, length);
    box_expect_error("[data]\ndataset = cifar100\npath = c\n", LBK_ERR_INPUT,
                     "dataset cifar100: @/c/test.bin: byte 6149: record 2 has label 100, expected 0 to 99");
    free(bytes);
}

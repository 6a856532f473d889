/* Training images without a label: where they go, and where they must not. */
#include "data/helpers/box.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(unlabelled, .init = box_make, .fini = box_remove, .timeout = 900);

enum { PER_CLASS = 20, KNOWN = 2 * PER_CLASS, MORE = 30, ALL = KNOWN + MORE, SIZE = 6 };

#define PLAIN "[data]\ndataset = image_folder\npath = f\nchannels = gray\nnormalize = no\nbatch = 10\n"
#define INI PLAIN "unlabelled = more\n"

static void write_grey(const char *folder, int number, int value) {
    unsigned char pixels[SIZE];
    char name[64];
    memset(pixels, value, sizeof pixels);
    snprintf(name, sizeof name, "%s/%02d.png", folder, number);
    box_write_png(name, 2, 3, 1, pixels);
}

/* Image i of the training part is grey of value i, unlabelled ones last. */
static void write_set(void) {
    for (int i = 0; i < PER_CLASS; i++) {
        write_grey("f/train/cat", i, i);
        write_grey("f/train/dog", i, PER_CLASS + i);
    }
    for (int i = 0; i < MORE; i++)
        write_grey("more", i, KNOWN + i);
    write_grey("f/test/cat", 0, 200);
    write_grey("f/test/dog", 0, 201);
}

Test(unlabelled, follow_the_others_without_a_label) {
    static const char *const texts[] = {INI, INI "keep = no\n"};
    write_set();
    box_write("more/notes.txt", "x", 1);
    for (int t = 0; t < 2; t++) {
        box_data box;
        float pixels[SIZE];
        box_open_ok(&box, texts[t], 1);
        cr_assert(box.data.source.train_count == ALL && box.data.source.classes == 2);
        for (int again = 0; again < 2; again++)
            for (uint32_t i = 0; i < ALL; i++) {
                int label = -2, only = -2;
                cr_assert_eq(
                    box.data.dataset->read(&box.data.source, LBK_PART_TRAIN, i, &(lbk_numbers){.f32 = pixels}, &label),
                    LBK_OK);
                cr_assert_eq(box.data.dataset->read(&box.data.source, LBK_PART_TRAIN, i, NULL, &only), LBK_OK);
                cr_assert_eq(label, i < PER_CLASS ? 0 : i < KNOWN ? 1 : -1);
                cr_assert_eq(only, label);
                cr_assert_eq(pixels[5], (float)i / 255.0f);
            }
        box_close(&box);
    }
}

/* Validation, label budget and the teacher's part are those of the experiment without these images. */
Test(unlabelled, change_no_choice_among_the_others) {
    static const char *const keys = "validation = 0.2\nlabels = 0.5\n";
    box_data with, without;
    char text[256];
    write_set();
    snprintf(text, sizeof text, "%s%s", PLAIN, keys);
    box_open_ok(&without, text, 3);
    snprintf(text, sizeof text, "%s%s", INI, keys);
    box_open_ok(&with, text, 3);
    const lbk_data *a = &without.data, *b = &with.data;
    cr_assert(a->validation_count == 8 && b->validation_count == 8);
    cr_assert_arr_eq(a->validation, b->validation, 8 * sizeof(uint32_t));
    cr_assert(a->known_count == KNOWN - 8 && b->known_count == KNOWN - 8);
    cr_assert_arr_eq(a->known, b->known, a->known_count * sizeof(uint32_t));
    cr_assert_arr_eq(a->train, a->known, a->known_count * sizeof(uint32_t));
    cr_assert(a->train_count == KNOWN - 8 && b->train_count == ALL - 8);
    for (uint32_t i = 0; i < KNOWN; i++)
        cr_assert_eq(a->labelled[i], b->labelled[i]);
    for (uint32_t i = KNOWN; i < ALL; i++)
        cr_assert_not(b->labelled[i]);
    box_close(&with);
    box_close(&without);
}

/* One epoch of a part: counts each sample, checks labels against the dataset. */
static int run_epoch(const lbk_data *data, lbk_part part, int times[ALL]) {
    lbk_loader *loader;
    int batches = 0;
    memset(times, 0, ALL * sizeof *times);
    cr_assert_eq(lbk_loader_create(data, part, 0, 0, 1, 2, 2, &loader), LBK_OK);
    for (;; batches++) {
        lbk_batch *batch;
        cr_assert_eq(lbk_loader_next(loader, &batch), LBK_OK, "%s", lbk_error_message());
        if (!batch)
            break;
        for (int i = 0; i < batch->valid; i++) {
            uint32_t sample = batch->samples[i];
            times[sample]++;
            cr_assert_eq(batch->labels[i], sample < PER_CLASS ? 0 : sample < KNOWN ? 1 : -1);
            cr_assert_eq(batch->seen_labels[i], data->labelled[sample] ? batch->labels[i] : -1);
            cr_assert_eq(batch->inputs[0].f32[i * SIZE], (float)sample / 255.0f);
        }
        lbk_loader_release_batch(loader, batch);
    }
    lbk_loader_destroy(loader);
    return batches;
}

Test(unlabelled, are_distilled_on_but_teach_nobody) {
    box_data box;
    int times[ALL], sum = 0;
    write_set();
    box_open_ok(&box, INI, 1);
    cr_assert_eq(lbk_data_batches_per_epoch(&box.data, LBK_PART_TRAIN), ALL / 10);
    cr_assert_eq(run_epoch(&box.data, LBK_PART_TRAIN, times), ALL / 10);
    for (int i = 0; i < ALL; i++)
        cr_assert_eq(times[i], 1);
    cr_assert_eq(lbk_data_batches_per_epoch(&box.data, LBK_PART_TEACHER), KNOWN / 10);
    cr_assert_eq(run_epoch(&box.data, LBK_PART_TEACHER, times), KNOWN / 10);
    for (int i = 0; i < ALL; i++)
        sum += times[i];
    for (int i = 0; i < KNOWN; i++)
        cr_assert_eq(times[i], 1);
    cr_assert_eq(sum, KNOWN);
    box_close(&box);
}

/* A subset takes its share of them, as of a class. */
Test(unlabelled, share_in_a_subset) {
    box_data box;
    uint32_t more = 0;
    write_set();
    box_open_ok(&box, INI "subset = 0.5\n", 1);
    for (uint32_t i = 0; i < box.data.train_count; i++)
        more += box.data.train[i] >= KNOWN;
    cr_assert(box.data.known_count == KNOWN / 2 && more == MORE / 2);
    cr_assert_eq(box.data.train_count, ALL / 2);
    box_close(&box);
}

Test(unlabelled, refuses_what_it_cannot_read) {
    unsigned char small[4] = {0}, *bytes;
    size_t length;
    write_set();
    box_expect_error(PLAIN "unlabelled = nowhere\n", LBK_ERR_INPUT, "dataset image_folder: @/nowhere: not a folder");
    box_expect_error(PLAIN "unlabelled = f\n", LBK_ERR_INPUT,
                     "dataset image_folder: @/f: no .jpg, .jpeg or .png files");
    bytes = box_read("more/07.png", &length);
    box_write("more/07.png", bytes, 20);
    free(bytes);
    box_data box;
    float pixels[SIZE];
    int label;
    box_open_ok(&box, INI, 1);
    box_expect_message(
        box.data.dataset->read(&box.data.source, LBK_PART_TRAIN, KNOWN + 7, &(lbk_numbers){.f32 = pixels}, &label),
        LBK_ERR_INPUT, "@/more/07.png: undecodable PNG header: read beyond end of data");
    box_close(&box);
    box_write_png("more/07.png", 2, 2, 1, small);
    box_open_ok(&box, INI, 1);
    box_expect_message(
        box.data.dataset->read(&box.data.source, LBK_PART_TRAIN, KNOWN + 7, &(lbk_numbers){.f32 = pixels}, &label),
        LBK_ERR_INPUT, "@/more/07.png: image of 2x2, but the first is 2x3; set height and width to resize all");
    box_close(&box);
}

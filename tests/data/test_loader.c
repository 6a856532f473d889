/* Batches: order, content, resume, errors of the threads, and stopping at any moment. */
#include "data/helpers/box.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(loader, .init = box_make, .fini = box_remove, .timeout = 900);

#define PLAIN "[data]\ndataset = digits\nbatch = 100\n"
#define AUGMENTED                                                                                                      \
    PLAIN "augment = crop, flip\nmix = mixup\nlabels = 0.5\nteacher_view = plain, cutout\n[augment.crop]\npadding = "  \
          "2\n[mix.mixup]\np = 0.7\n"

enum { BATCH = 100, SIZE = 64, PER_EPOCH = 14 }; /* 1437 / 100 */

/* A copy of everything a batch says. */
typedef struct copy {
    float pixels[BATCH * SIZE], teacher_pixels[BATCH * SIZE], share[BATCH];
    int32_t labels[BATCH], seen[BATCH], partner_labels[BATCH], partner_seen[BATCH];
    uint32_t samples[BATCH], partners[BATCH], epoch, index;
    int valid;
} copy;

static void copy_batch(const lbk_batch *batch, copy *to) {
    memset(to, 0, sizeof *to); /* padding too: copies are compared whole */
    memcpy(to->pixels, batch->inputs[0].f32, sizeof to->pixels);
    memcpy(to->labels, batch->labels, sizeof to->labels);
    memcpy(to->seen, batch->seen_labels, sizeof to->seen);
    memcpy(to->teacher_pixels, batch->teacher_inputs[0].f32, sizeof to->teacher_pixels);
    memcpy(to->share, batch->share, sizeof to->share);
    memcpy(to->partner_labels, batch->partner_labels, sizeof to->partner_labels);
    memcpy(to->partner_seen, batch->partner_seen_labels, sizeof to->partner_seen);
    memcpy(to->partners, batch->partners, sizeof to->partners);
    memcpy(to->samples, batch->samples, sizeof to->samples);
    to->epoch = batch->epoch;
    to->index = batch->index;
    to->valid = batch->valid;
}

static lbk_batch *next(lbk_loader *loader) {
    lbk_batch *batch;
    cr_assert_eq(lbk_loader_next(loader, &batch), LBK_OK, "%s", lbk_error_message());
    return batch;
}

/* All batches from (epoch, index) on into copies[most]; returns how many there were. */
static int run(const lbk_data *data, lbk_part part, uint32_t epoch, uint32_t index, uint32_t end, int depth,
               int threads, copy *copies, int most) {
    lbk_loader *loader;
    int count = 0;
    cr_assert_eq(lbk_loader_create(data, part, epoch, index, end, depth, threads, &loader), LBK_OK, "%s",
                 lbk_error_message());
    for (lbk_batch *batch; (batch = next(loader)) != NULL; count++) {
        cr_assert_lt(count, most);
        copy_batch(batch, &copies[count]);
        lbk_loader_release_batch(loader, batch);
    }
    cr_assert_null(next(loader)); /* the end stays the end */
    lbk_loader_destroy(loader);
    return count;
}

Test(loader, threads_and_depth_change_nothing) {
    static const int ways[][2] = {{1, 1}, {2, 1}, {3, 2}, {8, 4}, {40, 7}}; /* depth, threads */
    copy *expected = calloc(3 * PER_EPOCH, sizeof *expected), *found = calloc(3 * PER_EPOCH, sizeof *found);
    box_data box;
    box_open_ok(&box, AUGMENTED, 11);
    for (int w = 0; w < 5; w++) {
        int count =
            run(&box.data, LBK_PART_TRAIN, 0, 0, 3, ways[w][0], ways[w][1], w ? found : expected, 3 * PER_EPOCH);
        cr_assert_eq(count, 3 * PER_EPOCH);
        if (w)
            cr_assert_eq(memcmp(expected, found, (size_t)count * sizeof *found), 0, "way %d", w);
    }
    for (int i = 0; i < 3 * PER_EPOCH; i++)
        cr_assert(expected[i].epoch == (uint32_t)i / PER_EPOCH && expected[i].index == (uint32_t)i % PER_EPOCH);
    free(expected);
    free(found);
    box_close(&box);
}

Test(loader, resuming_anywhere_gives_the_same_batches) {
    copy *expected = calloc(2 * PER_EPOCH, sizeof *expected), *found = calloc(2 * PER_EPOCH, sizeof *found);
    box_data box;
    box_open_ok(&box, AUGMENTED, 11);
    cr_assert_eq(run(&box.data, LBK_PART_TRAIN, 0, 0, 2, 3, 2, expected, 2 * PER_EPOCH), 2 * PER_EPOCH);
    for (uint32_t start = 0; start <= 2 * PER_EPOCH; start += 3) {
        int count = run(&box.data, LBK_PART_TRAIN, start / PER_EPOCH, start % PER_EPOCH, 2, 3, 2, found, 2 * PER_EPOCH);
        cr_assert_eq(count, 2 * PER_EPOCH - (int)start);
        cr_assert_eq(memcmp(expected + start, found, (size_t)count * sizeof *found), 0, "start %u", start);
    }
    /* The end of an epoch is the start of the next one. */
    cr_assert_eq(run(&box.data, LBK_PART_TRAIN, 0, PER_EPOCH, 2, 3, 2, found, 2 * PER_EPOCH), PER_EPOCH);
    cr_assert_eq(memcmp(expected + PER_EPOCH, found, PER_EPOCH * sizeof *found), 0);
    cr_assert_eq(run(&box.data, LBK_PART_TRAIN, 2, 0, 2, 3, 2, found, 1), 0);
    lbk_loader *loader;
    box_expect_message(lbk_loader_create(&box.data, LBK_PART_TRAIN, 0, PER_EPOCH + 1, 2, 1, 1, &loader), LBK_ERR_INPUT,
                       "cannot start at batch 15 of the train part: an epoch has 14 batches");
    cr_assert_null(loader);
    free(expected);
    free(found);
    box_close(&box);
}

Test(loader, an_epoch_has_each_sample_at_most_once_and_another_order) {
    copy *batches = calloc(2 * PER_EPOCH, sizeof *batches);
    box_data box;
    int same = 0;
    box_open_ok(&box, PLAIN, 2);
    run(&box.data, LBK_PART_TRAIN, 0, 0, 2, 4, 2, batches, 2 * PER_EPOCH);
    for (int epoch = 0; epoch < 2; epoch++) {
        int times[1437] = {0};
        for (int i = 0; i < PER_EPOCH * BATCH; i++)
            cr_assert_eq(++times[batches[epoch * PER_EPOCH + i / BATCH].samples[i % BATCH]], 1);
    }
    for (int i = 0; i < BATCH; i++)
        same += batches[0].samples[i] == batches[PER_EPOCH].samples[i];
    cr_assert_lt(same, 5);
    free(batches);
    box_close(&box);
}

/* Against the dataset itself: pixels normalised, labels true, seen labels only within the budget. */
Test(loader, batches_hold_what_the_dataset_holds) {
    copy *batches = calloc(PER_EPOCH, sizeof *batches);
    box_data box;
    int hidden = 0;
    box_open_ok(&box, PLAIN "labels = 0.5\n", 2);
    run(&box.data, LBK_PART_TRAIN, 5, 0, 6, 4, 2, batches, PER_EPOCH);
    for (int i = 0; i < PER_EPOCH * BATCH; i++) {
        const copy *b = &batches[i / BATCH];
        int row = i % BATCH, label;
        float pixels[SIZE];
        cr_assert_eq(box.data.dataset->read(&box.data.source, LBK_PART_TRAIN, b->samples[row],
                                            &(lbk_numbers){.f32 = pixels}, &label),
                     LBK_OK);
        cr_assert_eq(b->labels[row], label);
        cr_assert_eq(b->seen[row], box.data.labelled[b->samples[row]] ? label : -1);
        hidden += b->seen[row] < 0;
        for (int k = 0; k < SIZE; k++)
            cr_assert_eq(b->pixels[row * SIZE + k], (pixels[k] - box.data.mean[0]) / box.data.deviation[0]);
    }
    cr_assert(hidden > 650 && hidden < 750, "%d of 1400", hidden);
    free(batches);
    box_close(&box);
}

Test(loader, test_and_validation_come_in_order_once_and_padded) {
    copy *batches = calloc(8, sizeof *batches);
    box_data box;
    box_open_ok(&box, AUGMENTED, 2); /* augmentations must not touch these parts */
    cr_assert_eq(run(&box.data, LBK_PART_TEST, 0, 0, 99, 2, 2, batches, 8), 4);
    for (int i = 0; i < 400; i++) {
        const copy *b = &batches[i / BATCH];
        int row = i % BATCH, label;
        float pixels[SIZE];
        cr_assert_eq(b->valid, i < 300 ? 100 : 60);
        cr_assert(b->share[row] == 1.0f && b->partners[row] == (uint32_t)row);
        if (i >= 360) {
            cr_assert(b->labels[row] == -1 && b->seen[row] == -1 && b->samples[row] == 0);
            for (int k = 0; k < SIZE; k++)
                cr_assert_eq(b->pixels[row * SIZE + k], 0.0f);
            continue;
        }
        cr_assert_eq(b->samples[row], (uint32_t)i);
        cr_assert_eq(
            box.data.dataset->read(&box.data.source, LBK_PART_TEST, (uint32_t)i, &(lbk_numbers){.f32 = pixels}, &label),
            LBK_OK);
        cr_assert(b->labels[row] == label && b->seen[row] == label);
        for (int k = 0; k < SIZE; k++)
            cr_assert_eq(b->pixels[row * SIZE + k], (pixels[k] - box.data.mean[0]) / box.data.deviation[0]);
    }
    cr_assert_eq(run(&box.data, LBK_PART_VALIDATION, 0, 0, 1, 2, 2, batches, 8), 0); /* there is none */
    box_close(&box);
    box_open_ok(&box, PLAIN "validation = 0.1\n", 2);
    cr_assert_eq(run(&box.data, LBK_PART_VALIDATION, 0, 0, 1, 2, 2, batches, 8), 2);
    for (uint32_t i = 0; i < box.data.validation_count; i++)
        cr_assert_eq(batches[i / BATCH].samples[i % BATCH], box.data.validation[i]);
    free(batches);
    box_close(&box);
}

Test(loader, a_part_smaller_than_a_batch_is_padded) {
    box_data box;
    lbk_loader *loader;
    box_open_ok(&box, "[data]\ndataset = digits\nbatch = 2000\n", 2);
    cr_assert_eq(lbk_loader_create(&box.data, LBK_PART_TRAIN, 0, 0, 3, 2, 1, &loader), LBK_OK);
    cr_assert_eq(lbk_loader_batches_per_epoch(loader), 1);
    for (int epoch = 0; epoch < 3; epoch++) {
        lbk_batch *batch = next(loader);
        cr_assert(batch->valid == 1437 && batch->epoch == (uint32_t)epoch && batch->labels[1437] == -1);
        lbk_loader_release_batch(loader, batch);
    }
    cr_assert_null(next(loader));
    lbk_loader_destroy(loader);
    box_close(&box);
}

Test(loader, without_shuffle_the_order_is_the_files) {
    copy *batches = calloc(PER_EPOCH, sizeof *batches);
    box_data box;
    box_open_ok(&box, PLAIN "shuffle = no\n", 2);
    run(&box.data, LBK_PART_TRAIN, 1, 0, 2, 4, 3, batches, PER_EPOCH);
    for (uint32_t i = 0; i < PER_EPOCH * BATCH; i++)
        cr_assert_eq(batches[i / BATCH].samples[i % BATCH], i);
    free(batches);
    box_close(&box);
}

/* Held batches keep their contents, in whatever order they are given back; one too many is an error, not a deadlock. */
Test(loader, several_batches_can_be_held) {
    box_data box;
    lbk_loader *loader;
    lbk_batch *held[3], *more;
    copy first, again;
    box_open_ok(&box, AUGMENTED, 2);
    cr_assert_eq(lbk_loader_create(&box.data, LBK_PART_TRAIN, 0, 0, 2, 3, 2, &loader), LBK_OK);
    held[0] = next(loader);
    copy_batch(held[0], &first);
    held[1] = next(loader);
    held[2] = next(loader);
    cr_assert_eq(lbk_loader_next(loader, &more), LBK_ERR_INTERNAL);
    cr_assert_null(more);
    lbk_loader_release_batch(loader, held[1]);
    held[1] = next(loader);
    cr_assert_eq(held[1]->index, 3);
    copy_batch(held[0], &again);
    cr_assert_eq(memcmp(&first, &again, sizeof first), 0);
    lbk_loader_destroy(loader); /* with three batches still out */
    box_close(&box);
}

/* 40 images of which number 25 is broken: batches of ten before it arrive, then the error, again and again. */
Test(loader, errors_of_the_threads_arrive_in_order) {
    unsigned char grey[16] = {0};
    char name[64];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "f/train/a/%02d.png", i);
        box_write_png(name, 4, 4, 1, grey);
    }
    box_write("f/train/a/25.png", "broken", 6);
    box_write_png("f/test/a/0.png", 4, 4, 1, grey);
    box_data box;
    box_open_ok(&box,
                "[data]\ndataset = image_folder\npath = f\nbatch = 10\nshuffle = no\nnormalize = no\nchannels = gray\n",
                1);
    for (int threads = 1; threads <= 4; threads++) {
        lbk_loader *loader;
        cr_assert_eq(lbk_loader_create(&box.data, LBK_PART_TRAIN, 0, 0, 5, 4, threads, &loader), LBK_OK);
        for (int i = 0; i < 2; i++)
            lbk_loader_release_batch(loader, next(loader));
        for (int i = 0; i < 3; i++) {
            lbk_batch *batch;
            box_expect_message(lbk_loader_next(loader, &batch), LBK_ERR_INPUT,
                               "@/f/train/a/25.png: byte 0: neither JPEG nor PNG");
            cr_assert_null(batch);
        }
        lbk_loader_destroy(loader);
    }
    box_close(&box);
}

/* All pixels of every epoch of a set of twelve images, one batch an epoch; free() them. */
static float *run_epochs(const char *text, int epochs, size_t floats) {
    box_data box;
    lbk_loader *loader;
    box_open_ok(&box, text, 1);
    float *pixels = calloc((size_t)epochs, floats * sizeof *pixels);
    cr_assert_eq(lbk_loader_create(&box.data, LBK_PART_TRAIN, 0, 0, (uint32_t)epochs, 8, 4, &loader), LBK_OK);
    for (int i = 0; i < epochs; i++) {
        lbk_batch *batch = next(loader);
        memcpy(pixels + (size_t)i * floats, batch->inputs[0].f32, floats * sizeof *pixels);
        lbk_loader_release_batch(loader, batch);
    }
    lbk_loader_destroy(loader);
    box_close(&box);
    return pixels;
}

/* Images that nobody has read yet, and each thread works on another epoch: the same image is decoded, stored and read
 * by different threads at the same time. */
Test(loader, keeping_images_changes_nothing) {
    enum { EPOCHS = 12, SIDE = 64, COUNT = 12, FLOATS = COUNT * SIDE * SIDE };
    static const char *const keep =
        "[data]\ndataset = image_folder\npath = f\nbatch = 12\nchannels = gray\nnormalize = no\n";
    static const char *const drop =
        "[data]\ndataset = image_folder\npath = f\nbatch = 12\nchannels = gray\nnormalize = no\nkeep = no\n";
    unsigned char grey[SIDE * SIDE];
    char name[64];
    for (int i = 0; i < COUNT; i++) {
        for (int k = 0; k < SIDE * SIDE; k++)
            grey[k] = (unsigned char)(i * 20 + k * 7);
        snprintf(name, sizeof name, "f/train/a/%02d.jpg", i);
        box_write_jpeg(name, SIDE, SIDE, 1, grey);
    }
    box_write_jpeg("f/test/a/0.jpg", SIDE, SIDE, 1, grey);
    float *expected = run_epochs(drop, EPOCHS, FLOATS);
    for (int i = 0; i < 10; i++) {
        float *found = run_epochs(keep, EPOCHS, FLOATS);
        cr_assert_eq(memcmp(expected, found, EPOCHS * FLOATS * sizeof *found), 0);
        free(found);
    }
    free(expected);
}

Test(loader, can_be_destroyed_at_any_moment) {
    box_data box;
    box_open_ok(&box, AUGMENTED, 2);
    for (int i = 0; i < 600; i++) {
        lbk_loader *loader;
        cr_assert_eq(lbk_loader_create(&box.data, LBK_PART_TRAIN, 0, 0, 1000, 1 + i % 5, 1 + i % 4, &loader), LBK_OK);
        for (int k = 0; k < i % 7; k++)
            lbk_loader_release_batch(loader, next(loader));
        if (i % 3 == 0)
            cr_assert_not_null(next(loader)); /* and not given back */
        lbk_loader_destroy(loader);
    }
    lbk_loader_destroy(NULL);
    box_close(&box);
}

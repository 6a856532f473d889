/* Batches mixed with themselves: against the same batches unmixed. */
#include "data/helpers/box.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(mix, .init = box_make, .fini = box_remove, .timeout = 900);

enum { BATCH = 32, HEIGHT = 10, WIDTH = 12, AREA = HEIGHT * WIDTH, FLOATS = BATCH * AREA, BATCHES = 40 };

#define NOISE                                                                                                          \
    "[data]\ndataset = synthetic\nbatch = 32\nheight = 10\nwidth = 12\nchannels = 1\ntrain = 128\nlabels = 0.5\n"

typedef struct batch_copy {
    float pixels[FLOATS], share[BATCH];
    int32_t labels[BATCH], seen[BATCH], partner_labels[BATCH], partner_seen[BATCH];
    uint32_t partners[BATCH];
} batch_copy;

/* The first batches of training, over several epochs; free() them. */
static batch_copy *read_batches(const char *text) {
    batch_copy *copies = calloc(BATCHES, sizeof *copies);
    box_data box;
    lbk_loader *loader;
    box_open_ok(&box, text, 3);
    cr_assert_eq(lbk_loader_create(&box.data, LBK_PART_TRAIN, 0, 0, BATCHES, 3, 2, &loader), LBK_OK);
    for (int i = 0; i < BATCHES; i++) {
        lbk_batch *batch;
        cr_assert_eq(lbk_loader_next(loader, &batch), LBK_OK, "%s", lbk_error_message());
        memcpy(copies[i].pixels, batch->inputs[0].f32, sizeof copies[i].pixels);
        memcpy(copies[i].share, batch->share, sizeof copies[i].share);
        memcpy(copies[i].labels, batch->labels, sizeof copies[i].labels);
        memcpy(copies[i].seen, batch->seen_labels, sizeof copies[i].seen);
        memcpy(copies[i].partner_labels, batch->partner_labels, sizeof copies[i].partner_labels);
        memcpy(copies[i].partner_seen, batch->partner_seen_labels, sizeof copies[i].partner_seen);
        memcpy(copies[i].partners, batch->partners, sizeof copies[i].partners);
        cr_assert(batch->teacher_inputs[0].f32 == batch->inputs[0].f32);
        lbk_loader_release_batch(loader, batch);
    }
    lbk_loader_destroy(loader);
    box_close(&box);
    return copies;
}

/* Own labels stay; partners are a permutation and bring their labels; one share for the batch. */
static void check_labels(const batch_copy *plain, const batch_copy *mixed) {
    int taken[BATCH] = {0};
    for (int i = 0; i < BATCH; i++) {
        uint32_t k = mixed->partners[i];
        cr_assert(plain->share[i] == 1.0f && plain->partners[i] == (uint32_t)i);
        cr_assert_eq(plain->partner_labels[i], plain->labels[i]);
        cr_assert_lt(k, BATCH);
        cr_assert_eq(++taken[k], 1);
        cr_assert_eq(mixed->labels[i], plain->labels[i]);
        cr_assert_eq(mixed->seen[i], plain->seen[i]);
        cr_assert_eq(mixed->partner_labels[i], plain->labels[k]);
        cr_assert_eq(mixed->partner_seen[i], plain->seen[k]);
        cr_assert_eq(mixed->share[i], mixed->share[0]);
    }
}

static int moved(const batch_copy *batch) {
    int count = 0;
    for (int i = 0; i < BATCH; i++)
        count += batch->partners[i] != (uint32_t)i;
    return count;
}

Test(mix, mixup_is_the_weighted_mean) {
    batch_copy *plain = read_batches(NOISE), *mixed = read_batches(NOISE "mix = mixup\n[mix.mixup]\nalpha = 1\n");
    double sum = 0, square = 0;
    for (int b = 0; b < BATCHES; b++) {
        float share = mixed[b].share[0];
        check_labels(&plain[b], &mixed[b]);
        cr_assert_gt(moved(&mixed[b]), BATCH / 2);
        for (int i = 0; i < FLOATS; i++) {
            float other = plain[b].pixels[mixed[b].partners[i / AREA] * AREA + (uint32_t)(i % AREA)];
            cr_assert_float_eq(mixed[b].pixels[i], share * plain[b].pixels[i] + (1 - share) * other, 1e-5f);
        }
        for (int k = 0; k < b; k++)
            cr_assert_neq(memcmp(mixed[k].partners, mixed[b].partners, sizeof mixed[b].partners), 0);
        sum += (double)share;
        square += (double)share * (double)share;
    }
    /* Uniform, 40 draws: five deviations of 0.046 and 0.047. */
    cr_assert_float_eq(sum / BATCHES, 0.5, 0.23);
    cr_assert_float_eq(square / BATCHES, 1.0 / 3, 0.24);
    free(plain);
    free(mixed);
}

/* The pixels that are the partner's fill a rectangle, the same in every row, whose area is what share says. Noise is
 * not the same in every row of a batch. */
Test(mix, cutmix_pastes_a_rectangle) {
    batch_copy *plain = read_batches(NOISE), *mixed = read_batches(NOISE "mix = cutmix\n[mix.cutmix]\np = 1\n");
    int sizes[AREA + 1] = {0}, different = 0;
    for (int b = 0; b < BATCHES; b++) {
        int top = HEIGHT, left = WIDTH, bottom = 0, right = 0;
        check_labels(&plain[b], &mixed[b]);
        for (int i = 0; i < FLOATS; i++)
            if (mixed[b].pixels[i] != plain[b].pixels[i]) {
                int y = i % AREA / WIDTH, x = i % WIDTH;
                top = y < top ? y : top;
                left = x < left ? x : left;
                bottom = y + 1 > bottom ? y + 1 : bottom;
                right = x + 1 > right ? x + 1 : right;
            }
        int area = bottom > top ? (bottom - top) * (right - left) : 0;
        cr_assert_float_eq(mixed[b].share[0], 1.0f - (float)area / AREA, 1e-6f);
        for (int i = 0; i < FLOATS; i++) {
            int y = i % AREA / WIDTH, x = i % WIDTH;
            uint32_t from =
                y >= top && y < bottom && x >= left && x < right ? mixed[b].partners[i / AREA] : (uint32_t)(i / AREA);
            cr_assert_eq(mixed[b].pixels[i], plain[b].pixels[from * AREA + (uint32_t)(i % AREA)]);
        }
        different += sizes[area]++ == 0;
    }
    cr_assert_gt(different, 15);
    free(plain);
    free(mixed);
}

Test(mix, happens_with_probability_p) {
    batch_copy *plain = read_batches(NOISE), *mixed = read_batches(NOISE "mix = mixup\n[mix.mixup]\np = 0.5\n");
    int count = 0;
    for (int b = 0; b < BATCHES; b++) {
        bool same = memcmp(plain[b].pixels, mixed[b].pixels, sizeof plain[b].pixels) == 0;
        check_labels(&plain[b], &mixed[b]);
        cr_assert_eq(same, mixed[b].share[0] == 1.0f || moved(&mixed[b]) == 0);
        count += !same;
    }
    cr_assert(count > 6 && count < 34, "%d of 40", count); /* deviation 3.2; shares near 1 may round to it */
    free(plain);
    free(mixed);
}

/* Rectangles of the paper: sides sqrt(1 - share) of the image's, cut at the edges, and always within it. */
Test(mix, cutmix_rectangles_stay_inside) {
    const lbk_mix *cutmix = lbk_mix_find("cutmix");
    lbk_arena arena = {0};
    double mean = 0, params[4];
    cr_assert_leq(cutmix->params_size, sizeof params);
    cr_assert_eq(lbk_param_defaults(cutmix->params, &arena, params), LBK_OK);
    cr_assert_eq(lbk_param_set(lbk_param_find(cutmix->params, "p"), "1", &arena, params), LBK_OK);
    for (uint32_t i = 0; i < 5000; i++) {
        lbk_rng rng;
        lbk_rng_init(&rng, 1, LBK_RNG_TEST, 0, i);
        lbk_mixture m = cutmix->draw(params, &rng, 31, 57);
        cr_assert(m.own == 0.0f && m.box.top >= 0 && m.box.left >= 0 && m.box.height >= 0 && m.box.width >= 0);
        cr_assert(m.box.top + m.box.height <= 31 && m.box.left + m.box.width <= 57);
        mean += (double)(m.box.height * m.box.width) / (31 * 57) / 5000;
    }
    /* The mean over share of (s - s^2/4)^2 with s = sqrt(1 - share): 1/2 - 1/5 + 1/48 = 0.321; whole pixels take a
     * little off both sides. */
    cr_assert_float_eq(mean, 0.30, 0.02);
    lbk_arena_release(&arena);
}

Test(mix, refuses_wrong_words) {
    box_expect_error(NOISE "mix = mixpu\n", LBK_ERR_INPUT,
                     "@/x.ini:9: [data] mix: unknown mix \"mixpu\"; did you mean \"mixup\"?");
    box_expect_error(NOISE "mix = cutmix\n[mix.mixup]\nalpha = 1\n", LBK_ERR_INPUT,
                     "@/x.ini:10: [mix.mixup] has no effect: [data] mix does not name \"mixup\"");
    box_expect_error(NOISE "[mix.cutmx]\nalpha = 1\n", LBK_ERR_INPUT,
                     "@/x.ini:9: [mix.cutmx]: unknown mix \"cutmx\"; did you mean \"cutmix\"?");
    box_expect_error(NOISE "mix = mixup\n[mix.mixup]\nalhpa = 1\n", LBK_ERR_INPUT,
                     "@/x.ini:11: [mix.mixup] alhpa: unknown key; did you mean \"alpha\"?");
}

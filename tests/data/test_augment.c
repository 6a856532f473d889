/* crop and flip against their definitions, pixel by pixel. */
#include "data/dataset.h"

#include <criterion/criterion.h>
#include <string.h>

enum { H = 6, W = 5, C = 2, SIZE = H * W * C };

static const lbk_augmentation *params_of(const char *name, const char *key, const char *value, void *params) {
    lbk_arena arena = {0};
    const lbk_augmentation *found = lbk_augmentation_find(name);
    cr_assert_not_null(found);
    cr_assert_eq(lbk_param_defaults(found->params, &arena, params), LBK_OK);
    cr_assert_eq(lbk_param_set(lbk_param_find(found->params, key), value, &arena, params), LBK_OK);
    lbk_arena_release(&arena);
    return found;
}

static void view(const lbk_augmentation *a, const void *params, uint32_t sample, float *pixels) {
    float scratch[SIZE];
    lbk_rng rng;
    lbk_rng_init(&rng, 5, LBK_RNG_TEST, 0, sample);
    for (int i = 0; i < SIZE; i++)
        pixels[i] = (float)(i + 1);
    cr_assert_eq(a->apply(params, &rng, H, W, C, pixels, scratch), LBK_OK);
}

/* Pixel (y, x, c) of the original, 0 outside. */
static float original(int y, int x, int c) {
    return y < 0 || y >= H || x < 0 || x >= W ? 0.0f : (float)((y * W + x) * C + c + 1);
}

static bool is_shifted(const float *pixels, int down, int right) {
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            for (int c = 0; c < C; c++)
                if (pixels[(y * W + x) * C + c] != original(y - down, x - right, c))
                    return false;
    return true;
}

Test(crop, every_view_is_a_shift_and_every_shift_occurs) {
    double params[4];
    const lbk_augmentation *crop = params_of("crop", "padding", "2", params);
    int seen[5][5] = {{0}};
    float pixels[SIZE];
    for (uint32_t sample = 0; sample < 1000; sample++) {
        int found = 0;
        view(crop, params, sample, pixels);
        for (int down = -2; down <= 2; down++)
            for (int right = -2; right <= 2; right++)
                if (is_shifted(pixels, down, right)) {
                    seen[down + 2][right + 2]++;
                    found++;
                }
        cr_assert_eq(found, 1, "sample %u", sample);
    }
    /* 40 expected of each, standard deviation 6.2. */
    for (int i = 0; i < 25; i++)
        cr_assert(seen[i / 5][i % 5] > 15 && seen[i / 5][i % 5] < 70, "shift %d: %d of 1000", i, seen[i / 5][i % 5]);
}

Test(crop, padding_zero_changes_nothing_and_too_much_is_refused) {
    double params[4];
    float pixels[SIZE], scratch[SIZE];
    const lbk_augmentation *crop = params_of("crop", "padding", "0", params);
    view(crop, params, 1, pixels);
    cr_assert(is_shifted(pixels, 0, 0));
    params_of("crop", "padding", "5", params);
    lbk_rng rng;
    lbk_rng_init(&rng, 5, LBK_RNG_TEST, 0, 0);
    cr_assert_eq(crop->apply(params, &rng, H, W, C, pixels, scratch), LBK_ERR_INPUT);
    cr_assert_str_eq(lbk_error_message(), "crop: padding 5 is not smaller than the image, 6x5");
}

static bool is_mirrored(const float *pixels) {
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            for (int c = 0; c < C; c++)
                if (pixels[(y * W + x) * C + c] != original(y, W - 1 - x, c))
                    return false;
    return true;
}

Test(flip, mirrors_with_probability_p) {
    double params[4];
    float pixels[SIZE];
    int mirrored = 0;
    const lbk_augmentation *flip = params_of("flip", "p", "0.25", params);
    for (uint32_t sample = 0; sample < 2000; sample++) {
        view(flip, params, sample, pixels);
        cr_assert(is_mirrored(pixels) || is_shifted(pixels, 0, 0), "sample %u", sample);
        mirrored += is_mirrored(pixels);
    }
    cr_assert(mirrored > 420 && mirrored < 580, "%d of 2000, expected about 500", mirrored); /* deviation 19 */
}

Test(flip, p_zero_never_and_p_one_always) {
    double params[4];
    float pixels[SIZE];
    const lbk_augmentation *flip = params_of("flip", "p", "0", params);
    for (uint32_t sample = 0; sample < 200; sample++) {
        view(flip, params, sample, pixels);
        cr_assert(is_shifted(pixels, 0, 0));
    }
    params_of("flip", "p", "1", params);
    for (uint32_t sample = 0; sample < 200; sample++) {
        view(flip, params, sample, pixels);
        cr_assert(is_mirrored(pixels));
    }
}

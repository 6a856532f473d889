/* crop, flip and vertical_flip against their definitions, pixel by pixel. */
#include "data/helpers/augmented.h"

#include <criterion/criterion.h>
#include <string.h>

enum { H = 6, W = 5, C = 2, SIZE = H * W * C };

static void view(const char *name, const char *settings, uint32_t sample, float *pixels) {
    float scratch[SIZE];
    lbk_image image = {.height = H, .width = W, .channels = C, .pixels = pixels, .scratch = scratch};
    image_number(&image);
    cr_assert_eq(augmented(name, settings, sample, &image), LBK_OK, "%s", lbk_error_message());
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
    int seen[5][5] = {{0}};
    float pixels[SIZE];
    for (uint32_t sample = 0; sample < 1000; sample++) {
        int found = 0;
        view("crop", "padding=2", sample, pixels);
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
    float pixels[SIZE];
    lbk_image image = {.height = H, .width = W, .channels = C, .pixels = pixels, .scratch = pixels};
    view("crop", "padding=0", 1, pixels);
    cr_assert(is_shifted(pixels, 0, 0));
    cr_assert_eq(augmented("crop", "padding=5", 0, &image), LBK_ERR_INPUT);
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

static bool is_upside_down(const float *pixels) {
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            for (int c = 0; c < C; c++)
                if (pixels[(y * W + x) * C + c] != original(H - 1 - y, x, c))
                    return false;
    return true;
}

typedef bool check(const float *pixels);

static void expect_probability(const char *name, check *is_changed) {
    float pixels[SIZE];
    int changed = 0;
    for (uint32_t sample = 0; sample < 2000; sample++) {
        view(name, "p=0.25", sample, pixels);
        cr_assert(is_changed(pixels) || is_shifted(pixels, 0, 0), "sample %u", sample);
        changed += is_changed(pixels);
    }
    cr_assert(changed > 420 && changed < 580, "%d of 2000, expected about 500", changed); /* deviation 19 */
    for (uint32_t sample = 0; sample < 200; sample++) {
        view(name, "p=0", sample, pixels);
        cr_assert(is_shifted(pixels, 0, 0));
        view(name, "p=1", sample, pixels);
        cr_assert(is_changed(pixels));
    }
}

Test(flip, mirrors_with_probability_p) {
    expect_probability("flip", is_mirrored);
}

Test(vertical_flip, turns_upside_down_with_probability_p) {
    expect_probability("vertical_flip", is_upside_down);
}

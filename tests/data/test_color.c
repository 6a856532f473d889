/* Colours: torchvision's formulas evaluated with NumPy in float64, hue by Python's colorsys, sharpness by PyTorch. */
#include "data/helpers/augmented.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const float four[12] = {0.2f, 0.5f, 0.8f, 0.9f, 0.1f, 0.3f, 0.4f, 0.4f, 0.4f, 0.7f, 0.6f, 0.0f};

typedef void change(const lbk_image *image, double amount);

static void expect_change(change *apply, double amount, const float expected[12]) {
    lbk_image image = image_make(2, 2, 3);
    memcpy(image.pixels, four, sizeof four);
    apply(&image, amount);
    for (int i = 0; i < 12; i++)
        cr_assert_float_eq(image.pixels[i], expected[i], 2e-6f, "amount %g, %d: %g, expected %g", amount, i,
                           (double)image.pixels[i], (double)expected[i]);
    image_release(&image);
}

Test(color, brightness_contrast_and_saturation) {
    expect_change(lbk_image_brightness, 1.5,
                  (float[12]){0.3f, 0.75f, 1.0f, 1.0f, 0.15f, 0.45f, 0.6f, 0.6f, 0.6f, 1.0f, 0.9f, 0.0f});
    expect_change(lbk_image_contrast, 0.5,
                  (float[12]){0.320972f, 0.470973f, 0.620973f, 0.670972f, 0.270973f, 0.370973f, 0.420973f, 0.420973f,
                              0.420973f, 0.570972f, 0.520973f, 0.220973f});
    expect_change(lbk_image_contrast, 1.7,
                  (float[12]){0.030639f, 0.540639f, 1.0f, 1.0f, 0.0f, 0.200638f, 0.370639f, 0.370639f, 0.370639f,
                              0.880638f, 0.710638f, 0.0f});
    expect_change(lbk_image_saturation, 0.3,
                  (float[12]){0.371136f, 0.461136f, 0.551136f, 0.523337f, 0.283337f, 0.343337f, 0.399972f, 0.399972f,
                              0.399972f, 0.603001f, 0.573001f, 0.393001f});
    expect_change(lbk_image_saturation, 1.6,
                  (float[12]){0.053312f, 0.533312f, 1.0f, 1.0f, 0.0f, 0.262854f, 0.400024f, 0.400024f, 0.400024f,
                              0.783142f, 0.623142f, 0.0f});
}

Test(color, hue_turns) {
    expect_change(lbk_image_hue, 0.1,
                  (float[12]){0.26f, 0.2f, 0.8f, 0.9f, 0.38f, 0.1f, 0.4f, 0.4f, 0.4f, 0.38f, 0.7f, 0.0f});
    expect_change(lbk_image_hue, -0.3,
                  (float[12]){0.38f, 0.8f, 0.2f, 0.1f, 0.14f, 0.9f, 0.4f, 0.4f, 0.4f, 0.7f, 0.0f, 0.66f});
    expect_change(lbk_image_hue, 0.5,
                  (float[12]){0.8f, 0.5f, 0.2f, 0.1f, 0.9f, 0.7f, 0.4f, 0.4f, 0.4f, 0.0f, 0.1f, 0.7f});
}

Test(color, neutral_amounts_change_nothing) {
    static change *const factors[] = {lbk_image_brightness, lbk_image_contrast, lbk_image_saturation,
                                      lbk_image_sharpness};
    lbk_image image = image_make(9, 8, 3);
    image_randomize(&image, 4);
    lbk_image before = image_copy(&image);
    for (int i = 0; i < 4; i++) {
        factors[i](&image, 1.0);
        cr_assert(image_equals(&image, &before, 0.0f), "%d", i);
    }
    lbk_image_hue(&image, 0.0);
    lbk_image_posterize(&image, 8);
    cr_assert(image_equals(&image, &before, 0.5f / 255 + 1e-6f)); /* whole bytes now */
    cr_assert_eq(augmented("color_jitter", "brightness=0 contrast=0 saturation=0 hue=0", 1, &before), LBK_OK);
    image_randomize(&image, 4);
    cr_assert(image_equals(&image, &before, 0.0f));
    image_release(&image);
    image_release(&before);
}

Test(color, sharpness_leaves_the_edges) {
    static const float x[] = {0.1f, 0.9f, 0.3f, 0.5f, 0.2f, 0.4f, 0.8f, 0.6f, 0.7f, 0.0f, 1.0f, 0.25f};
    lbk_image image = image_make(3, 4, 1);
    for (int sharp = 0; sharp < 2; sharp++) {
        memcpy(image.pixels, x, sizeof x);
        lbk_image_sharpness(&image, sharp ? 1.9 : 0.0);
        for (int i = 0; i < 12; i++)
            if (i == 5 || i == 6)
                cr_assert_float_eq(image.pixels[i],
                                   i == 5 ? (sharp ? 0.344615f : 0.461538f) : (sharp ? 0.969615f : 0.611538f), 2e-6f);
            else
                cr_assert_eq(image.pixels[i], x[i]);
    }
    image_release(&image);
}

Test(color, grey_images_have_neither_hue_nor_saturation) {
    lbk_image image = image_make(4, 4, 1);
    image_randomize(&image, 2);
    lbk_image before = image_copy(&image);
    lbk_image_hue(&image, 0.3);
    lbk_image_saturation(&image, 0.0);
    cr_assert(image_equals(&image, &before, 0.0f));
    image_release(&image);
    image_release(&before);
}

Test(color, solarize_posterize_and_autocontrast) {
    static const float x[] = {0.0f, 0.25f, 0.5f, 1.0f};
    lbk_image image = image_make(2, 2, 1);
    memcpy(image.pixels, x, sizeof x);
    lbk_image_solarize(&image, 0.5);
    cr_assert_arr_eq(image.pixels, ((float[]){0.0f, 0.25f, 0.5f, 0.0f}), sizeof x);
    memcpy(image.pixels, (float[]){7 / 255.0f, 130 / 255.0f, 200 / 255.0f, 1.0f}, sizeof x);
    lbk_image_posterize(&image, 3); /* steps of 32 */
    cr_assert_arr_eq(image.pixels, ((float[]){0.0f, 128 / 255.0f, 192 / 255.0f, 224 / 255.0f}), sizeof x);
    memcpy(image.pixels, (float[]){0.25f, 0.375f, 0.5f, 0.75f}, sizeof x);
    lbk_image_autocontrast(&image);
    cr_assert_arr_eq(image.pixels, ((float[]){0.0f, 0.25f, 0.5f, 1.0f}), sizeof x);
    for (int i = 0; i < 4; i++)
        image.pixels[i] = 0.3f;
    lbk_image_autocontrast(&image);
    cr_assert_eq(image.pixels[3], 0.3f);
    image_release(&image);
}

/* 1024 pixels in four levels of 256: the step is 768 / 255 = 3, and level i becomes (256 i + 1) / 3. */
Test(color, equalize_spreads_the_levels) {
    static const int level[] = {10, 50, 100, 200}, expected[] = {0, 85, 171, 255};
    lbk_image image = image_make(32, 32, 3);
    for (int i = 0; i < 1024; i++)
        for (int c = 0; c < 3; c++)
            image.pixels[i * 3 + c] = c == 2 ? 0.2f : (float)level[(i + c) % 4] / 255.0f;
    lbk_image_equalize(&image);
    for (int i = 0; i < 1024; i++)
        for (int c = 0; c < 3; c++)
            cr_assert_float_eq(image.pixels[i * 3 + c], c == 2 ? 0.2f : (float)expected[(i + c) % 4] / 255.0f, 1e-6f);
    image_release(&image);
}

/* With one amount alone set, a grey pixel tells the factor, which is uniform between 1 - b and 1 + b. */
Test(color_jitter, factors_are_uniform) {
    enum { COUNT = 2000 };
    int bins[4] = {0};
    for (uint32_t sample = 0; sample < COUNT; sample++) {
        lbk_image image = image_make(1, 1, 3);
        image.pixels[0] = image.pixels[1] = image.pixels[2] = 0.5f;
        cr_assert_eq(augmented("color_jitter", "brightness=0.4 contrast=0 saturation=0 hue=0", sample, &image), LBK_OK);
        double factor = (double)image.pixels[1] / 0.5;
        cr_assert(factor > 0.5999 && factor < 1.4001);
        bins[(int)fmin(3.0, fmax(0.0, (factor - 0.6) / 0.2))]++;
        image_release(&image);
    }
    for (int i = 0; i < 4; i++)
        cr_assert(bins[i] > 400 && bins[i] < 600, "%d", bins[i]); /* 500 expected, deviation 19 */
}

Test(color_jitter, refuses_other_images) {
    static const char *const names[] = {"color_jitter", "grayscale", "edges", "rand_augment"};
    lbk_image image = image_make(3, 3, 2);
    char message[128];
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(augmented(names[i], "", 0, &image), LBK_ERR_INPUT);
        snprintf(message, sizeof message, "%s: images of 2 channels; expected 1 (grey) or 3 (RGB)", names[i]);
        cr_assert_str_eq(lbk_error_message(), message);
    }
    image_release(&image);
}

Test(grayscale, is_luminance_everywhere) {
    lbk_image image = image_make(2, 2, 3);
    memcpy(image.pixels, four, sizeof four);
    cr_assert_eq(augmented("grayscale", "", 0, &image), LBK_OK);
    for (int i = 0; i < 12; i++) {
        const float *p = four + i / 3 * 3;
        cr_assert_float_eq(image.pixels[i], 0.2989f * p[0] + 0.587f * p[1] + 0.114f * p[2], 1e-6f);
    }
    image_release(&image);
}

/* A vertical step of height 0.6 between columns 2 and 3; a flat slope; Sobel's weights at a lone bright pixel. */
Test(edges, are_the_size_of_the_gradient) {
    lbk_image image = image_make(5, 6, 3);
    for (int i = 0; i < 90; i++)
        image.pixels[i] = i / 3 % 6 >= 3 ? 0.8f : 0.2f;
    cr_assert_eq(augmented("edges", "", 0, &image), LBK_OK);
    for (int i = 0; i < 90; i++)
        cr_assert_float_eq(image.pixels[i], i / 3 % 6 == 2 || i / 3 % 6 == 3 ? 0.6f : 0.0f, 1e-3f);
    image_release(&image);
    image = image_make(5, 5, 1);
    image.pixels[12] = 1.0f;
    cr_assert_eq(augmented("edges", "", 0, &image), LBK_OK);
    cr_assert_eq(image_at(&image, 2, 2, 0), 0.0f);
    cr_assert_eq(image_at(&image, 2, 1, 0), 0.5f);
    cr_assert_eq(image_at(&image, 3, 2, 0), 0.5f);
    cr_assert_float_eq(image_at(&image, 1, 1, 0), sqrtf(0.125f), 1e-6f);
    cr_assert_eq(image_at(&image, 0, 2, 0), 0.0f);
    image_release(&image);
}

/* Places: rotate, scale and random_resized_crop. Constants come from PyTorch 1.13: grid_sample(padding_mode="zeros") and
 * interpolate(mode="bilinear"), both with align_corners=False. */
#include "data/helpers/augmented.h"

#include <criterion/criterion.h>
#include <math.h>

enum { H = 5, W = 7 };

/* Images are numbered, so no value is zero but the fill. */
static void expect_values(const lbk_image *image, const float *values) {
    for (size_t i = 0; i < lbk_image_size(image); i++)
        cr_assert_float_eq(image->pixels[i], values[i], 2e-5f, "%zu: %g, expected %g", i, (double)image->pixels[i],
                           (double)values[i]);
}

Test(warp, no_rotation_is_exact) {
    lbk_image image = image_make(H, W, 3);
    image_randomize(&image, 1);
    lbk_image before = image_copy(&image);
    lbk_image_rotate(&image, 0.0, 0.5f);
    cr_assert(image_equals(&image, &before, 0.0f));
    image_release(&image);
    image_release(&before);
}

Test(warp, quarter_turns_move_pixels_counter_clockwise) {
    enum { SIDE = 6, CHANNELS = 2 };
    lbk_image image = image_make(SIDE, SIDE, CHANNELS), before = image_make(SIDE, SIDE, CHANNELS);
    image_number(&image);
    image_number(&before);
    lbk_image_rotate(&image, 90.0, 99.0f);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < CHANNELS; c++)
                cr_assert_float_eq(image_at(&image, y, x, c), image_at(&before, x, SIDE - 1 - y, c), 1e-4f);
    lbk_image_rotate(&image, -90.0, 99.0f);
    cr_assert(image_equals(&image, &before, 1e-3f));
    lbk_image_rotate(&image, 180.0, 99.0f);
    cr_assert_float_eq(image_at(&image, 0, 1, 1), image_at(&before, SIDE - 1, SIDE - 2, 1), 1e-3f);
    image_release(&image);
    image_release(&before);
}

Test(warp, thirty_degrees_are_those_of_pytorch) {
    static const float expected[] = {0.000000f, 0.875644f,  3.174682f,  6.875645f,  11.241671f, 15.607694f, 7.787530f,
                                     1.205771f, 3.705770f,  8.071795f,  12.437822f, 16.803848f, 21.169872f, 22.942974f,
                                     4.901924f, 9.267950f,  13.633974f, 18.000000f, 22.366026f, 26.732052f, 31.098076f,
                                     9.526279f, 14.830128f, 19.196152f, 23.562178f, 27.928205f, 32.294228f, 21.617313f,
                                     6.681728f, 20.392305f, 24.758327f, 29.124355f, 24.471485f, 8.770524f,  0.000000f};
    lbk_image image = image_make(H, W, 1);
    image_number(&image);
    lbk_image_rotate(&image, 30.0, 0.0f);
    expect_values(&image, expected);
    image_release(&image);
}

/* Weights add up to one, those of pixels outside included: fill moves a picture and its own fill alike. */
Test(warp, fill_stands_outside) {
    lbk_image image = image_make(H, W, 1), zero = image_make(H, W, 1);
    image_number(&image);
    for (size_t i = 0; i < lbk_image_size(&zero); i++)
        zero.pixels[i] = image.pixels[i] - 40.0f;
    lbk_image_rotate(&image, 71.0, 40.0f);
    lbk_image_rotate(&zero, 71.0, 0.0f);
    cr_assert_float_eq(image_at(&image, 0, 0, 0), 40.0f, 0.0f); /* beyond the picture */
    for (size_t i = 0; i < lbk_image_size(&zero); i++)
        cr_assert_float_eq(image.pixels[i], zero.pixels[i] + 40.0f, 2e-5f);
    image_release(&image);
    image_release(&zero);
}

Test(warp, scale_zooms_about_the_centre) {
    static const float smaller[] = {0.125f,  0.75f,  1.375f, 2.0f,    2.625f,  3.25f,   0.875f, 1.5625f, 6.75f,
                                    8.0f,    9.25f,  10.5f,  11.75f,  3.0625f, 3.75f,   15.5f,  16.75f,  18.0f,
                                    19.25f,  20.5f,  5.25f,  5.9375f, 24.25f,  25.5f,   26.75f, 28.0f,   29.25f,
                                    7.4375f, 3.625f, 14.75f, 15.375f, 16.0f,   16.625f, 17.25f, 4.375f};
    lbk_image image = image_make(H, W, 1);
    image_number(&image);
    cr_assert_eq(augmented("scale", "min=0.8 max=0.8", 0, &image), LBK_OK);
    expect_values(&image, smaller);
    image_number(&image);
    cr_assert_eq(augmented("scale", "min=1.5 max=1.5", 0, &image), LBK_OK);
    for (int y = 0; y < H; y++) /* linear in the place, and nothing comes from outside */
        for (int x = 0; x < W; x++)
            cr_assert_float_eq(image_at(&image, y, x, 0), 18.0f + (float)(7 * (y - 2) + (x - 3)) / 1.5f, 2e-5f);
    image_number(&image);
    lbk_image before = image_copy(&image);
    cr_assert_eq(augmented("scale", "min=1 max=1", 0, &image), LBK_OK);
    cr_assert(image_equals(&image, &before, 0.0f));
    cr_assert_eq(augmented("scale", "min=2 max=1.5", 0, &image), LBK_ERR_INPUT);
    cr_assert_str_eq(lbk_error_message(), "scale: min 2 is larger than max 1.5");
    image_release(&image);
    image_release(&before);
}

/* Far from the centre, a row of a linear ramp tells the angle: v = x*cos(a) - y*sin(a) there. */
Test(rotate, angles_are_uniform_within_the_range) {
    enum { SIDE = 33, COUNT = 2000 };
    int bins[4] = {0};
    lbk_image image = image_make(SIDE, SIDE, 1);
    for (uint32_t sample = 0; sample < COUNT; sample++) {
        for (int i = 0; i < SIDE * SIDE; i++)
            image.pixels[i] = (float)(i % SIDE - 16);
        cr_assert_eq(augmented("rotate", "degrees=20", sample, &image), LBK_OK);
        double down = (double)image_at(&image, 26, 16, 0) / -10.0; /* sine of the angle */
        double degrees = asin(down) * 180.0 / 3.14159265358979;
        cr_assert(fabs(degrees) < 20.001, "%g", degrees);
        bins[(int)fmin(3.0, fmax(0.0, (degrees + 20.0) / 10.0))]++;
    }
    for (int i = 0; i < 4; i++)
        cr_assert(bins[i] > 400 && bins[i] < 600, "%d", bins[i]); /* 500 expected, deviation 19 */
    image_release(&image);
}

Test(random_resized_crop, enlarges_like_pytorch) {
    static const float rows[] = {10.0f, 10.7f, 13.5f, 16.3f, 17.0f};
    static const float columns[] = {0.0f, 1.0f / 7, 4.0f / 7, 1.0f, 10.0f / 7, 13.0f / 7, 2.0f};
    lbk_image image = image_make(H, W, 1);
    image_number(&image);
    lbk_image_enlarge(&image, &(lbk_rectangle){.top = 1, .left = 2, .height = 2, .width = 3});
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            cr_assert_float_eq(image_at(&image, y, x, 0), rows[y] + columns[x], 2e-5f);
    image_number(&image);
    lbk_image before = image_copy(&image);
    cr_assert_eq(augmented("random_resized_crop", "scale_min=1 ratio_min=1.4 ratio_max=1.4", 0, &image), LBK_OK);
    cr_assert(image_equals(&image, &before, 0.0f)); /* the whole of it: 7 / 5 */
    image_release(&image);
    image_release(&before);
}

/* The rectangles themselves: inside, of the asked areas and shapes as far as whole pixels allow, everywhere. */
Test(random_resized_crop, rectangles_fit) {
    enum { HEIGHT = 40, WIDTH = 60, COUNT = 3000 };
    lbk_image image = {.height = HEIGHT, .width = WIDTH, .channels = 1};
    double mean = 0;
    int touches[4] = {0}, found = 0;
    for (uint32_t sample = 0; sample < COUNT; sample++) {
        lbk_rectangle r;
        lbk_rng rng;
        lbk_rng_init(&rng, 9, LBK_RNG_TEST, 0, sample);
        if (!lbk_image_draw_rectangle(&image, &rng, 0.1, 0.5, 0.75, 1.25, true, &r))
            continue;
        found++;
        cr_assert(r.top >= 0 && r.left >= 0 && r.top + r.height <= HEIGHT && r.left + r.width <= WIDTH);
        double ratio = (double)r.height / r.width, share = (double)r.height * r.width / (HEIGHT * WIDTH);
        cr_assert(ratio > 0.69 && ratio < 1.36 && share > 0.09 && share < 0.52, "%dx%d", r.height, r.width);
        mean += share;
        touches[0] += r.top == 0;
        touches[1] += r.left == 0;
        touches[2] += r.top + r.height == HEIGHT;
        touches[3] += r.left + r.width == WIDTH;
    }
    cr_assert_eq(found, COUNT);
    /* Tall ones of the largest areas do not fit and are drawn again. */
    cr_assert_float_eq(mean / found, 0.3, 0.02);
    for (int i = 0; i < 4; i++)
        cr_assert_gt(touches[i], COUNT / 100);
}

/* No area of a 2x50 image has a shape near a square, so the middle is taken: 2 rows, 2 * 4/3 columns rounded. */
Test(random_resized_crop, takes_the_middle_when_nothing_fits) {
    lbk_image image = image_make(2, 50, 1);
    for (int i = 0; i < 100; i++)
        image.pixels[i] = (float)(i % 50);
    cr_assert_eq(augmented("random_resized_crop", "scale_min=1", 0, &image), LBK_OK);
    cr_assert_float_eq(image_at(&image, 0, 0, 0), 23.0f, 0.0f);
    cr_assert_float_eq(image_at(&image, 1, 49, 0), 25.0f, 0.0f);
    image_release(&image);
}

/* rand_augment: which operations, how strong, by what each leaves of an image made to tell them apart. */
#include "data/helpers/augmented.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { H = 24, W = 32, C = 3 };

/* Every outcome that one operation may have at magnitude 15 of 30, by the functions that other tests check. */
static void outcome(int which, const lbk_image *image) {
    double sign = which % 2 ? -1.0 : 1.0;
    lbk_affine map = {.xx = 1.0, .yy = 1.0};
    switch (which / 2) {
    case 0:
        map.xy = sign * 0.15;
        lbk_image_warp(image, &map, 0.0f);
        break;
    case 1:
        map.yx = sign * 0.15;
        lbk_image_warp(image, &map, 0.0f);
        break;
    case 2:
        map.x0 = sign * 7.0;
        lbk_image_warp(image, &map, 0.0f);
        break; /* 32 * 150/331 / 2 = 7.25 */
    case 3:
        map.y0 = sign * 5.0;
        lbk_image_warp(image, &map, 0.0f);
        break; /* 24 * 150/331 / 2 = 5.44 */
    case 4:
        lbk_image_rotate(image, sign * 15.0, 0.0f);
        break;
    case 5:
        lbk_image_brightness(image, 1.0 + sign * 0.45);
        break;
    case 6:
        lbk_image_saturation(image, 1.0 + sign * 0.45);
        break;
    case 7:
        lbk_image_contrast(image, 1.0 + sign * 0.45);
        break;
    case 8:
        lbk_image_sharpness(image, 1.0 + sign * 0.45);
        break;
    case 9:
        which % 2 ? lbk_image_posterize(image, 6) : lbk_image_solarize(image, 0.5);
        break;
    case 10:
        which % 2 ? lbk_image_autocontrast(image) : lbk_image_equalize(image);
        break;
    default:
        break; /* identity, which is one outcome of two */
    }
}

/* Smooth and dark, so that neither equalising nor stretching the contrast leaves it alone. */
static lbk_image picture(void) {
    lbk_image image = image_make(H, W, C);
    for (int i = 0; i < H * W * C; i++)
        image.pixels[i] = 0.1f + 0.6f * (float)(i % 53 + i / 97) / 80.0f;
    return image;
}

Test(rand_augment, draws_all_operations_evenly_at_the_magnitude) {
    enum { COUNT = 2800, OUTCOMES = 23 };
    lbk_image expected[OUTCOMES];
    int seen[OUTCOMES] = {0};
    for (int i = 0; i < OUTCOMES; i++) {
        expected[i] = picture();
        outcome(i, &expected[i]);
        for (int k = 0; k < i; k++)
            cr_assert_not(image_equals(&expected[i], &expected[k], 1e-5f), "%d and %d are alike", i, k);
    }
    for (uint32_t sample = 0; sample < COUNT; sample++) {
        lbk_image image = picture();
        int which = 0;
        cr_assert_eq(augmented("rand_augment", "num_ops=1 magnitude=15", sample, &image), LBK_OK);
        while (which < OUTCOMES && !image_equals(&image, &expected[which], 1e-5f))
            which++;
        cr_assert_lt(which, OUTCOMES, "sample %u", sample);
        seen[which]++;
        image_release(&image);
    }
    /* 200 for each of the 14, 100 for each sign: deviations 13.6 and 9.8. */
    for (int i = 0; i < OUTCOMES; i++) {
        int mean = i < 18 ? 100 : 200;
        cr_assert(seen[i] > mean - 60 && seen[i] < mean + 70, "%d: %d times", i, seen[i]);
        image_release(&expected[i]);
    }
}

/* At magnitude 0 an operation leaves the image, but for bytes, the two that have no magnitude, and white. */
Test(rand_augment, magnitude_0_is_mild) {
    int same = 0;
    for (uint32_t sample = 0; sample < 400; sample++) {
        lbk_image image = picture(), before = picture();
        cr_assert_eq(augmented("rand_augment", "num_ops=1 magnitude=0", sample, &image), LBK_OK);
        same += image_equals(&image, &before, 0.5f / 255 + 1e-6f);
        image_release(&image);
        image_release(&before);
    }
    cr_assert(same > 310 && same < 375, "%d", same); /* 12 of 14: 343, deviation 7 */
}

Test(rand_augment, operations_follow_one_another) {
    lbk_image image = picture(), one = picture(), many = picture();
    cr_assert_eq(augmented("rand_augment", "num_ops=14 magnitude=30", 3, &many), LBK_OK);
    cr_assert_eq(augmented("rand_augment", "num_ops=1 magnitude=30", 3, &one), LBK_OK);
    cr_assert_not(image_equals(&many, &one, 1e-3f));
    for (size_t i = 0; i < lbk_image_size(&image); i++)
        cr_assert(many.pixels[i] >= 0.0f && many.pixels[i] <= 1.0f);
    image_release(&image);
    image_release(&one);
    image_release(&many);
}

/* cutout and random_erasing: which pixels, and what they become. */
#include "data/helpers/augmented.h"

#include <criterion/criterion.h>
#include <math.h>

enum { H = 20, W = 30, C = 3 };

/* Pixels are 2 everywhere before: what is left of that is not erased. */
static lbk_image blank(void) {
    lbk_image image = image_make(H, W, C);
    for (size_t i = 0; i < lbk_image_size(&image); i++)
        image.pixels[i] = 2.0f;
    return image;
}

/* The bounding box of what changed; asserts that all of it changed. Zero height when nothing did. */
static lbk_rectangle erased(const lbk_image *image) {
    int top = H, left = W, bottom = 0, right = 0, count = 0;
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            if (image_at(image, y, x, 0) != 2.0f) {
                top = y < top ? y : top;
                left = x < left ? x : left;
                bottom = y + 1;
                right = x + 1 > right ? x + 1 : right;
                count++;
            }
    cr_assert_eq(count, count ? (bottom - top) * (right - left) : 0);
    return count ? (lbk_rectangle){top, left, bottom - top, right - left} : (lbk_rectangle){0};
}

Test(cutout, squares_of_the_mean_cut_at_the_edges) {
    int whole = 0, at_edge = 0;
    for (uint32_t sample = 0; sample < 500; sample++) {
        lbk_image image = blank();
        cr_assert_eq(augmented("cutout", "size=7", sample, &image), LBK_OK);
        lbk_rectangle r = erased(&image);
        bool edge = r.top == 0 || r.left == 0 || r.top + r.height == H || r.left + r.width == W;
        /* The middle lies within: at least 4 (to the top or left) of 7 remain. */
        cr_assert(r.height >= 4 && r.height <= 7 && r.width >= 4 && r.width <= 7);
        cr_assert(edge || (r.height == 7 && r.width == 7));
        whole += r.height == 7 && r.width == 7;
        at_edge += r.height < 7 || r.width < 7;
        for (int c = 0; c < C; c++)
            cr_assert_eq(image_at(&image, r.top, r.left, c), image.mean[c]);
        image_release(&image);
    }
    /* Of 20x30 middles, 14x24 leave the square whole: 280 of 500, deviation 11. */
    cr_assert(whole > 230 && whole < 330 && whole + at_edge == 500, "%d", whole);
}

Test(cutout, several_holes_and_none_too_large) {
    lbk_image image = blank();
    cr_assert_eq(augmented("cutout", "size=4096", 0, &image), LBK_OK);
    lbk_rectangle r = erased(&image);
    cr_assert(r.height == H && r.width == W);
    image_release(&image);
    image = blank();
    cr_assert_eq(augmented("cutout", "size=1 holes=5", 0, &image), LBK_OK);
    int count = 0;
    for (int i = 0; i < H * W; i++)
        count += image.pixels[i * C] != 2.0f;
    cr_assert(count >= 3 && count <= 5, "%d", count);
    image_release(&image);
}

Test(random_erasing, areas_and_shapes_are_those_asked_for) {
    double mean = 0;
    int changed = 0;
    for (uint32_t sample = 0; sample < 1000; sample++) {
        lbk_image image = blank();
        cr_assert_eq(
            augmented("random_erasing", "p=0.5 scale_min=0.1 scale_max=0.2 ratio_min=0.5 ratio_max=2", sample, &image),
            LBK_OK);
        lbk_rectangle r = erased(&image);
        image_release(&image);
        if (r.height == 0)
            continue;
        double share = (double)r.height * r.width / (H * W), ratio = (double)r.height / r.width;
        cr_assert(share > 0.085 && share < 0.22 && ratio > 0.42 && ratio < 2.4, "%dx%d", r.height, r.width);
        mean += share;
        changed++;
    }
    cr_assert(changed > 420 && changed < 580, "%d", changed); /* deviation 16 */
    cr_assert_float_eq(mean / changed, 0.15, 0.005);
}

Test(random_erasing, values) {
    static const char *const settings[] = {"p=1 value=mean", "p=1 value=black", "p=1 value=random"};
    double sum[C] = {0}, square[C] = {0}, count = 0;
    for (int s = 0; s < 3; s++)
        for (uint32_t sample = 0; sample < 200; sample++) {
            lbk_image image = blank();
            cr_assert_eq(augmented("random_erasing", settings[s], sample, &image), LBK_OK);
            for (int i = 0; i < H * W; i++) {
                const float *pixel = image.pixels + i * C;
                if (pixel[0] == 2.0f)
                    continue;
                count += s == 2;
                for (int c = 0; c < C; c++) {
                    double z = (double)((pixel[c] - image.mean[c]) / image.deviation[c]);
                    cr_assert(s == 2 || pixel[c] == (s == 0 ? image.mean[c] : 0.0f));
                    sum[c] += s == 2 ? z : 0;
                    square[c] += s == 2 ? z * z : 0;
                }
            }
            image_release(&image);
        }
    cr_assert_gt(count, 10000);
    for (int c = 0; c < C; c++) {
        cr_assert_float_eq(sum[c] / count, 0.0, 0.05);
        cr_assert_float_eq(square[c] / count, 1.0, 0.05);
    }
}

Test(random_erasing, refuses_empty_ranges) {
    lbk_image image = blank();
    cr_assert_eq(augmented("random_erasing", "scale_min=0.5", 0, &image), LBK_ERR_INPUT);
    cr_assert_str_eq(lbk_error_message(), "random_erasing: scale_min 0.5 is larger than scale_max 0.33");
    cr_assert_eq(augmented("random_erasing", "ratio_max=0.2", 0, &image), LBK_ERR_INPUT);
    cr_assert_str_eq(lbk_error_message(), "random_erasing: ratio_min 0.3 is larger than ratio_max 0.2");
    cr_assert_eq(augmented("random_resized_crop", "scale_max=0.01", 0, &image), LBK_ERR_INPUT);
    cr_assert_str_eq(lbk_error_message(), "random_resized_crop: scale_min 0.08 is larger than scale_max 0.01");
    image_release(&image);
}

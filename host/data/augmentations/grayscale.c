/* Luminance in every channel. */
#include "data/augment.h"

static lbk_status apply(const void *params, lbk_rng *rng, const lbk_image *image) {
    (void)params;
    (void)rng;
    LBK_TRY(lbk_image_check_color("grayscale", image));
    lbk_image_grayscale(image);
    return LBK_OK;
}

const lbk_augmentation lbk_augmentation_grayscale = {
    .name = "grayscale",
    .summary = "luminance in every channel; for student_view and teacher_view",
    .fixed = true,
    .apply = apply,
};

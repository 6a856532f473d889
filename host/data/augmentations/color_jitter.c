/* Brightness, contrast, saturation and hue changed by random amounts, in random order. */
#include "data/augment.h"

#include <math.h>

typedef struct color_jitter_params {
    double brightness, contrast, saturation, hue;
} color_jitter_params;

static const lbk_param color_jitter_table[] = {
    LBK_PARAM_FLOAT(color_jitter_params, brightness, "0.4", 0, 10, NULL,
                    "b: factor from 1 - b, at least 0, to 1 + b, between black and the image",
                    "torchvision ColorJitter"),
    LBK_PARAM_FLOAT(color_jitter_params, contrast, "0.4", 0, 10, NULL,
                    "the same, between the mean luminance and the image", NULL),
    LBK_PARAM_FLOAT(color_jitter_params, saturation, "0.4", 0, 10, NULL,
                    "the same, between the luminance and the image", NULL),
    LBK_PARAM_FLOAT(color_jitter_params, hue, "0.1", 0, 0.5, "turns", "largest turn of the colour circle, either way",
                    NULL),
    LBK_PARAM_END};

static double draw_factor(lbk_rng *rng, double most) {
    return lbk_rng_between(rng, fmax(0.0, 1.0 - most), 1.0 + most);
}

/* All numbers are drawn whatever the order, so that a parameter does not move the others' numbers. */
static lbk_status apply(const void *params, lbk_rng *rng, const lbk_image *image) {
    static void (*const changes[])(const lbk_image *, double) = {lbk_image_brightness, lbk_image_contrast,
                                                                 lbk_image_saturation, lbk_image_hue};
    const color_jitter_params *p = params;
    uint32_t order[] = {0, 1, 2, 3};
    LBK_TRY(lbk_image_check_color("color_jitter", image));
    lbk_rng_shuffle(rng, order, 4);
    double amounts[] = {draw_factor(rng, p->brightness), draw_factor(rng, p->contrast), draw_factor(rng, p->saturation),
                        lbk_rng_between(rng, -p->hue, p->hue)};
    for (int i = 0; i < 4; i++)
        changes[order[i]](image, amounts[order[i]]);
    return LBK_OK;
}

const lbk_augmentation lbk_augmentation_color_jitter = {
    .name = "color_jitter",
    .summary = "brightness, contrast, saturation and hue by random amounts, in random order",
    .params = color_jitter_table,
    .params_size = sizeof(color_jitter_params),
    .apply = apply,
};

/* RandAugment (Cubuk et al. 2020) with torchvision's operations and strengths: num_ops of them, drawn with repetition,
 * all at one magnitude of 0 to 30. Places are sampled linearly. */
#include "data/augment.h"

#include <math.h>

enum { TOP_MAGNITUDE = 30 };

typedef struct rand_augment_params {
    int num_ops, magnitude;
    double fill;
} rand_augment_params;

static const lbk_param rand_augment_table[] = {
    LBK_PARAM_INT(rand_augment_params, num_ops, "2", 1, 14, "operations", "how many, one after the other",
                  "Cubuk et al. 2020, arXiv:1909.13719; torchvision RandAugment"),
    LBK_PARAM_INT(rand_augment_params, magnitude, "9", 0, TOP_MAGNITUDE, NULL, "strength of all of them", NULL),
    LBK_PARAM_FLOAT(rand_augment_params, fill, "0", 0, 1, NULL,
                    "value outside the image, before normalisation; 0: black", NULL),
    LBK_PARAM_END};

static void identity(const lbk_image *image, double amount, float fill) {
    (void)image;
    (void)amount;
    (void)fill;
}

static void shear_x(const lbk_image *image, double amount, float fill) {
    lbk_image_warp(image, &(lbk_affine){.xx = 1.0, .xy = amount, .yy = 1.0}, fill);
}

static void shear_y(const lbk_image *image, double amount, float fill) {
    lbk_image_warp(image, &(lbk_affine){.xx = 1.0, .yx = amount, .yy = 1.0}, fill);
}

/* By whole pixels. */
static void translate_x(const lbk_image *image, double amount, float fill) {
    lbk_image_warp(image, &(lbk_affine){.xx = 1.0, .x0 = -trunc(amount * image->width), .yy = 1.0}, fill);
}

static void translate_y(const lbk_image *image, double amount, float fill) {
    lbk_image_warp(image, &(lbk_affine){.xx = 1.0, .yy = 1.0, .y0 = -trunc(amount * image->height)}, fill);
}

static void brightness(const lbk_image *image, double amount, float fill) {
    (void)fill;
    lbk_image_brightness(image, 1.0 + amount);
}

static void color(const lbk_image *image, double amount, float fill) {
    (void)fill;
    lbk_image_saturation(image, 1.0 + amount);
}

static void contrast(const lbk_image *image, double amount, float fill) {
    (void)fill;
    lbk_image_contrast(image, 1.0 + amount);
}

static void sharpness(const lbk_image *image, double amount, float fill) {
    (void)fill;
    lbk_image_sharpness(image, 1.0 + amount);
}

static void posterize(const lbk_image *image, double amount, float fill) {
    (void)fill;
    lbk_image_posterize(image, 8 - (int)lround(amount));
}

static void solarize(const lbk_image *image, double amount, float fill) {
    (void)fill;
    lbk_image_solarize(image, 1.0 - amount);
}

static void autocontrast(const lbk_image *image, double amount, float fill) {
    (void)amount;
    (void)fill;
    lbk_image_autocontrast(image);
}

static void equalize(const lbk_image *image, double amount, float fill) {
    (void)amount;
    (void)fill;
    lbk_image_equalize(image);
}

static const struct {
    void (*apply)(const lbk_image *image, double amount, float fill);
    double most; /* amount at the top magnitude; it grows linearly from 0 */
    bool either; /* the amount's sign is drawn */
} operations[] = {
    {identity, 0.0, false},
    {shear_x, 0.3, true},
    {shear_y, 0.3, true},
    {translate_x, 150.0 / 331.0, true}, /* of the width */
    {translate_y, 150.0 / 331.0, true},
    {lbk_image_rotate, 30.0, true},
    {brightness, 0.9, true},
    {color, 0.9, true},
    {contrast, 0.9, true},
    {sharpness, 0.9, true},
    {posterize, 4.0, false}, /* bits lost */
    {solarize, 1.0, false},
    {autocontrast, 0.0, false},
    {equalize, 0.0, false},
};

static lbk_status apply(const void *params, lbk_rng *rng, const lbk_image *image) {
    const rand_augment_params *p = params;
    LBK_TRY(lbk_image_check_color("rand_augment", image));
    for (int i = 0; i < p->num_ops; i++) {
        uint32_t which = lbk_rng_below(rng, sizeof operations / sizeof *operations);
        bool negative = lbk_rng_below(rng, 2) == 1;
        double amount = operations[which].most * p->magnitude / TOP_MAGNITUDE;
        operations[which].apply(image, operations[which].either && negative ? -amount : amount, (float)p->fill);
    }
    return LBK_OK;
}

const lbk_augmentation lbk_augmentation_rand_augment = {
    .name = "rand_augment",
    .summary = "a few operations drawn from fourteen, all at one magnitude",
    .params = rand_augment_table,
    .params_size = sizeof(rand_augment_params),
    .apply = apply,
};

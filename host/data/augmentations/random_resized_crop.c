/* A rectangle of random area and shape, enlarged to the whole image: the usual training view of ImageNet. */
#include "data/augment.h"

#include <math.h>

typedef struct random_resized_crop_params {
    double scale_min, scale_max, ratio_min, ratio_max;
} random_resized_crop_params;

static const lbk_param random_resized_crop_table[] = {
    LBK_PARAM_FLOAT(random_resized_crop_params, scale_min, "0.08", 0.0001, 1, NULL, "smallest area, of the image's",
                    "Szegedy et al. 2015, section 6; torchvision RandomResizedCrop"),
    LBK_PARAM_FLOAT(random_resized_crop_params, scale_max, "1", 0.0001, 1, NULL, "largest area, of the image's", NULL),
    LBK_PARAM_FLOAT(random_resized_crop_params, ratio_min, "0.75", 0.01, 100, NULL, "smallest width / height", NULL),
    LBK_PARAM_FLOAT(random_resized_crop_params, ratio_max, "1.3333333333333333", 0.01, 100, NULL,
                    "largest width / height", NULL),
    LBK_PARAM_END};

/* When no draw fits: the largest rectangle of an allowed shape, in the middle. */
static lbk_rectangle middle(const lbk_image *image, double ratio_min, double ratio_max) {
    double ratio = (double)image->width / image->height;
    lbk_rectangle r = {.height = image->height, .width = image->width};
    if (ratio < ratio_min)
        r.height = (int)fmax(1.0, round(r.width / ratio_min));
    else if (ratio > ratio_max)
        r.width = (int)fmax(1.0, round(r.height * ratio_max));
    r.top = (image->height - r.height) / 2;
    r.left = (image->width - r.width) / 2;
    return r;
}

static lbk_status apply(const void *params, lbk_rng *rng, const lbk_image *image) {
    const random_resized_crop_params *p = params;
    LBK_TRY(lbk_image_check_range("random_resized_crop", "scale_min", p->scale_min, "scale_max", p->scale_max));
    LBK_TRY(lbk_image_check_range("random_resized_crop", "ratio_min", p->ratio_min, "ratio_max", p->ratio_max));
    lbk_rectangle r;
    if (!lbk_image_draw_rectangle(image, rng, p->scale_min, p->scale_max, 1.0 / p->ratio_max, 1.0 / p->ratio_min, true,
                                  &r))
        r = middle(image, p->ratio_min, p->ratio_max);
    lbk_image_enlarge(image, &r);
    return LBK_OK;
}

const lbk_augmentation lbk_augmentation_random_resized_crop = {
    .name = "random_resized_crop",
    .summary = "cut out a rectangle of random area and shape and enlarge it to the whole image",
    .params = random_resized_crop_table,
    .params_size = sizeof(random_resized_crop_params),
    .apply = apply,
};

/* Zoom about the centre by a random factor. */
#include "data/augment.h"

typedef struct scale_params {
    double min, max, fill;
} scale_params;

static const lbk_param scale_table[] = {
    LBK_PARAM_FLOAT(scale_params, min, "0.8", 0.01, 100, NULL, "smallest factor; below 1 the image shrinks", NULL),
    LBK_PARAM_FLOAT(scale_params, max, "1.2", 0.01, 100, NULL, "largest factor; above 1 its edges are lost", NULL),
    LBK_PARAM_FLOAT(scale_params, fill, "0", 0, 1, NULL, "value outside the image, before normalisation; 0: black",
                    NULL),
    LBK_PARAM_END};

static lbk_status apply(const void *params, lbk_rng *rng, const lbk_image *image) {
    const scale_params *p = params;
    LBK_TRY(lbk_image_check_range("scale", "min", p->min, "max", p->max));
    double back = 1.0 / lbk_rng_between(rng, p->min, p->max);
    lbk_affine map = {.xx = back, .yy = back};
    map.x0 = 0.5 * image->width * (1.0 - back);
    map.y0 = 0.5 * image->height * (1.0 - back);
    lbk_image_warp(image, &map, (float)p->fill);
    return LBK_OK;
}

const lbk_augmentation lbk_augmentation_scale = {
    .name = "scale",
    .summary = "zoom about the centre by a random factor, sampled linearly",
    .params = scale_table,
    .params_size = sizeof(scale_params),
    .apply = apply,
};

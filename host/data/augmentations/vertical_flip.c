/* Upside down with probability p. */
#include "data/augment.h"

#include <string.h>

typedef struct vertical_flip_params {
    double p;
} vertical_flip_params;

static const lbk_param vertical_flip_table[] = {
    LBK_PARAM_FLOAT(vertical_flip_params, p, "0.5", 0, 1, NULL, "probability of mirroring top and bottom", NULL),
    LBK_PARAM_END};

static lbk_status apply(const void *params, lbk_rng *rng, const lbk_image *image) {
    const vertical_flip_params *p = params;
    size_t row = (size_t)image->width * (size_t)image->channels;
    if ((double)lbk_rng_uniform(rng) >= p->p)
        return LBK_OK;
    for (int top = 0, bottom = image->height - 1; top < bottom; top++, bottom--) {
        float *above = image->pixels + (size_t)top * row, *below = image->pixels + (size_t)bottom * row;
        memcpy(image->scratch, above, row * sizeof *above);
        memcpy(above, below, row * sizeof *above);
        memcpy(below, image->scratch, row * sizeof *above);
    }
    return LBK_OK;
}

const lbk_augmentation lbk_augmentation_vertical_flip = {
    .name = "vertical_flip",
    .summary = "mirror top and bottom with probability p",
    .params = vertical_flip_table,
    .params_size = sizeof(vertical_flip_params),
    .apply = apply,
};

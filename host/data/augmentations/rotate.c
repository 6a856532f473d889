/* Rotation about the centre by a random angle. */
#include "data/augment.h"

typedef struct rotate_params {
    double degrees, fill;
} rotate_params;

static const lbk_param rotate_table[] = {
    LBK_PARAM_FLOAT(rotate_params, degrees, "15", 0, 180, "degrees", "largest angle, to either side", NULL),
    LBK_PARAM_FLOAT(rotate_params, fill, "0", 0, 1, NULL, "value outside the image, before normalisation; 0: black",
                    NULL),
    LBK_PARAM_END};

static lbk_status apply(const void *params, lbk_rng *rng, const lbk_image *image) {
    const rotate_params *p = params;
    lbk_image_rotate(image, lbk_rng_between(rng, -p->degrees, p->degrees), (float)p->fill);
    return LBK_OK;
}

const lbk_augmentation lbk_augmentation_rotate = {
    .name = "rotate",
    .summary = "turn about the centre by a random angle, sampled linearly",
    .params = rotate_table,
    .params_size = sizeof(rotate_params),
    .apply = apply,
};

/* Cutout (DeVries and Taylor 2017): squares around random pixels get the mean colour, which normalising makes zero. */
#include "data/augment.h"

typedef struct cutout_params {
    int size, holes;
} cutout_params;

static const lbk_param cutout_table[] = {
    LBK_PARAM_INT(cutout_params, size, "8", 1, 4096, "pixels", "side of a square; parts beyond the edges are lost",
                  "DeVries and Taylor 2017, arXiv:1708.04552"),
    LBK_PARAM_INT(cutout_params, holes, "1", 1, 64, "squares", "how many", NULL), LBK_PARAM_END};

static lbk_status apply(const void *params, lbk_rng *rng, const lbk_image *image) {
    const cutout_params *p = params;
    for (int i = 0; i < p->holes; i++) {
        int y = (int)lbk_rng_below(rng, (uint32_t)image->height), x = (int)lbk_rng_below(rng, (uint32_t)image->width);
        lbk_image_erase(image, y - p->size / 2, x - p->size / 2, p->size, p->size, LBK_FILL_MEAN, rng);
    }
    return LBK_OK;
}

const lbk_augmentation lbk_augmentation_cutout = {
    .name = "cutout",
    .summary = "squares around random pixels get the mean colour",
    .params = cutout_table,
    .params_size = sizeof(cutout_params),
    .apply = apply,
};

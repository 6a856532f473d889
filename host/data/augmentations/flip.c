/* Horizontal mirror image with probability p. */
#include "data/dataset.h"

typedef struct flip_params {
    double p;
} flip_params;

static const lbk_param flip_table[] = {LBK_PARAM_FLOAT(flip_params, p, "0.5", 0, 1, NULL,
                                                       "probability of mirroring left and right",
                                                       "Krizhevsky et al. 2012, section 4.1"),
                                       LBK_PARAM_END};

static void mirror_row(float *row, int width, int channels) {
    float *left = row, *right = row + (ptrdiff_t)(width - 1) * channels;
    for (; left < right; left += channels, right -= channels)
        for (int c = 0; c < channels; c++) {
            float value = left[c];
            left[c] = right[c];
            right[c] = value;
        }
}

static lbk_status apply(const void *params, lbk_rng *rng, const lbk_image *image) {
    const flip_params *p = params;
    if ((double)lbk_rng_uniform(rng) >= p->p)
        return LBK_OK;
    for (int y = 0; y < image->height; y++)
        mirror_row(image->pixels + (ptrdiff_t)y * image->width * image->channels, image->width, image->channels);
    return LBK_OK;
}

const lbk_augmentation lbk_augmentation_flip = {
    .name = "flip",
    .summary = "mirror left and right with probability p",
    .params = flip_table,
    .params_size = sizeof(flip_params),
    .apply = apply,
};

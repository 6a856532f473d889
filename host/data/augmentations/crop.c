/* Random crop: pad every side with black (before normalisation), cut the original size out at a random place. */
#include "data/augment.h"

#include <stdlib.h>
#include <string.h>

typedef struct crop_params {
    int padding;
} crop_params;

static const lbk_param crop_table[] = {LBK_PARAM_INT(crop_params, padding, "4", 0, 4096, "pixels",
                                                     "black pixels added on every side before cutting",
                                                     "He et al. 2016, section 4.2"),
                                       LBK_PARAM_END};

/* to = from moved by (down, right), |down| < height and |right| < width, zero where nothing moves in. */
static void shift(const float *from, float *to, int height, int width, int channels, int down, int right) {
    size_t row = (size_t)width * (size_t)channels;
    size_t lost = (size_t)abs(right) * (size_t)channels, kept = row - lost;
    for (int y = 0; y < height; y++, to += row) {
        if (y - down < 0 || y - down >= height) {
            memset(to, 0, row * sizeof *to);
            continue;
        }
        const float *source = from + (size_t)(y - down) * row;
        memset(right > 0 ? to : to + kept, 0, lost * sizeof *to);
        memcpy(right > 0 ? to + lost : to, right > 0 ? source : source + lost, kept * sizeof *to);
    }
}

static lbk_status apply(const void *params, lbk_rng *rng, const lbk_image *image) {
    int padding = ((const crop_params *)params)->padding;
    if (padding >= image->height || padding >= image->width)
        return lbk_fail(LBK_ERR_INPUT, "crop: padding %d is not smaller than the image, %dx%d", padding, image->height,
                        image->width);
    uint32_t places = 2 * (uint32_t)padding + 1;
    int down = padding - (int)lbk_rng_below(rng, places);
    int right = padding - (int)lbk_rng_below(rng, places);
    if (down == 0 && right == 0)
        return LBK_OK;
    shift(image->pixels, image->scratch, image->height, image->width, image->channels, down, right);
    memcpy(image->pixels, image->scratch, lbk_image_size(image) * sizeof *image->pixels);
    return LBK_OK;
}

const lbk_augmentation lbk_augmentation_crop = {
    .name = "crop",
    .summary = "pad with black and cut the original size out at a random place",
    .params = crop_table,
    .params_size = sizeof(crop_params),
    .apply = apply,
};

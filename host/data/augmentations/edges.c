/* Edge map: the size of the luminance's gradient by Sobel's operator, in every channel. A step from black to white along
 * rows or columns gives 1, and so does everything steeper; beyond the edges the image repeats its last pixels. */
#include "data/augment.h"

#include <math.h>

/* Of the luminances in image->scratch. */
static float luminance_at(const lbk_image *image, int y, int x) {
    y = y < 0 ? 0 : y >= image->height ? image->height - 1 : y;
    x = x < 0 ? 0 : x >= image->width ? image->width - 1 : x;
    return image->scratch[(size_t)y * (size_t)image->width + (size_t)x];
}

/* The two operators' weights on either side sum to 4. */
static float gradient_at(const lbk_image *image, int y, int x) {
    float across = 0.0f, down = 0.0f;
    for (int k = -1; k <= 1; k++) {
        float weight = k == 0 ? 0.5f : 0.25f;
        across += weight * (luminance_at(image, y + k, x + 1) - luminance_at(image, y + k, x - 1));
        down += weight * (luminance_at(image, y + 1, x + k) - luminance_at(image, y - 1, x + k));
    }
    return fminf(hypotf(across, down), 1.0f);
}

static lbk_status apply(const void *params, lbk_rng *rng, const lbk_image *image) {
    (void)params;
    (void)rng;
    LBK_TRY(lbk_image_check_color("edges", image));
    size_t area = (size_t)image->height * (size_t)image->width, channels = (size_t)image->channels;
    for (size_t i = 0; i < area; i++)
        image->scratch[i] = lbk_image_luminance(image->pixels + i * channels, image->channels);
    float *out = image->pixels;
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++) {
            float gradient = gradient_at(image, y, x);
            for (size_t c = 0; c < channels; c++)
                *out++ = gradient;
        }
    return LBK_OK;
}

const lbk_augmentation lbk_augmentation_edges = {
    .name = "edges",
    .summary =
        "edge map: size of the gradient by Sobel's operator, in every channel; for student_view and teacher_view",
    .fixed = true,
    .apply = apply,
};

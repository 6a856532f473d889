/* Images sampled at other places, and rectangles. */
#include "data/augment.h"

#include <math.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

size_t lbk_image_size(const lbk_image *image) {
    return (size_t)image->height * (size_t)image->width * (size_t)image->channels;
}

lbk_status lbk_image_check_range(const char *name, const char *low_key, double low, const char *high_key, double high) {
    if (low <= high)
        return LBK_OK;
    return lbk_fail(LBK_ERR_INPUT, "%s: %s %g is larger than %s %g", name, low_key, low, high_key, high);
}

/* This form gives back `a` exactly where both are equal. */
static float mix(float a, float b, float share) {
    return a + share * (b - a);
}

static float *pixel_at(const lbk_image *image, int y, int x) {
    return image->pixels + ((size_t)y * (size_t)image->width + (size_t)x) * (size_t)image->channels;
}

/* Channel `c` of a pixel that may lie outside. */
static float value_at(const lbk_image *image, int y, int x, int c, float fill) {
    bool inside = y >= 0 && y < image->height && x >= 0 && x < image->width;
    return inside ? pixel_at(image, y, x)[c] : fill;
}

/* All channels at (x, y), measured from the centre of the first pixel. */
static void sample(const lbk_image *image, double x, double y, float fill, float *out) {
    if (!(x > -1.0 && y > -1.0 && x < image->width && y < image->height)) {
        for (int c = 0; c < image->channels; c++)
            out[c] = fill;
        return;
    }
    int left = (int)floor(x), top = (int)floor(y);
    float right_share = (float)(x - left), below_share = (float)(y - top);
    for (int c = 0; c < image->channels; c++) {
        float above = mix(value_at(image, top, left, c, fill), value_at(image, top, left + 1, c, fill), right_share);
        float below =
            mix(value_at(image, top + 1, left, c, fill), value_at(image, top + 1, left + 1, c, fill), right_share);
        out[c] = mix(above, below, below_share);
    }
}

void lbk_image_warp(const lbk_image *image, const lbk_affine *map, float fill) {
    float *out = image->scratch;
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++, out += image->channels) {
            double across = x + 0.5, down = y + 0.5;
            sample(image, map->xx * across + map->xy * down + map->x0 - 0.5,
                   map->yx * across + map->yy * down + map->y0 - 0.5, fill, out);
        }
    memcpy(image->pixels, image->scratch, lbk_image_size(image) * sizeof *out);
}

/* Rows run downwards: the old place of a pixel turned counter-clockwise is a clockwise turn back. */
void lbk_image_rotate(const lbk_image *image, double degrees, float fill) {
    double cosine = cos(degrees * pi / 180.0), sine = sin(degrees * pi / 180.0);
    double x = 0.5 * image->width, y = 0.5 * image->height;
    lbk_affine map = {.xx = cosine, .xy = -sine, .yx = sine, .yy = cosine};
    map.x0 = x - cosine * x + sine * y;
    map.y0 = y - sine * x - cosine * y;
    lbk_image_warp(image, &map, fill);
}

/* The old pixels before and after new pixel i of `size`, and how near it is to the second. */
static float enlarge_axis(int i, int size, int old_size, int *before, int *after) {
    double centre = (i + 0.5) * old_size / size - 0.5;
    centre = fmin(fmax(centre, 0.0), old_size - 1);
    *before = (int)centre;
    *after = *before + 1 < old_size ? *before + 1 : *before;
    return (float)(centre - *before);
}

void lbk_image_enlarge(const lbk_image *image, const lbk_rectangle *from) {
    float *out = image->scratch;
    for (int y = 0; y < image->height; y++) {
        int above, below, before, after;
        float down = enlarge_axis(y, image->height, from->height, &above, &below);
        for (int x = 0; x < image->width; x++) {
            float right = enlarge_axis(x, image->width, from->width, &before, &after);
            const float *a = pixel_at(image, from->top + above, from->left + before),
                        *b = pixel_at(image, from->top + above, from->left + after);
            const float *c = pixel_at(image, from->top + below, from->left + before),
                        *d = pixel_at(image, from->top + below, from->left + after);
            for (int k = 0; k < image->channels; k++)
                *out++ = mix(mix(a[k], b[k], right), mix(c[k], d[k], right), down);
        }
    }
    memcpy(image->pixels, image->scratch, lbk_image_size(image) * sizeof *out);
}

bool lbk_image_draw_rectangle(const lbk_image *image, lbk_rng *rng, double scale_min, double scale_max,
                              double ratio_min, double ratio_max, bool or_equal, lbk_rectangle *out) {
    double image_area = (double)image->height * image->width;
    for (int i = 0; i < 10; i++) {
        double area = image_area * lbk_rng_between(rng, scale_min, scale_max);
        double ratio = exp(lbk_rng_between(rng, log(ratio_min), log(ratio_max)));
        double height = round(sqrt(area * ratio)), width = round(sqrt(area / ratio));
        bool fits = height < image->height && width < image->width;
        if (or_equal)
            fits = height >= 1 && width >= 1 && height <= image->height && width <= image->width;
        if (!fits)
            continue;
        *out = (lbk_rectangle){.height = (int)height, .width = (int)width};
        out->top = (int)lbk_rng_below(rng, (uint32_t)(image->height - out->height) + 1);
        out->left = (int)lbk_rng_below(rng, (uint32_t)(image->width - out->width) + 1);
        return true;
    }
    return false;
}

void lbk_image_erase(const lbk_image *image, int top, int left, int height, int width, lbk_image_fill fill,
                     lbk_rng *rng) {
    int bottom = top + height < image->height ? top + height : image->height;
    int right = left + width < image->width ? left + width : image->width;
    for (int y = top > 0 ? top : 0; y < bottom; y++)
        for (int x = left > 0 ? left : 0; x < right; x++) {
            float *pixel = pixel_at(image, y, x);
            for (int c = 0; c < image->channels; c++) {
                pixel[c] = fill == LBK_FILL_BLACK ? 0.0f : image->mean[c];
                if (fill == LBK_FILL_NOISE)
                    pixel[c] += image->deviation[c] * lbk_rng_normal(rng);
            }
        }
}

/* What augmentations share: sampling at other places, colours, rectangles. Every function changes image->pixels and may
 * use image->scratch. Coordinates are measured from the top left corner, so pixel (x, y) has its centre at
 * (x + 0.5, y + 0.5). */
#ifndef LBK_DATA_AUGMENT_H
#define LBK_DATA_AUGMENT_H

#include "data/dataset.h"

/* Number of floats of the image. */
size_t lbk_image_size(const lbk_image *image);

/* LBK_ERR_INPUT "NAME: LOW_KEY 2 is larger than HIGH_KEY 1" unless low <= high. */
lbk_status lbk_image_check_range(const char *name, const char *low_key, double low, const char *high_key, double high);
/* LBK_ERR_INPUT unless the image is grey (1 channel) or RGB (3). */
lbk_status lbk_image_check_color(const char *name, const lbk_image *image);

/* ---- Places (warp.c) ---- */

/* The new pixel with its centre at (x, y) shows the old image at (xx*x + xy*y + x0, yx*x + yy*y + y0). */
typedef struct lbk_affine {
    double xx, xy, x0, yx, yy, y0;
} lbk_affine;

/* Linear between the four pixel centres around a place; pixels outside the image have the value `fill`. */
void lbk_image_warp(const lbk_image *image, const lbk_affine *map, float fill);
/* Counter-clockwise about the centre. */
void lbk_image_rotate(const lbk_image *image, double degrees, float fill);

/* Of a random area (a share of the image's, uniform in [scale_min, scale_max]), shape (height / width, its logarithm
 * uniform in [ratio_min, ratio_max]) and place. Tries ten areas and shapes; false when none was smaller than the image
 * along both axes, or, with `or_equal`, at least fitted into it and was not empty. torchvision's RandomErasing and
 * RandomResizedCrop. */
bool lbk_image_draw_rectangle(const lbk_image *image, lbk_rng *rng, double scale_min, double scale_max,
                              double ratio_min, double ratio_max, bool or_equal, lbk_rectangle *out);
/* Enlarges the rectangle, which lies within the image, to the whole: linear between its pixel centres, its edges
 * repeated. */
void lbk_image_enlarge(const lbk_image *image, const lbk_rectangle *from);

/* A rectangle's pixels: what `fill` says. Parts outside the image are ignored. */
typedef enum lbk_image_fill { LBK_FILL_MEAN, LBK_FILL_NOISE, LBK_FILL_BLACK } lbk_image_fill;
/* LBK_FILL_MEAN: zero after normalisation; LBK_FILL_NOISE: standard normal after it; LBK_FILL_BLACK: zero before it.
 * `rng` is drawn from for noise alone. */
void lbk_image_erase(const lbk_image *image, int top, int left, int height, int width, lbk_image_fill fill,
                     lbk_rng *rng);

/* ---- Colours (color.c); grey or RGB, values stay in 0..1 ----
 *
 * Definitions are torchvision's (transforms.functional), on numbers from 0 to 1. A factor of 1 changes nothing. */

void lbk_image_brightness(const lbk_image *image, double factor);  /* between black and the image */
void lbk_image_contrast(const lbk_image *image, double factor);    /* between its mean luminance and the image */
void lbk_image_saturation(const lbk_image *image, double factor);  /* between its luminance and the image */
void lbk_image_sharpness(const lbk_image *image, double factor);   /* between a 3x3 blur and the image */
void lbk_image_hue(const lbk_image *image, double turn);           /* turns of the colour circle, -0.5 to 0.5 */
void lbk_image_grayscale(const lbk_image *image);                  /* luminance in every channel */
void lbk_image_solarize(const lbk_image *image, double threshold); /* inverts what is not darker than this */
void lbk_image_posterize(const lbk_image *image, int bits);        /* keeps the highest of 8 bits */
void lbk_image_autocontrast(const lbk_image *image);               /* each channel stretched to 0..1 */
void lbk_image_equalize(const lbk_image *image);                   /* each channel's 256-bin histogram made even */

/* 0.2989 R + 0.587 G + 0.114 B, or the grey value; `pixel` has `channels` floats, 1 or 3. */
float lbk_image_luminance(const float *pixel, int channels);

#endif

/* One augmentation by its name and settings, applied to one image. Every function fails the test on an error of its
 * own. */
#ifndef LBK_TESTS_DATA_AUGMENTED_H
#define LBK_TESTS_DATA_AUGMENTED_H

#include "data/augment.h"

/* Zeroed pixels and scratch; means 0.25, 0.5, 0.75, 0 and deviations 0.1, 0.2, 0.3, 0.4 of the channels. */
lbk_image image_make(int height, int width, int channels);
void image_release(lbk_image *image);
/* Numbers of [0, 1] without any order, another set for every `seed`. */
void image_randomize(lbk_image *image, uint32_t seed);
/* Pixel i, i + 1, ... from 1 on: every one is different. They need not be in [0, 1] where places alone change. */
void image_number(lbk_image *image);
/* A copy; release it. */
lbk_image image_copy(const lbk_image *image);
float image_at(const lbk_image *image, int y, int x, int c);
/* All values differ by at most `tolerance`. */
bool image_equals(const lbk_image *a, const lbk_image *b, float tolerance);

/* `settings`: "key=value key=value" over the defaults. The numbers are those of stream `sample`. */
lbk_status augmented(const char *name, const char *settings, uint32_t sample, const lbk_image *image);

#endif

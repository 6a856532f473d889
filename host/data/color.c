/* Colours of an image. */
#include "data/augment.h"

#include <math.h>
#include <string.h>

lbk_status lbk_image_check_color(const char *name, const lbk_image *image) {
    if (image->channels == 1 || image->channels == 3)
        return LBK_OK;
    return lbk_fail(LBK_ERR_INPUT, "%s: images of %d channels; expected 1 (grey) or 3 (RGB)", name, image->channels);
}

static float clamp(float value) {
    return value < 0.0f ? 0.0f : value > 1.0f ? 1.0f : value;
}

static float blend(float value, float other, float factor) {
    return clamp(factor * value + (1.0f - factor) * other);
}

float lbk_image_luminance(const float *pixel, int channels) {
    return channels == 1 ? pixel[0] : 0.2989f * pixel[0] + 0.587f * pixel[1] + 0.114f * pixel[2];
}

static float *end_of(const lbk_image *image) {
    return image->pixels + lbk_image_size(image);
}

void lbk_image_brightness(const lbk_image *image, double factor) {
    for (float *value = image->pixels; value < end_of(image); value++)
        *value = blend(*value, 0.0f, (float)factor);
}

void lbk_image_contrast(const lbk_image *image, double factor) {
    double sum = 0.0;
    for (const float *pixel = image->pixels; pixel < end_of(image); pixel += image->channels)
        sum += (double)lbk_image_luminance(pixel, image->channels);
    float mean = (float)(sum / ((double)image->height * image->width));
    for (float *value = image->pixels; value < end_of(image); value++)
        *value = blend(*value, mean, (float)factor);
}

/* Grey images have none. */
void lbk_image_saturation(const lbk_image *image, double factor) {
    if (image->channels == 1)
        return;
    for (float *pixel = image->pixels; pixel < end_of(image); pixel += image->channels) {
        float grey = lbk_image_luminance(pixel, image->channels);
        for (int c = 0; c < image->channels; c++)
            pixel[c] = blend(pixel[c], grey, (float)factor);
    }
}

void lbk_image_grayscale(const lbk_image *image) {
    lbk_image_saturation(image, 0.0);
}

/* The blur weighs the middle 5 and its eight neighbours 1; pixels at the edge stay as they are. */
void lbk_image_sharpness(const lbk_image *image, double factor) {
    ptrdiff_t step = image->channels, row = image->width * step;
    memcpy(image->scratch, image->pixels, lbk_image_size(image) * sizeof *image->pixels);
    for (int y = 1; y < image->height - 1; y++)
        for (ptrdiff_t i = step; i < row - step; i++) {
            const float *old = image->scratch + y * row + i;
            float sum = 4.0f * *old;
            for (int dy = -1; dy <= 1; dy++)
                sum += old[dy * row - step] + old[dy * row] + old[dy * row + step];
            image->pixels[y * row + i] = blend(*old, sum / 13.0f, (float)factor);
        }
}

/* Hexcone model (Smith, "Color gamut transform pairs", 1978): hue in turns, saturation, value. */
static void rgb_to_hsv(const float *rgb, float *hsv) {
    float high = fmaxf(rgb[0], fmaxf(rgb[1], rgb[2])), low = fminf(rgb[0], fminf(rgb[1], rgb[2])), range = high - low;
    hsv[0] = hsv[1] = 0.0f;
    hsv[2] = high;
    if (range <= 0.0f)
        return;
    float sextant = high == rgb[0]   ? (rgb[1] - rgb[2]) / range
                    : high == rgb[1] ? 2.0f + (rgb[2] - rgb[0]) / range
                                     : 4.0f + (rgb[0] - rgb[1]) / range;
    hsv[0] = sextant / 6.0f;
    hsv[1] = range / high;
}

static void hsv_to_rgb(const float *hsv, float *rgb) {
    float turned = hsv[0] - floorf(hsv[0]), value = hsv[2];
    int sextant = (int)(turned * 6.0f);
    float part = turned * 6.0f - (float)sextant;
    float low = value * (1.0f - hsv[1]), falling = value * (1.0f - hsv[1] * part);
    float rising = value * (1.0f - hsv[1] * (1.0f - part));
    const float wheel[6][3] = {{value, rising, low},  {falling, value, low}, {low, value, rising},
                               {low, falling, value}, {rising, low, value},  {value, low, falling}};
    for (int c = 0; c < 3; c++)
        rgb[c] = clamp(wheel[sextant % 6][c]);
}

void lbk_image_hue(const lbk_image *image, double turn) {
    if (image->channels == 1 || turn == 0.0)
        return;
    for (float *pixel = image->pixels; pixel < end_of(image); pixel += image->channels) {
        float hsv[3];
        rgb_to_hsv(pixel, hsv);
        hsv[0] += (float)turn;
        hsv_to_rgb(hsv, pixel);
    }
}

void lbk_image_solarize(const lbk_image *image, double threshold) {
    for (float *value = image->pixels; value < end_of(image); value++)
        if ((double)*value >= threshold)
            *value = 1.0f - *value;
}

static unsigned to_byte(float value) {
    return (unsigned)(clamp(value) * 255.0f + 0.5f);
}

void lbk_image_posterize(const lbk_image *image, int bits) {
    unsigned mask = 0xFF00u >> bits & 0xFFu;
    for (float *value = image->pixels; value < end_of(image); value++)
        *value = (float)(to_byte(*value) & mask) / 255.0f;
}

void lbk_image_autocontrast(const lbk_image *image) {
    for (int c = 0; c < image->channels; c++) {
        float low = image->pixels[c], high = low;
        for (const float *value = image->pixels + c; value < end_of(image); value += image->channels) {
            low = fminf(low, *value);
            high = fmaxf(high, *value);
        }
        if (high <= low)
            continue;
        for (float *value = image->pixels + c; value < end_of(image); value += image->channels)
            *value = clamp((*value - low) / (high - low));
    }
}

/* As Pillow and torchvision do: the step leaves out the brightest level in use. */
static void equalize_channel(const lbk_image *image, int channel) {
    uint32_t histogram[256] = {0}, last = 0;
    float table[256];
    for (const float *value = image->pixels + channel; value < end_of(image); value += image->channels)
        histogram[to_byte(*value)]++;
    for (int i = 0; i < 256; i++)
        last = histogram[i] ? histogram[i] : last;
    uint32_t step = ((uint32_t)image->height * (uint32_t)image->width - last) / 255, sum = step / 2;
    if (step == 0)
        return;
    for (int i = 0; i < 256; sum += histogram[i++])
        table[i] = clamp((float)(sum / step) / 255.0f);
    for (float *value = image->pixels + channel; value < end_of(image); value += image->channels)
        *value = table[to_byte(*value)];
}

void lbk_image_equalize(const lbk_image *image) {
    for (int c = 0; c < image->channels; c++)
        equalize_channel(image, c);
}

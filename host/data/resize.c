/* Resizing by a weighted mean along each axis in turn. */
#include "base/memory.h"
#include "data/decode.h"

#include <math.h>
#include <stdlib.h>

/* New pixel i is the sum over k < taps of weight[i*taps + k] * old pixel [first[i] + k]. */
typedef struct axis {
    int taps, *first;
    float *weight;
} axis;

/* Mean over the stretch [i, i+1) * scale of old pixels, scale > 1. */
static void area_weights(const axis *a, int i, int old_size, double scale) {
    double low = i * scale, high = low + scale;
    a->first[i] = (int)low;
    for (int k = 0; k < a->taps; k++) {
        double left = fmax(low, a->first[i] + k), right = fmin(fmin(high, a->first[i] + k + 1), old_size);
        a->weight[i * a->taps + k] = right > left ? (float)((right - left) / scale) : 0.0f;
    }
}

/* Linear between the two old pixel centres around the new one's. */
static void linear_weights(const axis *a, int i, int old_size, double scale) {
    double centre = fmin(fmax((i + 0.5) * scale - 0.5, 0.0), old_size - 1);
    a->first[i] = (int)centre;
    a->weight[i * 2] = (float)(1.0 - (centre - a->first[i]));
    a->weight[i * 2 + 1] = (float)(centre - a->first[i]);
}

static lbk_status axis_make(axis *a, int old_size, int new_size) {
    double scale = (double)old_size / new_size;
    a->taps = scale > 1.0 ? (int)ceil(scale) + 1 : 2;
    LBK_TRY(lbk_calloc((size_t)new_size, sizeof *a->first, &a->first));
    LBK_TRY(lbk_calloc((size_t)new_size * (size_t)a->taps, sizeof *a->weight, &a->weight));
    for (int i = 0; i < new_size; i++) {
        if (scale > 1.0)
            area_weights(a, i, old_size, scale);
        else
            linear_weights(a, i, old_size, scale);
    }
    return LBK_OK;
}

static void axis_release(axis *a) {
    free(a->first);
    free(a->weight);
}

/* Zero weights may lie beyond the last old pixel; those are not read. */
static float weighted(const axis *a, int i, const float *old, size_t stride) {
    float sum = 0.0f;
    for (int k = 0; k < a->taps; k++)
        if (a->weight[i * a->taps + k] != 0.0f)
            sum += a->weight[i * a->taps + k] * old[(size_t)(a->first[i] + k) * stride];
    return sum;
}

/* rows[height][new width][channels] from the image's bytes; `line` has room for one old row. */
static void shrink_rows(const lbk_pixmap *image, const axis *across, int width, float *line, float *rows) {
    size_t channels = (size_t)image->channels, old_row = (size_t)image->width * channels;
    for (int y = 0; y < image->height; y++) {
        for (size_t i = 0; i < old_row; i++)
            line[i] = image->bytes[(size_t)y * old_row + i];
        for (int x = 0; x < width; x++)
            for (size_t c = 0; c < channels; c++)
                *rows++ = weighted(across, x, line + c, channels);
    }
}

static lbk_status resize(lbk_pixmap *image, const axis *down, const axis *across, int height, int width) {
    lbk_status status = LBK_OK;
    size_t new_row = (size_t)width * (size_t)image->channels;
    float *line = NULL, *rows = NULL;
    unsigned char *bytes = NULL;
    LBK_GOTO(lbk_calloc((size_t)image->width * (size_t)image->channels, sizeof *line, &line));
    LBK_GOTO(lbk_calloc((size_t)image->height * new_row, sizeof *rows, &rows));
    LBK_GOTO(lbk_calloc((size_t)height * new_row, 1, &bytes));
    shrink_rows(image, across, width, line, rows);
    for (int y = 0; y < height; y++)
        for (size_t i = 0; i < new_row; i++)
            bytes[(size_t)y * new_row + i] = (unsigned char)(weighted(down, y, rows + i, new_row) + 0.5f);
    free(image->bytes);
    *image = (lbk_pixmap){height, width, image->channels, bytes};
out:
    free(line);
    free(rows);
    return status;
}

lbk_status lbk_decode_resize(lbk_pixmap *image, int height, int width) {
    if (image->height == height && image->width == width)
        return LBK_OK;
    axis down = {0}, across = {0};
    lbk_status status = axis_make(&down, image->height, height);
    if (status == LBK_OK)
        status = axis_make(&across, image->width, width);
    if (status == LBK_OK)
        status = resize(image, &down, &across, height, width);
    axis_release(&down);
    axis_release(&across);
    return status;
}

#include "data/view.h"

#include <stdlib.h>

lbk_status lbk_view_init(lbk_view *view, const lbk_data *data) {
    const lbk_source *source = &data->source;
    size_t row = (size_t)source->width * (size_t)source->channels;
    *view = (lbk_view){.data = data};
    LBK_TRY(lbk_calloc(row, sizeof(float), &view->mean_row));
    LBK_TRY(lbk_calloc(row, sizeof(float), &view->deviation_row));
    for (size_t i = 0; i < row; i++) {
        view->mean_row[i] = data->mean[i % (size_t)source->channels];
        view->deviation_row[i] = data->deviation[i % (size_t)source->channels];
    }
    return LBK_OK;
}

void lbk_view_release(lbk_view *view) {
    free(view->mean_row);
    free(view->deviation_row);
    *view = (lbk_view){0};
}

/* Each augmentation has its own stream: bits 32 and up of the sample are its position in the chain. */
static lbk_status augment(const lbk_data *data, uint32_t epoch, uint32_t sample, float *pixels, float *scratch) {
    const lbk_source *source = &data->source;
    lbk_image image = {source->height, source->width, source->channels, pixels, scratch, data->mean, data->deviation};
    for (int i = 0; i < data->augment.count; i++) {
        int item = data->augment.items[i];
        lbk_rng rng;
        lbk_rng_init(&rng, data->seed, LBK_RNG_AUGMENT, epoch, (uint64_t)i << 32 | sample);
        LBK_TRY(data->augmentation[item]->apply(data->augmentation_params[item], &rng, &image));
    }
    return LBK_OK;
}

/* row[count] = (row - mean) / deviation. Blocks of fixed length let a compiler use vectors at -O2. */
static void normalize_row(float *restrict row, const float *restrict mean, const float *restrict deviation,
                          size_t count) {
    enum { BLOCK = 16 };
    size_t i = 0;
    for (; i + BLOCK <= count; i += BLOCK)
        for (size_t k = i; k < i + BLOCK; k++)
            row[k] = (row[k] - mean[k]) / deviation[k];
    for (; i < count; i++)
        row[i] = (row[i] - mean[i]) / deviation[i];
}

static void normalize(const lbk_view *view, float *pixels) {
    const lbk_source *source = &view->data->source;
    size_t row = (size_t)source->width * (size_t)source->channels;
    for (int y = 0; y < source->height; y++)
        normalize_row(pixels + (size_t)y * row, view->mean_row, view->deviation_row, row);
}

lbk_status lbk_view_read(const lbk_view *view, lbk_part part, uint32_t epoch, uint32_t sample, float *pixels,
                         float *scratch, int *label) {
    const lbk_data *data = view->data;
    LBK_TRY(data->dataset->read(&data->source, part == LBK_PART_TEST ? LBK_PART_TEST : LBK_PART_TRAIN, sample, pixels,
                                label));
    if (lbk_part_is_training(part))
        LBK_TRY(augment(data, epoch, sample, pixels, scratch));
    if (data->params.normalize)
        normalize(view, pixels);
    return LBK_OK;
}

/* Opening a dataset: validation split, subset, label budget, normalisation. */
#include "data/data.h"
#include "data/split.h"
#include "data/view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Mean and deviation come from evenly spaced training samples with at most this many pixels in all: exact for the usual
 * small-image datasets, seconds for large ones. */
#define STATISTICS_PIXELS ((uint64_t)1 << 26)

/* Samples whose label nobody knows make a class of their own behind the others, so that no choice of theirs changes one
 * among the others. */
static lbk_status read_labels(const lbk_data *data, int *labels) {
    const lbk_source *source = &data->source;
    for (uint32_t i = 0; i < source->train_count; i++) {
        LBK_TRY(data->dataset->read(source, LBK_PART_TRAIN, i, NULL, &labels[i]));
        LBK_ENSURE(labels[i] >= -1 && labels[i] < source->classes);
        if (labels[i] < 0)
            labels[i] = source->classes;
    }
    return LBK_OK;
}

/* Validation samples and the rest, each in file order. */
static lbk_status split_validation(lbk_data *data, const int *labels, bool *chosen) {
    uint32_t count = data->source.train_count;
    lbk_split_rule rule = {.share = data->params.validation, .leave_one = true};
    LBK_TRY(
        lbk_split_choose(labels, count, data->source.classes + 1, rule, LBK_SPLIT_SEED, LBK_SPLIT_VALIDATION, chosen));
    LBK_TRY(lbk_arena_alloc(&data->arena, count * sizeof *data->train, &data->train));
    LBK_TRY(lbk_arena_alloc(&data->arena, count * sizeof *data->validation, &data->validation));
    for (uint32_t i = 0; i < count; i++) {
        if (chosen[i] && labels[i] < data->source.classes)
            data->validation[data->validation_count++] = i;
        else
            data->train[data->train_count++] = i;
    }
    return LBK_OK;
}

/* Chooses among data->train: chosen[i] is for train[i]. `labels` are by index within the dataset, packed[train_count] is
 * scratch. */
static lbk_status choose(const lbk_data *data, const int *labels, double share, bool balanced, lbk_split_use use,
                         int *packed, bool *chosen) {
    lbk_split_rule rule = {.share = share};
    for (uint32_t i = 0; i < data->train_count; i++)
        packed[i] = balanced ? labels[data->train[i]] : 0;
    return lbk_split_choose(packed, data->train_count, data->source.classes + 1, rule, data->seed, use, chosen);
}

/* Drops the training samples outside the subset. */
static lbk_status choose_subset(lbk_data *data, const int *labels, int *packed, bool *chosen) {
    uint32_t kept = 0;
    if (data->params.subset >= 1)
        return LBK_OK;
    LBK_TRY(choose(data, labels, data->params.subset, data->params.subset_balanced, LBK_SPLIT_SUBSET, packed, chosen));
    for (uint32_t i = 0; i < data->train_count; i++)
        if (chosen[i])
            data->train[kept++] = data->train[i];
    data->train_count = kept;
    return LBK_OK;
}

/* Which of the training samples have a label, and which of these the student may see. */
static lbk_status choose_labelled(lbk_data *data, const int *labels, int *packed, bool *chosen) {
    LBK_TRY(lbk_arena_alloc(&data->arena, data->source.train_count * sizeof *data->labelled, &data->labelled));
    LBK_TRY(lbk_arena_alloc(&data->arena, data->train_count * sizeof *data->known, &data->known));
    LBK_TRY(choose(data, labels, data->params.labels, true, LBK_SPLIT_LABELS, packed, chosen));
    for (uint32_t i = 0; i < data->train_count; i++) {
        uint32_t sample = data->train[i];
        if (labels[sample] == data->source.classes)
            continue;
        data->labelled[sample] = chosen[i];
        data->known[data->known_count++] = sample;
    }
    return LBK_OK;
}

static lbk_status split(lbk_data *data) {
    lbk_status status = LBK_OK;
    int *labels = NULL, *packed = NULL;
    bool *chosen = NULL;
    LBK_GOTO(lbk_calloc(data->source.train_count, sizeof *labels, &labels));
    LBK_GOTO(lbk_calloc(data->source.train_count, sizeof *packed, &packed));
    LBK_GOTO(lbk_calloc(data->source.train_count, sizeof *chosen, &chosen));
    LBK_GOTO(read_labels(data, labels));
    LBK_GOTO(split_validation(data, labels, chosen));
    LBK_GOTO(choose_subset(data, labels, packed, chosen));
    LBK_GOTO(choose_labelled(data, labels, packed, chosen));
out:
    free(labels);
    free(packed);
    free(chosen);
    return status;
}

static void add_sums(const float *pixels, size_t count, int channels, double *sum, double *square) {
    for (size_t i = 0; i < count; i++)
        for (int c = 0; c < channels; c++, pixels++) {
            sum[c] += *pixels;
            square[c] += (double)*pixels * *pixels;
        }
}

/* Over the dataset's whole training part, validation samples included, so that the split does not move the scale. A
 * channel without variance is divided by 1. */
static lbk_status measure(lbk_data *data) {
    const lbk_source *source = &data->source;
    size_t area = (size_t)source->height * (size_t)source->width;
    uint64_t step = (source->train_count * (uint64_t)area + STATISTICS_PIXELS - 1) / STATISTICS_PIXELS;
    double sum[4] = {0}, square[4] = {0}, count = 0;
    float *pixels = NULL;
    int label;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_calloc(area * (size_t)source->channels, sizeof *pixels, &pixels));
    for (uint64_t i = 0; i < source->train_count; i += step, count += (double)area) {
        LBK_GOTO(data->dataset->read(source, LBK_PART_TRAIN, (uint32_t)i, &(lbk_numbers){.f32 = pixels}, &label));
        add_sums(pixels, area, source->channels, sum, square);
    }
    for (int c = 0; c < source->channels; c++) {
        double mean = sum[c] / count, variance = square[c] / count - mean * mean;
        data->mean[c] = (float)mean;
        data->deviation[c] = variance > 1e-10 ? (float)sqrt(variance) : 1.0f;
    }
out:
    free(pixels);
    return status;
}

static lbk_status set_normalization(lbk_data *data) {
    const lbk_source *source = &data->source;
    for (int c = 0; c < 4; c++)
        data->deviation[c] = 1.0f;
    if (!data->params.normalize)
        return LBK_OK;
    if (source->deviation[0] == 0.0f)
        return measure(data);
    memcpy(data->mean, source->mean, sizeof data->mean);
    memcpy(data->deviation, source->deviation, sizeof data->deviation);
    return LBK_OK;
}

/* Reads one sample as both see it now, so that an augmentation that does not fit the images fails here and not in a loader's thread. */
static lbk_status try_view(const lbk_data *data) {
    size_t size = lbk_data_image_size(data);
    lbk_view view = {0};
    float *pixels = NULL;
    int label;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_view_init(&view, data));
    LBK_GOTO(lbk_calloc(3 * size, sizeof *pixels, &pixels));
    LBK_GOTO(lbk_view_read(&view, LBK_PART_TRAIN, 0, data->train[0], &(lbk_numbers){.f32 = pixels},
                           &(lbk_numbers){.f32 = pixels + size}, pixels + 2 * size, &label));
out:
    lbk_view_release(&view);
    free(pixels);
    return status;
}

/* An image is one input. */
static lbk_status set_image(lbk_source *source) {
    LBK_ENSURE(source->channels >= 1 && source->channels <= 4 && source->height >= 1 && source->width >= 1);
    const lbk_shape shape = lbk_shape_of(3, (const int64_t[]){source->height, source->width, source->channels});
    source->inputs[0] = (lbk_sample_input){"image", {LBK_F32, shape}};
    source->input_count = 1;
    return LBK_OK;
}

static lbk_status open_source(lbk_data *data, const char *folder) {
    lbk_source *source = &data->source;
    LBK_TRY(data->dataset->open(data->dataset_params, folder, source));
    if (!data->dataset->no_images)
        LBK_TRY(set_image(source));
    LBK_ENSURE(source->input_count >= 1 && source->input_count <= LBK_SAMPLE_INPUTS);
    if (source->train_count == 0 || source->test_count == 0)
        return lbk_fail(LBK_ERR_INPUT, "%u training and %u test samples; both parts need at least one",
                        source->train_count, source->test_count);
    LBK_TRY(split(data));
    if (data->dataset->no_images)
        return LBK_OK;
    LBK_TRY(set_normalization(data));
    return try_view(data);
}

lbk_status lbk_data_open(lbk_data *data, const char *folder) {
    return lbk_context(open_source(data, folder), "dataset %s", data->dataset->name);
}

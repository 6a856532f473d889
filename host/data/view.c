#include "data/view.h"

#include <stdlib.h>
#include <string.h>

lbk_status lbk_view_init(lbk_view *view, const lbk_data *data) {
    const lbk_source *source = &data->source;
    size_t row = (size_t)source->width * (size_t)source->channels;
    *view = (lbk_view){.data = data};
    if (data->dataset->no_images)
        return LBK_OK;
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

/* A sample on its way. */
typedef struct job {
    const lbk_view *view;
    lbk_part part;
    uint32_t epoch, sample;
    float *scratch;
} job;

/* Each augmentation has its own stream: bits 32 and up of the sample are its position, `first` for the chain's first. */
static lbk_status augment(const job *job, const lbk_chain *chain, uint64_t first, float *pixels) {
    const lbk_data *data = job->view->data;
    const lbk_source *source = &data->source;
    lbk_image image = {source->height, source->width, source->channels, pixels,
                       job->scratch,   data->mean,    data->deviation};
    for (int i = 0; i < chain->count; i++) {
        int item = chain->items[i];
        lbk_rng rng;
        if (!lbk_part_is_training(job->part) && !data->augmentation[item]->fixed)
            continue;
        lbk_rng_init(&rng, data->seed, LBK_RNG_AUGMENT, job->epoch, (first + (uint64_t)i) << 32 | job->sample);
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

/* What both networks see before their own views. */
static lbk_status augment_common(const job *job, float *pixels) {
    return augment(job, &job->view->data->augment, 0, pixels);
}

static lbk_status finish(const job *job, lbk_viewer viewer, float *pixels) {
    const lbk_data *data = job->view->data;
    uint64_t first = ((uint64_t)viewer + 1) * LBK_MAX_AUGMENTATIONS;
    LBK_TRY(augment(job, &data->own[viewer].chain, first, pixels));
    if (data->params.normalize)
        normalize(job->view, pixels);
    return LBK_OK;
}

/* Both from one reading of the sample, which `pixels` holds. */
static lbk_status make_both(const job *job, float *pixels, float *teacher_pixels) {
    const lbk_data *data = job->view->data;
    const lbk_source *source = &data->source;
    size_t bytes = (size_t)source->height * (size_t)source->width * (size_t)source->channels * sizeof *pixels;
    bool plain = data->own[LBK_VIEWER_STUDENT].plain, teacher_plain = data->own[LBK_VIEWER_TEACHER].plain;
    if (plain || teacher_plain)
        memcpy(teacher_pixels, pixels, bytes);
    if (!plain)
        LBK_TRY(augment_common(job, pixels));
    if (plain && !teacher_plain)
        LBK_TRY(augment_common(job, teacher_pixels));
    if (!plain && !teacher_plain)
        memcpy(teacher_pixels, pixels, bytes);
    LBK_TRY(finish(job, LBK_VIEWER_STUDENT, pixels));
    return finish(job, LBK_VIEWER_TEACHER, teacher_pixels);
}

lbk_status lbk_view_read(const lbk_view *view, lbk_part part, uint32_t epoch, uint32_t sample,
                         const lbk_numbers *inputs, const lbk_numbers *teacher_inputs, float *scratch, int *label) {
    const lbk_data *data = view->data;
    const job job = {view, part, epoch, sample, scratch};
    lbk_viewer viewer = inputs ? LBK_VIEWER_STUDENT : LBK_VIEWER_TEACHER;
    const lbk_numbers *first = inputs ? inputs : teacher_inputs;
    LBK_TRY(data->dataset->read(&data->source, part == LBK_PART_TEST ? LBK_PART_TEST : LBK_PART_TRAIN, sample, first,
                                label));
    if (data->dataset->no_images)
        return LBK_OK;
    if (inputs && teacher_inputs)
        return make_both(&job, inputs[0].f32, teacher_inputs[0].f32);
    if (!data->own[viewer].plain || part == LBK_PART_TEACHER)
        LBK_TRY(augment_common(&job, first[0].f32));
    return finish(&job, viewer, first[0].f32);
}

lbk_status lbk_view_read_rows(const lbk_data *data, lbk_part part, uint32_t epoch, const uint32_t *samples, int count,
                              int input, void *out) {
    const lbk_source *source = &data->source;
    size_t size = lbk_tensor_bytes(&source->inputs[input].desc);
    bool teacher = part == LBK_PART_TEACHER;
    lbk_numbers row[LBK_SAMPLE_INPUTS] = {{NULL}};
    lbk_view view = {0};
    float *scratch = NULL;
    int label;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_view_init(&view, data));
    LBK_GOTO(lbk_calloc(lbk_data_image_size(data) + 1, sizeof *scratch, &scratch));
    for (int k = 0; k < source->input_count; k++) /* what is read beside it */
        if (k != input)
            LBK_GOTO(lbk_calloc(1, lbk_tensor_bytes(&source->inputs[k].desc), &row[k].any));
    for (int i = 0; i < count; i++) {
        row[input].any = (char *)out + (size_t)i * size;
        LBK_GOTO(
            lbk_view_read(&view, part, epoch, samples[i], teacher ? NULL : row, teacher ? row : NULL, scratch, &label));
    }
out:
    row[input].any = NULL;
    for (int k = 0; k < source->input_count; k++)
        free(row[k].any);
    free(scratch);
    lbk_view_release(&view);
    return status;
}

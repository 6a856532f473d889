#include "data/mix.h"

#include <string.h>

/* to = own * to + (1 - own) * from in the box. Where own is 0, pixels are copied exactly. */
static void mix_image(const lbk_source *source, const lbk_mixture *mixture, const float *from, float *to) {
    const lbk_rectangle *box = &mixture->box;
    size_t channels = (size_t)source->channels, length = (size_t)box->width * channels;
    for (int y = box->top; y < box->top + box->height; y++) {
        size_t at = ((size_t)y * (size_t)source->width + (size_t)box->left) * channels;
        for (size_t i = at; i < at + length; i++)
            to[i] = mixture->own * to[i] + (1.0f - mixture->own) * from[i];
    }
}

static void mix_pixels(const lbk_source *source, const lbk_mixture *mixture, const lbk_batch *batch, float *pixels,
                       float *scratch) {
    size_t size = (size_t)source->height * (size_t)source->width * (size_t)source->channels;
    memcpy(scratch, pixels, (size_t)batch->valid * size * sizeof *pixels);
    for (int i = 0; i < batch->valid; i++)
        mix_image(source, mixture, scratch + batch->partners[i] * size, pixels + (size_t)i * size);
}

/* A mixture of nothing leaves every row alone. */
static bool is_empty(const lbk_mixture *mixture) {
    return mixture->box.height <= 0 || mixture->box.width <= 0;
}

static void set_labels(const lbk_data *data, lbk_batch *batch, float share) {
    for (int i = 0; i < data->params.batch; i++) {
        batch->partner_labels[i] = batch->labels[batch->partners[i]];
        batch->partner_seen_labels[i] = batch->seen_labels[batch->partners[i]];
        batch->share[i] = i < batch->valid ? share : 1.0f;
    }
}

void lbk_mix_batch(const lbk_data *data, bool mixing, lbk_batch *batch, float *scratch) {
    const lbk_source *source = &data->source;
    lbk_mixture mixture = {.own = 1.0f};
    lbk_rng rng;
    for (int i = 0; i < data->params.batch; i++)
        batch->partners[i] = (uint32_t)i;
    lbk_rng_init(&rng, data->seed, LBK_RNG_MIX, batch->epoch, batch->index);
    if (mixing && data->mix)
        mixture = data->mix->draw(data->mix_params, &rng, source->height, source->width);
    if (is_empty(&mixture)) {
        set_labels(data, batch, 1.0f);
        return;
    }
    lbk_rng_shuffle(&rng, batch->partners, (size_t)batch->valid);
    mix_pixels(source, &mixture, batch, batch->inputs[0].f32, scratch);
    if (batch->teacher_inputs[0].f32 != batch->inputs[0].f32)
        mix_pixels(source, &mixture, batch, batch->teacher_inputs[0].f32, scratch);
    float area = (float)mixture.box.height * (float)mixture.box.width / ((float)source->height * (float)source->width);
    set_labels(data, batch, 1.0f - area * (1.0f - mixture.own));
}

#include "data/images.h"

#include "data/split.h"

#include <stdlib.h>
#include <string.h>

lbk_status lbk_images_create(lbk_source *source, float white, lbk_images **out) {
    LBK_TRY(lbk_calloc(1, sizeof **out, out));
    source->state = *out;
    (*out)->sample_size = (size_t)source->height * (size_t)source->width * (size_t)source->channels;
    (*out)->white = white;
    return LBK_OK;
}

static void part_release(lbk_images_part *part) {
    free(part->pixels);
    free(part->labels);
    memset(part, 0, sizeof *part);
}

lbk_status lbk_images_part_alloc(const lbk_images *images, uint32_t count, lbk_images_part *part) {
    part->count = count;
    LBK_TRY(lbk_calloc(count, images->sample_size, &part->pixels));
    return lbk_calloc(count, 1, &part->labels);
}

static lbk_status part_choose(const lbk_images *images, const lbk_images_part *from, const bool *chosen, bool wanted,
                              lbk_images_part *to) {
    uint32_t count = 0, next = 0;
    for (uint32_t i = 0; i < from->count; i++)
        count += chosen[i] == wanted;
    LBK_TRY(lbk_images_part_alloc(images, count, to));
    for (uint32_t i = 0; i < from->count; i++) {
        if (chosen[i] != wanted)
            continue;
        memcpy(to->pixels + next * images->sample_size, from->pixels + i * images->sample_size, images->sample_size);
        to->labels[next++] = from->labels[i];
    }
    return LBK_OK;
}

lbk_status lbk_images_split(lbk_source *source, double test_share, uint32_t test_per_class) {
    lbk_status status = LBK_OK;
    lbk_images *images = source->state;
    lbk_images_part all = images->train;
    bool *chosen = NULL;
    int *labels = NULL;
    memset(&images->train, 0, sizeof images->train);
    LBK_GOTO(lbk_calloc(all.count, sizeof *chosen, &chosen));
    LBK_GOTO(lbk_calloc(all.count, sizeof *labels, &labels));
    for (uint32_t i = 0; i < all.count; i++)
        labels[i] = all.labels[i];
    lbk_split_rule rule = {.share = test_share, .fixed = test_per_class, .leave_one = true};
    LBK_GOTO(lbk_split_choose(labels, all.count, source->classes, rule, LBK_SPLIT_SEED, LBK_SPLIT_TEST, chosen));
    LBK_GOTO(part_choose(images, &all, chosen, false, &images->train));
    LBK_GOTO(part_choose(images, &all, chosen, true, &images->test));
out:
    free(chosen);
    free(labels);
    part_release(&all);
    return status;
}

void lbk_images_finish(lbk_source *source) {
    const lbk_images *images = source->state;
    source->train_count = images->train.count;
    source->test_count = images->test.count;
}

void lbk_images_scale(const unsigned char *bytes, size_t count, float white, float *pixels) {
    float value[256]; /* 256 divisions in place of one per pixel */
    for (int i = 0; i < 256; i++)
        value[i] = (float)i / white;
    for (size_t i = 0; i < count; i++)
        pixels[i] = value[bytes[i]];
}

lbk_status lbk_images_read(const lbk_source *source, lbk_part part, uint32_t index, const lbk_numbers *inputs,
                           int *label) {
    const lbk_images *images = source->state;
    const lbk_images_part *from = part == LBK_PART_TEST ? &images->test : &images->train;
    LBK_ENSURE(index < from->count);
    *label = from->labels[index];
    if (!inputs)
        return LBK_OK;
    lbk_images_scale(from->pixels + index * images->sample_size, images->sample_size, images->white, inputs[0].f32);
    return LBK_OK;
}

void lbk_images_close(lbk_source *source) {
    lbk_images *images = source->state;
    if (images) {
        part_release(&images->train);
        part_release(&images->test);
        lbk_arena_release(&images->arena);
        free(images);
    }
    memset(source, 0, sizeof *source);
}

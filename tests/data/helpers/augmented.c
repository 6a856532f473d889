#include "data/helpers/augmented.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

lbk_image image_make(int height, int width, int channels) {
    static const float mean[] = {0.25f, 0.5f, 0.75f, 0.0f}, deviation[] = {0.1f, 0.2f, 0.3f, 0.4f};
    lbk_image image = {height, width, channels, NULL, NULL, mean, deviation};
    image.pixels = calloc(lbk_image_size(&image), sizeof *image.pixels);
    image.scratch = calloc(lbk_image_size(&image), sizeof *image.scratch);
    return image;
}

void image_release(lbk_image *image) {
    free(image->pixels);
    free(image->scratch);
    image->pixels = image->scratch = NULL;
}

void image_randomize(lbk_image *image, uint32_t seed) {
    lbk_rng rng;
    lbk_rng_init(&rng, seed, LBK_RNG_TEST, 1, 0);
    for (size_t i = 0; i < lbk_image_size(image); i++)
        image->pixels[i] = lbk_rng_uniform(&rng);
}

void image_number(lbk_image *image) {
    for (size_t i = 0; i < lbk_image_size(image); i++)
        image->pixels[i] = (float)(i + 1);
}

lbk_image image_copy(const lbk_image *image) {
    lbk_image copy = image_make(image->height, image->width, image->channels);
    memcpy(copy.pixels, image->pixels, lbk_image_size(image) * sizeof *copy.pixels);
    return copy;
}

float image_at(const lbk_image *image, int y, int x, int c) {
    return image->pixels[(y * image->width + x) * image->channels + c];
}

bool image_equals(const lbk_image *a, const lbk_image *b, float tolerance) {
    for (size_t i = 0; i < lbk_image_size(a); i++)
        if (!(fabsf(a->pixels[i] - b->pixels[i]) <= tolerance))
            return false;
    return true;
}

static void set_all(const lbk_augmentation *entry, const char *settings, lbk_arena *arena, void *params) {
    char text[256];
    cr_assert_lt(snprintf(text, sizeof text, "%s", settings), (int)sizeof text);
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
        char *value = strchr(word, '=');
        cr_assert_not_null(value, "%s", word);
        *value++ = '\0';
        const lbk_param *param = lbk_param_find(entry->params, word);
        cr_assert_not_null(param, "%s: %s", entry->name, word);
        cr_assert_eq(lbk_param_set(param, value, arena, params), LBK_OK, "%s", lbk_error_message());
    }
}

lbk_status augmented(const char *name, const char *settings, uint32_t sample, const lbk_image *image) {
    lbk_arena arena = {0};
    lbk_rng rng;
    const lbk_augmentation *entry = lbk_augmentation_find(name);
    cr_assert_not_null(entry, "%s", name);
    void *params = calloc(1, entry->params_size + 1);
    if (entry->params)
        cr_assert_eq(lbk_param_defaults(entry->params, &arena, params), LBK_OK);
    set_all(entry, settings, &arena, params);
    lbk_rng_init(&rng, 5, LBK_RNG_TEST, 0, sample);
    lbk_status status = entry->apply(params, &rng, image);
    free(params);
    lbk_arena_release(&arena);
    return status;
}

/* Images that no file holds: a fixed random pattern for each class, and noise over it. For timing, and for trying a network
 * before its data is there. The same for every seed of an experiment. */
#include "base/rng.h"
#include "data/images.h"

typedef struct synthetic_params {
    int height, width, channels, classes, train, test;
} synthetic_params;

static const lbk_param synthetic_table[] = {
    LBK_PARAM_INT(synthetic_params, height, "32", 1, 4096, "pixels", "height of an image", NULL),
    LBK_PARAM_INT(synthetic_params, width, "32", 1, 4096, "pixels", "width of an image", NULL),
    LBK_PARAM_INT(synthetic_params, channels, "3", 1, 4, NULL, "channels of an image", NULL),
    LBK_PARAM_INT(synthetic_params, classes, "10", 2, 256, NULL, "classes, of equal share", NULL),
    LBK_PARAM_INT(synthetic_params, train, "1024", 1, 1 << 24, "samples", "training samples", NULL),
    LBK_PARAM_INT(synthetic_params, test, "256", 1, 1 << 24, "samples", "test samples", NULL),
    LBK_PARAM_END,
};

enum { WHITE = 255, NOISE = 128, SEED = 1 }; /* brightest; width of the noise */

static void fill(const lbk_images *images, lbk_part which, int classes, lbk_images_part *part) {
    for (uint32_t i = 0; i < part->count; i++) {
        lbk_rng pattern, noise;
        uint32_t label = i % (uint32_t)classes;
        lbk_rng_init(&pattern, SEED, LBK_RNG_SYNTHETIC, LBK_PART_VALIDATION, label);
        lbk_rng_init(&noise, SEED, LBK_RNG_SYNTHETIC, (uint32_t)which, i);
        for (size_t p = 0; p < images->sample_size; p++)
            part->pixels[i * images->sample_size + p] =
                (unsigned char)(lbk_rng_below(&pattern, WHITE - NOISE + 1) + lbk_rng_below(&noise, NOISE));
        part->labels[i] = (unsigned char)label;
    }
}

static lbk_status open_synthetic(const void *params, const char *folder, lbk_source *source) {
    const synthetic_params *p = params;
    lbk_images *images;
    (void)folder;
    *source = (lbk_source){.height = p->height, .width = p->width, .channels = p->channels, .classes = p->classes};
    LBK_TRY(lbk_images_create(source, WHITE, &images));
    LBK_TRY(lbk_images_part_alloc(images, (uint32_t)p->train, &images->train));
    LBK_TRY(lbk_images_part_alloc(images, (uint32_t)p->test, &images->test));
    fill(images, LBK_PART_TRAIN, p->classes, &images->train);
    fill(images, LBK_PART_TEST, p->classes, &images->test);
    lbk_images_finish(source);
    return LBK_OK;
}

const lbk_dataset lbk_dataset_synthetic = {
    .name = "synthetic",
    .summary = "random images, a pattern for each class and noise: for timing, or to try a network",
    .origin = "made by the program",
    .params = synthetic_table,
    .params_size = sizeof(synthetic_params),
    .open = open_synthetic,
    .read = lbk_images_read,
    .close = lbk_images_close,
};

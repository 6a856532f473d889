/* What a dataset is.
 *
 * To add one: write host/data/datasets/NAME.c with `const lbk_dataset lbk_dataset_NAME = {...};` and the line
 * LBK_DATASET(NAME) in host/data/registry.def. docs/adding-dataset.md walks through one. */
#ifndef LBK_DATA_DATASET_H
#define LBK_DATA_DATASET_H

#include "base/param.h"
#include "base/rng.h"
#include "tensor/tensor.h"

typedef enum lbk_part {
    LBK_PART_TRAIN,      /* for distilling */
    LBK_PART_VALIDATION, /* cut from the dataset's train part */
    LBK_PART_TEST,
    LBK_PART_TEACHER, /* TRAIN as the teacher's own training reads it: samples whose label is known, in its view */
} lbk_part;
const char *lbk_part_name(lbk_part part);
/* TRAIN and TEACHER: shuffled, augmented, mixed. */
bool lbk_part_is_training(lbk_part part);

#define LBK_SAMPLE_INPUTS 8
#define LBK_SAMPLE_SIZES 8

/* One tensor of a sample. A model's inputs find theirs by name (model/model.h). */
typedef struct lbk_sample_input {
    const char *name;
    lbk_tensor_desc desc; /* without the batch; F32 or I32 */
} lbk_sample_input;

/* The numbers of an input, by its type. */
typedef union lbk_numbers {
    float *f32;
    int32_t *i32;
    void *any;
} lbk_numbers;

/* An opened dataset. Filled by lbk_dataset.open. */
typedef struct lbk_source {
    int height, width, channels; /* of an image; 0 for other samples */
    int classes;
    /* Samples that are no images: what each consists of. An image is one input called "image", [H,W,C], which need not be said. */
    int input_count;
    lbk_sample_input inputs[LBK_SAMPLE_INPUTS];
    /* What a model's parameters may take from the data beside the number of classes: length, vocabulary, ... */
    int size_count;
    lbk_size sizes[LBK_SAMPLE_SIZES];
    uint32_t train_count, test_count; /* samples */
    const char *const *class_names;   /* classes of them, or NULL */
    /* Default normalisation, per channel: x = (pixel - mean) / deviation with pixel in 0..1. Zero deviation: none
     * known. */
    float mean[4], deviation[4];
    void *state; /* the dataset's own */
} lbk_source;

typedef struct lbk_dataset {
    const char *name, *summary, *origin; /* origin: where the data comes from, licence */
    const lbk_param *params;             /* keys of [data] of its own (path, ...); NULL: none */
    size_t params_size;
    /* What it makes of the training part and whoever uses a trained network needs too: a file of this name in the run folder, which the key
     * (a path) names there when the user's experiment does not. NULL: nothing. `keep_with`: a key (text) without which there is nothing
     * either. */
    const char *keep_key, *keep_file, *keep_with;
    bool no_images; /* samples are the inputs that `open` lists: nothing augments, mixes or normalises them */
    /* Opens and checks what can be checked without reading every sample (sizes, magic numbers, label range where labels
     * are in memory). Errors name the file and the place. `folder`: relative paths are relative to it (the INI file's
     * folder). `source` comes zeroed; after a failure the caller still calls close. */
    lbk_status (*open)(const void *params, const char *folder, lbk_source *source);
    /* Sample `index` of train or test (never validation) into inputs[input_count], in the order of source->inputs; an image's
     * pixels are 0..1, channels last. *label is in [0, classes), or -1 for samples of train whose label nobody knows.
     * inputs NULL: only the label is wanted, which no dataset decodes an image for. Thread-safe. Undecodable: an error
     * that names file and place. */
    lbk_status (*read)(const lbk_source *source, lbk_part part, uint32_t index, const lbk_numbers *inputs, int *label);
    /* That file's text; NULL: nothing. */
    lbk_status (*keep)(const lbk_source *source, lbk_text *out);
    void (*close)(lbk_source *source); /* harmless on a zeroed source */
} lbk_dataset;

const lbk_dataset *const *lbk_dataset_all(void); /* NULL-terminated */
const lbk_dataset *lbk_dataset_find(const char *name);

/* One image while it is augmented. */
typedef struct lbk_image {
    int height, width, channels;
    float *pixels;  /* [height][width][channels], 0 to 1 */
    float *scratch; /* of the same size, for whatever an augmentation needs */
    const float *mean,
        *deviation; /* [channels]; by which pixels are normalised later: zeros and ones if they are not */
} lbk_image;

/* One augmentation: changes image->pixels. It may use only `rng`, whose numbers are a function of (seed, epoch, sample,
 * position in the chain): the same view every time it is asked for. */
typedef struct lbk_augmentation {
    const char *name, *summary;
    const lbk_param *params; /* keys of [augment.NAME] */
    size_t params_size;
    bool fixed; /* draws no numbers: it makes another kind of image (edges) rather than another view. In a network's own
                 * view it is applied to evaluated samples too */
    lbk_status (*apply)(const void *params, lbk_rng *rng, const lbk_image *image);
} lbk_augmentation;

const lbk_augmentation *const *lbk_augmentation_all(void);
const lbk_augmentation *lbk_augmentation_find(const char *name);

typedef struct lbk_rectangle {
    int top, left, height, width; /* pixels */
} lbk_rectangle;

/* What happens to the images of one batch, each of which has a partner in it. */
typedef struct lbk_mixture {
    lbk_rectangle box; /* within the image, may be empty: the pixels that change ... */
    float own;         /* ... to own * pixel + (1 - own) * the partner's pixel */
} lbk_mixture;

/* One way of mixing batches. It may use only `rng`, whose numbers are a function of (seed, epoch, batch). */
typedef struct lbk_mix {
    const char *name, *summary, *source;
    const lbk_param *params; /* keys of [mix.NAME] */
    size_t params_size;
    lbk_mixture (*draw)(const void *params, lbk_rng *rng, int height, int width);
} lbk_mix;

const lbk_mix *const *lbk_mix_all(void);
const lbk_mix *lbk_mix_find(const char *name);

#endif

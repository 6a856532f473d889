/* Datasets whose images lie in memory as bytes: digits, idx and cifar share this state behind lbk_source. */
#ifndef LBK_DATA_IMAGES_H
#define LBK_DATA_IMAGES_H

#include "data/dataset.h"

typedef struct lbk_images_part {
    unsigned char *pixels; /* [count][H][W][C] */
    unsigned char *labels; /* [count] */
    uint32_t count;
} lbk_images_part;

typedef struct lbk_images {
    lbk_images_part train, test;
    size_t sample_size; /* H*W*C bytes */
    float white;        /* the byte that stands for 1.0 */
    lbk_arena arena;    /* class names */
} lbk_images;

/* Gives `source`, whose sizes are set, an empty lbk_images. */
lbk_status lbk_images_create(lbk_source *source, float white, lbk_images **out);
/* Room for `count` samples. */
lbk_status lbk_images_part_alloc(const lbk_images *images, uint32_t count, lbk_images_part *part);
/* Moves a fixed, class-balanced choice of the train part to the (empty) test part; the order within each stays. */
lbk_status lbk_images_split(lbk_source *source, double test_share, uint32_t test_per_class);
/* Sets the source's counts once both parts are filled. */
void lbk_images_finish(lbk_source *source);

/* pixels[count] = bytes[count] / white. */
void lbk_images_scale(const unsigned char *bytes, size_t count, float white, float *pixels);

/* lbk_dataset.read and .close for such datasets. */
lbk_status lbk_images_read(const lbk_source *source, lbk_part part, uint32_t index, const lbk_numbers *inputs,
                           int *label);
void lbk_images_close(lbk_source *source);

#endif

/* Images made of weighted means of an image's pixels, row weights times column weights:
 *
 *     y[n,i,j,c] = sum over r, s of h(i, r) w(j, s) x[n,r,s,c]
 *
 * resize2d, avg_pool2d, adaptive_avg_pool2d and pad2d differ in the weights alone. The derivative is the same sum over i and j, and is
 * gathered as well: which i have a weight for r is known, so nothing is added up by several work-items. */
#ifndef LBK_OPS_RESAMPLE_H
#define LBK_OPS_RESAMPLE_H

#include "ops/support.h"

/* Largest side of an image, so that positions (i * mul below) fit an int. */
#define LBK_RESAMPLE_MOST 16384

/* Weights along one axis. NEAREST to REPLICATE: output i lies at (i * mul + add) / den pixels of the input. AVERAGE: its window
 * is the den pixels from i * mul + add on, those that there are; the image goes on by -add pixels on both sides. */
typedef enum lbk_resample_kind {
    LBK_RESAMPLE_NEAREST,        /* the pixel that it lies in, for positions from a pixel's left end */
    LBK_RESAMPLE_LINEAR,         /* the two pixels around it, by distance; beyond the outermost, that one */
    LBK_RESAMPLE_REFLECT,        /* whole positions; beyond the outermost pixel, mirrored in it */
    LBK_RESAMPLE_REPLICATE,      /* whole positions; beyond the outermost pixel, that one */
    LBK_RESAMPLE_AVERAGE,        /* equal weights, as if the pixels beyond the image were zeros */
    LBK_RESAMPLE_AVERAGE_INSIDE, /* equal weights of the pixels of the image */
    LBK_RESAMPLE_ADAPTIVE,       /* equal weights of pixels floor(i * in / out) to before ceil((i + 1) * in / out) */
} lbk_resample_kind;

typedef struct lbk_resample_axis {
    int64_t in, out; /* pixels */
    int64_t mul, add, den;
} lbk_resample_axis;

typedef struct lbk_resample {
    lbk_resample_kind kind;
    int64_t n, c;
    lbk_resample_axis axis[2]; /* rows, columns */
} lbk_resample;

/* LBK_ERR_INPUT for sides above LBK_RESAMPLE_MOST. */
lbk_status lbk_resample_check(const lbk_resample *map);
/* x[n,in,in,c] or, backward, dy[n,out,out,c], and the result. */
lbk_shape lbk_resample_shape(const lbk_resample *map, bool out);
/* Appends the launch from input 0 to output 0. */
lbk_status lbk_resample_emit(lbk_emit *e, lbk_class cls, const lbk_resample *map, bool backward);
/* The same in float64, by the definition of the weights. */
void lbk_resample_reference(const lbk_resample *map, const double *from, double *to, bool backward);
/* FLOPs of the larger side's pixels, each a few products. */
void lbk_resample_cost(const lbk_resample *map, const lbk_infer *shapes, lbk_cost *cost);

/* The variants of an op that is one resampling: name##_emit(e, cls) must exist, name##_variants is defined. */
#define LBK_RESAMPLE_VARIANTS(name)                                                                                    \
    static lbk_status name##_emit_cpu(lbk_emit *e) {                                                                   \
        return name##_emit(e, LBK_CLASS_CPU);                                                                          \
    }                                                                                                                  \
    static lbk_status name##_emit_generic(lbk_emit *e) {                                                               \
        return name##_emit(e, LBK_CLASS_GENERIC);                                                                      \
    }                                                                                                                  \
    static const lbk_variant name##_variants[] = {{LBK_CLASS_CPU, "rows", name##_emit_cpu},                            \
                                                  {LBK_CLASS_GENERIC, "elements", name##_emit_generic},                \
                                                  {.emit = NULL}};

#endif

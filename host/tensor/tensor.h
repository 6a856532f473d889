/* Shapes and element types. Layout is always dense, row-major, last dimension contiguous; activations are channels-last
 * (N,H,W,C; sequences N,T,C), so dim[rank-1] is the channel. */
#ifndef LBK_TENSOR_TENSOR_H
#define LBK_TENSOR_TENSOR_H

#include "base/memory.h"

#include <stdbool.h>
#include <stdint.h>

#define LBK_MAX_RANK 6

typedef enum lbk_dtype {
    LBK_F32,
    LBK_I32,
    LBK_F16, /* this and the next: kept between computations, never computed with (tensor/half.h) */
    LBK_BF16,
    LBK_I64, /* files only */
} lbk_dtype;

typedef struct lbk_shape {
    int rank; /* 0: a scalar, one element */
    int64_t dim[LBK_MAX_RANK];
} lbk_shape;

/* What is known of a tensor before it has memory. */
typedef struct lbk_tensor_desc {
    lbk_dtype dtype;
    lbk_shape shape;
} lbk_tensor_desc;

/* A number of a shape by its name: vocabulary 30522. */
typedef struct lbk_size {
    const char *name;
    int value;
} lbk_size;

size_t lbk_dtype_size(lbk_dtype dtype);      /* bytes */
const char *lbk_dtype_name(lbk_dtype dtype); /* "F32", as in safetensors */

lbk_shape lbk_shape_of(int rank, const int64_t *dims);
lbk_shape lbk_shape_1(int64_t a);
lbk_shape lbk_shape_2(int64_t a, int64_t b);
lbk_shape lbk_shape_4(int64_t a, int64_t b, int64_t c, int64_t d);
int64_t lbk_shape_count(const lbk_shape *shape); /* elements */
int64_t lbk_shape_last(const lbk_shape *shape);  /* channels; 1 for rank 0 */
bool lbk_shape_equal(const lbk_shape *a, const lbk_shape *b);
/* "128x32x32x16" into `text` (at least LBK_SHAPE_TEXT bytes); returns `text`. */
#define LBK_SHAPE_TEXT 96
const char *lbk_shape_print(const lbk_shape *shape, char *text);

size_t lbk_tensor_bytes(const lbk_tensor_desc *desc);

/* How a parameter lies in files, against how it lies on the device. */
typedef enum lbk_layout {
    LBK_LAYOUT_SAME,
    LBK_LAYOUT_OIHW, /* file [O][I][H][W]  <->  device [H][W][I][O]; of three dimensions without H */
    LBK_LAYOUT_OI,   /* file [O][I]        <->  device [I][O] */
} lbk_layout;

/* The shape a tensor of device shape `device` has in files. */
lbk_shape lbk_layout_file_shape(lbk_layout layout, const lbk_shape *device);
/* Reorders 4-byte elements; `device` is the device-side shape in both directions. Buffers must not overlap. */
void lbk_layout_to_file(lbk_layout layout, const lbk_shape *device, const void *from_device, void *to_file);
void lbk_layout_to_device(lbk_layout layout, const lbk_shape *device, const void *from_file, void *to_device);

#endif

#include "tensor/tensor.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

size_t lbk_dtype_size(lbk_dtype dtype) {
    return dtype == LBK_I64 ? 8 : dtype == LBK_F16 || dtype == LBK_BF16 ? 2 : 4;
}

const char *lbk_dtype_name(lbk_dtype dtype) {
    static const char *const names[] = {
        [LBK_F32] = "F32", [LBK_I32] = "I32", [LBK_F16] = "F16", [LBK_BF16] = "BF16", [LBK_I64] = "I64"};
    return names[dtype];
}

lbk_shape lbk_shape_of(int rank, const int64_t *dims) {
    assert(rank >= 0 && rank <= LBK_MAX_RANK);
    lbk_shape shape = {.rank = rank};
    for (int i = 0; i < rank; i++)
        shape.dim[i] = dims[i];
    return shape;
}

lbk_shape lbk_shape_1(int64_t a) {
    return (lbk_shape){1, {a}};
}

lbk_shape lbk_shape_2(int64_t a, int64_t b) {
    return (lbk_shape){2, {a, b}};
}

lbk_shape lbk_shape_4(int64_t a, int64_t b, int64_t c, int64_t d) {
    return (lbk_shape){4, {a, b, c, d}};
}

int64_t lbk_shape_count(const lbk_shape *shape) {
    int64_t count = 1;
    for (int i = 0; i < shape->rank; i++)
        count *= shape->dim[i];
    return count;
}

int64_t lbk_shape_last(const lbk_shape *shape) {
    return shape->rank ? shape->dim[shape->rank - 1] : 1;
}

bool lbk_shape_equal(const lbk_shape *a, const lbk_shape *b) {
    return a->rank == b->rank && memcmp(a->dim, b->dim, (size_t)a->rank * sizeof a->dim[0]) == 0;
}

/* Six numbers of at most 15 characters and five 'x' fit LBK_SHAPE_TEXT; longer ones are cut, never overrun. */
const char *lbk_shape_print(const lbk_shape *shape, char *text) {
    size_t used = 0;
    snprintf(text, LBK_SHAPE_TEXT, "scalar");
    for (int i = 0; i < shape->rank && used < LBK_SHAPE_TEXT; i++)
        used += (size_t)snprintf(text + used, LBK_SHAPE_TEXT - used, "%s%" PRId64, i ? "x" : "", shape->dim[i]);
    return text;
}

size_t lbk_tensor_bytes(const lbk_tensor_desc *desc) {
    return (size_t)lbk_shape_count(&desc->shape) * lbk_dtype_size(desc->dtype);
}

/* A device-side weight seen as [spatial][in][out]; its file side is [out][in][spatial]. Dense weights have spatial 1.
 */
typedef struct weight_extent {
    size_t spatial, in, out;
} weight_extent;

static weight_extent extent_of(const lbk_shape *device) {
    assert(device->rank >= 2);
    weight_extent extent = {1, (size_t)device->dim[device->rank - 2], (size_t)device->dim[device->rank - 1]};
    for (int i = 0; i < device->rank - 2; i++)
        extent.spatial *= (size_t)device->dim[i];
    return extent;
}

lbk_shape lbk_layout_file_shape(lbk_layout layout, const lbk_shape *device) {
    const int64_t *dim = device->dim;
    if (layout == LBK_LAYOUT_SAME)
        return *device;
    if (layout == LBK_LAYOUT_OI)
        return lbk_shape_2(dim[1], dim[0]);
    if (device->rank == 3)
        return lbk_shape_of(3, (int64_t[]){dim[2], dim[1], dim[0]});
    return lbk_shape_4(dim[3], dim[2], dim[0], dim[1]);
}

void lbk_layout_to_file(lbk_layout layout, const lbk_shape *device, const void *from_device, void *to_file) {
    if (layout == LBK_LAYOUT_SAME) {
        memcpy(to_file, from_device, (size_t)lbk_shape_count(device) * 4);
        return;
    }
    weight_extent n = extent_of(device);
    const unsigned char *from = from_device;
    unsigned char *to = to_file;
    for (size_t o = 0; o < n.out; o++)
        for (size_t i = 0; i < n.in; i++)
            for (size_t s = 0; s < n.spatial; s++, to += 4)
                memcpy(to, from + 4 * ((s * n.in + i) * n.out + o), 4);
}

void lbk_layout_to_device(lbk_layout layout, const lbk_shape *device, const void *from_file, void *to_device) {
    if (layout == LBK_LAYOUT_SAME) {
        memcpy(to_device, from_file, (size_t)lbk_shape_count(device) * 4);
        return;
    }
    weight_extent n = extent_of(device);
    const unsigned char *from = from_file;
    unsigned char *to = to_device;
    for (size_t s = 0; s < n.spatial; s++)
        for (size_t i = 0; i < n.in; i++)
            for (size_t o = 0; o < n.out; o++, to += 4)
                memcpy(to, from + 4 * ((o * n.in + i) * n.spatial + s), 4);
}

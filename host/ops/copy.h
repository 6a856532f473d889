/* Numbers that keep their value and change their place: the launches of permute, slice, concat and their like.
 *
 *     y[y_start + sum_d i_d * to_d] = x[x_start + sum_d i_d * from_d]    for all 0 <= i_d < size_d
 *
 * Strides are in elements. What is not named stays as it is, so several copies may fill one tensor. */
#ifndef LBK_OPS_COPY_H
#define LBK_OPS_COPY_H

#include "ops/support.h"

typedef struct lbk_copy_axis {
    int64_t size, from, to; /* indices, stride in x, stride in y */
} lbk_copy_axis;

typedef struct lbk_copy {
    int rank;
    lbk_copy_axis axis[LBK_MAX_RANK];
    int64_t x_start, y_start;
} lbk_copy;

/* Appends an axis, inside those that are there: `to` falls from the first to the last. Axes that run on in both tensors
 * become one, so that rank and order say how hard the copy is. */
void lbk_copy_add(lbk_copy *copy, int64_t size, int64_t from, int64_t to);
/* Strides of a dense tensor. */
void lbk_copy_strides(const lbk_shape *shape, int64_t *stride);
/* Whether every element stays where it is: with inputs and outputs of one size, nothing to do. */
bool lbk_copy_is_still(const lbk_copy *copy);

/* Appends the launch from input `input` to output `output` that suits class `cls`. */
lbk_status lbk_copy_emit(lbk_emit *e, lbk_class cls, int input, int output, const lbk_copy *copy);

/* The variants of an op made of copies: name##_emit(e, cls) must exist, name##_variants is defined. */
#define LBK_COPY_VARIANT_(name, suffix, cls)                                                                           \
    static lbk_status name##_emit_##suffix(lbk_emit *e) {                                                              \
        return name##_emit(e, cls);                                                                                    \
    }
#define LBK_COPY_VARIANTS(name)                                                                                        \
    LBK_COPY_VARIANT_(name, cpu, LBK_CLASS_CPU)                                                                        \
    LBK_COPY_VARIANT_(name, gpu, LBK_CLASS_GPU)                                                                        \
    LBK_COPY_VARIANT_(name, generic, LBK_CLASS_GENERIC)                                                                \
    static const lbk_variant name##_variants[] = {{LBK_CLASS_CPU, "rows", name##_emit_cpu},                            \
                                                  {LBK_CLASS_GPU, "tiles", name##_emit_gpu},                           \
                                                  {LBK_CLASS_GENERIC, "elements", name##_emit_generic},                \
                                                  {.emit = NULL}};

#endif

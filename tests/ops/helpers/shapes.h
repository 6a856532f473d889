/* Tables of cases for shape inference: output shapes, and the whole message where inputs do not fit. */
#ifndef LBK_TESTS_OPS_SHAPES_H
#define LBK_TESTS_OPS_SHAPES_H

#include "ops/op.h"

typedef struct shapes {
    const char *op, *params;
    lbk_shape input[LBK_MAX_INPUTS]; /* ends at rank 0 */
    const char *result;              /* "8x10 2x5": of the outputs; or the message of the refusal */
} shapes;

void shapes_check(const shapes *cases, size_t count, bool accepted);
#define ACCEPTED(cases) shapes_check(cases, sizeof(cases) / sizeof *(cases), true)
#define REFUSED(cases) shapes_check(cases, sizeof(cases) / sizeof *(cases), false)

#endif

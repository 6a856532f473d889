/* What slice and pad, split and concat share: each is the other's derivative. Slice and pad place a small tensor inside a
 * large one,
 *
 *     small[i_0, i_1, ...] = large[first_0 + i_0 * step_0, first_1 + i_1 * step_1, ...] */
#ifndef LBK_OPS_SLICE_H
#define LBK_OPS_SLICE_H

#include "ops/copy.h"

/* Item k of start, count and step belongs to axis item k; an empty list is all defaults. */
typedef struct lbk_slice_params {
    lbk_ints axis;  /* negative: counted from the end */
    lbk_ints start; /* default 0; negative: counted from the end */
    lbk_ints count; /* default 0: as many as there are */
    lbk_ints step;  /* default 1 */
} lbk_slice_params;

typedef struct lbk_pad_params {
    lbk_ints axis;          /* as above */
    lbk_ints before, after; /* elements added; default 0 */
    lbk_ints step;          /* from one element of x to the next, in y; default 1 */
    double value;           /* of the new elements */
} lbk_pad_params;

typedef struct lbk_concat_params {
    int axis;
} lbk_concat_params;

/* One dimension of both tensors. */
typedef struct lbk_placement {
    int64_t small, large, first, step;
} lbk_placement;

/* Fills place[] by dimension of x, the large tensor of a slice, the small one of a pad. LBK_ERR_INPUT when an axis does not
 * exist or is named twice, a list has another length than `axis`, or a slice reaches out of x. */
lbk_status lbk_slice_place(const lbk_slice_params *params, const lbk_shape *x, lbk_placement *place);
lbk_status lbk_pad_place(const lbk_pad_params *params, const lbk_shape *x, lbk_placement *place);
/* The parameters that say the same. */
lbk_slice_params lbk_placement_slice(const lbk_placement *place, int rank);
lbk_pad_params lbk_placement_pad(const lbk_placement *place, int rank);
/* The element of the large tensor that is element i of the small one. */
int64_t lbk_placement_of(const lbk_placement *place, const lbk_shape *small, const lbk_shape *large, int64_t i);

/* Reads a list that goes by axis into value[] by dimension of x; other dimensions keep what is there. */
lbk_status lbk_placement_read(const lbk_ints *axis, const char *name, const lbk_ints *list, const lbk_shape *x,
                              int64_t *value);

#endif

/* Reductions along axes: what they run over, how that is split for a device, and the launches that sums share. */
#ifndef LBK_OPS_REDUCE_H
#define LBK_OPS_REDUCE_H

#include "ops/support.h"

/* x seen as [outer, length, inner], dense: the neighbouring axes that are reduced count as one, of `length`. */
typedef struct lbk_slices {
    int64_t outer, length, inner;
} lbk_slices;

/* `axes` of x, which must be neighbours; negative ones count from the end; none: all. *reduced is the result's shape: the axes
 * are 1 (keepdims) or gone; {1} when nothing is left. LBK_ERR_INPUT for an axis that x does not have. */
lbk_status lbk_slices_init(lbk_slices *slices, const lbk_shape *x, const lbk_ints *axes, bool keepdims,
                           lbk_shape *reduced);
/* The same for one axis. */
lbk_status lbk_slices_init_axis(lbk_slices *slices, const lbk_shape *x, int axis, bool keepdims, lbk_shape *reduced);
/* Row of a backward op's parameter `shape`: that of x, which so need not be kept in memory for it. */
#define LBK_SHAPE_ROW(S) LBK_PARAM_INTS(S, shape, NULL, 1, 1 << 30, NULL, "shape of x, which dy does not tell", NULL)
/* Where element `k` of slice `s` (0 <= s < outer * inner) lies; the slice's result is element s. */
static inline int64_t lbk_slices_at(const lbk_slices *slices, int64_t s, int64_t k) {
    return (s / slices->inner * slices->length + k) * slices->inner + s % slices->inner;
}

/* Each slice is cut into `parts` of `full` elements (the last may be shorter), so that there is work for the whole device and no
 * sum gets long. With several parts the result is [outer, parts, inner] and a second stage reduces that. */
typedef struct lbk_slice_split {
    int64_t parts, full;
    int64_t width; /* elements side by side in `inner`: of a work-group (gpu), of a work-item (cpu) */
    size_t group;  /* gpu: work-items of a work-group, a power of two */
} lbk_slice_split;

void lbk_slices_split(lbk_slice_split *split, const lbk_emit *e, lbk_class cls, const lbk_slices *slices);
/* Nothing is cut. */
void lbk_slices_whole(lbk_slice_split *split, const lbk_emit *e, lbk_class cls, const lbk_slices *slices);

/* Trailing arguments, sizes and build options of a kernel over slices: int length, inner, parts, full, and then for generic
 * kernels int count (work-items: outer * parts * inner), else int width. Class cpu has a work-item, class gpu a work-group for
 * each of outer * parts * ceil(inner / width), in this order. Options: VW (cpu), GROUP (gpu). */
lbk_status lbk_slices_call(lbk_call *call, const lbk_emit *e, lbk_class cls, const lbk_slices *slices,
                           const lbk_slice_split *split);

/* Of a kernel over whole slices: int length, inner, count or width, and the sizes and options as above. */
lbk_status lbk_slices_call_whole(lbk_call *call, const lbk_emit *e, lbk_class cls, const lbk_slices *slices);

/* output 0 [outer, inner] = factor * sum of input 0 over length. */
lbk_status lbk_sum_emit(lbk_emit *e, lbk_class cls, const lbk_slices *slices, double factor);
/* output 0 [outer, length, inner] = factor * input 0 [outer, inner], or factor where the node has no input. */
lbk_status lbk_spread_emit(lbk_emit *e, lbk_class cls, const lbk_slices *slices, double factor);

#endif

/* What group_norm, instance_norm and their derivative share: images of which `each` neighbouring channels form a group. */
#ifndef LBK_OPS_GROUP_NORM_H
#define LBK_OPS_GROUP_NORM_H

#include "ops/batch_norm.h"

/* Parameters of group_norm_backward, which the derivatives fill in. */
typedef struct lbk_group_norm_backward_params {
    int groups;
} lbk_group_norm_backward_params;

/* x as [images][pixels][channels]. For the reductions each image is cut into `parts` blocks of `full` pixels, the last of what is
 * left; otherwise they run like batch_norm's over [images * pixels, channels]. */
typedef struct lbk_group_norm {
    int64_t images, pixels, channels, groups, each;
    int64_t parts, full;
    lbk_norm_split split; /* its rows and blocks are those of all images */
} lbk_group_norm;

/* groups 0: as many as channels. LBK_ERR_INPUT when the groups do not divide the channels of x[N,...,C], or have one element
 * each. */
lbk_status lbk_group_norm_init(lbk_group_norm *norm, const lbk_shape *x, int groups);
/* Fills parts, full and split. */
void lbk_group_norm_split(lbk_group_norm *norm, const lbk_emit *e, lbk_class cls);
/* The shape of saved statistics, [images, groups]. */
lbk_shape lbk_group_norm_saved(const lbk_group_norm *norm);
/* Scratch [entries][images][channels], and [2][images][parts][channels]. */
int lbk_group_norm_table(lbk_emit *e, const lbk_group_norm *norm, int entries);
int lbk_group_norm_partial(lbk_emit *e, const lbk_group_norm *norm);

/* Trailing arguments, sizes and options of a pass over x: int pixels, then for class cpu int channels, full, a work-item per
 * block; else those of lbk_norm_call_pass(). */
lbk_status lbk_group_norm_pass(lbk_call *call, const lbk_emit *e, const lbk_group_norm *norm, lbk_class cls,
                               bool reduce);
/* Of a kernel over groups: int images, pixels, channels, each, full; a work-item per group of each image, on GPUs a
 * work-group. */
lbk_status lbk_group_norm_over_groups(lbk_call *call, const lbk_emit *e, const lbk_group_norm *norm, lbk_class cls);

extern const char *const lbk_group_norm_files[]; /* of kernels, by class */

#endif

/* What batch_norm and batch_norm_backward share: how the rows of x[rows, channels] are split for the reductions, and the
 * launches of kernels over that split. The kernels' head comments define `partial`, `table`, groups and lanes. */
#ifndef LBK_OPS_BATCH_NORM_H
#define LBK_OPS_BATCH_NORM_H

#include "ops/support.h"

/* Parameters of batch_norm_backward, which batch_norm's derivative fills in. */
typedef struct lbk_norm_backward_params {
    double eps;
    bool training, relu;
    bool addend; /* with y: the forward pass had an addend, whose gradient is wanted */
} lbk_norm_backward_params;

/* The rules of what training makes of x besides y: what flows back to x, of M rows, from the gradients of save_mean and save_rstd
 * (LBK_NONE: zero); and of batch_norm_backward, whose inputs are those of its op table. */
lbk_status lbk_norm_statistics_differentiate(lbk_gradient *g, lbk_value dmean, lbk_value drstd, lbk_value *dx);
lbk_status lbk_norm_backward_differentiate(lbk_gradient *g);

typedef struct lbk_norm_split {
    int64_t rows, channels;
    int64_t lanes;  /* width of the table: channels; on CPUs lcm(channels, 64) */
    int64_t repeat; /* lanes / channels: groups per block */
    int64_t supers; /* rows of `lanes` elements; rows where lanes = channels */
    int64_t blocks; /* of `full` supers, the last of `last` */
    int64_t full, last;
    int64_t tail;    /* rows behind the last super */
    int64_t groups;  /* blocks * repeat + tail */
    size_t local[2]; /* work-group of kernels over (channel, row) */
} lbk_norm_split;

/* For the class that emits: cls CPU makes wide lanes; *fits is false when x is too small for them. */
void lbk_norm_split_init(lbk_norm_split *split, const lbk_emit *e, lbk_class cls, const lbk_shape *x, bool *fits);

int lbk_norm_partial(lbk_emit *e, const lbk_norm_split *split); /* scratch [2][groups][channels] and padding */
int lbk_norm_table(lbk_emit *e, const lbk_norm_split *split, int entries); /* scratch [entries][lanes] */

/* Appends the call of `tables`: inputs mean, spread, weight, bias of the node by index. */
lbk_status lbk_norm_emit_tables(lbk_emit *e, const lbk_norm_split *split, const int inputs[4], int table,
                                bool is_variance, double eps);

/* Trailing arguments and sizes of a pass over x (moments, sums, apply): one work-item per block on CPUs, else
 * (channel, row) with one group row per block when `reduce`. */
void lbk_norm_call_pass(lbk_call *call, const lbk_norm_split *split, lbk_class cls, bool reduce);
/* Sizes of a finish kernel. */
void lbk_norm_call_finish(lbk_call *call, const lbk_emit *e, const lbk_norm_split *split, lbk_class cls);
/* The build option GROUP of the gpu kernels. */
lbk_status lbk_norm_option_group(lbk_call *call, const lbk_norm_split *split);

#endif

/* What embedding, embedding_bag, gather_dot and their derivatives share. */
#ifndef LBK_OPS_EMBEDDING_H
#define LBK_OPS_EMBEDDING_H

#include "ops/support.h"

enum { LBK_BAG_SUM, LBK_BAG_MEAN }; /* mode */

typedef struct lbk_embedding_params {
    int vocabulary, out, padding_idx;
    double deviation;
    int mode; /* of embedding_bag */
} lbk_embedding_params;

/* Parameters of the backward ops, which the derivatives fill in. */
typedef struct lbk_embedding_backward_params {
    int vocabulary, padding_idx;
    int mode;
} lbk_embedding_backward_params;

/* Of gather_dot. */
typedef struct lbk_gather_params {
    int padding_idx;
} lbk_gather_params;

extern const char *const lbk_embedding_files[]; /* of kernels, by class */

#endif

/* Samples of one list, of which some are for training and the others for testing; table, text and wav share this. */
#ifndef LBK_DATA_ROWS_H
#define LBK_DATA_ROWS_H

#include "data/dataset.h"
#include "data/dictionary.h"

/* Zero-initialise, fill `label` and `test`, then lbk_rows_finish(). */
typedef struct lbk_rows {
    uint32_t count;
    int *label;            /* [count]; -1: nobody knows it */
    bool *test;            /* [count] */
    uint32_t *train_order; /* [train_count]: rows for training, in order */
    uint32_t *test_order;  /* [test_count] */
    uint32_t train_count, test_count;
} lbk_rows;

lbk_status lbk_rows_alloc(lbk_rows *rows, uint32_t count);
void lbk_rows_release(lbk_rows *rows); /* harmless on a zeroed one */

/* Sets `test`: of each class the rounded share, at least one and never all; chosen with LBK_SPLIT_SEED. */
lbk_status lbk_rows_split(lbk_rows *rows, int classes, double test_share);
/* The two orders, and the source's counts. */
lbk_status lbk_rows_finish(lbk_rows *rows, lbk_source *source);
/* Row of sample `index` of a part. */
uint32_t lbk_rows_find(const lbk_rows *rows, lbk_part part, uint32_t index);

/* The classes of a source by name: sorted, by value if all are whole numbers. Lives in `arena`. LBK_ERR_INPUT when there are fewer than
 * two. rank[number of a word] gets its class. */
lbk_status lbk_rows_classes(const lbk_dictionary *names, lbk_arena *arena, lbk_source *source, int **rank);

#endif

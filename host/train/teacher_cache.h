/* A teacher's outputs on disk, so that a later epoch or run need not compute them again.
 *
 * A view is a function of (seed, epoch, sample), so a record is addressed by (epoch, sample); where views do not change from
 * epoch to epoch, by the sample alone. The file holds a header with a key (whatever decides the outputs, as text), one 32-bit
 * check sum a record (0: not there yet), and the records, each the rows of all tensors. It grows as records are written, may
 * be shared by processes that write the same numbers, and a record that a crash damaged counts as absent. */
#ifndef LBK_TRAIN_TEACHER_CACHE_H
#define LBK_TRAIN_TEACHER_CACHE_H

#include "train/network.h"

typedef enum lbk_cache_contents { LBK_CACHE_OFF, LBK_CACHE_LOGITS, LBK_CACHE_TAPS } lbk_cache_contents;
typedef enum lbk_cache_precision { LBK_CACHE_FLOAT32, LBK_CACHE_FLOAT16 } lbk_cache_precision;

typedef struct lbk_cache_layout {
    const char *key;                /* lines "name = value" */
    int tensor_count;               /* the first is the logits */
    size_t floats[LBK_MAX_CARRIED]; /* of one sample, by tensor */
    uint32_t samples, epochs;       /* epochs 1: every epoch has the same views */
    lbk_cache_precision precision;
    int top; /* 0: all logits; else so many of the largest, and the rest of the probability spread evenly */
} lbk_cache_layout;

typedef struct lbk_teacher_cache lbk_teacher_cache;

/* The cache that a teacher's role asks for, for what a learner reads of it; *out NULL when it is off. The teacher is compiled and has
 * its weights. */
lbk_status lbk_teacher_cache_for(const lbk_teacher_link *link, lbk_teacher_cache **out);

/* Opens or creates the file. A file of another key is LBK_ERR_INPUT and says which line differs; a damaged header as well. */
lbk_status lbk_teacher_cache_open(const char *path, const lbk_cache_layout *layout, lbk_teacher_cache **out);
void lbk_teacher_cache_close(lbk_teacher_cache *cache); /* NULL is allowed */

/* Whether every sample of the batch is there, undamaged. */
bool lbk_teacher_cache_has(const lbk_teacher_cache *cache, const lbk_batch *batch);
/* rows[tensor][batch * floats]; what lies beyond batch->valid stays as it is. After lbk_teacher_cache_has(). */
void lbk_teacher_cache_read(const lbk_teacher_cache *cache, const lbk_batch *batch, float *const *rows);
/* A full disk is LBK_ERR_IO. */
lbk_status lbk_teacher_cache_write(lbk_teacher_cache *cache, const lbk_batch *batch, const float *const *rows);
/* Bytes the records of all samples and epochs take. */
uint64_t lbk_teacher_cache_bytes(const lbk_teacher_cache *cache);

#endif

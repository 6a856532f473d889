/* Class-balanced choices of samples.
 *
 * Each class is shuffled by its own stream and its first samples are chosen, so a larger share contains every smaller
 * one of the same seed and use. */
#ifndef LBK_DATA_SPLIT_H
#define LBK_DATA_SPLIT_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a choice is for; the `epoch` of its LBK_RNG_SUBSET stream (the class is its `sample`). */
typedef enum lbk_split_use {
    LBK_SPLIT_LABELS = 0,     /* label budget: by the experiment's seed */
    LBK_SPLIT_VALIDATION = 1, /* held-out validation samples: by LBK_SPLIT_SEED */
    LBK_SPLIT_TEST = 2,       /* test samples of datasets that come in one part: by LBK_SPLIT_SEED */
    LBK_SPLIT_SUBSET = 3,     /* training samples in use: by the experiment's seed */
} lbk_split_use;

/* Fixed, so that validation and test samples are the same in every experiment: a teacher trained by one run has never
 * seen what another run holds out. */
#define LBK_SPLIT_SEED 0x4c696d6265636bull

/* How many of a class of `class_count` samples to choose. */
typedef struct lbk_split_rule {
    double share;   /* round(share * class_count) ... */
    uint32_t fixed; /* ... or, when not 0, this many of every class */
    bool leave_one; /* never all of a class; otherwise at least one of every class unless the share is 0 */
} lbk_split_rule;

/* Sets chosen[count] for labels[count], each in [0, classes). Only LBK_ERR_MEMORY. */
lbk_status lbk_split_choose(const int *labels, uint32_t count, int classes, lbk_split_rule rule, uint64_t seed,
                            lbk_split_use use, bool *chosen);

#endif

/* Words and their numbers: 0, 1, 2, ... in the order in which they came. */
#ifndef LBK_DATA_DICTIONARY_H
#define LBK_DATA_DICTIONARY_H

#include "base/memory.h"
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

/* Zero-initialise, use, release. */
typedef struct lbk_dictionary {
    const char **words; /* [count] */
    uint32_t *counts;   /* [count]: how often each was added */
    int count;
    size_t word_capacity, count_capacity;
    int *slots; /* [slot_count], a power of two: numbers by hash, -1 free */
    size_t slot_count;
    lbk_arena arena;
} lbk_dictionary;

void lbk_dictionary_release(lbk_dictionary *dictionary);

/* The number of the first `length` bytes of `word`, which is kept if it is new. */
lbk_status lbk_dictionary_add(lbk_dictionary *dictionary, const char *word, size_t length, int *out);
/* -1: it is not there. */
int lbk_dictionary_find(const lbk_dictionary *dictionary, const char *word, size_t length);

#endif

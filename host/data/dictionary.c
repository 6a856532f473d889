#include "data/dictionary.h"

#include "base/hash.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Where the word is, or the free slot where it would be: the table is never full. */
static size_t slot_of(const lbk_dictionary *d, const char *word, size_t length) {
    size_t mask = d->slot_count - 1, at = lbk_hash_bytes(LBK_HASH_START, word, length) & mask;
    for (; d->slots[at] >= 0; at = (at + 1) & mask) {
        const char *found = d->words[d->slots[at]];
        if (strncmp(found, word, length) == 0 && !found[length])
            break;
    }
    return at;
}

/* At most half of the slots are taken. */
static lbk_status make_room(lbk_dictionary *d) {
    if ((size_t)d->count * 2 < d->slot_count)
        return LBK_OK;
    free(d->slots);
    d->slot_count = d->slot_count ? 2 * d->slot_count : 64;
    LBK_TRY(lbk_calloc(d->slot_count, sizeof *d->slots, &d->slots));
    memset(d->slots, 0xff, d->slot_count * sizeof *d->slots);
    for (int i = 0; i < d->count; i++)
        d->slots[slot_of(d, d->words[i], strlen(d->words[i]))] = i;
    return LBK_OK;
}

lbk_status lbk_dictionary_add(lbk_dictionary *d, const char *word, size_t length, int *out) {
    LBK_ENSURE(length < INT_MAX && d->count < INT_MAX / 2);
    LBK_TRY(make_room(d));
    size_t at = slot_of(d, word, length);
    if (d->slots[at] < 0) {
        size_t need = (size_t)d->count + 1;
        LBK_TRY(lbk_grow(&d->words, &d->word_capacity, need, sizeof *d->words));
        LBK_TRY(lbk_grow(&d->counts, &d->count_capacity, need, sizeof *d->counts));
        LBK_TRY(lbk_arena_printf(&d->arena, &d->words[d->count], "%.*s", (int)length, word));
        d->counts[d->count] = 0;
        d->slots[at] = d->count++;
    }
    *out = d->slots[at];
    d->counts[*out]++;
    return LBK_OK;
}

int lbk_dictionary_find(const lbk_dictionary *d, const char *word, size_t length) {
    return d->slot_count ? d->slots[slot_of(d, word, length)] : -1;
}

void lbk_dictionary_release(lbk_dictionary *d) {
    free(d->words);
    free(d->counts);
    free(d->slots);
    lbk_arena_release(&d->arena);
    *d = (lbk_dictionary){0};
}

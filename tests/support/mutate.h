/* Random changes to bytes, the same in every run: for tests that feed parsers damaged input. */
#ifndef LBK_TESTS_MUTATE_H
#define LBK_TESTS_MUTATE_H

#include "base/rng.h"

#include <string.h>

/* Changes bytes[*length] (room for `limit`) in one to four places: overwrites, inserts or removes a byte, repeats a
 * stretch or cuts the end. New bytes come from `alphabet` or, one time in eight, from all 256. */
static inline void mutate(lbk_rng *rng, char *bytes, size_t *length, size_t limit, const char *alphabet) {
    uint32_t letters = (uint32_t)strlen(alphabet);
    for (uint32_t changes = 1 + lbk_rng_below(rng, 4); changes > 0; changes--) {
        size_t at = lbk_rng_below(rng, (uint32_t)*length + 1), rest = *length - at;
        size_t span = rest ? 1 + lbk_rng_below(rng, rest < 12 ? (uint32_t)rest : 12) : 0;
        char fresh = alphabet[lbk_rng_below(rng, letters)];
        if (lbk_rng_below(rng, 8) == 0)
            fresh = (char)lbk_rng_below(rng, 256);
        uint32_t kind = lbk_rng_below(rng, 16);
        if (kind < 6 && rest) {
            bytes[at] = fresh;
        } else if (kind < 10 && *length < limit) {
            memmove(bytes + at + 1, bytes + at, rest);
            bytes[at] = fresh;
            *length += 1;
        } else if (kind < 13) {
            memmove(bytes + at, bytes + at + span, rest - span);
            *length -= span;
        } else if (kind < 15 && *length + span <= limit) {
            memmove(bytes + at + span, bytes + at, rest);
            *length += span;
        } else if (kind == 15) {
            *length = at;
        }
    }
}

#endif

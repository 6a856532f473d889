#include "data/split.h"

#include "base/memory.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>

static uint32_t class_quota(lbk_split_rule rule, uint32_t class_count) {
    if (class_count == 0 || (rule.fixed == 0 && rule.share <= 0.0))
        return 0;
    uint32_t most = rule.leave_one ? class_count - 1 : class_count;
    uint32_t want = rule.fixed ? rule.fixed : (uint32_t)lround(rule.share * class_count);
    if (want == 0)
        want = 1;
    return want < most ? want : most;
}

/* Counting sort: indices of each class in rising order, class after class; first[c] is where class c starts. */
static void group_by_class(const int *labels, uint32_t count, int classes, uint32_t *first, uint32_t *grouped) {
    for (uint32_t i = 0; i < count; i++)
        first[labels[i] + 1]++;
    for (int c = 0; c < classes; c++)
        first[c + 1] += first[c];
    for (uint32_t i = 0; i < count; i++)
        grouped[first[labels[i]]++] = i;
    for (int c = classes; c > 0; c--)
        first[c] = first[c - 1];
    first[0] = 0;
}

lbk_status lbk_split_choose(const int *labels, uint32_t count, int classes, lbk_split_rule rule, uint64_t seed,
                            lbk_split_use use, bool *chosen) {
    lbk_status status = LBK_OK;
    uint32_t *first = NULL, *grouped = NULL;
    LBK_GOTO(lbk_calloc((size_t)classes + 2, sizeof *first, &first));
    LBK_GOTO(lbk_calloc(count, sizeof *grouped, &grouped));
    group_by_class(labels, count, classes, first, grouped);
    for (uint32_t i = 0; i < count; i++)
        chosen[i] = false;
    for (int c = 0; c < classes; c++) {
        uint32_t size = first[c + 1] - first[c];
        lbk_rng rng;
        lbk_rng_init(&rng, seed, LBK_RNG_SUBSET, (uint32_t)use, (uint64_t)c);
        lbk_rng_shuffle(&rng, grouped + first[c], size);
        for (uint32_t i = 0; i < class_quota(rule, size); i++)
            chosen[grouped[first[c] + i]] = true;
    }
out:
    free(first);
    free(grouped);
    return status;
}

/* What must hold for every dataset and augmentation, whichever there are. */
#include "data/data.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

Test(registry, dataset_names_are_unique_and_found) {
    size_t count = 0;
    for (const lbk_dataset *const *d = lbk_dataset_all(); *d; d++, count++) {
        cr_assert_eq(lbk_dataset_find((*d)->name), *d, "%s", (*d)->name);
        cr_assert(*(*d)->summary && *(*d)->origin, "%s", (*d)->name);
        cr_assert((*d)->open && (*d)->read && (*d)->close, "%s", (*d)->name);
        lbk_source empty = {0};
        (*d)->close(&empty);
    }
    cr_assert_geq(count, 5);
    cr_assert_null(lbk_dataset_find("no such"));
    cr_assert_null(lbk_augmentation_find("no such"));
}

/* Both are keys of [data]: one table is made of them. */
Test(registry, dataset_keys_do_not_clash_with_the_general_ones) {
    for (const lbk_dataset *const *d = lbk_dataset_all(); *d; d++)
        for (const lbk_param *p = (*d)->params; p && p->name; p++)
            cr_assert_null(lbk_param_find(lbk_data_table, p->name), "%s: %s", (*d)->name, p->name);
}

static void check_table(const char *owner, const lbk_param *table, size_t size) {
    lbk_arena arena = {0};
    void *values = calloc(1, size + 1);
    for (const lbk_param *p = table; p && p->name; p++) {
        cr_assert_lt(p->offset, size, "%s: %s", owner, p->name);
        cr_assert(*p->meaning, "%s: %s", owner, p->name);
        if (p->fallback)
            cr_assert_eq(lbk_param_set(p, p->fallback, &arena, values), LBK_OK, "%s: %s", owner, lbk_error_message());
    }
    free(values);
    lbk_arena_release(&arena);
}

Test(registry, every_default_is_valid) {
    check_table("data", lbk_data_table, sizeof(lbk_data_params));
    for (const lbk_dataset *const *d = lbk_dataset_all(); *d; d++)
        check_table((*d)->name, (*d)->params, (*d)->params_size);
    for (const lbk_augmentation *const *a = lbk_augmentation_all(); *a; a++)
        check_table((*a)->name, (*a)->params, (*a)->params_size);
}

enum { H = 11, W = 7, C = 3, SIZE = H * W * C, GUARD = 16 };
static const float sentinel = -12345.0f;

/* One application by stream (seed 3, epoch, sample), between sentinels; whether it drew a number. */
static bool apply_guarded(const lbk_augmentation *a, const void *params, uint32_t sample, float *out) {
    static const float zeros[C] = {0}, ones[C] = {1.0f, 1.0f, 1.0f};
    float pixels[SIZE + 2 * GUARD], scratch[SIZE + 2 * GUARD];
    for (int i = 0; i < SIZE + 2 * GUARD; i++)
        pixels[i] = scratch[i] = sentinel;
    for (int i = 0; i < SIZE; i++)
        pixels[GUARD + i] = (float)(i * 37 % SIZE) / SIZE;
    lbk_image image = {H, W, C, pixels + GUARD, scratch + GUARD, zeros, ones};
    lbk_rng rng;
    lbk_rng_init(&rng, 3, LBK_RNG_TEST, 0, sample);
    cr_assert_eq(a->apply(params, &rng, &image), LBK_OK, "%s", lbk_error_message());
    for (int i = 0; i < GUARD; i++) {
        cr_assert_eq(pixels[i], sentinel, "%s", a->name);
        cr_assert_eq(pixels[GUARD + SIZE + i], sentinel, "%s", a->name);
        cr_assert_eq(scratch[i], sentinel, "%s", a->name);
        cr_assert_eq(scratch[GUARD + SIZE + i], sentinel, "%s", a->name);
    }
    memcpy(out, pixels + GUARD, SIZE * sizeof *out);
    return rng.counter[0] != 0;
}

Test(registry, augmentations_repeat_vary_and_stay_inside_their_buffers) {
    for (const lbk_augmentation *const *a = lbk_augmentation_all(); *a; a++) {
        lbk_arena arena = {0};
        void *params = calloc(1, (*a)->params_size + 1);
        float first[SIZE], once[SIZE], again[SIZE];
        int different = 0;
        if ((*a)->params)
            cr_assert_eq(lbk_param_defaults((*a)->params, &arena, params), LBK_OK);
        apply_guarded(*a, params, 0, first);
        for (uint32_t sample = 0; sample < 64; sample++) {
            bool drew = apply_guarded(*a, params, sample, once);
            cr_assert(drew == !(*a)->fixed, "%s", (*a)->name);
            apply_guarded(*a, params, sample, again);
            cr_assert_eq(memcmp(once, again, sizeof once), 0, "%s", (*a)->name);
            different += memcmp(once, first, sizeof once) != 0;
            for (int i = 0; i < SIZE; i++)
                cr_assert(once[i] >= 0.0f && once[i] <= 1.0f, "%s: %g", (*a)->name, (double)once[i]);
        }
        if ((*a)->fixed)
            cr_assert_eq(different, 0, "%s", (*a)->name);
        else
            cr_assert_gt(different, 8, "%s gives the same view for every sample", (*a)->name);
        free(params);
        lbk_arena_release(&arena);
    }
}

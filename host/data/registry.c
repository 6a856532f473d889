/* The tables behind lbk_dataset_all(), lbk_augmentation_all() and lbk_mix_all(), made from registry.def. */
#include "data/dataset.h"

#include <string.h>

#define LBK_DATASET(name) extern const lbk_dataset lbk_dataset_##name;
#define LBK_AUGMENTATION(name) extern const lbk_augmentation lbk_augmentation_##name;
#define LBK_MIX(name) extern const lbk_mix lbk_mix_##name;
#include "data/registry.def"
#undef LBK_DATASET
#undef LBK_AUGMENTATION
#undef LBK_MIX

#define LBK_DATASET(name) &lbk_dataset_##name,
#define LBK_AUGMENTATION(name)
#define LBK_MIX(name)
static const lbk_dataset *const datasets[] = {
#include "data/registry.def"
    NULL};
#undef LBK_DATASET
#undef LBK_AUGMENTATION
#undef LBK_MIX

#define LBK_DATASET(name)
#define LBK_AUGMENTATION(name) &lbk_augmentation_##name,
#define LBK_MIX(name)
static const lbk_augmentation *const augmentations[] = {
#include "data/registry.def"
    NULL};
#undef LBK_DATASET
#undef LBK_AUGMENTATION
#undef LBK_MIX

#define LBK_DATASET(name)
#define LBK_AUGMENTATION(name)
#define LBK_MIX(name) &lbk_mix_##name,
static const lbk_mix *const mixes[] = {
#include "data/registry.def"
    NULL};
#undef LBK_DATASET
#undef LBK_AUGMENTATION
#undef LBK_MIX

const lbk_dataset *const *lbk_dataset_all(void) {
    return datasets;
}

const lbk_augmentation *const *lbk_augmentation_all(void) {
    return augmentations;
}

const lbk_dataset *lbk_dataset_find(const char *name) {
    for (const lbk_dataset *const *d = datasets; *d; d++)
        if (strcmp((*d)->name, name) == 0)
            return *d;
    return NULL;
}

const lbk_augmentation *lbk_augmentation_find(const char *name) {
    for (const lbk_augmentation *const *a = augmentations; *a; a++)
        if (strcmp((*a)->name, name) == 0)
            return *a;
    return NULL;
}

const lbk_mix *const *lbk_mix_all(void) {
    return mixes;
}

const lbk_mix *lbk_mix_find(const char *name) {
    for (const lbk_mix *const *m = mixes; *m; m++)
        if (strcmp((*m)->name, name) == 0)
            return *m;
    return NULL;
}

const char *lbk_part_name(lbk_part part) {
    static const char *const names[] = {"train", "validation", "test", "teacher's train"};
    return names[part];
}

bool lbk_part_is_training(lbk_part part) {
    return part == LBK_PART_TRAIN || part == LBK_PART_TEACHER;
}

/* CIFAR-100, binary version: 60,000 colour images; each record has a coarse label (20) and a fine one (100). */
#include "data/cifar.h"
#include "data/images.h"

typedef struct cifar100_params {
    const char *path;
    bool coarse;
} cifar100_params;

static const lbk_param cifar100_table[] = {
    LBK_PARAM_PATH(cifar100_params, path, NULL, "folder with train.bin and test.bin", NULL),
    LBK_PARAM_BOOL(cifar100_params, coarse, "no", "the 20 coarse classes in place of the 100 fine ones", NULL),
    LBK_PARAM_END};

static const char *const train_files[] = {"train.bin", NULL};
static const char *const test_files[] = {"test.bin", NULL};

static lbk_status open_cifar100(const void *params, const char *folder, lbk_source *source) {
    const cifar100_params *p = params;
    lbk_cifar_format format = {
        .subfolder = "cifar-100-binary",
        .train = train_files,
        .test = test_files,
        .label_bytes = 2,
        .label_limit = {20, 100},
        .label_used = p->coarse ? 0 : 1,
        .names = p->coarse ? "coarse_label_names.txt" : "fine_label_names.txt",
        .mean = {0.50707516f, 0.48654887f, 0.44091784f},
        .deviation = {0.26733429f, 0.25643846f, 0.27615047f},
    };
    return lbk_cifar_open(&format, folder, p->path, source);
}

const lbk_dataset lbk_dataset_cifar100 = {
    .name = "cifar100",
    .summary = "CIFAR-100, binary version: 50,000 + 10,000 colour images, 32x32, 100 fine or 20 coarse classes",
    .origin = "your own files: https://www.cs.toronto.edu/~kriz/cifar.html (Krizhevsky 2009)",
    .params = cifar100_table,
    .params_size = sizeof(cifar100_params),
    .open = open_cifar100,
    .read = lbk_images_read,
    .close = lbk_images_close,
};

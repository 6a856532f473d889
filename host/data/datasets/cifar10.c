/* CIFAR-10, binary version: 60,000 colour images of ten classes. */
#include "data/cifar.h"
#include "data/images.h"

typedef struct cifar10_params {
    const char *path;
} cifar10_params;

static const lbk_param cifar10_table[] = {
    LBK_PARAM_PATH(cifar10_params, path, NULL, "folder with data_batch_1.bin to data_batch_5.bin and test_batch.bin",
                   NULL),
    LBK_PARAM_END};

static const char *const train_files[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                          "data_batch_4.bin", "data_batch_5.bin", NULL};
static const char *const test_files[] = {"test_batch.bin", NULL};

static const lbk_cifar_format format = {
    .subfolder = "cifar-10-batches-bin",
    .train = train_files,
    .test = test_files,
    .label_bytes = 1,
    .label_limit = {10},
    .names = "batches.meta.txt",
    .mean = {0.49139968f, 0.48215841f, 0.44653091f},
    .deviation = {0.24703223f, 0.24348513f, 0.26158784f},
};

static lbk_status open_cifar10(const void *params, const char *folder, lbk_source *source) {
    return lbk_cifar_open(&format, folder, ((const cifar10_params *)params)->path, source);
}

const lbk_dataset lbk_dataset_cifar10 = {
    .name = "cifar10",
    .summary = "CIFAR-10, binary version: 50,000 + 10,000 colour images, 32x32, ten classes",
    .origin = "your own files: https://www.cs.toronto.edu/~kriz/cifar.html (Krizhevsky 2009)",
    .params = cifar10_table,
    .params_size = sizeof(cifar10_params),
    .open = open_cifar10,
    .read = lbk_images_read,
    .close = lbk_images_close,
};

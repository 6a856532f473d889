/* IDX files as MNIST, Fashion-MNIST and their relatives use them: a magic number 0 0 8 D (unsigned bytes, D
 * dimensions), D big-endian 32-bit sizes, then the bytes. Plain or gzip; offsets in messages are within the inflated
 * data. Format: LeCun, Cortes, Burges, "The MNIST database", section "file formats". */
#include "base/file.h"
#include "data/gzip.h"
#include "data/images.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct idx_params {
    const char *path, *train_images, *train_labels, *test_images, *test_labels;
    double test_share;
    int classes;
} idx_params;

static const lbk_param idx_table[] = {
    LBK_PARAM_PATH(idx_params, path, "", "folder with MNIST's usual file names, plain or .gz", NULL),
    LBK_PARAM_PATH(idx_params, train_images, "", "training images, in place of path", NULL),
    LBK_PARAM_PATH(idx_params, train_labels, "", "training labels, in place of path", NULL),
    LBK_PARAM_PATH(idx_params, test_images, "", "test images, in place of path", NULL),
    LBK_PARAM_PATH(idx_params, test_labels, "", "test labels, in place of path", NULL),
    LBK_PARAM_FLOAT(idx_params, test_share, "0", 0, 0.9, NULL,
                    "share of the only pair of files that becomes the test part: fixed, class-balanced", NULL),
    LBK_PARAM_INT(idx_params, classes, "0", 0, 256, "classes", "number of classes; 0: largest training label + 1",
                  NULL),
    LBK_PARAM_END};

enum { MAX_SIDE = 1 << 14, TRAIN = 0, TEST = 1 };

/* Paths of the two pairs; NULL where there is none. */
typedef struct idx_paths {
    char *images[2], *labels[2];
} idx_paths;

typedef struct idx_file {
    const char *path;
    unsigned char *bytes;
    size_t length;
    uint32_t size[3];
} idx_file;

static uint32_t big_endian(const unsigned char *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static lbk_status check_header(idx_file *file, int rank) {
    uint32_t magic = 0x800u + (uint32_t)rank;
    size_t header = 4 + 4 * (size_t)rank;
    if (file->length < 4)
        return lbk_fail(LBK_ERR_INPUT, "%s: byte %zu: ends inside the magic number", file->path, file->length);
    if (big_endian(file->bytes) != magic)
        return lbk_fail(LBK_ERR_INPUT,
                        "%s: byte 0: magic number 0x%08x, expected 0x%08x (unsigned bytes, %d dimension%s)", file->path,
                        big_endian(file->bytes), magic, rank, rank == 1 ? "" : "s");
    if (file->length < header)
        return lbk_fail(LBK_ERR_INPUT, "%s: byte %zu: ends inside the header of %zu bytes", file->path, file->length,
                        header);
    for (int d = 0; d < rank; d++) {
        file->size[d] = big_endian(file->bytes + 4 + 4 * d);
        if (file->size[d] == 0 || (d > 0 && file->size[d] > MAX_SIDE))
            return lbk_fail(LBK_ERR_INPUT, "%s: byte %d: dimension %d is %u, expected 1 to %u", file->path, 4 + 4 * d,
                            d, file->size[d], d > 0 ? (unsigned)MAX_SIDE : UINT32_MAX);
    }
    return LBK_OK;
}

/* Reads the file and checks its header and its length against it. */
static lbk_status load(const char *path, int rank, idx_file *file) {
    file->path = path;
    LBK_TRY(lbk_gzip_read(path, &file->bytes, &file->length));
    LBK_TRY(check_header(file, rank));
    unsigned long long sample = 1, header = 4 + 4 * (unsigned long long)rank;
    for (int d = 1; d < rank; d++)
        sample *= file->size[d];
    unsigned long long need = header + sample * file->size[0];
    if (file->length < need)
        return lbk_fail(LBK_ERR_INPUT, "%s: byte %zu: ends inside sample %llu of %u", path, file->length,
                        (file->length - header) / sample, file->size[0]);
    if (file->length > need)
        return lbk_fail(LBK_ERR_INPUT, "%s: byte %llu: %llu trailing bytes after the last of %u samples", path, need,
                        file->length - need, file->size[0]);
    return LBK_OK;
}

static int largest(const unsigned char *labels, uint32_t count) {
    int most = 0;
    for (uint32_t i = 0; i < count; i++)
        most = labels[i] > most ? labels[i] : most;
    return most;
}

/* The pair's sizes become the source's (first pair) or must agree with them. */
static lbk_status agree(const idx_file *images, const idx_file *labels, int classes, lbk_source *source) {
    const unsigned char *label = labels->bytes + 8;
    if (labels->size[0] != images->size[0])
        return lbk_fail(LBK_ERR_INPUT, "%s: byte 4: %u labels, but %s has %u images", labels->path, labels->size[0],
                        images->path, images->size[0]);
    if (!source->state) {
        lbk_images *unused;
        source->height = (int)images->size[1];
        source->width = (int)images->size[2];
        source->channels = 1;
        source->classes = classes ? classes : largest(label, labels->size[0]) + 1;
        LBK_TRY(lbk_images_create(source, 255.0f, &unused));
    }
    if ((int)images->size[1] != source->height || (int)images->size[2] != source->width)
        return lbk_fail(LBK_ERR_INPUT, "%s: byte 8: images of %ux%u, but the training images are %dx%d", images->path,
                        images->size[1], images->size[2], source->height, source->width);
    for (uint32_t i = 0; i < labels->size[0]; i++)
        if (label[i] >= source->classes)
            return lbk_fail(LBK_ERR_INPUT, "%s: byte %u: label %d, expected 0 to %d", labels->path, 8 + i, label[i],
                            source->classes - 1);
    return LBK_OK;
}

static lbk_status load_pair(const char *images_path, const char *labels_path, int classes, lbk_source *source,
                            bool test) {
    lbk_status status = LBK_OK;
    idx_file images = {0}, labels = {0};
    LBK_GOTO(load(images_path, 3, &images));
    LBK_GOTO(load(labels_path, 1, &labels));
    LBK_GOTO(agree(&images, &labels, classes, source));
    lbk_images *state = source->state;
    lbk_images_part *part = test ? &state->test : &state->train;
    LBK_GOTO(lbk_images_part_alloc(state, images.size[0], part));
    memcpy(part->pixels, images.bytes + 16, images.length - 16);
    memcpy(part->labels, labels.bytes + 8, labels.length - 8);
out:
    free(images.bytes);
    free(labels.bytes);
    return status;
}

/* "train-images-idx3-ubyte" and the spelling with a dot, plain or .gz; *out is NULL when none is there. */
static lbk_status find_usual(const char *folder, const char *stem, const char *kind, char **out) {
    char name[64];
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s%c%s-ubyte%s", stem, i < 2 ? '-' : '.', kind, i % 2 ? ".gz" : "");
        LBK_TRY(lbk_path_join(folder, name, out));
        if (lbk_path_exists(*out))
            return LBK_OK;
        free(*out);
        *out = NULL;
    }
    return LBK_OK;
}

static lbk_status paths_from_folder(const idx_params *p, const char *folder, idx_paths *paths) {
    static const char *const stem[2] = {"train", "t10k"};
    char *path = NULL;
    LBK_TRY(lbk_path_join(folder, p->path, &path));
    lbk_status status = LBK_OK;
    if (*p->train_images || *p->train_labels || *p->test_images || *p->test_labels)
        LBK_GOTO(lbk_fail(LBK_ERR_INPUT, "path and names of single files are both given; give one or the other"));
    if (!lbk_path_is_folder(path))
        LBK_GOTO(lbk_fail(LBK_ERR_INPUT, "%s: not a folder", path));
    for (int i = TRAIN; i <= TEST; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s-images", stem[i]);
        LBK_GOTO(find_usual(path, name, "idx3", &paths->images[i]));
        snprintf(name, sizeof name, "%s-labels", stem[i]);
        LBK_GOTO(find_usual(path, name, "idx1", &paths->labels[i]));
        if (!paths->images[i] != !paths->labels[i])
            LBK_GOTO(lbk_fail(LBK_ERR_INPUT, "%s: has %s-%s but no %s-%s", path, stem[i],
                              paths->images[i] ? "images-idx3-ubyte" : "labels-idx1-ubyte", stem[i],
                              paths->images[i] ? "labels-idx1-ubyte" : "images-idx3-ubyte"));
    }
    if (!paths->images[TRAIN] && !paths->images[TEST])
        LBK_GOTO(lbk_fail(LBK_ERR_INPUT,
                          "%s: has neither train-images-idx3-ubyte nor t10k-images-idx3-ubyte, plain or .gz", path));
out:
    free(path);
    return status;
}

static lbk_status paths_from_keys(const idx_params *p, const char *folder, idx_paths *paths) {
    if (!*p->train_images != !*p->train_labels)
        return lbk_fail(LBK_ERR_INPUT, "train_images and train_labels belong together; %s is missing",
                        *p->train_images ? "train_labels" : "train_images");
    if (!*p->test_images != !*p->test_labels)
        return lbk_fail(LBK_ERR_INPUT, "test_images and test_labels belong together; %s is missing",
                        *p->test_images ? "test_labels" : "test_images");
    if (!*p->train_images && !*p->test_images)
        return lbk_fail(LBK_ERR_INPUT, "no files named: give path, or train_images and train_labels");
    if (*p->train_images) {
        LBK_TRY(lbk_path_join(folder, p->train_images, &paths->images[TRAIN]));
        LBK_TRY(lbk_path_join(folder, p->train_labels, &paths->labels[TRAIN]));
    }
    if (*p->test_images) {
        LBK_TRY(lbk_path_join(folder, p->test_images, &paths->images[TEST]));
        LBK_TRY(lbk_path_join(folder, p->test_labels, &paths->labels[TEST]));
    }
    return LBK_OK;
}

static lbk_status check_share(const idx_paths *paths, double test_share) {
    bool both = paths->images[TRAIN] && paths->images[TEST];
    if (both && test_share > 0.0)
        return lbk_fail(LBK_ERR_INPUT, "test_share has no effect: both a training and a test pair of files are there");
    if (!both && test_share == 0.0)
        return lbk_fail(LBK_ERR_INPUT, "%s is the only pair of files: set test_share to split it, or name the %s pair",
                        paths->images[TRAIN] ? paths->images[TRAIN] : paths->images[TEST],
                        paths->images[TRAIN] ? "test" : "training");
    return LBK_OK;
}

static lbk_status open_idx(const void *params, const char *folder, lbk_source *source) {
    const idx_params *p = params;
    idx_paths paths = {{0}, {0}};
    lbk_status status = LBK_OK;
    LBK_GOTO(*p->path ? paths_from_folder(p, folder, &paths) : paths_from_keys(p, folder, &paths));
    LBK_GOTO(check_share(&paths, p->test_share));
    int first = paths.images[TRAIN] ? TRAIN : TEST;
    LBK_GOTO(load_pair(paths.images[first], paths.labels[first], p->classes, source, false));
    if (first == TRAIN && paths.images[TEST])
        LBK_GOTO(load_pair(paths.images[TEST], paths.labels[TEST], p->classes, source, true));
    else
        LBK_GOTO(lbk_images_split(source, p->test_share, 0));
    lbk_images_finish(source);
out:
    for (int i = TRAIN; i <= TEST; i++) {
        free(paths.images[i]);
        free(paths.labels[i]);
    }
    return status;
}

const lbk_dataset lbk_dataset_idx = {
    .name = "idx",
    .summary = "grey images and labels in IDX files: MNIST, Fashion-MNIST, KMNIST, EMNIST",
    .origin = "your own files; MNIST: LeCun, Cortes, Burges, CC BY-SA 3.0",
    .params = idx_table,
    .params_size = sizeof(idx_params),
    .open = open_idx,
    .read = lbk_images_read,
    .close = lbk_images_close,
};

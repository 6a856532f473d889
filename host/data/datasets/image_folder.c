/* Images in one folder per class: PATH/train/CLASS/NAME.{jpg,jpeg,png} and PATH/test/CLASS/... Classes are numbered in
 * the byte order of their folders' names, samples by class and file name. Images without a label lie in a folder of their own
 * and follow the others of the training part, by file name. */
#include "base/file.h"
#include "data/decode.h"
#include "data/images.h"
#include "data/listing.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef struct image_folder_params {
    const char *path, *unlabelled;
    int channels, height, width;
    bool keep;
} image_folder_params;

static const char *const channel_choices[] = {"gray", "rgb", NULL};

static const lbk_param image_folder_table[] = {
    LBK_PARAM_PATH(image_folder_params, path, NULL, "folder that holds train/CLASS/ and test/CLASS/", NULL),
    LBK_PARAM_PATH(image_folder_params, unlabelled, "", "folder of more training images, whose labels nobody knows",
                   NULL),
    LBK_PARAM_CHOICE(image_folder_params, channels, "rgb", channel_choices, "what every image is converted to", NULL),
    LBK_PARAM_INT(image_folder_params, height, "0", 0, 4096, "pixels", "resize to this height; 0: as the files are",
                  NULL),
    LBK_PARAM_INT(image_folder_params, width, "0", 0, 4096, "pixels", "resize to this width; 0: as the files are",
                  NULL),
    LBK_PARAM_BOOL(image_folder_params, keep, "yes", "keep decoded images in memory if all need less than 2 GiB", NULL),
    LBK_PARAM_END};

#define KEEP_LIMIT ((uint64_t)2 << 30)

/* Of a kept image: nobody has it, one thread is storing it, it can be read. */
enum { KEPT_NONE, KEPT_STORING, KEPT_READY };

typedef struct folder_file {
    const char *name;
    int label; /* -1: none */
} folder_file;

typedef struct folder_part {
    const char *path;     /* PATH/train, PATH/test or UNLABELLED */
    const char **classes; /* [class_count], sorted */
    int class_count;
    folder_file *files;
    size_t count, capacity;
    unsigned char *kept;      /* [count][H][W][C], or NULL */
    atomic_uchar *kept_state; /* [count] */
} folder_part;

typedef struct folder_state {
    folder_part train, test, unlabelled;
    bool resize;
    size_t sample_size;
    lbk_arena arena; /* names and paths */
} folder_state;

static int is_image_name(const struct dirent *entry) {
    const char *name = entry->d_name;
    return lbk_listing_not_hidden(entry) &&
           (lbk_listing_ends(name, ".jpg") || lbk_listing_ends(name, ".jpeg") || lbk_listing_ends(name, ".png"));
}

static lbk_status scan_classes(folder_part *part, lbk_arena *arena) {
    struct dirent **names;
    int count;
    LBK_TRY(lbk_listing(part->path, lbk_listing_not_hidden, &names, &count));
    lbk_status status = lbk_arena_alloc(arena, ((size_t)count + 1) * sizeof *part->classes, &part->classes);
    for (int i = 0; i < count && status == LBK_OK; i++) {
        const char *path;
        LBK_GOTO(lbk_arena_printf(arena, &path, "%s/%s", part->path, names[i]->d_name));
        if (lbk_path_is_folder(path))
            LBK_GOTO(lbk_arena_strdup(arena, names[i]->d_name, &part->classes[part->class_count++]));
    }
    if (status == LBK_OK && part->class_count == 0)
        status = lbk_fail(LBK_ERR_INPUT, "%s: no class folders", part->path);
out:
    lbk_listing_free(names, count);
    return status;
}

static lbk_status scan_files(folder_part *part, int label, lbk_arena *arena) {
    const char *path = part->path;
    struct dirent **names;
    int count;
    if (label >= 0)
        LBK_TRY(lbk_arena_printf(arena, &path, "%s/%s", part->path, part->classes[label]));
    LBK_TRY(lbk_listing(path, is_image_name, &names, &count));
    lbk_status status = LBK_OK;
    if (count == 0)
        LBK_GOTO(lbk_fail(LBK_ERR_INPUT, "%s: no .jpg, .jpeg or .png files", path));
    LBK_GOTO(lbk_grow(&part->files, &part->capacity, part->count + (size_t)count, sizeof *part->files));
    for (int i = 0; i < count; i++) {
        folder_file *file = &part->files[part->count];
        file->label = label;
        LBK_GOTO(lbk_arena_strdup(arena, names[i]->d_name, &file->name));
        part->count++;
    }
out:
    lbk_listing_free(names, count);
    return status;
}

static lbk_status check_part(const folder_part *part) {
    if (!lbk_path_is_folder(part->path))
        return lbk_fail(LBK_ERR_INPUT, "%s: not a folder", part->path);
    return LBK_OK;
}

static lbk_status scan_part(const char *root, const char *name, folder_part *part, lbk_arena *arena) {
    LBK_TRY(lbk_arena_printf(arena, &part->path, "%s/%s", root, name));
    LBK_TRY(check_part(part));
    LBK_TRY(scan_classes(part, arena));
    for (int c = 0; c < part->class_count; c++)
        LBK_TRY(scan_files(part, c, arena));
    if (part->count > UINT32_MAX)
        return lbk_fail(LBK_ERR_INPUT, "%s: %zu files are too many", part->path, part->count);
    return LBK_OK;
}

static lbk_status scan_unlabelled(const char *folder, const char *name, folder_state *state) {
    folder_part *part = &state->unlabelled;
    char *path = NULL;
    if (!*name)
        return LBK_OK;
    LBK_TRY(lbk_path_join(folder, name, &path));
    lbk_status status = lbk_arena_strdup(&state->arena, path, &part->path);
    free(path);
    LBK_TRY(status);
    LBK_TRY(check_part(part));
    LBK_TRY(scan_files(part, -1, &state->arena));
    if (state->train.count + part->count > UINT32_MAX)
        return lbk_fail(LBK_ERR_INPUT, "%s: %zu files are too many", part->path, part->count);
    return LBK_OK;
}

/* Both lists are sorted, so the first difference tells which side lacks a class. */
static lbk_status compare_classes(const folder_part *train, const folder_part *test) {
    for (int i = 0; i < train->class_count || i < test->class_count; i++) {
        const char *a = i < train->class_count ? train->classes[i] : NULL;
        const char *b = i < test->class_count ? test->classes[i] : NULL;
        int order = !a ? 1 : !b ? -1 : strcmp(a, b);
        if (order != 0)
            return lbk_fail(LBK_ERR_INPUT, "%s: has no folder for class \"%s\", which %s has",
                            order < 0 ? test->path : train->path, order < 0 ? a : b,
                            order < 0 ? train->path : test->path);
    }
    return LBK_OK;
}

static lbk_status file_path(const folder_part *part, const folder_file *file, lbk_text *path) {
    if (file->label < 0)
        return lbk_text_printf(path, "%s/%s", part->path, file->name);
    return lbk_text_printf(path, "%s/%s/%s", part->path, part->classes[file->label], file->name);
}

static lbk_status decode(const lbk_source *source, const folder_part *part, uint32_t index, lbk_pixmap *image) {
    const folder_state *state = source->state;
    lbk_text path = {0};
    lbk_status status = file_path(part, &part->files[index], &path);
    if (status == LBK_OK)
        status = lbk_decode_file(path.data, source->channels, image);
    if (status == LBK_OK && state->resize)
        status = lbk_decode_resize(image, source->height, source->width);
    else if (status == LBK_OK && source->height && (image->height != source->height || image->width != source->width))
        status =
            lbk_fail(LBK_ERR_INPUT, "%s: image of %dx%d, but the first is %dx%d; set height and width to resize all",
                     path.data, image->height, image->width, source->height, source->width);
    lbk_text_release(&path);
    if (status != LBK_OK) {
        free(image->bytes);
        image->bytes = NULL;
    }
    return status;
}

/* Without height and width, the first training image sets them. */
static lbk_status find_size(const image_folder_params *p, lbk_source *source) {
    folder_state *state = source->state;
    lbk_pixmap first = {0};
    if (!p->height != !p->width)
        return lbk_fail(LBK_ERR_INPUT, "height and width belong together; %s is missing",
                        p->height ? "width" : "height");
    state->resize = p->height > 0;
    source->height = p->height;
    source->width = p->width;
    if (!state->resize) {
        LBK_TRY(decode(source, &state->train, 0, &first));
        source->height = first.height;
        source->width = first.width;
        free(first.bytes);
    }
    state->sample_size = (size_t)source->height * (size_t)source->width * (size_t)source->channels;
    return LBK_OK;
}

static lbk_status keep_prepare(folder_part *part, size_t sample_size) {
    LBK_TRY(lbk_calloc(part->count, sizeof *part->kept_state, &part->kept_state));
    return lbk_calloc(part->count, sample_size, &part->kept);
}

static lbk_status open_image_folder(const void *params, const char *folder, lbk_source *source) {
    const image_folder_params *p = params;
    folder_state *state = NULL;
    char *root = NULL;
    LBK_TRY(lbk_calloc(1, sizeof *state, &state));
    *source = (lbk_source){.state = state, .channels = p->channels == 0 ? 1 : 3};
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_path_join(folder, p->path, &root));
    LBK_GOTO(scan_part(root, "train", &state->train, &state->arena));
    LBK_GOTO(scan_part(root, "test", &state->test, &state->arena));
    LBK_GOTO(compare_classes(&state->train, &state->test));
    LBK_GOTO(scan_unlabelled(folder, p->unlabelled, state));
    LBK_GOTO(find_size(p, source));
    source->classes = state->train.class_count;
    source->class_names = (const char *const *)state->train.classes;
    source->train_count = (uint32_t)(state->train.count + state->unlabelled.count);
    source->test_count = (uint32_t)state->test.count;
    if (p->keep && state->sample_size * ((uint64_t)source->train_count + source->test_count) < KEEP_LIMIT) {
        LBK_GOTO(keep_prepare(&state->train, state->sample_size));
        LBK_GOTO(keep_prepare(&state->test, state->sample_size));
        LBK_GOTO(keep_prepare(&state->unlabelled, state->sample_size));
    }
out:
    free(root);
    return status;
}

/* One thread stores; others that decoded the same image meanwhile throw theirs away. */
static void keep_store(folder_part *part, uint32_t index, const unsigned char *bytes, size_t sample_size) {
    unsigned char expected = KEPT_NONE;
    if (!part->kept || !atomic_compare_exchange_strong(&part->kept_state[index], &expected, KEPT_STORING))
        return;
    memcpy(part->kept + index * sample_size, bytes, sample_size);
    atomic_store_explicit(&part->kept_state[index], KEPT_READY, memory_order_release);
}

static lbk_status read_image_folder(const lbk_source *source, lbk_part which, uint32_t index, const lbk_numbers *inputs,
                                    int *label) {
    folder_state *state = source->state;
    folder_part *part = which == LBK_PART_TEST ? &state->test : &state->train;
    if (part == &state->train && index >= part->count) {
        index -= (uint32_t)part->count;
        part = &state->unlabelled;
    }
    LBK_ENSURE(index < part->count);
    *label = part->files[index].label;
    if (!inputs)
        return LBK_OK;
    if (part->kept && atomic_load_explicit(&part->kept_state[index], memory_order_acquire) == KEPT_READY) {
        lbk_images_scale(part->kept + index * state->sample_size, state->sample_size, 255.0f, inputs[0].f32);
        return LBK_OK;
    }
    lbk_pixmap image;
    LBK_TRY(decode(source, part, index, &image));
    keep_store(part, index, image.bytes, state->sample_size);
    lbk_images_scale(image.bytes, state->sample_size, 255.0f, inputs[0].f32);
    free(image.bytes);
    return LBK_OK;
}

static void part_release(folder_part *part) {
    free(part->files);
    free(part->kept);
    free(part->kept_state);
}

static void close_image_folder(lbk_source *source) {
    folder_state *state = source->state;
    if (state) {
        part_release(&state->train);
        part_release(&state->test);
        part_release(&state->unlabelled);
        lbk_arena_release(&state->arena);
        free(state);
    }
    memset(source, 0, sizeof *source);
}

const lbk_dataset lbk_dataset_image_folder = {
    .name = "image_folder",
    .summary = "JPEG and PNG files in one folder per class, under train/ and test/",
    .origin = "your own files",
    .params = image_folder_table,
    .params_size = sizeof(image_folder_params),
    .open = open_image_folder,
    .read = read_image_folder,
    .close = close_image_folder,
};

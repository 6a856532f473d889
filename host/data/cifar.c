#include "data/cifar.h"

#include "base/file.h"
#include "data/images.h"

#include <stdlib.h>
#include <string.h>

enum { SIDE = 32, PLANE = SIDE * SIDE, CHANNELS = 3, PIXELS = PLANE * CHANNELS };

typedef struct cifar_file {
    char *path, *bytes;
    size_t length;
} cifar_file;

static lbk_status check_file(const lbk_cifar_format *format, const cifar_file *file) {
    size_t record = (size_t)format->label_bytes + PIXELS;
    if (file->length == 0 || file->length % record != 0)
        return lbk_fail(LBK_ERR_INPUT, "%s: byte %zu: ends inside record %zu; expected whole records of %zu bytes",
                        file->path, file->length, file->length / record, record);
    for (size_t at = 0; at < file->length; at += record)
        for (int i = 0; i < format->label_bytes; i++) {
            int label = (unsigned char)file->bytes[at + (size_t)i];
            if (label >= format->label_limit[i])
                return lbk_fail(LBK_ERR_INPUT, "%s: byte %zu: record %zu has label %d, expected 0 to %d", file->path,
                                at + (size_t)i, at / record, label, format->label_limit[i] - 1);
        }
    return LBK_OK;
}

/* One record: three planes become interleaved pixels. */
static void unpack(const lbk_cifar_format *format, const char *record, unsigned char *pixels, unsigned char *label) {
    *label = (unsigned char)record[format->label_used];
    const char *plane = record + format->label_bytes;
    for (int i = 0; i < PLANE; i++)
        for (int c = 0; c < CHANNELS; c++)
            pixels[i * CHANNELS + c] = (unsigned char)plane[c * PLANE + i];
}

static void unpack_all(const lbk_cifar_format *format, const cifar_file *files, lbk_images_part *part) {
    size_t record = (size_t)format->label_bytes + PIXELS, next = 0;
    for (const cifar_file *file = files; file->path; file++)
        for (size_t at = 0; at < file->length; at += record, next++)
            unpack(format, file->bytes + at, part->pixels + next * PIXELS, part->labels + next);
}

static lbk_status load_part(const lbk_cifar_format *format, const char *folder, const char *const *names,
                            const lbk_images *images, lbk_images_part *part) {
    enum { MAX_FILES = 8 };
    cifar_file files[MAX_FILES + 1] = {{0}};
    size_t total = 0;
    lbk_status status = LBK_OK;
    for (int i = 0; names[i] && i < MAX_FILES; i++) {
        LBK_GOTO(lbk_path_join(folder, names[i], &files[i].path));
        LBK_GOTO(lbk_file_read(files[i].path, &files[i].bytes, &files[i].length));
        LBK_GOTO(check_file(format, &files[i]));
        total += files[i].length / ((size_t)format->label_bytes + PIXELS);
    }
    if (total > UINT32_MAX)
        LBK_GOTO(lbk_fail(LBK_ERR_INPUT, "%s: %zu records are too many", folder, total));
    LBK_GOTO(lbk_images_part_alloc(images, (uint32_t)total, part));
    unpack_all(format, files, part);
out:
    for (cifar_file *file = files; file->path; file++) {
        free(file->path);
        free(file->bytes);
    }
    return status;
}

/* Lines of `text` that are not empty, cut in place; counts on when there are more than `most`. */
static int cut_lines(char *text, const char **lines, int most) {
    int count = 0;
    char *rest = text;
    for (char *line; (line = strtok_r(rest, "\r\n", &rest)) != NULL; count++)
        if (count < most)
            lines[count] = line;
    return count;
}

static lbk_status load_names(const char *path, int classes, lbk_arena *arena, const char *const **out) {
    char *text = NULL;
    const char **names = NULL, *kept = NULL;
    size_t length;
    if (!lbk_path_exists(path))
        return LBK_OK;
    LBK_TRY(lbk_file_read(path, &text, &length));
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_arena_strdup(arena, text, &kept));
    LBK_GOTO(lbk_arena_alloc(arena, (size_t)classes * sizeof *names, &names));
    int count = cut_lines((char *)kept, names, classes);
    if (count != classes)
        LBK_GOTO(lbk_fail(LBK_ERR_INPUT, "%s: %d class names, expected %d", path, count, classes));
    *out = names;
out:
    free(text);
    return status;
}

/* `path` itself, or the folder in it that the archive unpacks to. */
static lbk_status find_folder(const lbk_cifar_format *format, const char *folder, const char *path, char **out) {
    char *inner = NULL;
    LBK_TRY(lbk_path_join(folder, path, out));
    if (!lbk_path_is_folder(*out))
        return lbk_fail(LBK_ERR_INPUT, "%s: not a folder", *out);
    LBK_TRY(lbk_path_join(*out, format->subfolder, &inner));
    if (lbk_path_is_folder(inner)) {
        free(*out);
        *out = inner;
    } else {
        free(inner);
    }
    return LBK_OK;
}

lbk_status lbk_cifar_open(const lbk_cifar_format *format, const char *folder, const char *path, lbk_source *source) {
    char *found = NULL, *names = NULL;
    lbk_images *images = NULL;
    lbk_status status = LBK_OK;
    LBK_GOTO(find_folder(format, folder, path, &found));
    *source = (lbk_source){.height = SIDE, .width = SIDE, .channels = CHANNELS};
    source->classes = format->label_limit[format->label_used];
    memcpy(source->mean, format->mean, sizeof format->mean);
    memcpy(source->deviation, format->deviation, sizeof format->deviation);
    LBK_GOTO(lbk_images_create(source, 255.0f, &images));
    LBK_GOTO(load_part(format, found, format->train, images, &images->train));
    LBK_GOTO(load_part(format, found, format->test, images, &images->test));
    LBK_GOTO(lbk_path_join(found, format->names, &names));
    LBK_GOTO(load_names(names, source->classes, &images->arena, &source->class_names));
    lbk_images_finish(source);
out:
    free(found);
    free(names);
    return status;
}

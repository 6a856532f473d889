#include "tensor/convert.h"
#include "tensor/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The format's own limit on the header. */
#define HEADER_LIMIT 100000000u

static lbk_status refuse(const lbk_st_file *file, const char *name, const char *what) {
    if (!name)
        return lbk_fail(LBK_ERR_INPUT, "%s: safetensors: %s", file->path, what);
    return lbk_fail(LBK_ERR_INPUT, "%s: safetensors: tensor \"%.200s\": %s", file->path, name, what);
}

static lbk_status map_fail(const lbk_st_file *file, const char *why) {
    return lbk_fail(LBK_ERR_IO, "cannot read \"%s\": %s", file->path, why);
}

/* Maps the file read-only. The mapping outlives the descriptor. */
static lbk_status file_map(lbk_st_file *file) {
    int fd = open(file->path, O_RDONLY);
    if (fd < 0)
        return map_fail(file, strerror(errno));
    struct stat info;
    lbk_status status = LBK_OK;
    if (fstat(fd, &info) != 0)
        status = map_fail(file, strerror(errno));
    else if (!S_ISREG(info.st_mode))
        status = map_fail(file, "not a regular file");
    else if (info.st_size < 8)
        status = refuse(file, NULL, "shorter than the 8 bytes of its header's length");
    if (status == LBK_OK) {
        void *map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED) {
            status = map_fail(file, strerror(errno));
        } else {
            file->map = map;
            file->map_bytes = (size_t)info.st_size;
        }
    }
    close(fd);
    return status;
}

static uint64_t header_length(const lbk_st_file *file) {
    const unsigned char *byte = file->map;
    uint64_t length = 0;
    for (int i = 7; i >= 0; i--)
        length = length << 8 | byte[i];
    return length;
}

static lbk_status header_parse(lbk_st_file *file, json_t **out) {
    char text[JSON_ERROR_TEXT_LENGTH + 64];
    uint64_t length = header_length(file);
    json_error_t error;
    if (length > HEADER_LIMIT || length > file->map_bytes - 8) {
        snprintf(text, sizeof text, "header of %llu bytes in a file of %zu; is this a safetensors file?",
                 (unsigned long long)length, file->map_bytes);
        return refuse(file, NULL, text);
    }
    *out = json_loadb((const char *)file->map + 8, (size_t)length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!*out) {
        snprintf(text, sizeof text, "header is not JSON: %s (byte %d)", error.text, error.position);
        return refuse(file, NULL, text);
    }
    return json_is_object(*out) ? LBK_OK : refuse(file, NULL, "header is not a JSON object");
}

static lbk_status metadata_read(lbk_st_file *file, json_t *object) {
    if (object && !json_is_object(object))
        return refuse(file, NULL, "__metadata__ is not an object");
    size_t at = 0;
    const char *key;
    json_t *value;
    LBK_TRY(
        lbk_arena_alloc(&file->arena, (2 * json_object_size(object) + 1) * sizeof *file->metadata, &file->metadata));
    json_object_foreach(object, key, value) {
        if (!json_is_string(value))
            return refuse(file, NULL, "a value of __metadata__ is not text");
        LBK_TRY(lbk_arena_strdup(&file->arena, key, &file->metadata[at++]));
        LBK_TRY(lbk_arena_strdup(&file->arena, json_string_value(value), &file->metadata[at++]));
    }
    return LBK_OK;
}

/* A tensor as its header entry has it; offsets count from the end of the header. */
typedef struct span {
    const char *name;
    size_t begin, end;
    const lbk_st_dtype *dtype;
    lbk_shape shape;
} span;

static lbk_status shape_read(lbk_st_file *file, const char *name, const json_t *array, lbk_shape *shape) {
    if (!json_is_array(array))
        return refuse(file, name, "shape is missing or not a list");
    if (json_array_size(array) > LBK_MAX_RANK)
        return refuse(file, name, "more than 6 dimensions");
    shape->rank = (int)json_array_size(array);
    for (int i = 0; i < shape->rank; i++) {
        const json_t *dim = json_array_get(array, (size_t)i);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0)
            return refuse(file, name, "a dimension is not an integer >= 0");
        shape->dim[i] = json_integer_value(dim);
    }
    return LBK_OK;
}

/* Bytes of the tensor in the file; false on overflow, also of an empty tensor's other dimensions. */
static bool span_bytes(const span *s, size_t *bytes) {
    bool empty = false;
    *bytes = s->dtype->bytes;
    for (int i = 0; i < s->shape.rank; i++) {
        int64_t dim = s->shape.dim[i];
        empty = empty || dim == 0;
        if (dim > 0 && __builtin_mul_overflow(*bytes, (size_t)dim, bytes))
            return false;
    }
    bool fits = *bytes <= INT64_MAX;
    if (empty)
        *bytes = 0;
    return fits;
}

static lbk_status offsets_read(lbk_st_file *file, const json_t *array, size_t data_bytes, span *s) {
    const json_t *begin = json_array_get(array, 0), *end = json_array_get(array, 1);
    size_t bytes;
    if (json_array_size(array) != 2 || !json_is_integer(begin) || !json_is_integer(end))
        return refuse(file, s->name, "data_offsets is not a list of two integers");
    if (json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
        return refuse(file, s->name, "data_offsets run backwards or are negative");
    s->begin = (size_t)json_integer_value(begin);
    s->end = (size_t)json_integer_value(end);
    if (s->end > data_bytes)
        return refuse(file, s->name, "data_offsets lie beyond the end of the file");
    if (!span_bytes(s, &bytes))
        return refuse(file, s->name, "shape overflows");
    return bytes == s->end - s->begin ? LBK_OK : refuse(file, s->name, "shape and data_offsets do not agree");
}

static lbk_status span_read(lbk_st_file *file, const char *name, const json_t *info, size_t data_bytes, span *s) {
    char text[128];
    *s = (span){0};
    LBK_TRY(lbk_arena_strdup(&file->arena, name, &s->name));
    if (!json_is_object(info))
        return refuse(file, name, "its entry is not an object");
    const char *dtype = json_string_value(json_object_get(info, "dtype"));
    s->dtype = dtype ? lbk_st_dtype_find(dtype) : NULL;
    if (!s->dtype) {
        snprintf(text, sizeof text, dtype ? "unknown dtype \"%.40s\"" : "dtype is missing or not text%s",
                 dtype ? dtype : "");
        return refuse(file, name, text);
    }
    LBK_TRY(shape_read(file, name, json_object_get(info, "shape"), &s->shape));
    return offsets_read(file, json_object_get(info, "data_offsets"), data_bytes, s);
}

static int span_by_offset(const void *a, const void *b) {
    const span *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static int entry_by_name(const void *a, const void *b) {
    return strcmp(((const lbk_st_entry *)a)->name, ((const lbk_st_entry *)b)->name);
}

/* The data must be covered once, without gaps: spans[count] in order of offset. */
static lbk_status spans_check(const lbk_st_file *file, const span *spans, size_t count, size_t data_bytes) {
    size_t reached = 0;
    for (size_t i = 0; i < count; i++) {
        if (spans[i].begin < reached)
            return refuse(file, spans[i].name, "data overlap those of another tensor");
        if (spans[i].begin > reached)
            return refuse(file, spans[i].name, "a gap lies before its data");
        reached = spans[i].end;
    }
    return reached == data_bytes ? LBK_OK : refuse(file, NULL, "bytes behind the last tensor's data");
}

static lbk_status entry_fill(lbk_st_file *file, const span *s, const unsigned char *data, lbk_st_entry *entry) {
    *entry = (lbk_st_entry){s->name, s->dtype->as, s->shape, data + s->begin};
    if (!s->dtype->convert)
        return LBK_OK;
    size_t count = (s->end - s->begin) / s->dtype->bytes;
    void *converted;
    LBK_TRY(lbk_arena_alloc(&file->arena, count * 4, &converted));
    s->dtype->convert(entry->data, count, converted);
    entry->data = converted;
    return LBK_OK;
}

/* spans: room for every tensor of the header. */
static lbk_status tensors_read(lbk_st_file *file, json_t *header, span *spans) {
    const unsigned char *data = (const unsigned char *)file->map + 8 + header_length(file);
    size_t data_bytes = file->map_bytes - 8 - (size_t)header_length(file);
    const char *name;
    json_t *info;
    json_object_foreach(header, name, info) {
        if (strcmp(name, "__metadata__") != 0)
            LBK_TRY(span_read(file, name, info, data_bytes, &spans[file->count++]));
    }
    qsort(spans, file->count, sizeof *spans, span_by_offset);
    LBK_TRY(spans_check(file, spans, file->count, data_bytes));
    LBK_TRY(lbk_arena_alloc(&file->arena, file->count * sizeof *file->entries, &file->entries));
    for (size_t i = 0; i < file->count; i++)
        LBK_TRY(entry_fill(file, &spans[i], data, &file->entries[i]));
    qsort(file->entries, file->count, sizeof *file->entries, entry_by_name);
    return LBK_OK;
}

static lbk_status header_read(lbk_st_file *file) {
    json_t *header = NULL;
    span *spans = NULL;
    lbk_status status;
    LBK_GOTO(header_parse(file, &header));
    LBK_GOTO(metadata_read(file, json_object_get(header, "__metadata__")));
    LBK_GOTO(lbk_calloc(json_object_size(header), sizeof *spans, &spans));
    LBK_GOTO(tensors_read(file, header, spans));
out:
    free(spans);
    json_decref(header);
    return status;
}

lbk_status lbk_st_open(lbk_st_file *file, const char *path) {
    *file = (lbk_st_file){0};
    lbk_status status = lbk_strdup(path, &file->path);
    if (status == LBK_OK)
        status = file_map(file);
    if (status == LBK_OK)
        status = header_read(file);
    if (status != LBK_OK)
        lbk_st_close(file);
    return status;
}

const lbk_st_entry *lbk_st_find(const lbk_st_file *file, const char *name) {
    lbk_st_entry wanted = {.name = name};
    if (file->count == 0)
        return NULL;
    return bsearch(&wanted, file->entries, file->count, sizeof wanted, entry_by_name);
}

const char *lbk_st_metadata(const lbk_st_file *file, const char *key) {
    for (const char **pair = file->metadata; pair && pair[0]; pair += 2)
        if (strcmp(pair[0], key) == 0)
            return pair[1];
    return NULL;
}

void lbk_st_close(lbk_st_file *file) {
    if (file->map)
        munmap(file->map, file->map_bytes);
    free(file->path);
    lbk_arena_release(&file->arena);
    *file = (lbk_st_file){0};
}

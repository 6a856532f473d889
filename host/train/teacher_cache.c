#include "train/teacher_cache.h"

#include "base/file.h"
#include "base/hash.h"
#include "tensor/half.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "limbeck-teacher-cache-1\n"
#define HEADER 8192 /* bytes, the key's text included */

struct lbk_teacher_cache {
    char *path, *key;
    lbk_cache_layout layout; /* its key is ours */
    int file;
    size_t record_bytes, total_bytes;
    const unsigned char *map; /* the whole file, to be read */
    unsigned char *scratch;   /* a record under way */
    uint32_t *order;          /* [floats of the logits]: for `top` */
};

/* ---- Records ---- */

static size_t coded_bytes(const lbk_cache_layout *l, int tensor) {
    if (tensor == 0 && l->top)
        return (size_t)l->top * (sizeof(uint32_t) + sizeof(float)) + sizeof(float);
    return l->floats[tensor] * (l->precision == LBK_CACHE_FLOAT16 ? sizeof(uint16_t) : sizeof(float));
}

static uint64_t record_of(const lbk_teacher_cache *c, uint32_t epoch, uint32_t sample) {
    return (uint64_t)(c->layout.epochs > 1 ? epoch : 0) * c->layout.samples + sample;
}

static uint64_t records(const lbk_cache_layout *l) {
    return (uint64_t)l->samples * l->epochs;
}

static off_t sum_at(uint64_t record) {
    return (off_t)(HEADER + record * sizeof(uint32_t));
}

static off_t record_at(const lbk_teacher_cache *c, uint64_t record) {
    return sum_at(records(&c->layout)) + (off_t)(record * c->record_bytes);
}

static uint32_t check_sum(const unsigned char *record, size_t bytes) {
    uint64_t hash = lbk_hash_bytes(LBK_HASH_START, record, bytes);
    uint32_t sum = (uint32_t)(hash ^ hash >> 32);
    return sum ? sum : 1;
}

/* The `top` largest to the front of order[count]; their number is small. */
static void find_top(const float *z, uint32_t *order, size_t count, int top) {
    for (size_t i = 0; i < count; i++)
        order[i] = (uint32_t)i;
    for (int t = 0; t < top; t++) {
        size_t best = (size_t)t;
        for (size_t i = (size_t)t + 1; i < count; i++)
            if (z[order[i]] > z[order[best]])
                best = i;
        uint32_t swap = order[t];
        order[t] = order[best];
        order[best] = swap;
    }
}

/* Indices, values, and the logit that each of the others gets: the logarithm of the mean of their exponentials. */
static void encode_top(const lbk_teacher_cache *c, const float *z, unsigned char *out) {
    size_t count = c->layout.floats[0], top = (size_t)c->layout.top;
    uint32_t *order = c->order;
    double sum = 0;
    find_top(z, order, count, (int)top);
    for (size_t i = top; i < count; i++)
        sum += exp((double)z[order[i]] - (double)z[order[0]]);
    float rest = count > top && sum > 0 ? (float)(log(sum / (double)(count - top)) + (double)z[order[0]]) : -1e4f;
    memcpy(out, order, top * sizeof *order);
    out += top * sizeof *order;
    for (size_t i = 0; i < top; i++)
        memcpy(out + i * sizeof *z, &z[order[i]], sizeof *z);
    memcpy(out + top * sizeof *z, &rest, sizeof rest);
}

static void decode_top(const lbk_cache_layout *l, const unsigned char *in, float *z) {
    size_t top = (size_t)l->top;
    const unsigned char *values = in + top * sizeof(uint32_t);
    float rest;
    memcpy(&rest, values + top * sizeof rest, sizeof rest);
    for (size_t i = 0; i < l->floats[0]; i++)
        z[i] = rest;
    for (size_t i = 0; i < top; i++) {
        uint32_t at;
        memcpy(&at, in + i * sizeof at, sizeof at);
        if (at < l->floats[0])
            memcpy(&z[at], values + i * sizeof rest, sizeof rest);
    }
}

static void encode(const lbk_teacher_cache *c, int tensor, const float *row, unsigned char *out) {
    const lbk_cache_layout *l = &c->layout;
    size_t count = l->floats[tensor];
    if (tensor == 0 && l->top) {
        encode_top(c, row, out);
    } else if (l->precision == LBK_CACHE_FLOAT32) {
        memcpy(out, row, count * sizeof *row);
    } else {
        for (size_t i = 0; i < count; i++) {
            uint16_t half = lbk_half_from_float(LBK_F16, row[i]);
            memcpy(out + i * sizeof half, &half, sizeof half);
        }
    }
}

static void decode(const lbk_cache_layout *l, int tensor, const unsigned char *in, float *row) {
    size_t count = l->floats[tensor];
    if (tensor == 0 && l->top) {
        decode_top(l, in, row);
    } else if (l->precision == LBK_CACHE_FLOAT32) {
        memcpy(row, in, count * sizeof *row);
    } else {
        for (size_t i = 0; i < count; i++) {
            uint16_t half;
            memcpy(&half, in + i * sizeof half, sizeof half);
            row[i] = lbk_half_to_float(LBK_F16, half);
        }
    }
}

bool lbk_teacher_cache_has(const lbk_teacher_cache *c, const lbk_batch *batch) {
    for (int i = 0; i < batch->valid; i++) {
        uint64_t record = record_of(c, batch->epoch, batch->samples[i]);
        uint32_t sum;
        memcpy(&sum, c->map + sum_at(record), sizeof sum);
        if (!sum || sum != check_sum(c->map + record_at(c, record), c->record_bytes))
            return false;
    }
    return true;
}

void lbk_teacher_cache_read(const lbk_teacher_cache *c, const lbk_batch *batch, float *const *rows) {
    for (int i = 0; i < batch->valid; i++) {
        const unsigned char *from = c->map + record_at(c, record_of(c, batch->epoch, batch->samples[i]));
        for (int t = 0; t < c->layout.tensor_count; t++) {
            decode(&c->layout, t, from, rows[t] + (size_t)i * c->layout.floats[t]);
            from += coded_bytes(&c->layout, t);
        }
    }
}

static lbk_status write_at(const lbk_teacher_cache *c, off_t at, const void *bytes, size_t length) {
    const char *from = bytes;
    while (length) {
        ssize_t done = pwrite(c->file, from, length, at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return lbk_fail(LBK_ERR_IO, "cannot write \"%s\": %s", c->path, strerror(errno));
        from += done;
        at += done;
        length -= (size_t)done;
    }
    return LBK_OK;
}

/* The record first, then the sum that says it is there. Written, not mapped: a full disk is an error and no signal. */
lbk_status lbk_teacher_cache_write(lbk_teacher_cache *c, const lbk_batch *batch, const float *const *rows) {
    for (int i = 0; i < batch->valid; i++) {
        uint64_t record = record_of(c, batch->epoch, batch->samples[i]);
        unsigned char *to = c->scratch;
        for (int t = 0; t < c->layout.tensor_count; t++) {
            encode(c, t, rows[t] + (size_t)i * c->layout.floats[t], to);
            to += coded_bytes(&c->layout, t);
        }
        uint32_t sum = check_sum(c->scratch, c->record_bytes);
        LBK_TRY(write_at(c, record_at(c, record), c->scratch, c->record_bytes));
        LBK_TRY(write_at(c, sum_at(record), &sum, sizeof sum));
    }
    return LBK_OK;
}

uint64_t lbk_teacher_cache_bytes(const lbk_teacher_cache *c) {
    return c->total_bytes;
}

/* ---- The file ---- */

/* Where two keys part: the line of each. */
static lbk_status key_differs(const lbk_teacher_cache *c, const char *have) {
    const char *want = c->layout.key, *line_have = have, *line_want = want;
    while (*have && *have == *want) {
        if (*have == '\n') {
            line_have = have + 1;
            line_want = want + 1;
        }
        have++;
        want++;
    }
    return lbk_fail(LBK_ERR_INPUT,
                    "%s: made for \"%.*s\", the run has \"%.*s\"; name another file, or leave cache_file to Limbeck",
                    c->path, (int)strcspn(line_have, "\n"), line_have, (int)strcspn(line_want, "\n"), line_want);
}

static lbk_status check_header(const lbk_teacher_cache *c) {
    char header[HEADER + 1] = {0};
    if (pread(c->file, header, HEADER, 0) != HEADER || memcmp(header, MAGIC, strlen(MAGIC)) != 0)
        return lbk_fail(LBK_ERR_INPUT, "%s: is no teacher cache, or of another version; name another file", c->path);
    if (strcmp(header + strlen(MAGIC), c->layout.key) != 0)
        return key_differs(c, header + strlen(MAGIC));
    struct stat info;
    if (fstat(c->file, &info) != 0 || (uint64_t)info.st_size != c->total_bytes)
        return lbk_fail(LBK_ERR_INPUT, "%s: is damaged: expected %zu bytes; remove it", c->path, c->total_bytes);
    return LBK_OK;
}

/* A new file gets its whole length, without taking up the room, and then its name. */
static lbk_status create_file(lbk_teacher_cache *c) {
    char header[HEADER] = {0};
    lbk_file_writer writer;
    LBK_ENSURE(strlen(MAGIC) + strlen(c->layout.key) < HEADER);
    snprintf(header, sizeof header, "%s%s", MAGIC, c->layout.key);
    LBK_TRY(lbk_file_writer_open(&writer, c->path));
    if (fwrite(header, 1, HEADER, writer.stream) != HEADER || fflush(writer.stream) != 0 ||
        ftruncate(fileno(writer.stream), (off_t)c->total_bytes) != 0) {
        lbk_status status = lbk_fail(LBK_ERR_IO, "cannot write \"%s\": %s", c->path, strerror(errno));
        lbk_file_writer_abort(&writer);
        return status;
    }
    return lbk_file_writer_commit(&writer);
}

static lbk_status map_file(lbk_teacher_cache *c) {
    if (!lbk_path_exists(c->path))
        LBK_TRY(create_file(c));
    c->file = open(c->path, O_RDWR | O_CLOEXEC);
    if (c->file < 0)
        return lbk_fail(LBK_ERR_IO, "cannot open \"%s\": %s", c->path, strerror(errno));
    LBK_TRY(check_header(c));
    void *map = mmap(NULL, c->total_bytes, PROT_READ, MAP_SHARED, c->file, 0);
    if (map == MAP_FAILED)
        return lbk_fail(LBK_ERR_IO, "cannot map \"%s\": %s", c->path, strerror(errno));
    c->map = map;
    return LBK_OK;
}

static lbk_status set_up(lbk_teacher_cache *c, const char *path, const lbk_cache_layout *layout) {
    c->file = -1;
    c->layout = *layout;
    LBK_ENSURE(layout->tensor_count >= 1 && layout->samples && layout->epochs &&
               (size_t)layout->top <= layout->floats[0]);
    for (int t = 0; t < layout->tensor_count; t++)
        c->record_bytes += coded_bytes(layout, t);
    c->total_bytes = (size_t)record_at(c, records(layout));
    LBK_TRY(lbk_strdup(path, &c->path));
    LBK_TRY(lbk_strdup(layout->key, &c->key));
    c->layout.key = c->key;
    LBK_TRY(lbk_calloc(c->record_bytes, 1, &c->scratch));
    LBK_TRY(lbk_calloc(layout->floats[0], sizeof *c->order, &c->order));
    return map_file(c);
}

lbk_status lbk_teacher_cache_open(const char *path, const lbk_cache_layout *layout, lbk_teacher_cache **out) {
    lbk_teacher_cache *c = NULL;
    *out = NULL;
    LBK_TRY(lbk_calloc(1, sizeof *c, &c));
    lbk_status status = set_up(c, path, layout);
    if (status != LBK_OK)
        lbk_teacher_cache_close(c);
    else
        *out = c;
    return status;
}

void lbk_teacher_cache_close(lbk_teacher_cache *c) {
    if (!c)
        return;
    if (c->map)
        munmap((void *)c->map, c->total_bytes);
    if (c->file >= 0)
        close(c->file);
    free(c->path);
    free(c->key);
    free(c->scratch);
    free(c->order);
    free(c);
}

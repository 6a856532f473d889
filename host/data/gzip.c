#include "data/gzip.h"

#include "base/file.h"
#include "base/memory.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#define GZIP_HEADER_ONLY 16 /* added to zlib's window bits: gzip wrapper, not zlib's */
#define FIRST_CAPACITY ((size_t)1 << 16)

/* The next piece of input: zlib counts in 32 bits. */
static void feed(z_stream *stream, const unsigned char *end) {
    size_t left = (size_t)(end - stream->next_in);
    stream->avail_in = left > UINT_MAX ? UINT_MAX : (uInt)left;
}

static lbk_status make_room(z_stream *stream, const char *name, unsigned char **out, size_t *capacity, size_t used) {
    if (used >= LBK_GZIP_LIMIT)
        return lbk_fail(LBK_ERR_INPUT, "%s: inflates to more than %zu bytes", name, LBK_GZIP_LIMIT);
    LBK_TRY(lbk_grow(out, capacity, used ? used + 1 : FIRST_CAPACITY, 1));
    size_t room = *capacity - used;
    stream->next_out = *out + used;
    stream->avail_out = room > UINT_MAX ? UINT_MAX : (uInt)room;
    return LBK_OK;
}

static lbk_status inflate_all(z_stream *stream, const char *name, const unsigned char *start, const unsigned char *end,
                              unsigned char **out, size_t *out_length) {
    size_t capacity = 0, used = 0;
    for (;;) {
        LBK_TRY(make_room(stream, name, out, &capacity, used));
        feed(stream, end);
        const unsigned char *before = stream->next_out;
        int code = inflate(stream, Z_NO_FLUSH);
        used += (size_t)(stream->next_out - before);
        *out_length = used;
        if (code == Z_STREAM_END) {
            if (stream->next_in == end)
                return LBK_OK;
            code = inflateReset(stream); /* a further member */
        }
        if (code == Z_MEM_ERROR)
            return lbk_fail(LBK_ERR_MEMORY, "%s: no memory to inflate", name);
        if (code == Z_DATA_ERROR || code == Z_NEED_DICT)
            return lbk_fail(LBK_ERR_INPUT, "%s: damaged gzip data at byte %zu: %s", name,
                            (size_t)(stream->next_in - start), stream->msg ? stream->msg : "dictionary needed");
        if (stream->next_in == end && stream->avail_out > 0)
            return lbk_fail(LBK_ERR_INPUT, "%s: gzip data cut short at byte %zu, after %zu inflated bytes", name,
                            (size_t)(end - start), used);
    }
}

lbk_status lbk_gzip_inflate(const char *name, const void *bytes, size_t length, unsigned char **out,
                            size_t *out_length) {
    z_stream stream = {.next_in = (Bytef *)bytes};
    *out = NULL;
    *out_length = 0;
    if (inflateInit2(&stream, MAX_WBITS + GZIP_HEADER_ONLY) != Z_OK)
        return lbk_fail(LBK_ERR_MEMORY, "%s: no memory to inflate", name);
    const unsigned char *start = bytes;
    lbk_status status = inflate_all(&stream, name, start, start + length, out, out_length);
    inflateEnd(&stream);
    if (status != LBK_OK) {
        free(*out);
        *out = NULL;
    }
    return status;
}

lbk_status lbk_gzip_read(const char *path, unsigned char **out, size_t *out_length) {
    char *bytes = NULL;
    *out = NULL;
    LBK_TRY(lbk_file_read(path, &bytes, out_length));
    if (*out_length < 2 || (unsigned char)bytes[0] != 0x1f || (unsigned char)bytes[1] != 0x8b) {
        *out = (unsigned char *)bytes;
        return LBK_OK;
    }
    lbk_status status = lbk_gzip_inflate(path, bytes, *out_length, out, out_length);
    free(bytes);
    return status;
}

#include "base/file.h"
#include "tensor/safetensors.h"

#include <jansson.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors data are little-endian; this host would need a byte swap"
#endif

static lbk_status json_fail(const char *path) {
    return lbk_fail(LBK_ERR_MEMORY, "%s: out of memory for the header", path);
}

/* Adds one tensor whose data start at *offset, and moves *offset behind them. */
static lbk_status header_add(json_t *header, const char *path, const lbk_st_entry *entry, size_t *offset) {
    if (json_object_get(header, entry->name) || strcmp(entry->name, "__metadata__") == 0)
        return lbk_fail(LBK_ERR_INTERNAL, "%s: tensor \"%s\" is given twice or its name is reserved", path,
                        entry->name);
    size_t bytes = lbk_tensor_bytes(&(lbk_tensor_desc){entry->dtype, entry->shape});
    json_t *shape = json_array();
    for (int i = 0; i < entry->shape.rank; i++)
        if (json_array_append_new(shape, json_integer(entry->shape.dim[i])) != 0)
            break;
    json_t *info = json_pack("{s:s, s:o, s:[I, I]}", "dtype", lbk_dtype_name(entry->dtype), "shape", shape,
                             "data_offsets", (json_int_t)*offset, (json_int_t)(*offset + bytes));
    if (!info || json_array_size(shape) != (size_t)entry->shape.rank ||
        json_object_set_new(header, entry->name, info) != 0)
        return lbk_fail(LBK_ERR_INTERNAL, "%s: tensor name \"%s\" is not UTF-8, or out of memory", path, entry->name);
    *offset += bytes;
    return LBK_OK;
}

static lbk_status metadata_add(json_t *header, const char *path, const char *const *metadata) {
    json_t *object = json_object();
    if (json_object_set_new(header, "__metadata__", object) != 0)
        return json_fail(path);
    for (; metadata[0]; metadata += 2)
        if (json_object_set_new(object, metadata[0], json_string(metadata[1])) != 0)
            return lbk_fail(LBK_ERR_INTERNAL, "%s: metadata \"%s\" is not UTF-8, or out of memory", path, metadata[0]);
    return LBK_OK;
}

/* The header's text with its 8-byte length before it, padded with spaces so that the data start at a multiple of 8. */
static lbk_status header_print(const json_t *header, const char *path, lbk_text *out) {
    static const char zeros[8] = {0};
    size_t length = json_dumpb(header, NULL, 0, JSON_COMPACT);
    LBK_TRY(lbk_text_append(out, zeros, sizeof zeros));
    for (size_t i = 0; i < (length + 7) / 8; i++)
        LBK_TRY(lbk_text_append(out, "        ", 8));
    if (length == 0 || json_dumpb(header, out->data + 8, length, JSON_COMPACT) != length)
        return json_fail(path);
    for (int i = 0; i < 8; i++)
        out->data[i] = (char)((uint64_t)(out->length - 8) >> 8 * i & 0xFF);
    return LBK_OK;
}

static lbk_status header_build(const char *path, const lbk_st_entry *entries, size_t count, const char *const *metadata,
                               lbk_text *out) {
    json_t *header = json_object();
    lbk_status status = header ? LBK_OK : json_fail(path);
    size_t offset = 0;
    if (status == LBK_OK && metadata)
        status = metadata_add(header, path, metadata);
    for (size_t i = 0; i < count && status == LBK_OK; i++)
        status = header_add(header, path, &entries[i], &offset);
    if (status == LBK_OK)
        status = header_print(header, path, out);
    json_decref(header);
    return status;
}

/* A short write sets the stream's error flag, which the commit reports. */
static lbk_status file_write(const char *path, const lbk_text *header, const lbk_st_entry *entries, size_t count) {
    lbk_file_writer writer;
    LBK_TRY(lbk_file_writer_open(&writer, path));
    fwrite(header->data, 1, header->length, writer.stream);
    for (size_t i = 0; i < count; i++) {
        size_t bytes = lbk_tensor_bytes(&(lbk_tensor_desc){entries[i].dtype, entries[i].shape});
        if (bytes)
            fwrite(entries[i].data, 1, bytes, writer.stream);
    }
    return lbk_file_writer_commit(&writer);
}

lbk_status lbk_st_write(const char *path, const lbk_st_entry *entries, size_t count, const char *const *metadata) {
    lbk_text header = {0};
    lbk_status status = header_build(path, entries, count, metadata, &header);
    if (status == LBK_OK)
        status = file_write(path, &header, entries, count);
    lbk_text_release(&header);
    return status;
}

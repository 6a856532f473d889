/* safetensors files (https://github.com/huggingface/safetensors#format): 8-byte little-endian header length, JSON
 * header {name: {dtype, shape, data_offsets}}, then the data. Written so that PyTorch loads it; header padded to 8. */
#ifndef LBK_TENSOR_SAFETENSORS_H
#define LBK_TENSOR_SAFETENSORS_H

#include "tensor/tensor.h"

typedef struct lbk_st_entry {
    const char *name;
    lbk_dtype dtype;
    lbk_shape shape;
    const void *data; /* dense, file layout; when reading: inside the mapped file, so maybe unaligned: memcpy it */
} lbk_st_entry;

/* Writes atomically (temporary, fsync, rename), entries in the order given, names must be unique.
 * metadata: NULL or "key", "value", ..., NULL pairs for __metadata__. Same input, same bytes. */
lbk_status lbk_st_write(const char *path, const lbk_st_entry *entries, size_t count, const char *const *metadata);

typedef struct lbk_st_file {
    char *path;
    void *map; /* the file, mapped read-only */
    size_t map_bytes;
    lbk_st_entry *entries; /* sorted by name */
    size_t count;
    lbk_arena arena;
    const char **metadata; /* key, value, ..., NULL */
} lbk_st_file;

/* Opens and checks everything: header length, JSON, dtypes, shapes against offsets, gaps, overlaps, end of file.
 * F16, BF16 and F64 tensors are converted to F32 while reading, BOOL, U8, I8 and I16 to I32 (data then lives in the
 * arena). On failure the file is closed. Entries are void once it is closed. */
lbk_status lbk_st_open(lbk_st_file *file, const char *path);
const lbk_st_entry *lbk_st_find(const lbk_st_file *file, const char *name);
const char *lbk_st_metadata(const lbk_st_file *file, const char *key); /* NULL when absent */
void lbk_st_close(lbk_st_file *file);

#endif

/* Program binaries in files: the disk cache and prebuilt folders.
 *
 *     offset  bytes  content (integers little-endian)
 *          0      8  "LBKPROG\n"
 *          8      4  format version
 *         12      4  length of the key text
 *         16      8  length of the payload
 *         24      8  FNV-1a of the payload
 *         32         key text, payload
 *
 * Race: two processes that miss at once both build and both rename; either file is whole and right. */
#include "base/file.h"
#include "base/hash.h"
#include "device/context.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT_VERSION 1
#define HEADER_BYTES 32
static const char magic[8] = {'L', 'B', 'K', 'P', 'R', 'O', 'G', '\n'};

static void put(unsigned char *at, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++)
        at[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get(const unsigned char *at, int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

lbk_status lbk_cache_key_make(const lbk_target *target, const char *file, const char *options, const char *source,
                              lbk_cache_key *out) {
    const lbk_device_info *info = &target->info;
    memset(out, 0, sizeof *out);
    lbk_status status =
        lbk_text_printf(&out->text, "format %d\nplatform %s\nversion %s\ndevice %s\ndriver %s\nfile %s\noptions %s\n\n",
                        FORMAT_VERSION, info->platform_name, info->version, info->name, info->driver, file, options);
    if (status == LBK_OK)
        status = lbk_text_append(&out->text, source, strlen(source));
    if (status != LBK_OK) {
        lbk_cache_key_release(out);
        return status;
    }
    uint64_t hash = lbk_hash_bytes(LBK_HASH_START, out->text.data, out->text.length);
    snprintf(out->name, sizeof out->name, "%016" PRIx64 ".bin", hash);
    return LBK_OK;
}

void lbk_cache_key_release(lbk_cache_key *key) {
    lbk_text_release(&key->text);
    memset(key, 0, sizeof *key);
}

/* A whole entry file, checked against itself. */
typedef struct entry_file {
    unsigned char *bytes;
    size_t key_length, payload_length;
    const unsigned char *key, *payload;
} entry_file;

static lbk_status check_entry(entry_file *entry, size_t length) {
    if (length < HEADER_BYTES || memcmp(entry->bytes, magic, sizeof magic) != 0)
        return lbk_fail(LBK_ERR_IO, "not a program file");
    if (get(entry->bytes + 8, 4) != FORMAT_VERSION)
        return lbk_fail(LBK_ERR_IO, "format version %" PRIu64 ", this build reads %d", get(entry->bytes + 8, 4),
                        FORMAT_VERSION);
    uint64_t key_length = get(entry->bytes + 12, 4), payload_length = get(entry->bytes + 16, 8);
    if (key_length > length - HEADER_BYTES || payload_length != length - HEADER_BYTES - key_length ||
        payload_length == 0)
        return lbk_fail(LBK_ERR_IO, "damaged: %zu bytes do not match its header", length);
    entry->key_length = (size_t)key_length;
    entry->payload_length = (size_t)payload_length;
    entry->key = entry->bytes + HEADER_BYTES;
    entry->payload = entry->key + entry->key_length;
    if (lbk_hash_bytes(LBK_HASH_START, entry->payload, entry->payload_length) != get(entry->bytes + 24, 8))
        return lbk_fail(LBK_ERR_IO, "damaged: wrong checksum");
    return LBK_OK;
}

static lbk_status read_entry(const char *path, entry_file *entry) {
    char *bytes = NULL;
    size_t length = 0;
    memset(entry, 0, sizeof *entry);
    LBK_TRY(lbk_file_read(path, &bytes, &length));
    entry->bytes = (unsigned char *)bytes;
    lbk_status status = lbk_context(check_entry(entry, length), "%s", path);
    if (status != LBK_OK)
        free(bytes);
    return status;
}

static lbk_status take_payload(const char *path, const lbk_cache_key *key, lbk_binary *out) {
    entry_file entry;
    LBK_TRY(read_entry(path, &entry));
    if (entry.key_length != key->text.length || memcmp(entry.key, key->text.data, entry.key_length) != 0) {
        free(entry.bytes);
        return lbk_fail(LBK_ERR_IO, "%s: it is another program's", path);
    }
    memmove(entry.bytes, entry.payload, entry.payload_length);
    out->bytes = entry.bytes;
    out->length = entry.payload_length;
    return LBK_OK;
}

lbk_status lbk_cache_load(const char *folder, const lbk_cache_key *key, bool *found, lbk_binary *out) {
    char *path = NULL;
    LBK_TRY(lbk_path_join(folder, key->name, &path));
    *found = lbk_path_exists(path);
    lbk_status status = *found ? take_payload(path, key, out) : LBK_OK;
    free(path);
    return status;
}

static lbk_status write_entry(const char *path, const lbk_cache_key *key, const lbk_binary *binary) {
    static pthread_mutex_t one_writer =
        PTHREAD_MUTEX_INITIALIZER; /* temporary names differ by process, not by thread */
    unsigned char header[HEADER_BYTES];
    lbk_text file = {0};
    lbk_status status = LBK_OK;
    memcpy(header, magic, sizeof magic);
    put(header + 8, FORMAT_VERSION, 4);
    put(header + 12, key->text.length, 4);
    put(header + 16, binary->length, 8);
    put(header + 24, lbk_hash_bytes(LBK_HASH_START, binary->bytes, binary->length), 8);
    LBK_GOTO(lbk_text_append(&file, header, sizeof header));
    LBK_GOTO(lbk_text_append(&file, key->text.data, key->text.length));
    LBK_GOTO(lbk_text_append(&file, binary->bytes, binary->length));
    pthread_mutex_lock(&one_writer);
    status = lbk_file_write_atomic(path, file.data, file.length);
    pthread_mutex_unlock(&one_writer);
out:
    lbk_text_release(&file);
    return status;
}

lbk_status lbk_cache_store(const char *folder, const lbk_cache_key *key, const lbk_binary *binary) {
    char *path = NULL;
    LBK_TRY(lbk_path_join(folder, key->name, &path));
    lbk_status status = write_entry(path, key, binary);
    free(path);
    return status;
}

lbk_status lbk_cache_read_key(const char *path, char **key_text) {
    entry_file entry;
    LBK_TRY(read_entry(path, &entry));
    lbk_status status = lbk_calloc(entry.key_length + 1, 1, key_text);
    if (status == LBK_OK)
        memcpy(*key_text, entry.key, entry.key_length);
    free(entry.bytes);
    return status;
}

lbk_status lbk_cache_folder(char **out) {
    char *cache = NULL;
    *out = NULL;
    LBK_TRY(lbk_path_cache(&cache));
    lbk_status status = lbk_path_join(cache, "programs", out);
    free(cache);
    if (status == LBK_OK)
        status = lbk_path_make_folder(*out);
    if (status != LBK_OK) {
        free(*out);
        *out = NULL;
    }
    return status;
}

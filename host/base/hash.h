/* FNV-1a, 64 bit: cache keys and name-derived seeds. Not for security. */
#ifndef LBK_BASE_HASH_H
#define LBK_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define LBK_HASH_START 14695981039346656037ull

uint64_t lbk_hash_bytes(uint64_t hash, const void *bytes, size_t length);
uint64_t lbk_hash_text(uint64_t hash, const char *text); /* includes the terminating NUL, so that "a","b" != "ab","" */

#endif

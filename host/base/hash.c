#include "base/hash.h"

#include <string.h>

/* FNV-1a: fold a byte in, then multiply by the 64-bit FNV prime 2^40 + 2^8 + 0xb3. */
uint64_t lbk_hash_bytes(uint64_t hash, const void *bytes, size_t length) {
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ byte[i]) * 1099511628211u;
    return hash;
}

uint64_t lbk_hash_text(uint64_t hash, const char *text) {
    return lbk_hash_bytes(hash, text, strlen(text) + 1);
}

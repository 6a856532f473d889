#include "base/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static lbk_status out_of_memory(size_t count, size_t size) {
    return lbk_fail(LBK_ERR_MEMORY, "out of memory: %zu x %zu bytes", count, size);
}

/* Stores through a T ** that came in as void *, without breaking the aliasing rules. */
static void pointer_store(void *out_pointer, void *value) {
    memcpy(out_pointer, &value, sizeof value);
}

lbk_status lbk_calloc(size_t count, size_t size, void *out_pointer) {
    void *memory = calloc(count ? count : 1, size ? size : 1);
    pointer_store(out_pointer, memory);
    return memory ? LBK_OK : out_of_memory(count, size);
}

lbk_status lbk_grow(void *array_pointer, size_t *capacity, size_t need, size_t element_size) {
    void *array;
    memcpy(&array, array_pointer, sizeof array);
    if (array && need <= *capacity)
        return LBK_OK;
    size_t wanted = *capacity < 8 ? 8 : *capacity;
    while (wanted < need)
        wanted = wanted > SIZE_MAX / 2 ? need : wanted * 2;
    if (element_size && wanted > SIZE_MAX / element_size)
        return out_of_memory(need, element_size);
    void *grown = realloc(array, wanted * (element_size ? element_size : 1));
    if (!grown)
        return out_of_memory(wanted, element_size);
    pointer_store(array_pointer, grown);
    *capacity = wanted;
    return LBK_OK;
}

lbk_status lbk_strdup(const char *text, char **out) {
    size_t bytes = strlen(text) + 1;
    *out = malloc(bytes);
    if (!*out)
        return out_of_memory(1, bytes);
    memcpy(*out, text, bytes);
    return LBK_OK;
}

struct lbk_arena_block {
    struct lbk_arena_block *next;
    size_t used, capacity; /* bytes of `data` */
    _Alignas(16) unsigned char data[];
};

enum { ARENA_BLOCK_BYTES = 16 * 1024 - 64 };

static lbk_status arena_block_add(lbk_arena *arena, size_t bytes) {
    size_t capacity = bytes > ARENA_BLOCK_BYTES ? bytes : ARENA_BLOCK_BYTES;
    struct lbk_arena_block *block = NULL;
    if (capacity < SIZE_MAX - sizeof *block)
        block = calloc(1, sizeof *block + capacity);
    if (!block)
        return out_of_memory(1, bytes);
    block->capacity = capacity;
    block->next = arena->blocks;
    arena->blocks = block;
    return LBK_OK;
}

lbk_status lbk_arena_alloc(lbk_arena *arena, size_t bytes, void *out_pointer) {
    pointer_store(out_pointer, NULL);
    if (bytes > SIZE_MAX - 16)
        return out_of_memory(1, bytes);
    size_t rounded = (bytes + 15) / 16 * 16;
    struct lbk_arena_block *block = arena->blocks;
    if (!block || block->capacity - block->used < rounded) {
        LBK_TRY(arena_block_add(arena, rounded));
        block = arena->blocks;
    }
    pointer_store(out_pointer, block->data + block->used);
    block->used += rounded;
    return LBK_OK;
}

lbk_status lbk_arena_strdup(lbk_arena *arena, const char *text, const char **out) {
    size_t bytes = strlen(text) + 1;
    char *copy;
    *out = NULL;
    LBK_TRY(lbk_arena_alloc(arena, bytes, &copy));
    memcpy(copy, text, bytes);
    *out = copy;
    return LBK_OK;
}

lbk_status lbk_arena_printf(lbk_arena *arena, const char **out, const char *fmt, ...) {
    va_list args;
    *out = NULL;
    va_start(args, fmt);
    int length = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    LBK_ENSURE(length >= 0);
    char *text;
    LBK_TRY(lbk_arena_alloc(arena, (size_t)length + 1, &text));
    va_start(args, fmt);
    vsnprintf(text, (size_t)length + 1, fmt, args);
    va_end(args);
    *out = text;
    return LBK_OK;
}

void lbk_arena_release(lbk_arena *arena) {
    while (arena->blocks) {
        struct lbk_arena_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
}

static lbk_status text_reserve(lbk_text *text, size_t more) {
    if (more >= SIZE_MAX - text->length)
        return out_of_memory(1, more);
    return lbk_grow(&text->data, &text->capacity, text->length + more + 1, 1);
}

lbk_status lbk_text_printf(lbk_text *text, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    LBK_ENSURE(length >= 0);
    LBK_TRY(text_reserve(text, (size_t)length));
    va_start(args, fmt);
    vsnprintf(text->data + text->length, (size_t)length + 1, fmt, args);
    va_end(args);
    text->length += (size_t)length;
    return LBK_OK;
}

lbk_status lbk_text_append(lbk_text *text, const void *bytes, size_t length) {
    LBK_TRY(text_reserve(text, length));
    if (length)
        memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
    return LBK_OK;
}

void lbk_text_release(lbk_text *text) {
    free(text->data);
    *text = (lbk_text){0};
}

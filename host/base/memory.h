/* Host memory: allocations that report through lbk_status, a bump arena for objects that die together, and a
 * growable byte/string buffer. */
#ifndef LBK_BASE_MEMORY_H
#define LBK_BASE_MEMORY_H

#include "base/status.h"

#include <stdarg.h>
#include <stddef.h>

/* Zeroed array of `count` elements of `size` bytes; *out is NULL on failure. count 0 gives a valid, freeable pointer.
 */
lbk_status lbk_calloc(size_t count, size_t size, void *out_pointer);
/* Grows *array (may be NULL) so that it holds at least `need` elements; *capacity is in elements, doubled. New space is
 * not cleared. */
lbk_status lbk_grow(void *array_pointer, size_t *capacity, size_t need, size_t element_size);
lbk_status lbk_strdup(const char *text, char **out);

/* Arena: memory that is freed all at once. Zero-initialise, use, then lbk_arena_release(). */
typedef struct lbk_arena {
    struct lbk_arena_block *blocks;
} lbk_arena;

/* Zeroed, 16-byte aligned. */
lbk_status lbk_arena_alloc(lbk_arena *arena, size_t bytes, void *out_pointer);
lbk_status lbk_arena_strdup(lbk_arena *arena, const char *text, const char **out);
lbk_status lbk_arena_printf(lbk_arena *arena, const char **out, const char *fmt, ...) LBK_PRINTF(3, 4);
void lbk_arena_release(lbk_arena *arena);

/* Growable text. Zero-initialise; `data` is NUL-terminated once anything was added (NULL before). */
typedef struct lbk_text {
    char *data;
    size_t length, capacity;
} lbk_text;

lbk_status lbk_text_printf(lbk_text *text, const char *fmt, ...) LBK_PRINTF(2, 3);
lbk_status lbk_text_append(lbk_text *text, const void *bytes, size_t length);
void lbk_text_release(lbk_text *text);

#endif

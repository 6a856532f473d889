#include "base/memory.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* AddressSanitizer's allocator aborts on impossible sizes unless told to answer NULL, as malloc does. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "allocator_may_return_null=1";
}

Test(memory, calloc_zeroes_and_takes_zero) {
    int *array;
    cr_assert_eq(lbk_calloc(100, sizeof *array, &array), LBK_OK);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(array[i], 0);
    free(array);
    cr_assert_eq(lbk_calloc(0, sizeof *array, &array), LBK_OK);
    cr_assert_not_null(array);
    free(array);
}

Test(memory, impossible_sizes_are_reported) {
    char *memory = (char *)&memory;
    size_t capacity = 0, huge = SIZE_MAX / 2;
    cr_assert_eq(lbk_calloc(huge, 16, &memory), LBK_ERR_MEMORY);
    cr_assert_null(memory);
    cr_assert_eq(strncmp(lbk_error_message(), "out of memory: ", 15), 0);
    cr_assert_eq(lbk_grow(&memory, &capacity, huge, 16), LBK_ERR_MEMORY);
    cr_assert_null(memory);
    cr_assert_eq(capacity, 0);
    lbk_arena arena = {0};
    cr_assert_eq(lbk_arena_alloc(&arena, SIZE_MAX, &memory), LBK_ERR_MEMORY);
    cr_assert_eq(lbk_arena_alloc(&arena, SIZE_MAX - 40, &memory), LBK_ERR_MEMORY);
    cr_assert_null(memory);
    lbk_arena_release(&arena);
    lbk_text text = {0};
    cr_assert_eq(lbk_text_append(&text, "", SIZE_MAX), LBK_ERR_MEMORY);
    lbk_text_release(&text);
}

Test(memory, grow_keeps_contents_and_doubles) {
    int *array = NULL;
    size_t capacity = 0;
    int moves = 0;
    for (int i = 0; i < 10000; i++) {
        size_t before = capacity;
        cr_assert_eq(lbk_grow(&array, &capacity, (size_t)i + 1, sizeof *array), LBK_OK);
        moves += capacity != before;
        array[i] = i;
    }
    for (int i = 0; i < 10000; i++)
        cr_assert_eq(array[i], i);
    cr_assert_leq(moves, 12);
    free(array);
}

Test(memory, grow_with_need_zero_gives_memory) {
    int *array = NULL;
    size_t capacity = 0;
    cr_assert_eq(lbk_grow(&array, &capacity, 0, sizeof *array), LBK_OK);
    cr_assert_not_null(array);
    free(array);
}

Test(arena, aligned_zeroed_apart_and_large) {
    lbk_arena arena = {0};
    unsigned char *pieces[400];
    size_t sizes[400];
    for (size_t i = 0; i < 400; i++) {
        sizes[i] = i % 50 == 0 ? 40000 + i : i * 3;
        cr_assert_eq(lbk_arena_alloc(&arena, sizes[i], &pieces[i]), LBK_OK);
        cr_assert_eq((uintptr_t)pieces[i] % 16, 0);
        for (size_t b = 0; b < sizes[i]; b++)
            cr_assert_eq(pieces[i][b], 0);
        memset(pieces[i], (int)(i % 255) + 1, sizes[i]);
    }
    for (size_t i = 0; i < 400; i++)
        for (size_t b = 0; b < sizes[i]; b++)
            cr_assert_eq(pieces[i][b], i % 255 + 1);
    lbk_arena_release(&arena);
    cr_assert_null(arena.blocks);
    lbk_arena_release(&arena);
}

Test(arena, text) {
    lbk_arena arena = {0};
    const char *copy, *printed;
    cr_assert_eq(lbk_arena_strdup(&arena, "teacher", &copy), LBK_OK);
    cr_assert_eq(lbk_arena_printf(&arena, &printed, "%s.%d.weight", copy, 12), LBK_OK);
    cr_assert_str_eq(copy, "teacher");
    cr_assert_str_eq(printed, "teacher.12.weight");
    lbk_arena_release(&arena);
}

Test(text, grows_and_ends_with_nul) {
    lbk_text text = {0};
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(lbk_text_printf(&text, "%03d,", i), LBK_OK);
    cr_assert_eq(text.length, 4000);
    cr_assert_eq(strlen(text.data), 4000);
    cr_assert_eq(memcmp(text.data + 4 * 777, "777,", 4), 0);
    cr_assert_eq(lbk_text_append(&text, "a\0b", 3), LBK_OK);
    cr_assert_eq(text.length, 4003);
    cr_assert_eq(text.data[4003], '\0');
    lbk_text_release(&text);
    cr_assert_null(text.data);
    cr_assert_eq(lbk_text_append(&text, "", 0), LBK_OK);
    cr_assert_str_eq(text.data, "");
    lbk_text_release(&text);
}

Test(memory, strdup) {
    char *copy;
    cr_assert_eq(lbk_strdup("x y", &copy), LBK_OK);
    cr_assert_str_eq(copy, "x y");
    free(copy);
}

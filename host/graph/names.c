#include "graph/names.h"

#include "base/memory.h"
#include "base/param.h"

#include <stdlib.h>
#include <string.h>

bool lbk_name_under(const char *name, const char *path) {
    size_t length = strlen(path);
    return length == 0 || (strncmp(name, path, length) == 0 && (name[length] == '\0' || name[length] == '.'));
}

/* All names, and every path above them; the same one may come several times. */
static lbk_status paths_collect(const char *const *names, size_t count, lbk_arena *arena, const char ***paths,
                                size_t *path_count) {
    size_t capacity = 0;
    for (size_t i = 0; i < count; i++)
        for (const char *end = names[i]; end; end = strchr(end + 1, '.')) {
            size_t length = end == names[i] ? strlen(end) : (size_t)(end - names[i]);
            LBK_TRY(lbk_grow(paths, &capacity, *path_count + 1, sizeof **paths));
            LBK_TRY(lbk_arena_printf(arena, &(*paths)[(*path_count)++], "%.*s", (int)length, names[i]));
        }
    return LBK_OK;
}

lbk_status lbk_name_path_check(const char *const *names, size_t count, const char *path, const char *owner) {
    for (size_t i = 0; i < count; i++)
        if (lbk_name_under(names[i], path))
            return LBK_OK;
    lbk_arena arena = {0};
    const char **paths = NULL;
    size_t path_count = 0;
    lbk_status status = paths_collect(names, count, &arena, &paths, &path_count);
    if (status == LBK_OK) {
        const char *near = lbk_nearest(path, paths, path_count);
        status =
            near ? lbk_fail(LBK_ERR_INPUT, "no weight of %s is called \"%s\" or lies under it; did you mean \"%s\"?",
                            owner, path, near)
                 : lbk_fail(LBK_ERR_INPUT, "no weight of %s is called \"%s\" or lies under it", owner, path);
    }
    free(paths);
    lbk_arena_release(&arena);
    return status;
}

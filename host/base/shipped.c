#include "base/shipped.h"

#include "base/file.h"
#include "base/param.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Length without ".ini"; 0: some other file. */
static size_t stem_length(const char *file) {
    size_t length = strlen(file);
    return length > 4 && file[0] != '.' && strcmp(file + length - 4, ".ini") == 0 ? length - 4 : 0;
}

static lbk_status names_read(lbk_arena *arena, DIR *dir, const char ***names, size_t *count) {
    size_t capacity = 0;
    for (struct dirent *file; (file = readdir(dir)) != NULL;) {
        size_t length = stem_length(file->d_name);
        if (!length)
            continue;
        LBK_TRY(lbk_grow(names, &capacity, *count + 1, sizeof **names));
        LBK_TRY(lbk_arena_printf(arena, &(*names)[(*count)++], "%.*s", (int)length, file->d_name));
    }
    return LBK_OK;
}

lbk_status lbk_shipped_list(const lbk_shipped_kind *kind, lbk_arena *arena, const char *const **out) {
    char *folder = lbk_path_find_shipped(kind->folder, "");
    const char **names = NULL, **kept = NULL;
    size_t count = 0;
    lbk_status status = LBK_OK;
    *out = NULL;
    if (!folder)
        return lbk_fail(LBK_ERR_IO, "the folder of shipped %ss (%s) is not there; LIMBECK_HOME can name its parent",
                        kind->noun, kind->folder);
    DIR *dir = opendir(folder);
    if (!dir) {
        status = lbk_fail(LBK_ERR_IO, "cannot list \"%s\": %s", folder, strerror(errno));
        goto out;
    }
    LBK_GOTO(names_read(arena, dir, &names, &count));
    if (count)
        qsort(names, count, sizeof *names, by_name);
    LBK_GOTO(lbk_arena_alloc(arena, (count + 1) * sizeof *kept, &kept));
    if (count)
        memcpy(kept, names, count * sizeof *kept);
    *out = kept;
out:
    if (dir)
        closedir(dir);
    free(names);
    free(folder);
    return status;
}

static bool is_path(const char *name) {
    size_t length = strlen(name);
    return strchr(name, '/') || (length > 4 && strcmp(name + length - 4, ".ini") == 0);
}

lbk_status lbk_shipped_find(const lbk_shipped_kind *kind, const char *name, const char *folder, char **path) {
    *path = NULL;
    if (is_path(name))
        return lbk_path_join(folder, name, path);
    lbk_arena arena = {0};
    lbk_status status = LBK_OK;
    const char *file = NULL, *const *names = NULL;
    LBK_GOTO(lbk_arena_printf(&arena, &file, "%s.ini", name));
    *path = lbk_path_find_shipped(kind->folder, file);
    if (*path)
        goto out;
    LBK_GOTO(lbk_shipped_list(kind, &arena, &names));
    size_t count = 0;
    while (names[count])
        count++;
    const char *near = lbk_nearest(name, names, count);
    status = near ? lbk_fail(LBK_ERR_INPUT, "there is no %s \"%s\"; did you mean \"%s\"?", kind->noun, name, near)
                  : lbk_fail(LBK_ERR_INPUT,
                             "there is no %s \"%s\"; `limbeck list %ss` shows the shipped ones, and a file of your own "
                             "is named by its path (./%s.ini)",
                             kind->noun, name, kind->noun, name);
out:
    lbk_arena_release(&arena);
    return status;
}

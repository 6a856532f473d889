/* The half of base/file.h that deals with names rather than bytes. */
#define _POSIX_C_SOURCE 200809L
#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool lbk_path_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0;
}

bool lbk_path_is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool lbk_path_is_regular(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

/* One folder; one that is there already will do, even where mkdir would fail for lack of permission. */
static lbk_status folder_make(const char *path, mode_t mode) {
    if (mkdir(path, mode) == 0)
        return LBK_OK;
    int reason = errno;
    if (lbk_path_is_folder(path))
        return LBK_OK;
    return lbk_fail(LBK_ERR_IO, "cannot create folder \"%s\": %s", path, strerror(reason));
}

static lbk_status folders_make(const char *path, mode_t mode) {
    char *copy;
    LBK_TRY(lbk_strdup(path, &copy));
    lbk_status status = LBK_OK;
    for (char *c = copy; *c && status == LBK_OK; c++) {
        if (*c != '/' || c == copy)
            continue;
        *c = '\0';
        status = folder_make(copy, mode);
        *c = '/';
    }
    if (status == LBK_OK)
        status = folder_make(copy, mode);
    free(copy);
    return status;
}

lbk_status lbk_path_make_folder(const char *path) {
    return folders_make(path, 0777);
}

lbk_status lbk_path_join(const char *folder, const char *name, char **out) {
    lbk_text text = {0};
    size_t length = folder ? strlen(folder) : 0;
    *out = NULL;
    lbk_status status;
    if (length == 0 || name[0] == '/')
        status = lbk_text_printf(&text, "%s", name);
    else
        status = lbk_text_printf(&text, "%s%s%s", folder, folder[length - 1] == '/' ? "" : "/", name);
    if (status != LBK_OK)
        lbk_text_release(&text);
    *out = text.data;
    return status;
}

lbk_status lbk_path_folder(const char *path, char **out) {
    const char *slash = strrchr(path, '/');
    LBK_TRY(lbk_strdup(slash ? path : "", out));
    if (slash)
        (*out)[slash - path + (slash == path)] = '\0';
    return LBK_OK;
}

/* "<root>/<kind>/<name>" when it exists, else NULL. */
static char *shipped_at(const char *root, const char *kind, const char *name) {
    lbk_text text = {0};
    if (lbk_text_printf(&text, "%s/%s/%s", root, kind, name) == LBK_OK && lbk_path_exists(text.data))
        return text.data;
    lbk_text_release(&text);
    return NULL;
}

/* For an executable <prefix>/bin/limbeck: <prefix>/share/limbeck. NULL where the system does not tell its path. */
static char *share_folder(void) {
    char exe[4096];
    ssize_t length = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (length <= 0)
        return NULL;
    exe[length] = '\0';
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(exe, '/');
        if (!slash)
            return NULL;
        *slash = '\0';
    }
    char *folder;
    return lbk_path_join(exe[0] ? exe : "/", "share/limbeck", &folder) == LBK_OK ? folder : NULL;
}

char *lbk_path_find_shipped(const char *kind, const char *name) {
    const char *home = getenv("LIMBECK_HOME");
    char *found = home && home[0] ? shipped_at(home, kind, name) : NULL;
    if (!found) {
        char *share = share_folder();
        if (share)
            found = shipped_at(share, kind, name);
        free(share);
    }
#ifdef LIMBECK_SOURCE_DIR
    if (!found)
        found = shipped_at(LIMBECK_SOURCE_DIR, kind, name);
#endif
    return found;
}

lbk_status lbk_path_cache(char **out) {
    static const struct {
        const char *variable, *below;
    } places[] = {{"LIMBECK_CACHE", ""}, {"XDG_CACHE_HOME", "/limbeck"}, {"HOME", "/.cache/limbeck"}};
    lbk_text text = {0};
    *out = NULL;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const char *value = getenv(places[i].variable);
        if (!value || !value[0])
            continue;
        lbk_status status = lbk_text_printf(&text, "%s%s", value, places[i].below);
        if (status == LBK_OK)
            status = folders_make(text.data, 0700);
        if (status != LBK_OK)
            lbk_text_release(&text);
        *out = text.data;
        return status;
    }
    return lbk_fail(LBK_ERR_IO, "no folder for the cache: none of LIMBECK_CACHE, XDG_CACHE_HOME and HOME is set");
}

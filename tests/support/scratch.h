/* A folder of a test's own, in memory where the system has such a place, gone when the test is. */
#ifndef LBK_TESTS_SCRATCH_H
#define LBK_TESTS_SCRATCH_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct scratch {
    char folder[64];
    char path[512]; /* of the last scratch_path() */
} scratch;

static inline void scratch_make(scratch *s) {
    snprintf(s->folder, sizeof s->folder, "%s/limbeck-test-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    cr_assert_not_null(mkdtemp(s->folder));
}

static inline const char *scratch_path(scratch *s, const char *name) {
    cr_assert_lt((size_t)snprintf(s->path, sizeof s->path, "%s/%s", s->folder, name), sizeof s->path);
    return s->path;
}

/* Writes a file of `length` bytes and returns its path. An old one is removed first: ext4 waits for the disk when a file
 * is cut and written anew. */
static inline const char *scratch_write(scratch *s, const char *name, const void *bytes, size_t length) {
    unlink(scratch_path(s, name));
    FILE *stream = fopen(s->path, "wb");
    cr_assert_not_null(stream);
    cr_assert_eq(fwrite(bytes, 1, length, stream), length);
    cr_assert_eq(fclose(stream), 0);
    return s->path;
}

/* Number of names in the folder. */
static inline int scratch_count(const scratch *s) {
    int count = 0;
    DIR *folder = opendir(s->folder);
    cr_assert_not_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(folder);
    return count;
}

static inline void scratch_remove_tree(const char *path) {
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder)) != NULL;) {
        char inner[1024];
        struct stat info;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if ((size_t)snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name) >= sizeof inner)
            continue;
        if (lstat(inner, &info) == 0 && S_ISDIR(info.st_mode))
            scratch_remove_tree(inner);
        else
            unlink(inner);
    }
    if (folder)
        closedir(folder);
    rmdir(path);
}

static inline void scratch_remove(scratch *s) {
    scratch_remove_tree(s->folder);
}

#endif

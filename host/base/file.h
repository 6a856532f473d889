/* Files: read whole, write so that a crash leaves the old file or the new one, paths. */
#ifndef LBK_BASE_FILE_H
#define LBK_BASE_FILE_H

#include "base/memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The whole file into *out (NUL-terminated one past *length; free() it). */
lbk_status lbk_file_read(const char *path, char **out, size_t *length);

/* Whole file by way of "path.tmp-PID", fsync, rename, fsync of the folder. */
lbk_status lbk_file_write_atomic(const char *path, const void *bytes, size_t length);

/* The same in pieces: open, fwrite to `stream` as you like, then commit; abort removes the temporary file. */
typedef struct lbk_file_writer {
    FILE *stream;
    char *path, *temporary;
} lbk_file_writer;
lbk_status lbk_file_writer_open(lbk_file_writer *writer, const char *path);
lbk_status lbk_file_writer_commit(lbk_file_writer *writer); /* releases the writer in every case */
void lbk_file_writer_abort(lbk_file_writer *writer);        /* harmless on a released or zeroed writer */

bool lbk_path_exists(const char *path);
bool lbk_path_is_folder(const char *path);
bool lbk_path_is_regular(const char *path); /* a plain file, not a pipe or device */
/* mkdir -p. */
lbk_status lbk_path_make_folder(const char *path);
/* Joins with '/', unless `name` is absolute; folder may be "" or NULL. free() the result. */
lbk_status lbk_path_join(const char *folder, const char *name, char **out);
/* The part of `path` in front of its last '/', "/" of "/name", "" without one. free() the result. */
lbk_status lbk_path_folder(const char *path, char **out);

/* Folder of shipped data ("models", "experiments"): $LIMBECK_HOME, else beside the executable's prefix
 * (<prefix>/share/limbeck), else the source tree it was built from. Finds "<kind>/<name>" there; NULL when absent.
 * free() the result. */
char *lbk_path_find_shipped(const char *kind, const char *name);

/* The user's cache folder: $LIMBECK_CACHE, else $XDG_CACHE_HOME/limbeck, else ~/.cache/limbeck, created 0700. */
lbk_status lbk_path_cache(char **out);

#endif

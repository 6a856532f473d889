/* Shipped INI files of one kind (models, presets, tables): a folder of them, each known by its name without ".ini". */
#ifndef LBK_BASE_SHIPPED_H
#define LBK_BASE_SHIPPED_H

#include "base/memory.h"

typedef struct lbk_shipped_kind {
    const char *folder; /* below the shipped data: "models" */
    const char *noun;   /* "model"; with an s it is what `limbeck list` knows */
} lbk_shipped_kind;

/* Their names, sorted, NULL-terminated, in `arena`. LBK_ERR_IO when there is no such folder. */
lbk_status lbk_shipped_list(const lbk_shipped_kind *kind, lbk_arena *arena, const char *const **names);

/* The path of `name`: a shipped file's name, or a path of one's own, which holds a '/' or ends in ".ini" and starts at
 * `folder`. An unknown name is refused, with the nearest one. Whether a path exists is for the reader to say. free() *path. */
lbk_status lbk_shipped_find(const lbk_shipped_kind *kind, const char *name, const char *folder, char **path);

#endif

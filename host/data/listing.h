/* What a folder holds. */
#ifndef LBK_DATA_LISTING_H
#define LBK_DATA_LISTING_H

#include "base/status.h"

#include <dirent.h>
#include <stdbool.h>

/* Sorted names of a folder's entries that pass `filter`; lbk_listing_free() them. */
lbk_status lbk_listing(const char *path, int (*filter)(const struct dirent *), struct dirent ***out, int *count);
void lbk_listing_free(struct dirent **names, int count);

/* A filter: all but those that begin with a dot. */
int lbk_listing_not_hidden(const struct dirent *entry);
/* Whether a name ends so, whatever the case. */
bool lbk_listing_ends(const char *name, const char *ending);

#endif

#include "data/listing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int by_bytes(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

lbk_status lbk_listing(const char *path, int (*filter)(const struct dirent *), struct dirent ***out, int *count) {
    *count = scandir(path, out, filter, by_bytes);
    if (*count >= 0)
        return LBK_OK;
    *out = NULL;
    *count = 0;
    return lbk_fail(LBK_ERR_IO, "cannot list \"%s\": %s", path, strerror(errno));
}

void lbk_listing_free(struct dirent **names, int count) {
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

int lbk_listing_not_hidden(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

bool lbk_listing_ends(const char *name, const char *ending) {
    size_t length = strlen(name), tail = strlen(ending);
    return length >= tail && strcasecmp(name + length - tail, ending) == 0;
}

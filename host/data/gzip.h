/* Whole files, gzipped or not. */
#ifndef LBK_DATA_GZIP_H
#define LBK_DATA_GZIP_H

#include "base/status.h"

#include <stddef.h>

/* Most bytes a file may have once inflated: a guard against damaged or hostile files. */
#define LBK_GZIP_LIMIT ((size_t)4 << 30)

/* Inflates gzip data of one or more members into *out (free() it; NULL on failure); `name` is for messages. Errors,
 * LBK_ERR_INPUT: not gzip, cut short, damaged (with the offset within the gzip data), longer than LBK_GZIP_LIMIT. */
lbk_status lbk_gzip_inflate(const char *name, const void *bytes, size_t length, unsigned char **out,
                            size_t *out_length);

/* The whole file at `path`, inflated when it starts with gzip's magic number 1f 8b. free() *out. */
lbk_status lbk_gzip_read(const char *path, unsigned char **out, size_t *out_length);

#endif

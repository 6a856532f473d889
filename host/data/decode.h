/* JPEG and PNG files to bytes, and resizing of such images. Thread-safe; nothing is ever written to stderr. */
#ifndef LBK_DATA_DECODE_H
#define LBK_DATA_DECODE_H

#include "base/status.h"

#define LBK_DECODE_MAX_PIXELS (1ll << 26) /* guard against damaged headers */

typedef struct lbk_pixmap {
    int height, width, channels; /* channels: 1 grey, 3 RGB */
    unsigned char *bytes;        /* [height][width][channels]; free() it */
} lbk_pixmap;

/* Reads the file at `path` as grey (channels 1) or RGB (3), whatever it holds; a PNG's transparency is laid over black.
 * The first bytes, not the name, tell the format. Errors: LBK_ERR_IO (cannot read), LBK_ERR_INPUT with the place:
 * neither format, cut short, damaged, more than LBK_DECODE_MAX_PIXELS. out->bytes is NULL on failure. */
lbk_status lbk_decode_file(const char *path, int channels, lbk_pixmap *out);

/* Resizes to height x width in place: along an axis that shrinks, the mean of the area each new pixel covers; along one
 * that grows, linear between pixel centres, edges repeated. Rounds to the nearest byte. Only LBK_ERR_MEMORY. */
lbk_status lbk_decode_resize(lbk_pixmap *image, int height, int width);

#endif

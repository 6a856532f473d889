/* A temporary folder per test, files in it, and datasets opened from it. Every function fails the test on an error of
 * its own. */
#ifndef LBK_TESTS_DATA_BOX_H
#define LBK_TESTS_DATA_BOX_H

#include "data/data.h"

/* .init and .fini of a test suite. */
void box_make(void);
void box_remove(void);
const char *box_path(void);

/* Names are relative to the box; folders in between are made. */
void box_write(const char *name, const void *bytes, size_t length);
void box_write_gzip(const char *name, const void *bytes, size_t length);
/* pixels[height][width][channels], channels 1 or 3. */
void box_write_png(const char *name, int height, int width, int channels, const unsigned char *pixels);
void box_write_jpeg(const char *name, int height, int width, int channels, const unsigned char *pixels);
/* The file's bytes as they lie; free() them. */
unsigned char *box_read(const char *name, size_t *length);
void box_delete(const char *name);

/* An experiment: `text` is written as box/x.ini. */
typedef struct box_data {
    lbk_ini ini;
    lbk_data data;
} box_data;
/* Reads and opens it; the status tells how far it came. Close in every case. */
lbk_status box_open(box_data *box, const char *text, uint64_t seed);
void box_close(box_data *box);
/* box_open() that must succeed. */
void box_open_ok(box_data *box, const char *text, uint64_t seed);
/* box_open() that must fail with `code` and exactly `message`, in which @ stands for the box's path and # for any
 * number (for what a library counts in its own way). */
void box_expect_error(const char *text, lbk_status code, const char *message);
/* The same of any call's outcome. */
void box_expect_message(lbk_status status, lbk_status code, const char *message);

#endif

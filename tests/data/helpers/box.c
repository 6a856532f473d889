#define _XOPEN_SOURCE 700 /* nftw */
#include "data/helpers/box.h"

#include "base/file.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <jpeglib.h>

static char folder[64];

void box_make(void) {
    strcpy(folder, "/tmp/limbeck-data-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place) {
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

void box_remove(void) {
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *box_path(void) {
    return folder;
}

/* box/name, with the folders before it made; valid until the next call. */
static const char *path_of(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    cr_assert_eq(lbk_path_make_folder(path), LBK_OK, "%s", lbk_error_message());
    *slash = '/';
    return path;
}

void box_write(const char *name, const void *bytes, size_t length) {
    FILE *file = fopen(path_of(name), "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes, 1, length, file), length);
    cr_assert_eq(fclose(file), 0);
}

void box_write_gzip(const char *name, const void *bytes, size_t length) {
    gzFile file = gzopen(path_of(name), "wb");
    cr_assert_not_null(file);
    cr_assert_eq(gzwrite(file, bytes, (unsigned)length), (int)length);
    cr_assert_eq(gzclose(file), Z_OK);
}

void box_write_png(const char *name, int height, int width, int channels, const unsigned char *pixels) {
    png_image image = {.version = PNG_IMAGE_VERSION, .width = (unsigned)width, .height = (unsigned)height};
    image.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
    cr_assert(png_image_write_to_file(&image, path_of(name), 0, pixels, 0, NULL), "%s", image.message);
}

void box_write_jpeg(const char *name, int height, int width, int channels, const unsigned char *pixels) {
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr errors;
    FILE *file = fopen(path_of(name), "wb");
    cr_assert_not_null(file);
    info.err = jpeg_std_error(&errors);
    jpeg_create_compress(&info);
    jpeg_stdio_dest(&info, file);
    info.image_height = (unsigned)height;
    info.image_width = (unsigned)width;
    info.input_components = channels;
    info.in_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, 100, TRUE);
    jpeg_start_compress(&info, TRUE);
    while (info.next_scanline < info.image_height) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)(pixels + info.next_scanline * (size_t)width * (size_t)channels);
        jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    cr_assert_eq(fclose(file), 0);
}

unsigned char *box_read(const char *name, size_t *length) {
    char *bytes;
    cr_assert_eq(lbk_file_read(path_of(name), &bytes, length), LBK_OK, "%s", lbk_error_message());
    return (unsigned char *)bytes;
}

void box_delete(const char *name) {
    cr_assert_eq(remove(path_of(name)), 0);
}

lbk_status box_open(box_data *box, const char *text, uint64_t seed) {
    memset(box, 0, sizeof *box);
    box_write("x.ini", text, strlen(text));
    LBK_TRY(lbk_ini_load(&box->ini, path_of("x.ini")));
    LBK_TRY(lbk_data_read(&box->data, &box->ini, seed));
    return lbk_data_open(&box->data, folder);
}

void box_close(box_data *box) {
    lbk_data_release(&box->data);
    lbk_ini_release(&box->ini);
}

void box_open_ok(box_data *box, const char *text, uint64_t seed) {
    cr_assert_eq(box_open(box, text, seed), LBK_OK, "%s", lbk_error_message());
}

static bool matches(const char *text, const char *pattern) {
    for (; *pattern; pattern++) {
        if (*pattern != '#') {
            if (*text++ != *pattern)
                return false;
            continue;
        }
        size_t digits = strspn(text, "0123456789");
        if (digits == 0)
            return false;
        text += digits;
    }
    return *text == '\0';
}

void box_expect_message(lbk_status status, lbk_status code, const char *message) {
    lbk_text wanted = {0};
    for (const char *c = message; *c; c++)
        cr_assert_eq(*c == '@' ? lbk_text_printf(&wanted, "%s", folder) : lbk_text_append(&wanted, c, 1), LBK_OK);
    cr_assert_eq(status, code, "expected %s, got %s: %s", lbk_status_name(code), lbk_status_name(status),
                 lbk_error_message());
    cr_assert(matches(lbk_error_message(), wanted.data), "got      %s\nexpected %s", lbk_error_message(), wanted.data);
    lbk_text_release(&wanted);
}

void box_expect_error(const char *text, lbk_status code, const char *message) {
    box_data box;
    lbk_status status = box_open(&box, text, 1);
    box_expect_message(status, code, message);
    box_close(&box);
}

#include "data/decode.h"

#include "base/file.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h> /* jpeglib.h needs it before itself */
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

typedef struct encoded {
    const char *path;
    const unsigned char *bytes;
    size_t length;
} encoded;

static lbk_status image_alloc(const encoded *file, unsigned long height, unsigned long width, lbk_pixmap *out) {
    if (height == 0 || width == 0 || height > LBK_DECODE_MAX_PIXELS / width)
        return lbk_fail(LBK_ERR_INPUT, "%s: image of %lux%lu; at most %lld pixels are read", file->path, height, width,
                        LBK_DECODE_MAX_PIXELS);
    out->height = (int)height;
    out->width = (int)width;
    return lbk_calloc(height * width, (size_t)out->channels, &out->bytes);
}

typedef struct jpeg_decoder {
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    jmp_buf failed;
    char message[JMSG_LENGTH_MAX];
} jpeg_decoder;

static void jpeg_give_up(j_common_ptr info) {
    jpeg_decoder *decoder = info->client_data;
    info->err->format_message(info, decoder->message);
    longjmp(decoder->failed, 1);
}

/* libjpeg only warns about a file that is cut short, and fills the rest with grey. Superfluous bytes between segments
 * are harmless and common. */
static void jpeg_judge(j_common_ptr info, int level) {
    if (level < 0 && info->err->msg_code != JWRN_EXTRANEOUS_DATA)
        jpeg_give_up(info);
}

static void jpeg_be_silent(j_common_ptr info) {
    (void)info;
}

/* Everything that may jump; what it allocates hangs on `decoder` and `out`. */
static lbk_status jpeg_run(jpeg_decoder *decoder, const encoded *file, lbk_pixmap *out) {
    struct jpeg_decompress_struct *info = &decoder->info;
    jpeg_mem_src(info, file->bytes, file->length);
    jpeg_read_header(info, TRUE);
    info->out_color_space = out->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    LBK_TRY(image_alloc(file, info->image_height, info->image_width, out));
    jpeg_start_decompress(info);
    size_t row = (size_t)out->width * (size_t)out->channels;
    while (info->output_scanline < info->output_height) {
        JSAMPROW line = out->bytes + info->output_scanline * row;
        jpeg_read_scanlines(info, &line, 1);
    }
    jpeg_finish_decompress(info);
    return LBK_OK;
}

static lbk_status jpeg_decode(const encoded *file, lbk_pixmap *out) {
    jpeg_decoder *decoder = NULL;
    LBK_TRY(lbk_calloc(1, sizeof *decoder, &decoder));
    decoder->info.err = jpeg_std_error(&decoder->errors);
    decoder->info.client_data = decoder;
    decoder->errors.error_exit = jpeg_give_up;
    decoder->errors.emit_message = jpeg_judge;
    decoder->errors.output_message = jpeg_be_silent;
    lbk_status status;
    if (setjmp(decoder->failed) == 0) {
        jpeg_create_decompress(&decoder->info);
        status = jpeg_run(decoder, file, out);
    } else {
        const struct jpeg_source_mgr *source = decoder->info.src;
        status = lbk_fail(LBK_ERR_INPUT, "%s: undecodable JPEG near byte %zu of %zu: %s", file->path,
                          source ? file->length - source->bytes_in_buffer : 0, file->length, decoder->message);
    }
    jpeg_destroy_decompress(&decoder->info);
    free(decoder);
    return status;
}

static lbk_status png_decode(const encoded *file, lbk_pixmap *out) {
    png_image image = {.version = PNG_IMAGE_VERSION};
    png_color black = {0, 0, 0};
    lbk_status status = LBK_OK;
    if (!png_image_begin_read_from_memory(&image, file->bytes, file->length))
        LBK_GOTO(lbk_fail(LBK_ERR_INPUT, "%s: undecodable PNG header: %s", file->path, image.message));
    image.format = out->channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
    LBK_GOTO(image_alloc(file, image.height, image.width, out));
    if (!png_image_finish_read(&image, &black, out->bytes, 0, NULL))
        LBK_GOTO(lbk_fail(LBK_ERR_INPUT, "%s: undecodable PNG pixels, %zu bytes: %s", file->path, file->length,
                          image.message));
out:
    png_image_free(&image);
    return status;
}

lbk_status lbk_decode_file(const char *path, int channels, lbk_pixmap *out) {
    static const unsigned char png_magic[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    *out = (lbk_pixmap){.channels = channels};
    char *bytes = NULL;
    encoded file = {.path = path};
    LBK_TRY(lbk_file_read(path, &bytes, &file.length));
    file.bytes = (const unsigned char *)bytes;
    lbk_status status;
    if (file.length >= 2 && file.bytes[0] == 0xff && file.bytes[1] == 0xd8)
        status = jpeg_decode(&file, out);
    else if (file.length >= sizeof png_magic && memcmp(bytes, png_magic, sizeof png_magic) == 0)
        status = png_decode(&file, out);
    else
        status = lbk_fail(LBK_ERR_INPUT, "%s: byte 0: neither JPEG nor PNG", path);
    free(bytes);
    if (status != LBK_OK) {
        free(out->bytes);
        out->bytes = NULL;
    }
    return status;
}

#define _POSIX_C_SOURCE 200809L
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static lbk_status io_fail(const char *action, const char *path) {
    return lbk_fail(LBK_ERR_IO, "cannot %s \"%s\": %s", action, path, strerror(errno));
}

static lbk_status stream_read(FILE *stream, const char *path, lbk_text *text) {
    char chunk[1 << 16];
    size_t got;
    while ((got = fread(chunk, 1, sizeof chunk, stream)) > 0)
        LBK_TRY(lbk_text_append(text, chunk, got));
    return ferror(stream) ? io_fail("read", path) : lbk_text_append(text, "", 0);
}

lbk_status lbk_file_read(const char *path, char **out, size_t *length) {
    lbk_text text = {0};
    *out = NULL;
    *length = 0;
    FILE *stream = fopen(path, "rb");
    if (!stream)
        return io_fail("read", path);
    lbk_status status = stream_read(stream, path, &text);
    fclose(stream);
    if (status != LBK_OK) {
        lbk_text_release(&text);
        return status;
    }
    *out = text.data;
    *length = text.length;
    return LBK_OK;
}

lbk_status lbk_file_writer_open(lbk_file_writer *writer, const char *path) {
    *writer = (lbk_file_writer){0};
    lbk_text temporary = {0};
    lbk_status status = lbk_strdup(path, &writer->path);
    if (status == LBK_OK)
        status = lbk_text_printf(&temporary, "%s.tmp-%ld", path, (long)getpid());
    if (status != LBK_OK) {
        lbk_file_writer_abort(writer);
        return status;
    }
    writer->stream = fopen(temporary.data, "wb");
    if (!writer->stream) {
        status = io_fail("create", path);
        lbk_text_release(&temporary);
        lbk_file_writer_abort(writer);
        return status;
    }
    writer->temporary = temporary.data;
    return LBK_OK;
}

/* Makes a rename in the folder of `path` survive a power cut. Some file systems refuse to sync a folder (EINVAL). */
static lbk_status folder_sync(const char *path) {
    char *folder;
    LBK_TRY(lbk_strdup(path, &folder));
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY);
    lbk_status status = LBK_OK;
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL))
        status = io_fail("sync the folder of", path);
    if (fd >= 0)
        close(fd);
    free(folder);
    return status;
}

lbk_status lbk_file_writer_commit(lbk_file_writer *writer) {
    lbk_status status = LBK_OK;
    if (ferror(writer->stream) || fflush(writer->stream) != 0 || fsync(fileno(writer->stream)) != 0)
        status = io_fail("write", writer->path);
    int closed = fclose(writer->stream);
    writer->stream = NULL;
    if (status == LBK_OK && closed != 0)
        status = io_fail("write", writer->path);
    if (status == LBK_OK && rename(writer->temporary, writer->path) != 0)
        status = io_fail("replace", writer->path);
    if (status == LBK_OK) {
        free(writer->temporary);
        writer->temporary = NULL;
        status = folder_sync(writer->path);
    }
    lbk_file_writer_abort(writer);
    return status;
}

void lbk_file_writer_abort(lbk_file_writer *writer) {
    if (writer->stream)
        fclose(writer->stream);
    if (writer->temporary)
        unlink(writer->temporary);
    free(writer->temporary);
    free(writer->path);
    *writer = (lbk_file_writer){0};
}

lbk_status lbk_file_write_atomic(const char *path, const void *bytes, size_t length) {
    lbk_file_writer writer;
    LBK_TRY(lbk_file_writer_open(&writer, path));
    if (length && fwrite(bytes, 1, length, writer.stream) != length) {
        lbk_status status = io_fail("write", path);
        lbk_file_writer_abort(&writer);
        return status;
    }
    return lbk_file_writer_commit(&writer);
}

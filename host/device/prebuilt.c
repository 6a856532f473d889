/* Prebuilt folders: program binaries for devices that have no compiler at hand. index.json lists what the folder holds;
 * it is made from the entries themselves, so that exports for several devices into one folder add up. */
#include "base/file.h"
#include "base/log.h"
#include "device/context.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

static lbk_status export_one(lbk_device *device, const lbk_program_request *request, const char *folder) {
    const char *source = NULL;
    cl_program program = NULL;
    lbk_cache_key key = {0};
    lbk_binary binary = {0};
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_program_get(device, request->file, request->options, &program));
    LBK_GOTO(lbk_kernel_source_get(request->file, &source));
    LBK_GOTO(lbk_cache_key_make(device->target, request->file, request->options, source, &key));
    LBK_GOTO(lbk_context(lbk_program_binary(device->target, program, &binary),
                         "binary of kernel file %s, options \"%s\", device %s (%s)", request->file, request->options,
                         device->label, device->info.name));
    status = lbk_cache_store(folder, &key, &binary);
out:
    free(binary.bytes);
    lbk_cache_key_release(&key);
    return status;
}

static lbk_status append_json_text(lbk_text *out, const char *text, size_t length) {
    LBK_TRY(lbk_text_append(out, "\"", 1));
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            LBK_TRY(lbk_text_printf(out, "\\%c", c));
        else if (c < 0x20)
            LBK_TRY(lbk_text_printf(out, "\\u%04x", c));
        else
            LBK_TRY(lbk_text_append(out, &text[i], 1));
    }
    return lbk_text_append(out, "\"", 1);
}

/* The key text's header lines, "name value" each, up to the empty line before the source, as JSON members. */
static lbk_status append_key(lbk_text *out, const char *key) {
    while (*key && *key != '\n') {
        size_t line = strcspn(key, "\n"), name = strcspn(key, " \n");
        size_t value = name < line ? name + 1 : line;
        LBK_TRY(lbk_text_append(out, ", ", 2));
        LBK_TRY(append_json_text(out, key, name));
        LBK_TRY(lbk_text_append(out, ": ", 2));
        LBK_TRY(append_json_text(out, key + value, line - value));
        key += line + (key[line] == '\n');
    }
    return LBK_OK;
}

static lbk_status append_entry(lbk_text *out, const char *folder, const char *name) {
    char *path = NULL, *key = NULL;
    LBK_TRY(lbk_path_join(folder, name, &path));
    lbk_status status = lbk_cache_read_key(path, &key);
    free(path);
    if (status != LBK_OK) {
        lbk_log(LBK_LOG_WARN, "index.json leaves out %s", lbk_error_message());
        lbk_error_clear();
        return LBK_OK;
    }
    LBK_GOTO(lbk_text_printf(out, "%s\n    {\"entry\": \"%s\"", out->data[out->length - 1] == '[' ? "" : ",", name));
    LBK_GOTO(append_key(out, key));
    status = lbk_text_append(out, "}", 1);
out:
    free(key);
    return status;
}

static int is_entry(const struct dirent *file) {
    size_t length = strlen(file->d_name);
    return length == 20 && strspn(file->d_name, "0123456789abcdef") == 16 && strcmp(file->d_name + 16, ".bin") == 0;
}

static lbk_status write_index(const char *folder, struct dirent **files, int count) {
    lbk_text json = {0};
    char *path = NULL;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_text_printf(&json, "{\n  \"limbeck_programs\": ["));
    for (int i = 0; i < count; i++)
        LBK_GOTO(append_entry(&json, folder, files[i]->d_name));
    LBK_GOTO(lbk_text_printf(&json, "\n  ]\n}\n"));
    LBK_GOTO(lbk_path_join(folder, "index.json", &path));
    status = lbk_file_write_atomic(path, json.data, json.length);
out:
    free(path);
    lbk_text_release(&json);
    return status;
}

lbk_status lbk_program_export(lbk_device *device, const lbk_program_request *requests, size_t count,
                              const char *folder) {
    struct dirent **files = NULL;
    LBK_TRY(lbk_path_make_folder(folder));
    for (size_t i = 0; i < count; i++)
        LBK_TRY(export_one(device, &requests[i], folder));
    int found = scandir(folder, &files, is_entry, alphasort);
    if (found < 0)
        return lbk_fail(LBK_ERR_IO, "cannot list folder \"%s\"", folder);
    lbk_status status = write_index(folder, files, found);
    for (int i = 0; i < found; i++)
        free(files[i]);
    free(files);
    return status;
}

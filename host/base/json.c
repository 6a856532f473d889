#include "base/json.h"
#include "base/file.h"

#include <stdlib.h>

lbk_status lbk_json_read(const char *path, json_t **out) {
    char *text;
    size_t length;
    json_error_t error;
    *out = NULL;
    LBK_TRY(lbk_file_read(path, &text, &length));
    *out = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    free(text);
    return *out ? LBK_OK : lbk_fail(LBK_ERR_INPUT, "%s:%d: JSON: %s", path, error.line, error.text);
}

static int chunk_append(const char *bytes, size_t length, void *text) {
    return lbk_text_append(text, bytes, length) == LBK_OK ? 0 : -1;
}

lbk_status lbk_json_write(const char *path, const json_t *json) {
    lbk_text text = {0};
    lbk_status status;
    if (json_dump_callback(json, chunk_append, &text, JSON_INDENT(2) | JSON_ENCODE_ANY) != 0)
        status = lbk_fail(LBK_ERR_INTERNAL, "cannot write \"%s\": the value has no JSON form", path);
    else if ((status = lbk_text_append(&text, "\n", 1)) == LBK_OK)
        status = lbk_file_write_atomic(path, text.data, text.length);
    lbk_text_release(&text);
    return status;
}

/* Whole JSON files by way of jansson. */
#ifndef LBK_BASE_JSON_H
#define LBK_BASE_JSON_H

#include "base/status.h"

#include <jansson.h>

/* Parses the file (any JSON value; no duplicate keys). *out: one reference, json_decref() it; NULL on failure.
 * LBK_ERR_IO, or LBK_ERR_INPUT "path:line: ...". */
lbk_status lbk_json_read(const char *path, json_t **out);

/* Writes `json`, indented, keys in the order they were set, with a final newline, by lbk_file_write_atomic(). */
lbk_status lbk_json_write(const char *path, const json_t *json);

#endif

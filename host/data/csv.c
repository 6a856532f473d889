#include "data/csv.h"

#include "data/gzip.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Cells are cut out of the file's text in place: a field never gets longer by being unquoted. */
typedef struct reader {
    lbk_csv *csv;
    char *at; /* ends with 0 */
    char separator;
    uint32_t line;
    size_t count, capacity, row_capacity;
} reader;

static lbk_status unclosed(const reader *r, uint32_t line) {
    return lbk_fail(LBK_ERR_INPUT, "%s:%u: a quoted field begins here and does not end", r->csv->path, line);
}

/* From the opening quote to what stands behind the closing one. */
static lbk_status read_quoted(reader *r, char **field) {
    uint32_t line = r->line;
    char *to = ++r->at;
    *field = to;
    while (*r->at != '"' || r->at[1] == '"') {
        if (!*r->at)
            return unclosed(r, line);
        r->line += *r->at == '\n';
        r->at += *r->at == '"';
        *to++ = *r->at++;
    }
    r->at++;
    *to = '\0';
    if (*r->at && *r->at != r->separator && *r->at != '\n' && !(*r->at == '\r' && r->at[1] == '\n'))
        return lbk_fail(LBK_ERR_INPUT, "%s:%u: expected a separator or a line's end behind the closing quote",
                        r->csv->path, r->line);
    return LBK_OK;
}

/* Leaves `at` behind the field's separator or line end; *last tells which. */
static lbk_status read_field(reader *r, bool *last) {
    char *field = r->at, *end;
    if (*r->at == '"')
        LBK_TRY(read_quoted(r, &field));
    else
        while (*r->at && *r->at != r->separator && *r->at != '\n')
            r->at++;
    end = r->at;
    *last = *r->at != r->separator;
    if (*end == '\r')
        r->at++; /* behind a quoted field */
    else if (*last && end > field && end[-1] == '\r' && *end == '\n')
        end--;
    r->line += *r->at == '\n';
    r->at += *r->at != '\0';
    *end = '\0';
    LBK_TRY(lbk_grow(&r->csv->cells, &r->capacity, r->count + 1, sizeof *r->csv->cells));
    r->csv->cells[r->count++] = field;
    return LBK_OK;
}

static lbk_status read_row(reader *r) {
    lbk_csv *csv = r->csv;
    uint32_t line = r->line;
    size_t first = r->count;
    for (bool last = false; !last;)
        LBK_TRY(read_field(r, &last));
    size_t fields = r->count - first;
    if (!csv->rows)
        csv->columns = (int)fields;
    if (fields != (size_t)csv->columns)
        return lbk_fail(LBK_ERR_INPUT, "%s:%u: %zu fields, the first row has %d", csv->path, line, fields,
                        csv->columns);
    LBK_TRY(lbk_grow(&csv->lines, &r->row_capacity, (size_t)csv->rows + 1, sizeof *csv->lines));
    csv->lines[csv->rows++] = line;
    return LBK_OK;
}

static bool skip_empty_line(reader *r) {
    size_t length = r->at[0] == '\n' ? 1 : r->at[0] == '\r' && r->at[1] == '\n' ? 2 : 0;
    r->at += length;
    r->line += length > 0;
    return length > 0;
}

static lbk_status copy_text(lbk_csv *csv, const unsigned char *bytes, size_t length, char **out) {
    uint32_t line = 1;
    for (size_t i = 0; i < length; i++) {
        line += bytes[i] == '\n';
        if (!bytes[i])
            return lbk_fail(LBK_ERR_INPUT, "%s:%u: a byte 0: this is no text", csv->path, line);
    }
    LBK_TRY(lbk_arena_alloc(&csv->arena, length + 1, out));
    memcpy(*out, bytes, length);
    if (length >= 3 && memcmp(*out, "\xef\xbb\xbf", 3) == 0) /* UTF-8's mark */
        *out += 3;
    return LBK_OK;
}

lbk_status lbk_csv_read(const char *path, char separator, lbk_csv *out) {
    reader r = {.csv = out, .separator = separator, .line = 1};
    unsigned char *bytes = NULL;
    size_t length;
    *out = (lbk_csv){0};
    LBK_TRY(lbk_arena_strdup(&out->arena, path, &out->path));
    LBK_TRY(lbk_gzip_read(path, &bytes, &length));
    lbk_status status = copy_text(out, bytes, length, &r.at);
    free(bytes);
    while (status == LBK_OK && *r.at)
        if (!skip_empty_line(&r))
            status = read_row(&r);
    if (status == LBK_OK && !out->rows)
        status = lbk_fail(LBK_ERR_INPUT, "%s: has no row", path);
    return status;
}

void lbk_csv_release(lbk_csv *csv) {
    free(csv->cells);
    free(csv->lines);
    lbk_arena_release(&csv->arena);
    *csv = (lbk_csv){0};
}

const char *lbk_csv_cell(const lbk_csv *csv, uint32_t row, int column) {
    return csv->cells[(size_t)row * (size_t)csv->columns + (size_t)column];
}

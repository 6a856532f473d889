/* Text tables: rows of fields between separators (RFC 4180).
 *
 * A field may stand in double quotes, and then holds separators, line ends and, doubled, quotes. Lines end with LF or CR LF; empty
 * ones are passed over. Every row has as many fields as the first. */
#ifndef LBK_DATA_CSV_H
#define LBK_DATA_CSV_H

#include "base/memory.h"
#include "base/status.h"

#include <stdint.h>

typedef struct lbk_csv {
    const char *path;   /* for messages */
    const char **cells; /* [rows][columns] */
    uint32_t *lines;    /* [rows]: where each begins in the file, from 1 */
    uint32_t rows;
    int columns;
    lbk_arena arena;
} lbk_csv;

/* The whole file, gzipped or not. Errors, LBK_ERR_INPUT "file:line: ...": a quote that is not closed, text behind a closing one, rows of
 * different lengths, a byte 0; "file: ..." when there is no row. Release in every case. */
lbk_status lbk_csv_read(const char *path, char separator, lbk_csv *out);
void lbk_csv_release(lbk_csv *csv); /* harmless on a zeroed one */

/* Cell of a row and column. */
const char *lbk_csv_cell(const lbk_csv *csv, uint32_t row, int column);

#endif

/* Runs a table (train/table.h) and prints what came out. Every cell is an ordinary run in DIR/COLUMN/ROW/seedN; the teacher and
 * the control of a column and seed are trained once, in DIR/COLUMN/alone/seedN, and its rows load that teacher. A run that is
 * finished (it has a result.json) is not run again, one that is not goes on from its checkpoint. */
#ifndef LBK_REPORT_REPRODUCE_H
#define LBK_REPORT_REPRODUCE_H

#include "train/run.h"
#include "train/table.h"

#include <jansson.h>

typedef struct lbk_reproduce_options {
    const char *out; /* NULL: runs/tables/<name of the table> */
    int seeds;       /* 0: as many as the table says */
    const char *rows,
        *columns;            /* names, as in "kd, at": these alone; NULL: all. Teacher and control are always there */
    const char *const *sets; /* "section.key=value" for every run; they win over the table */
    size_t set_count;
    volatile sig_atomic_t *stop;
    lbk_run_watch watch;
} lbk_reproduce_options;

#define LBK_REPRODUCTION_DEVICES 8

typedef struct lbk_reproduction {
    const lbk_table *table;
    char *folder;
    int seeds, teacher_seed;
    bool *row_chosen, *column_chosen;
    double *accuracy; /* [row][column][seed - 1] of the last epoch on the test part, percent; NAN: none */
    double seconds;   /* wall time of the runs; of a run that was resumed, its last part */
    int runs, failures;
    const char *devices[LBK_REPRODUCTION_DEVICES]; /* "teacher on ..., student on ...", without repetition */
    int device_count;
    lbk_status first_failure;
    lbk_text failed; /* one line for each run that failed: its folder and why */
    lbk_arena arena;
} lbk_reproduction;

/* A run that fails is noted and the others go on: see `failures`. LBK_ERR_INTERRUPTED: the same call goes on. Release in
 * every case. */
lbk_status lbk_reproduce(const lbk_table *table, const lbk_reproduce_options *options, lbk_reproduction *out);
void lbk_reproduction_release(lbk_reproduction *reproduction);

/* Over the seeds that have a value; returns how many. deviation: of a sample (n - 1), 0 for one value. */
int lbk_reproduction_mean(const lbk_reproduction *reproduction, size_t row, size_t column, double *mean,
                          double *deviation);
lbk_status lbk_reproduction_markdown(const lbk_reproduction *reproduction, lbk_text *out);
/* One reference. */
lbk_status lbk_reproduction_json(const lbk_reproduction *reproduction, json_t **out);
/* table.md and table.json in the folder. */
lbk_status lbk_reproduction_write(const lbk_reproduction *reproduction);

#endif

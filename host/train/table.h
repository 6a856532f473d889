/* A table of results: rows (methods, settings) times columns (pairs of networks, data) times seeds of one experiment. An INI
 * file, experiments/tables/NAME.ini; docs/tables.md shows one.
 *
 *     [table]
 *     summary = one line
 *     experiment = ../quickstart.ini     ; of every run; relative to this file
 *     seeds = 3                          ; seeds 1, 2, 3
 *     [column.resnet20]                  ; a key with a dot is section.key of the experiment
 *     title = ResNet-56 to 20
 *     student.model = resnet20
 *     [row.kd]
 *     distill.kd.temperature = 4
 *     expected = resnet20:70.66          ; published test accuracy in percent, by column
 *     source = Tian et al. 2020, table 1
 *     [row.teacher]                      ; as [row.control]: title, expected and source of a row that is always there
 */
#ifndef LBK_TRAIN_TABLE_H
#define LBK_TRAIN_TABLE_H

#include "base/ini.h"
#include "base/shipped.h"

extern const lbk_shipped_kind lbk_table_kind;

/* A column or a row. */
typedef struct lbk_table_part {
    const char *name, *title, *source; /* title: the name where none is given; source: "" */
    const char **sets;                 /* "section.key=value" */
    size_t set_count;
    const double *expected; /* rows: percent, by column; NAN: none */
} lbk_table_part;

/* The rows that every table has, before its own. */
enum { LBK_TABLE_TEACHER, LBK_TABLE_CONTROL, LBK_TABLE_OWN };

typedef struct lbk_table_params {
    const char *summary, *source, *experiment;
    int seeds;        /* 1, 2, ..., seeds */
    int teacher_seed; /* of the one teacher that all seeds share; 0: each seed has its own */
} lbk_table_params;

typedef struct lbk_table {
    const char *name, *experiment; /* experiment: its path from here */
    lbk_table_params params;
    lbk_table_part *columns, *rows;
    size_t column_count, row_count;
    lbk_ini ini; /* owns all text */
} lbk_table;

/* Reads and checks; the experiment itself is read by whoever runs it. Release in every case. */
lbk_status lbk_table_load(lbk_table *table, const char *name);
void lbk_table_release(lbk_table *table);

/* Refuses what the table decides by itself ("experiment.seed=3"). */
lbk_status lbk_table_check_override(const char *assignment);

#endif

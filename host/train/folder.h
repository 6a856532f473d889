/* The run folder: everything one run leaves. Whole files are replaced atomically; metrics.jsonl and log.txt grow. */
#ifndef LBK_TRAIN_FOLDER_H
#define LBK_TRAIN_FOLDER_H

#include "train/phase.h"

#include <stdio.h>

typedef struct lbk_run_folder {
    char *path;
    FILE *metrics, *log;
} lbk_run_folder;

/* A new folder (out NULL: runs/<name>, runs/<name>-2, ... the first that does not exist; else out, which must not hold a run), or with
 * `resume` an existing one (out NULL: the highest-numbered) whose experiment.ini equals `resolved`. Writes experiment.ini
 * and opens log.txt, which from then on also gets what lbk_log() says. */
lbk_status lbk_run_folder_open(lbk_run_folder *folder, const char *out, const char *name, bool resume,
                               const char *resolved);
void lbk_run_folder_close(lbk_run_folder *folder);

/* Refuses a folder whose experiment.ini is not `resolved`, with the first line that differs. */
lbk_status lbk_run_folder_check(const char *path, const char *resolved);

/* <folder>/<name>; free() it. */
lbk_status lbk_run_folder_file(const lbk_run_folder *folder, const char *name, char **out);

/* <folder>/<prefix><phase><suffix>.safetensors; free() it. */
lbk_status lbk_run_weights_path(const char *folder, const char *prefix, const char *phase, const char *suffix,
                                char **out);

/* Adds "2026-01-31T12:00:00Z text" to log.txt. A log that cannot be written stops nothing. */
void lbk_run_folder_log(const lbk_run_folder *folder, const char *fmt, ...) LBK_PRINTF(2, 3);

/* Opens metrics.jsonl cut to `bytes` (what a checkpoint remembers). */
lbk_status lbk_run_folder_metrics(lbk_run_folder *folder, long bytes);
/* {"phase", "epoch", "step", "total", "hard", "lr", one key per method} as a line. */
lbk_status lbk_run_folder_step(lbk_run_folder *folder, const lbk_step_report *report);
/* Length of metrics.jsonl after syncing it. */
lbk_status lbk_run_folder_sync(lbk_run_folder *folder, long *bytes);

#endif

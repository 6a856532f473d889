/* Progress of runs on a terminal or in a file, and signals that end them in order: shared by `run` and `reproduce`. */
#ifndef LBK_CLI_PROGRESS_H
#define LBK_CLI_PROGRESS_H

#include "train/run.h"

#include <stdio.h>

/* One line that is rewritten on a terminal, one line an epoch (at most one a second) elsewhere. */
typedef struct lbk_cli_progress {
    FILE *stream;
    bool quiet, profile; /* profile: after each phase, where the devices' time went */
    bool terminal, line_open;
    int64_t first_step;
    uint64_t begin_ns, shown_ns;
} lbk_cli_progress;

/* What to give to a run; `progress` must outlive it, its stream, quiet and profile are set. */
lbk_run_watch lbk_cli_watch(lbk_cli_progress *progress);
/* Ends a line that is still open. */
void lbk_cli_progress_end(lbk_cli_progress *progress);

/* Catches SIGINT and SIGTERM: the first one sets the flag that is returned, a second one ends the program at once. */
volatile sig_atomic_t *lbk_cli_catch_signals(void);

#endif

/* What an earlier process left in the run folder. */
#ifndef LBK_TRAIN_LEFTOVER_H
#define LBK_TRAIN_LEFTOVER_H

#include "train/run.h"

/* What is there of a phase, of which `total` steps are wanted: finished (weights loaded), or a checkpoint (its step, and metrics.jsonl
 * is cut to match), or nothing (0). Weights beside a checkpoint are those of a phase that --max-steps cut short there, or of a
 * process that died just before it took the checkpoint away: both go on from it. Then the phases behind it, in the session's
 * order, have learned from less of it, and their files go. */
lbk_status lbk_leftover_recover(lbk_run_folder *folder, lbk_session *session, lbk_network *net, int64_t total,
                                bool *finished, int64_t *first_step);
/* metrics.jsonl may hold steps of a phase that no checkpoint covers, the last line cut short; they are run, and written, again. */
lbk_status lbk_leftover_drop_lines(lbk_run_folder *folder, const char *phase);

#endif

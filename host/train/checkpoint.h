/* What a phase needs to go on after a crash: one safetensors file, replaced whole. */
#ifndef LBK_TRAIN_CHECKPOINT_H
#define LBK_TRAIN_CHECKPOINT_H

#include "train/network.h"

/* Weights, running statistics, optimiser state, step, and how long metrics.jsonl was. The random numbers and the order of samples are
 * functions of (seed, epoch), so nothing else is needed. */
lbk_status lbk_checkpoint_save(const lbk_network *network, const char *path, int64_t steps_done, long metrics_bytes);
/* Errors name the file and what does not fit. */
lbk_status lbk_checkpoint_load(lbk_network *network, const char *path, int64_t *steps_done, long *metrics_bytes);
/* Which step it was made after. */
lbk_status lbk_checkpoint_steps(const char *path, int64_t *steps_done);

#endif

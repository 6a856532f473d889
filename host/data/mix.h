/* Mixing the samples of a batch with one another. */
#ifndef LBK_DATA_MIX_H
#define LBK_DATA_MIX_H

#include "data/data.h"

/* Sets partners, partner_labels, partner_seen_labels and share of a batch whose other members are filled, and mixes the
 * `valid` first rows of `inputs`, which are images, and of `teacher_inputs` where those are others. What is done is a function of (seed,
 * epoch, index of the batch): one mixture for the batch, a random permutation for the partners. Without `mix` in [data]
 * or when `mixing` is false (evaluation), every row is its own partner. scratch[valid*H*W*C] is not used then. */
void lbk_mix_batch(const lbk_data *data, bool mixing, lbk_batch *batch, float *scratch);

#endif

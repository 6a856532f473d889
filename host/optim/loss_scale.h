/* Loss scaling: small gradients survive the rounding of arithmetic = float16. Micikevicius et al. 2018, "Mixed precision training"
 * (arXiv 1710.03740), section 3.2; what moves the scale, and its constants, as torch.cuda.amp.GradScaler.
 *
 * The loss is multiplied by the scale before it is differentiated, so all gradients are that many times too large, and the optimiser
 * divides them by it. A step with a gradient that is not finite is left out: parameters, the optimiser's state and its count of steps stay
 * as they are (what the passes themselves move, such as running statistics, has moved), and the scale is halved; after
 * LBK_SCALE_INTERVAL steps in a row that were taken it is doubled. The scale is a power of two from 2^-126 to 2^126, so that with
 * float32 arithmetic scaling changes no bit unless something overflows or underflows.
 *
 * All of it lives on the device: two auxiliary states of the training graph (train/network.h), which checkpoints hold and files of the
 * network do not, and two launches. The host waits for nothing. */
#ifndef LBK_OPTIM_LOSS_SCALE_H
#define LBK_OPTIM_LOSS_SCALE_H

#include "ops/emit.h"

#define LBK_SCALE_START 65536.0
#define LBK_SCALE_LARGEST 0x1p126
#define LBK_SCALE_INTERVAL 2000

/* What the state "guard" holds, all 0 at the start. The optimiser reads the first three. */
enum {
    LBK_GUARD_FACTOR,  /* of the step's gradients: 1 / scale */
    LBK_GUARD_TAKEN,   /* 1, or 0: the step is left out */
    LBK_GUARD_SKIPPED, /* steps left out so far */
    LBK_GUARD_STREAK,  /* steps taken since the scale changed or one was left out */
    LBK_GUARD_FOUND,   /* not 0 while a gradient that is not finite was found */
    LBK_GUARD_COUNT
};

/* The launches over `count` gradients: whether all are finite, then what follows from it. Their INPUT arguments index LBK_SCALE_BUFFERS
 * buffers: gradients, scale, guard. They stand between the backward pass and the optimiser. */
enum { LBK_SCALE_CALLS = 2, LBK_SCALE_BUFFERS = 3 };
lbk_status lbk_loss_scale_calls(const lbk_caps *caps, size_t count, lbk_call out[LBK_SCALE_CALLS]);

#endif

/* What the op "round" does to one number (graph/arithmetic.c). */
#ifndef LBK_OPS_ROUND_H
#define LBK_OPS_ROUND_H

#include "device/device.h"

typedef struct lbk_round_params {
    int type; /* lbk_arithmetic */
} lbk_round_params;

/* To the nearest number of the type, ties to even; too large becomes infinite. */
float lbk_round_number(lbk_arithmetic type, float number);

#endif

/* Whether a device keeps numbers in 16 bits, and rounds operands of products, as it should. */
#ifndef LBK_GRAPH_HALF_CHECK_H
#define LBK_GRAPH_HALF_CHECK_H

#include "device/device.h"
#include "tensor/tensor.h"

/* Packs and unpacks, with the kernels that plans use, every number of `type` (LBK_F16, LBK_BF16), the middle between each and the next
 * one, and the middle's neighbours. LBK_ERR_DEVICE names the first that comes back wrong. */
lbk_status lbk_half_check(lbk_device *device, lbk_dtype type);
/* The same of the op `round` (not to LBK_ARITHMETIC_FLOAT32); of tf32, which has 2^19 numbers, with an eighth of them. */
lbk_status lbk_round_check(lbk_device *device, lbk_arithmetic type);

#endif

/* Whether a device keeps numbers in 16 bits as it should. */
#ifndef LBK_GRAPH_HALF_CHECK_H
#define LBK_GRAPH_HALF_CHECK_H

#include "device/device.h"
#include "tensor/tensor.h"

/* Packs and unpacks, with the kernels that plans use, every number of `type` (LBK_F16, LBK_BF16), the middle between each and the next
 * one, and the middle's neighbours. LBK_ERR_DEVICE names the first that comes back wrong. */
lbk_status lbk_half_check(lbk_device *device, lbk_dtype type);

#endif

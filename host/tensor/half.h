/* Numbers of 16 bits: IEEE 754 binary16 (LBK_F16: 11 significant bits, up to 65504) and bfloat16 (LBK_BF16: 8 significant bits,
 * float32's range). `type` is one of the two. */
#ifndef LBK_TENSOR_HALF_H
#define LBK_TENSOR_HALF_H

#include "tensor/tensor.h"

/* To the nearest, ties to even; too large becomes infinite. */
uint16_t lbk_half_from_float(lbk_dtype type, float number);
/* Exact. */
float lbk_half_to_float(lbk_dtype type, uint16_t half);

#endif

/* Which ops pack to and unpack from a type of 16 bits (ops/pack.c). */
#ifndef LBK_OPS_PACK_H
#define LBK_OPS_PACK_H

#include "tensor/tensor.h"

static inline const char *lbk_pack_name(lbk_dtype type) {
    return type == LBK_F16 ? "pack_float16" : "pack_bfloat16";
}
static inline const char *lbk_unpack_name(lbk_dtype type) {
    return type == LBK_F16 ? "unpack_float16" : "unpack_bfloat16";
}

#endif

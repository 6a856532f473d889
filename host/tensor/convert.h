/* Element types of safetensors files and what they become in memory. Private to host/tensor. */
#ifndef LBK_TENSOR_CONVERT_H
#define LBK_TENSOR_CONVERT_H

#include "tensor/tensor.h"

typedef struct lbk_st_dtype {
    const char *name; /* as in files */
    size_t bytes;     /* of one element in the file */
    lbk_dtype as;     /* in memory */
    /* count elements, `from` maybe unaligned, to 4 bytes each; NULL: as they are */
    void (*convert)(const void *from, size_t count, void *to);
} lbk_st_dtype;

/* NULL when unknown. */
const lbk_st_dtype *lbk_st_dtype_find(const char *name);

#endif

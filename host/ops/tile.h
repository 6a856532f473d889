/* Tiles of class gpu's matrix products: kernels/gpu/gemm.cl, conv2d.cl and conv2d_backward_weights.cl. */
#ifndef LBK_OPS_TILE_H
#define LBK_OPS_TILE_H

#include "ops/emit.h"

/* A work-group's share of a result: bm x bn elements, summed up bk products at a time; tm x tn: a work-item's, with matrix units
 * a warp's. */
typedef struct lbk_tile {
    lbk_arithmetic arithmetic;
    int bm, bn, bk, tm, tn;
    int vec;      /* width of global accesses: 1, or 4 where the caller finds everything aligned */
    bool ptx;     /* units by their instruction, not emulated */
    size_t group; /* work-items */
} lbk_tile;

/* A tile as wide as rows x columns need, up to 64 x 64; the 128 x 128 one where it still leaves every compute unit some of the
 * `count` results. Each element is a sum of `depth` products. false: the device cannot run it; has no matrix units for an
 * arithmetic other than FLOAT32, or has them, but fragments of 16 x 8 would mostly be padding. */
bool lbk_tile_find(const lbk_emit *e, lbk_arithmetic arithmetic, int64_t rows, int64_t columns, int64_t depth,
                   int64_t count, lbk_tile *out);
lbk_status lbk_tile_options(lbk_call *call, const lbk_tile *tile);
/* Work-groups that cover one result. */
size_t lbk_tile_count(const lbk_tile *tile, int64_t rows, int64_t columns);
/* A literal: the kernel file alone, or behind that of the units. */
#define LBK_TILE_FILE(tile, file)                                                                                      \
    ((tile)->arithmetic == LBK_ARITHMETIC_FLOAT32 ? "gpu/" file : "gpu/matrix_units+gpu/" file)

#endif

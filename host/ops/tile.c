#include "ops/tile.h"

#include "ops/support.h"

static size_t div_exact(int a, int b) {
    return (size_t)(a / b);
}

static void choose_float32(lbk_tile *t, bool big, int64_t columns) {
    *t = (lbk_tile){.bm = 128, .bn = columns <= 16 ? 16 : 32, .tm = 4, .tn = 4};
    if (big)
        *t = (lbk_tile){.bm = 128, .bn = 128, .tm = 8, .tn = 8};
    else if (columns > 32)
        *t = (lbk_tile){.bm = 64, .bn = 64, .tm = 4, .tn = 4};
    t->bk = 16;
    t->group = div_exact(t->bm, t->tm) * div_exact(t->bn, t->tn);
}

static void choose_units(lbk_tile *t, bool big, int64_t columns, lbk_arithmetic arithmetic) {
    enum { WARP = 32 };
    *t = (lbk_tile){.bm = 128, .bn = columns <= 16 ? 16 : 32, .tm = 32, .tn = columns <= 16 ? 16 : 32};
    if (big)
        *t = (lbk_tile){.bm = 128, .bn = 128, .tm = 64, .tn = 32};
    else if (columns > 32)
        *t = (lbk_tile){.bm = 64, .bn = 64, .tm = 32, .tn = 32};
    t->arithmetic = arithmetic;
    t->bk = arithmetic == LBK_ARITHMETIC_TF32 ? 16 : 32; /* 16 words of local memory */
    t->group = WARP * div_exact(t->bm, t->tm) * div_exact(t->bn, t->tn);
}

/* Numbers are laid out in 16 words along the reduction, padded by up to 8 rows and columns; lanes exchange 6 words each, which may be 12 numbers. */
static uint64_t local_bytes(const lbk_emit *e, const lbk_tile *t) {
    uint64_t bytes = sizeof(cl_uint) * 16 * (uint64_t)(t->bm + 8 + t->bn + 8);
    bool exchange = t->arithmetic != LBK_ARITHMETIC_FLOAT32 && e->caps->emulated_units;
    return bytes + (exchange ? sizeof(cl_float) * 12 * t->group : 0);
}

bool lbk_tile_find(const lbk_emit *e, lbk_arithmetic arithmetic, int64_t rows, int64_t columns, int64_t depth,
                   int64_t count, lbk_tile *out) {
    const lbk_caps *caps = e->caps;
    bool units = arithmetic != LBK_ARITHMETIC_FLOAT32;
    bool big = columns > 64 &&
               lbk_ceil_div(rows, 128) * lbk_ceil_div(columns, 128) * count >= 2 * (int64_t)caps->compute_units;
    if (units && (!(caps->matrix_units >> arithmetic & 1) || rows < 8 || columns < 8 || depth < 16))
        return false;
    if (units)
        choose_units(out, big, columns, arithmetic);
    else
        choose_float32(out, big, columns);
    out->vec = 1;
    out->ptx = !caps->emulated_units;
    return out->group <= caps->max_group && out->group <= caps->max_item[0] && local_bytes(e, out) <= caps->local_bytes;
}

lbk_status lbk_tile_options(lbk_call *call, const lbk_tile *tile) {
    LBK_TRY(lbk_call_option(call, "-DVEC=%d -DBM=%d -DBN=%d -DBK=%d -DTM=%d -DTN=%d", tile->vec, tile->bm, tile->bn,
                            tile->bk, tile->tm, tile->tn));
    if (tile->arithmetic == LBK_ARITHMETIC_FLOAT32)
        return LBK_OK;
    return lbk_call_option(call, "-DMATRIX=%d -DPTX=%d", tile->arithmetic, tile->ptx);
}

size_t lbk_tile_count(const lbk_tile *tile, int64_t rows, int64_t columns) {
    return (size_t)(lbk_ceil_div(rows, tile->bm) * lbk_ceil_div(columns, tile->bn));
}

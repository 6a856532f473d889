#include "ops/group_norm.h"

#define CPU_BLOCK 16384 /* elements that are worth a work-item of class cpu */
#define STRAND 8        /* pixels that are worth a work-item of another class */
#define PER_UNIT 8      /* blocks that keep a compute unit busy */
#define MOST_PIXELS 256 /* of a block: bounds the rounding errors and the cancellation around its first pixel */

const char *const lbk_group_norm_files[] = {"generic/group_norm", "cpu/group_norm", "gpu/group_norm"};

lbk_status lbk_group_norm_init(lbk_group_norm *norm, const lbk_shape *x, int groups) {
    char text[LBK_SHAPE_TEXT];
    if (x->rank < 2)
        return lbk_fail(LBK_ERR_INPUT, "x has %d dimensions, expected at least 2", x->rank);
    *norm = (lbk_group_norm){.images = x->dim[0], .channels = lbk_shape_last(x)};
    norm->pixels = lbk_shape_count(x) / norm->images / norm->channels;
    norm->groups = groups == 0 ? norm->channels : groups;
    if (norm->channels % norm->groups != 0)
        return lbk_fail(LBK_ERR_INPUT, "groups=%d do not divide the %lld channels of x (%s)", groups,
                        (long long)norm->channels, lbk_shape_print(x, text));
    norm->each = norm->channels / norm->groups;
    if (norm->pixels * norm->each < 2)
        return lbk_fail(LBK_ERR_INPUT, "each group of x (%s) has one element, which is its own mean",
                        lbk_shape_print(x, text));
    return LBK_OK;
}

void lbk_group_norm_split(lbk_group_norm *norm, const lbk_emit *e, lbk_class cls) {
    const lbk_shape rows = lbk_shape_2(norm->images * norm->pixels, norm->channels);
    int64_t units = e->caps->compute_units > 0 ? e->caps->compute_units : 1;
    bool fits;
    lbk_norm_split_init(&norm->split, e, cls == LBK_CLASS_GPU ? cls : LBK_CLASS_GENERIC, &rows, &fits);
    int64_t least = STRAND, pieces = norm->images;
    if (cls == LBK_CLASS_CPU)
        least = lbk_ceil_div(CPU_BLOCK, norm->channels);
    if (cls == LBK_CLASS_GPU) {
        pieces *= lbk_ceil_div(norm->channels, (int64_t)norm->split.local[0]);
        least = STRAND * (int64_t)norm->split.local[1];
    }
    int64_t full = lbk_ceil_div(norm->pixels, lbk_ceil_div(units * PER_UNIT, pieces));
    full = full > least ? full : least;
    full = full < MOST_PIXELS ? full : MOST_PIXELS;
    norm->full = full < norm->pixels ? full : norm->pixels;
    norm->parts = lbk_ceil_div(norm->pixels, norm->full);
    norm->split.full = norm->full;
    norm->split.blocks = norm->split.groups = norm->images * norm->parts;
}

lbk_shape lbk_group_norm_saved(const lbk_group_norm *norm) {
    return lbk_shape_2(norm->images, norm->groups);
}

int lbk_group_norm_table(lbk_emit *e, const lbk_group_norm *norm, int entries) {
    return lbk_emit_scratch(e, (size_t)(entries * norm->images * norm->channels) * sizeof(float));
}

int lbk_group_norm_partial(lbk_emit *e, const lbk_group_norm *norm) {
    return lbk_emit_scratch(e, (size_t)(2 * norm->split.blocks * norm->channels) * sizeof(float));
}

lbk_status lbk_group_norm_pass(lbk_call *call, const lbk_emit *e, const lbk_group_norm *norm, lbk_class cls,
                               bool reduce) {
    if (cls != LBK_CLASS_CPU) {
        lbk_call_int(call, norm->pixels);
        lbk_norm_call_pass(call, &norm->split, cls, reduce);
        return cls == LBK_CLASS_GPU && reduce ? lbk_norm_option_group(call, &norm->split) : LBK_OK;
    }
    lbk_call_int(call, norm->pixels);
    lbk_call_int(call, norm->channels);
    lbk_call_int(call, norm->full);
    lbk_call_range_1d(call, (size_t)norm->split.blocks, 1);
    return lbk_call_option(call, "-DVW=%d", lbk_emit_vector_width(e));
}

lbk_status lbk_group_norm_over_groups(lbk_call *call, const lbk_emit *e, const lbk_group_norm *norm, lbk_class cls) {
    size_t groups = (size_t)(norm->images * norm->groups), size = norm->split.local[0] * norm->split.local[1];
    const int64_t numbers[] = {norm->images, norm->pixels, norm->channels, norm->each, norm->full};
    for (int i = 0; i < 5; i++)
        lbk_call_int(call, numbers[i]);
    if (cls != LBK_CLASS_GPU) {
        lbk_call_range_1d(call, groups, lbk_emit_local(e));
        return LBK_OK;
    }
    lbk_call_range_1d(call, groups * size, size);
    return lbk_norm_option_group(call, &norm->split);
}

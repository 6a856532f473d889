#include "ops/reduce.h"

#include "ops/batch_norm.h"

#define MOST_SUMMED 16384  /* terms of one part: more would let rounding errors grow */
#define GENERIC_ITEMS 1024 /* work-items that an unknown device should get */
#define PIECES_PER_UNIT 8  /* work-items (cpu), work-groups (gpu) that keep a compute unit busy */
#define CPU_PART 16384     /* elements that are worth a work-item of class cpu */
#define CPU_WIDTH 256      /* neighbours that are worth one: whole tiles of four vectors */
#define CPU_NARROW 256     /* fewer columns than these are summed in lanes */
#define GPU_STRAND 16      /* terms that are worth a work-item of a GPU */
#define GPU_WIDTH 32       /* neighbours that fill a GPU's memory transaction */

/* axes as one run [*first, *end). */
static lbk_status axes_run(const lbk_shape *x, const lbk_ints *axes, int *first, int *end) {
    bool named[LBK_MAX_RANK] = {false};
    *first = 0;
    *end = x->rank;
    if (axes->count == 0)
        return LBK_OK;
    for (int i = 0; i < axes->count; i++) {
        int axis = 0;
        LBK_TRY(lbk_ops_axis_find(x, "x", axes->items[i], &axis));
        if (named[axis])
            return lbk_fail(LBK_ERR_INPUT, "axis %d is named twice", axes->items[i]);
        named[axis] = true;
    }
    while (!named[*first])
        ++*first;
    *end = *first + axes->count;
    for (int i = *first; i < *end; i++)
        if (i >= x->rank || !named[i])
            return lbk_fail(LBK_ERR_INPUT, "the axes are no neighbours; reduce over them one after the other");
    return LBK_OK;
}

lbk_status lbk_slices_init(lbk_slices *slices, const lbk_shape *x, const lbk_ints *axes, bool keepdims,
                           lbk_shape *reduced) {
    int first = 0, end = 0;
    LBK_TRY(axes_run(x, axes, &first, &end));
    *slices = (lbk_slices){1, 1, 1};
    *reduced = (lbk_shape){.rank = 0};
    for (int i = 0; i < x->rank; i++) {
        bool inside = i >= first && i < end;
        *(i < first ? &slices->outer : inside ? &slices->length : &slices->inner) *= x->dim[i];
        if (!inside || keepdims)
            reduced->dim[reduced->rank++] = inside ? 1 : x->dim[i];
    }
    if (reduced->rank == 0)
        *reduced = lbk_shape_1(1);
    return LBK_OK;
}

lbk_status lbk_slices_init_axis(lbk_slices *slices, const lbk_shape *x, int axis, bool keepdims, lbk_shape *reduced) {
    const lbk_ints axes = {.count = 1, .items = {axis}};
    return lbk_slices_init(slices, x, &axes, keepdims, reduced);
}

static int64_t power_of_two(int64_t at_least, int64_t most) {
    int64_t size = 1;
    while (2 * size <= most && size < at_least)
        size *= 2;
    return size;
}

/* Work-items, or work-groups on a GPU, that keep the device busy. */
static int64_t wanted_pieces(const lbk_emit *e, lbk_class cls) {
    int64_t units = e->caps->compute_units > 0 ? e->caps->compute_units : 1;
    return cls == LBK_CLASS_GENERIC ? GENERIC_ITEMS : units * PIECES_PER_UNIT;
}

/* All of `inner`, unless there are too few slices for all cores. */
static int64_t cpu_width(const lbk_emit *e, const lbk_slices *slices) {
    int64_t each = lbk_ceil_div(wanted_pieces(e, LBK_CLASS_CPU), slices->outer);
    int64_t width = lbk_ceil_div(lbk_ceil_div(slices->inner, each), CPU_WIDTH) * CPU_WIDTH;
    return width < slices->inner ? width : slices->inner;
}

void lbk_slices_whole(lbk_slice_split *split, const lbk_emit *e, lbk_class cls, const lbk_slices *slices) {
    int64_t local = (int64_t)lbk_emit_local(e);
    *split = (lbk_slice_split){.parts = 1, .full = slices->length};
    split->group = slices->inner == 1 ? lbk_emit_group(e, slices->length) : (size_t)local;
    split->width = cls == LBK_CLASS_CPU ? cpu_width(e, slices)
                                        : power_of_two(slices->inner, local < GPU_WIDTH ? local : GPU_WIDTH);
}

void lbk_slices_split(lbk_slice_split *split, const lbk_emit *e, lbk_class cls, const lbk_slices *slices) {
    lbk_slices_whole(split, e, cls, slices);
    int64_t have = slices->outer * lbk_ceil_div(slices->inner, split->width);
    int64_t least = lbk_ceil_div(CPU_PART, split->width);
    if (cls == LBK_CLASS_GPU)
        least = (int64_t)split->group / split->width * GPU_STRAND;
    else if (cls == LBK_CLASS_GENERIC) {
        have = slices->outer * slices->inner;
        least = GPU_STRAND;
    }
    int64_t parts = lbk_ceil_div(wanted_pieces(e, cls), have), most = lbk_ceil_div(slices->length, least);
    int64_t at_least = lbk_ceil_div(slices->length, MOST_SUMMED);
    parts = parts < most ? parts : most;
    parts = parts > at_least ? parts : at_least;
    split->full = lbk_ceil_div(slices->length, parts);
    split->parts = lbk_ceil_div(slices->length, split->full);
}

/* The last argument, sizes and options. */
static lbk_status slices_range(lbk_call *call, const lbk_emit *e, lbk_class cls, const lbk_slices *slices,
                               const lbk_slice_split *split) {
    int64_t items = slices->outer * split->parts * slices->inner;
    int64_t pieces = slices->outer * split->parts * lbk_ceil_div(slices->inner, split->width);
    lbk_call_int(call, cls == LBK_CLASS_GENERIC ? items : split->width);
    if (cls == LBK_CLASS_GENERIC) {
        lbk_call_range_1d(call, (size_t)items, lbk_emit_local(e));
        return LBK_OK;
    }
    if (cls == LBK_CLASS_CPU) {
        lbk_call_range_1d(call, (size_t)pieces, 1);
        return lbk_call_option(call, "-DVW=%d", lbk_emit_vector_width(e));
    }
    lbk_call_range_1d(call, (size_t)pieces * split->group, split->group);
    return lbk_call_option(call, "-DGROUP=%zu", split->group);
}

lbk_status lbk_slices_call(lbk_call *call, const lbk_emit *e, lbk_class cls, const lbk_slices *slices,
                           const lbk_slice_split *split) {
    lbk_call_int(call, slices->length);
    lbk_call_int(call, slices->inner);
    lbk_call_int(call, split->parts);
    lbk_call_int(call, split->full);
    return slices_range(call, e, cls, slices, split);
}

lbk_status lbk_slices_call_whole(lbk_call *call, const lbk_emit *e, lbk_class cls, const lbk_slices *slices) {
    lbk_slice_split whole;
    lbk_slices_whole(&whole, e, cls, slices);
    lbk_call_int(call, slices->length);
    lbk_call_int(call, slices->inner);
    return slices_range(call, e, cls, slices, &whole);
}

static const char *const sum_files[] = {"generic/sum", "cpu/sum", "gpu/sum"};

/* Input 0 (scratch < 0) or scratch memory into output 0 (to < 0) or scratch memory. */
static lbk_status sum_stage(lbk_emit *e, lbk_class cls, const lbk_slices *slices, const lbk_slice_split *split,
                            int from, int to, double factor) {
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, sum_files[cls], "sums", &call));
    if (from < 0)
        lbk_call_input(call, 0);
    else
        lbk_call_scratch(call, from);
    if (to < 0)
        lbk_call_output(call, 0);
    else
        lbk_call_scratch(call, to);
    lbk_call_float(call, factor);
    return lbk_slices_call(call, e, cls, slices, split);
}

static lbk_status sum_finish(lbk_emit *e, lbk_class cls, const lbk_slices *partial, int scratch, double factor) {
    lbk_slice_split whole;
    lbk_slices_whole(&whole, e, cls, partial);
    return sum_stage(e, cls, partial, &whole, scratch, -1, factor);
}

/* Class cpu, sums over the leading axes: whole vectors whatever the number of columns (see batch_norm.h). */
static lbk_status sum_lanes(lbk_emit *e, const lbk_slices *slices, double factor, bool *fits) {
    const lbk_shape matrix = lbk_shape_2(slices->length, slices->inner);
    lbk_norm_split s;
    lbk_call *call;
    lbk_norm_split_init(&s, e, LBK_CLASS_CPU, &matrix, fits);
    if (!*fits)
        return LBK_OK;
    int partial = lbk_emit_scratch(e, (size_t)(s.groups * s.channels) * sizeof(float));
    LBK_TRY(lbk_emit_kernel(e, "cpu/sum", "lane_sums", &call));
    LBK_TRY(lbk_call_option(call, "-DVW=%d", lbk_emit_vector_width(e)));
    lbk_call_input(call, 0);
    lbk_call_scratch(call, partial);
    lbk_norm_call_pass(call, &s, LBK_CLASS_CPU, true);
    return sum_finish(e, LBK_CLASS_CPU, &(lbk_slices){1, s.groups, s.channels}, partial, factor);
}

lbk_status lbk_sum_emit(lbk_emit *e, lbk_class cls, const lbk_slices *slices, double factor) {
    lbk_slice_split split;
    bool done = false;
    if (cls == LBK_CLASS_CPU && slices->outer == 1 && slices->inner > 1 && slices->inner < CPU_NARROW)
        LBK_TRY(sum_lanes(e, slices, factor, &done));
    if (done)
        return LBK_OK;
    lbk_slices_split(&split, e, cls, slices);
    if (split.parts == 1)
        return sum_stage(e, cls, slices, &split, -1, -1, factor);
    int partial = lbk_emit_scratch(e, (size_t)(slices->outer * split.parts * slices->inner) * sizeof(float));
    LBK_TRY(sum_stage(e, cls, slices, &split, -1, partial, 1));
    return sum_finish(e, cls, &(lbk_slices){slices->outer, split.parts, slices->inner}, partial, factor);
}

lbk_status lbk_spread_emit(lbk_emit *e, lbk_class cls, const lbk_slices *slices, double factor) {
    int64_t count = slices->outer * slices->length * slices->inner;
    bool fill = !lbk_emit_has(e, 0), rows = cls == LBK_CLASS_CPU && !fill;
    lbk_slice_split split;
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, rows ? "cpu/sum" : "generic/sum", fill ? "fill" : "spread", &call));
    if (!fill)
        lbk_call_input(call, 0);
    lbk_call_output(call, 0);
    lbk_call_float(call, factor);
    if (rows) {
        lbk_slices_split(&split, e, cls, slices);
        return lbk_slices_call(call, e, cls, slices, &split);
    }
    if (!fill) {
        lbk_call_int(call, slices->length);
        lbk_call_int(call, slices->inner);
    }
    lbk_call_int(call, count);
    lbk_call_range_1d(call, (size_t)count, lbk_emit_local(e));
    return LBK_OK;
}

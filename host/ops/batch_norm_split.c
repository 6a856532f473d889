#include "ops/batch_norm.h"

#define CPU_TILE 64        /* TILE of kernels/cpu/batch_norm.cl */
#define CPU_MAX_SUPERS 256 /* samples summed around one shift: bounds the cancellation */
#define GPU_STRAND_ROWS 32 /* rows one work-item sums */
#define GENERIC_ROWS 256

static int64_t gcd(int64_t a, int64_t b) {
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Work-group (channels, rows): as many channels as there are, up to 64, the rest rows. */
static void split_local(lbk_norm_split *split, const lbk_emit *e) {
    size_t group = lbk_emit_local(e), width = 1;
    while (width < 64 && width < group && (int64_t)width < split->channels)
        width *= 2;
    split->local[0] = width;
    split->local[1] = group / width;
    while (split->local[1] > e->caps->max_item[1])
        split->local[1] /= 2;
}

/* Enough blocks for every core to have several, not so many that merging them shows. */
static int64_t cpu_block(const lbk_emit *e, int64_t supers) {
    int64_t cores = e->caps->compute_units > 0 ? e->caps->compute_units : 1;
    int64_t full = (supers + 8 * cores - 1) / (8 * cores);
    if (full < 16)
        full = 16;
    return full > CPU_MAX_SUPERS ? CPU_MAX_SUPERS : full;
}

void lbk_norm_split_init(lbk_norm_split *split, const lbk_emit *e, lbk_class cls, const lbk_shape *x, bool *fits) {
    int64_t channels = lbk_shape_last(x), rows = lbk_ops_rows(x);
    *split = (lbk_norm_split){.rows = rows, .channels = channels};
    split_local(split, e);
    split->lanes = cls == LBK_CLASS_CPU ? channels / gcd(channels, CPU_TILE) * CPU_TILE : channels;
    split->repeat = split->lanes / channels;
    split->supers = rows / split->repeat;
    *fits = split->supers > 0;
    if (!*fits)
        return;
    if (cls == LBK_CLASS_CPU)
        split->full = cpu_block(e, split->supers);
    else
        split->full = cls == LBK_CLASS_GPU ? (int64_t)split->local[1] * GPU_STRAND_ROWS : GENERIC_ROWS;
    split->blocks = (split->supers + split->full - 1) / split->full;
    split->last = split->supers - (split->blocks - 1) * split->full;
    split->tail = rows - split->supers * split->repeat;
    split->groups = split->blocks * split->repeat + split->tail;
}

/* The cpu finish kernels read whole vectors of 16 channels: up to 15 floats behind the end. */
int lbk_norm_partial(lbk_emit *e, const lbk_norm_split *split) {
    return lbk_emit_scratch(e, (size_t)(2 * split->groups * split->channels + 16) * sizeof(float));
}

int lbk_norm_table(lbk_emit *e, const lbk_norm_split *split, int entries) {
    return lbk_emit_scratch(e, (size_t)(entries * split->lanes) * sizeof(float));
}

lbk_status lbk_norm_emit_tables(lbk_emit *e, const lbk_norm_split *split, const int inputs[4], int table,
                                bool is_variance, double eps) {
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, "generic/batch_norm", "tables", &call));
    for (int i = 0; i < 4; i++)
        lbk_call_input(call, inputs[i]);
    lbk_call_scratch(call, table);
    lbk_call_int(call, split->channels);
    lbk_call_int(call, split->lanes);
    lbk_call_int(call, is_variance);
    lbk_call_float(call, eps);
    lbk_call_range_1d(call, (size_t)split->lanes, lbk_emit_local(e));
    return LBK_OK;
}

void lbk_norm_call_pass(lbk_call *call, const lbk_norm_split *split, lbk_class cls, bool reduce) {
    if (cls == LBK_CLASS_CPU) {
        const int64_t numbers[] = {split->channels, split->lanes, split->supers,
                                   split->blocks,   split->full,  split->tail};
        for (int i = 0; i < 6; i++)
            lbk_call_int(call, numbers[i]);
        lbk_call_range_1d(call, (size_t)split->blocks, 1);
        return;
    }
    lbk_call_int(call, split->rows);
    lbk_call_int(call, split->channels);
    size_t width = (size_t)split->channels, items = ((size_t)split->rows + 7) / 8; /* 8 rows per work-item */
    if (reduce) {
        lbk_call_int(call, split->full);
        lbk_call_int(call, split->blocks);
        items = (size_t)split->blocks * (cls == LBK_CLASS_GPU ? split->local[1] : 1);
    }
    lbk_call_range_2d(call, width, items, split->local[0], split->local[1]);
}

void lbk_norm_call_finish(lbk_call *call, const lbk_emit *e, const lbk_norm_split *split, lbk_class cls) {
    if (cls == LBK_CLASS_CPU)
        lbk_call_range_1d(call, (size_t)(split->channels + 15) / 16, 1);
    else if (cls == LBK_CLASS_GPU)
        lbk_call_range_1d(call, (size_t)split->channels * split->local[0] * split->local[1],
                          split->local[0] * split->local[1]);
    else
        lbk_call_range_1d(call, (size_t)split->channels, lbk_emit_local(e));
}

lbk_status lbk_norm_option_group(lbk_call *call, const lbk_norm_split *split) {
    return lbk_call_option(call, "-DGROUP=%zu", split->local[0] * split->local[1]);
}

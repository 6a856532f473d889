/* How class cpu's kernels that compute y or x are cut into work-groups. The limits are those that the head comment of
 * kernels/cpu/conv2d.cl asks the host to keep; names in capitals are that kernel's. */
#include "ops/conv.h"

#define KERNEL_FILE "cpu/vector+cpu/conv2d_epilogue+cpu/conv2d_tile+cpu/conv2d_patch+cpu/conv2d"

enum {
    LINE = 16, /* floats of a cache line: STEP and RB of a plain convolution */
    MAX_TAPS = 128,
    MOST_LANES = 4,        /* channels per group, LANES */
    MOST_MERGED = 8,       /* channels, MERGE */
    MOST_MERGED_ROWS = 64, /* 16 x 16 patches of three channels make 48 */
    TILE = 24,             /* most pixels of a register tile */
    LEAST_PIXELS = 64,
    PIXELS = 1024,           /* of a work-group: amortise the weights' way into L1 */
    WEIGHT_BYTES = 96 << 10, /* of weights per pass: an eighth of an L2 cache of the usual size; measured */
    NEAR_BYTES = 128 << 10,  /* of a single tap's, for which a sum waits in out: a sixteenth of that L2 cache */
};

typedef struct work {
    lbk_conv_gather g;
    int64_t cg, kg;               /* channels per group */
    int64_t lanes, step, rows;    /* LANES, STEP, RB */
    bool merge, pointwise;        /* 1x1, one row of pixels */
    int width, tq, seg, nseg;     /* VW, TQ, SEG, NSEG */
    int64_t taps, blocks, panels; /* of weights: per row; of RB rows; of TN columns, all groups */
    int64_t images, out_rows, out_cols, pass, held, work_groups, splits;
} work;

/* At most 256 KiB: a quarter of the L2 of the CPUs measured. */
int64_t lbk_conv_local_floats(const lbk_emit *e) {
    uint64_t half = e->caps->local_bytes / 2 / sizeof(float);
    return half < 65536 ? (int64_t)half / LINE * LINE : 65536;
}

bool lbk_conv_flatten(lbk_conv_gather *g) {
    const lbk_conv_axis *axes[] = {&g->h, &g->w};
    for (int i = 0; i < 2; i++)
        if (axes[i]->taps > 1 || axes[i]->gather > 1 || axes[i]->divide > 1 || axes[i]->first != 0)
            return false;
    int64_t pixels = g->n * g->h.in * g->w.in;
    if (pixels > INT32_MAX)
        return false;
    g->n = g->h.in = g->h.out = 1;
    g->w.in = g->w.out = pixels;
    return true;
}

int64_t lbk_conv_lanes(int width, int64_t groups, int64_t in, int64_t out, int64_t *together) {
    bool fits = in == 1 || (in < width && in <= MOST_LANES && (in & (in - 1)) == 0);
    *together = lbk_clamp(width / out, 1, groups);
    return groups > 1 && in == out && fits ? in : 0;
}

static void choose_groups(work *w, int64_t groups) {
    int64_t in = w->g.c / groups, out = w->g.k / groups, together;
    w->lanes = lbk_conv_lanes(w->width, groups, in, out, &together);
    w->cg = w->lanes ? w->width : together * in;
    w->kg = w->lanes ? w->width : together * out;
}

/* The shape of the register tile. A broadcast serves as many vectors as there are; a load is slower than a broadcast, and both
 * cost more the fewer multiplications follow them. */
static void choose_tile(work *w) {
    int64_t vectors = lbk_ceil_div(w->kg, w->width);
    bool three = !w->lanes && !w->merge && w->g.w.taps == 3 && w->g.w.gather == 1 && w->g.w.divide == 1;
    w->seg = 4;
    /* Two vectors, but one where two would be more than a quarter idle. */
    w->tq = w->lanes || vectors == 1 || vectors == 3 ? 1 : 2;
    if (w->width < 16) { /* sixteen registers, not thirty-two */
        w->nseg = 2 / w->tq;
    } else if (w->pointwise && !w->lanes) {
        for (int tq = 3; tq <= 4 && vectors > 2; tq++)
            if (lbk_ceil_div(vectors, tq) * tq <= lbk_ceil_div(vectors, w->tq) * w->tq)
                w->tq = tq;
        w->seg = TILE / w->tq;
        w->nseg = 1;
    } else { /* as many sums as leave registers for the weights: of three taps at once, or of one */
        w->nseg = w->tq == 2 ? 2 : three ? 4 : 6;
    }
}

static void choose_rows(work *w, int64_t groups) {
    const lbk_conv_axis *cols = &w->g.w;
    int64_t c = w->g.c, run = cols->taps * c;
    w->merge = groups == 1 && c <= MOST_MERGED && cols->taps > 1 && run <= MOST_MERGED_ROWS && cols->apart == 1 &&
               cols->divide == 1;
    w->step = w->lanes ? w->lanes * w->width : w->merge ? cols->gather * c : LINE;
    w->rows = w->lanes ? w->lanes : w->merge ? run : LINE;
    w->blocks = w->lanes || w->merge ? 1 : lbk_ceil_div(w->cg, LINE);
    w->taps = w->g.h.taps * (w->merge ? 1 : cols->taps);
    choose_tile(w);
    w->panels = lbk_ceil_div(c, w->cg) * lbk_ceil_div(w->kg, w->tq * w->width);
}

/* Places of `in` that `count` outputs reach. */
static int64_t reach(const lbk_conv_axis *a, int64_t count) {
    int64_t span = (a->taps - 1) * (a->apart < 0 ? -a->apart : a->apart), skip = a->taps == 1 ? a->gather : 1;
    return ((count - 1) * a->gather + span) / a->divide / skip + (a->divide > 1 ? 2 : 1);
}

/* Floats of the patch for rows x cols of one image. */
static int64_t patch_floats(const work *w, int64_t rows, int64_t cols) {
    int64_t phases = w->g.w.taps == 1 ? 1 : w->g.w.gather;
    int64_t row = w->merge ? (cols + w->seg - 1) * w->step + w->rows
                           : phases * (lbk_ceil_div(reach(&w->g.w, cols), phases) + w->seg - 1) * w->step;
    return w->blocks * reach(&w->g.h, rows) * row;
}

/* Halves *extent, keeping it a multiple of `step`. false: it is as small as it gets. */
static bool shrink(int64_t *extent, int64_t step) {
    int64_t half = lbk_ceil_div(lbk_ceil_div(*extent, 2), step) * step;
    if (half >= *extent)
        return false;
    *extent = half;
    return true;
}

static int64_t round_up(int64_t a, int64_t step) {
    return lbk_ceil_div(a, step) * step;
}

/* Blocks of about PIXELS pixels, fewer where cores would idle or local memory is too small: whole images together, or some
 * rows of one, or a part of a row. */
static bool choose_blocks(const lbk_emit *e, work *w) {
    const lbk_conv_axis *h = &w->g.h, *v = &w->g.w;
    int64_t limit = lbk_conv_local_floats(e), cores = e->caps->compute_units;
    int64_t pixels = lbk_clamp(w->g.n * h->out * v->out / (4 * cores), LEAST_PIXELS, w->lanes ? PIXELS / 2 : PIXELS);
    w->out_rows = lbk_clamp(pixels / v->out, 1, h->out);
    w->out_rows = round_up(lbk_ceil_div(h->out, lbk_ceil_div(h->out, w->out_rows)), h->divide); /* equal blocks */
    w->out_cols = lbk_clamp(round_up(lbk_ceil_div(pixels, w->out_rows), TILE * v->divide), 1, v->out);
    if (w->pointwise && !w->lanes) { /* as many tiles as there is room for */
        int64_t room = limit / (w->blocks * w->step) - (w->seg - 1);
        w->out_cols = lbk_clamp(room / w->seg * w->seg, 1, w->out_cols);
    }
    while (patch_floats(w, w->out_rows, w->out_cols) > limit)
        if (!shrink(&w->out_rows, h->divide) && !shrink(&w->out_cols, v->divide))
            return false;
    bool whole = w->out_rows >= h->out && w->out_cols >= v->out;
    int64_t fit = limit / patch_floats(w, w->out_rows, w->out_cols);
    w->images = whole ? lbk_clamp((w->lanes ? 128 : pixels) / (h->out * v->out), 1, fit) : 1;
    w->held = lbk_clamp(fit / w->images, 1, lbk_ceil_div(w->g.c, w->cg));
    w->work_groups =
        lbk_ceil_div(w->g.n, w->images) * lbk_ceil_div(h->out, w->out_rows) * lbk_ceil_div(v->out, w->out_cols);
    w->splits = lbk_clamp(lbk_ceil_div(4 * cores, w->work_groups), 1, w->panels);
    w->pass =
        (w->taps == 1 ? NEAR_BYTES : WEIGHT_BYTES) / (w->taps * w->rows * w->tq * w->width * (int64_t)sizeof(float));
    w->pass = lbk_clamp(w->pass, 1, w->taps == 1 ? w->blocks * w->panels : w->blocks);
    return w->taps <= MAX_TAPS;
}

/* The same for both kernels: one program. */
static lbk_status options(const lbk_emit *e, const work *w, lbk_call *call) {
    LBK_TRY(lbk_call_option(call, "-DVW=%d -DTQ=%d -DSEG=%d -DNSEG=%d -DPATCH_FLOATS=%d", w->width, w->tq, w->seg,
                            w->nseg, (int)lbk_conv_local_floats(e)));
    if (w->pointwise)
        LBK_TRY(lbk_call_option(call, "-DTHREE=0"));
    if (w->lanes)
        LBK_TRY(lbk_call_option(call, "-DLANES=%d", (int)w->lanes));
    return w->merge ? lbk_call_option(call, "-DMERGE=1 -DSTEP=%d -DRB=%d", (int)w->step, (int)w->rows) : LBK_OK;
}

static void call_ints(lbk_call *call, const int64_t *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        lbk_call_int(call, values[i]);
}

/* The weights in the order of use. */
static lbk_status emit_pack(lbk_emit *e, const lbk_conv *conv, const work *w, int scratch) {
    const lbk_conv_sizes *s = &conv->s;
    int64_t merged = w->merge ? w->g.w.taps : 1;
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, KERNEL_FILE, "conv2d_pack", &call));
    LBK_TRY(options(e, w, call));
    lbk_call_scratch(call, scratch);
    lbk_call_input(call, 1);
    call_ints(call,
              (int64_t[]){s->c / s->groups * merged, s->k, s->k / s->groups, w->g.c * merged, w->g.k, w->cg * merged,
                          w->kg, conv->result == LBK_CONV_X},
              8);
    lbk_call_range_2d(call, (size_t)w->panels, (size_t)w->taps, 1, 1);
    return LBK_OK;
}

lbk_status lbk_conv_emit_cpu(lbk_emit *e, const lbk_conv *conv, bool lanes) {
    work w = {.g = lbk_conv_gather_of(conv), .width = lbk_emit_vector_width(e)};
    w.pointwise = lbk_conv_flatten(&w.g);
    choose_groups(&w, conv->s.groups);
    choose_rows(&w, conv->s.groups);
    if (lanes != (w.lanes > 0) || !choose_blocks(e, &w))
        return lbk_emit_decline(e);
    int64_t floats = w.panels * w.blocks * w.taps * w.rows * w.tq * w.width;
    int panels = lbk_emit_scratch(e, sizeof(float) * (size_t)floats);
    LBK_TRY(emit_pack(e, conv, &w, panels));
    lbk_call *call;
    LBK_TRY(lbk_conv_begin(e, conv, KERNEL_FILE, "conv2d", panels, &call));
    LBK_TRY(options(e, &w, call));
    lbk_conv_call_gather(call, &w.g);
    call_ints(call, (int64_t[]){w.cg, w.kg, w.images, w.out_rows, w.out_cols, w.pass, w.held}, 7);
    lbk_call_range_2d(call, (size_t)w.work_groups, (size_t)w.splits, 1, 1);
    return LBK_OK;
}

/* One vector holds the columns of a kernel of few channels, which else would leave most of it idle. */
bool lbk_conv_folds(const lbk_conv *conv) {
    const lbk_conv_sizes *s = &conv->s;
    bool epilogue = conv->bias >= 0 || conv->scale >= 0 || conv->addend >= 0 || conv->relu;
    return conv->result == LBK_CONV_X && !epilogue && s->groups == 1 && s->kw > 1 && s->c <= MOST_MERGED &&
           s->kw * s->c <= MOST_MERGED_ROWS;
}

lbk_status lbk_conv_emit_folded(lbk_emit *e, const lbk_conv *conv) {
    const lbk_conv_sizes *s = &conv->s;
    lbk_conv columns = *conv; /* weight[kh,kw,c,k] is weight[kh,1,kw*c,k] */
    columns.s.c = s->kw * s->c;
    columns.s.w = s->ow;
    columns.s.kw = columns.s.sw = columns.s.dw = 1;
    columns.s.pw = 0;
    int64_t rows = s->n * s->h;
    int sums = lbk_emit_scratch(e, sizeof(float) * (size_t)(rows * s->ow * columns.s.c));
    columns.aside = sums + 1;
    LBK_TRY(lbk_conv_emit_cpu(e, &columns, false));
    if (e->declined)
        return LBK_OK;
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, "cpu/conv2d_fold", "conv2d_fold", &call));
    lbk_call_output(call, 0);
    lbk_call_scratch(call, sums);
    call_ints(call, (int64_t[]){rows, s->w, s->ow, s->c, s->kw, s->sw, s->pw, s->dw}, 8);
    lbk_call_range_1d(call, (size_t)rows, 1);
    return LBK_OK;
}

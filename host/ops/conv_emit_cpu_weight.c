/* How class cpu's backward-weights kernel is cut into work-groups. The limits are those that the head comment of
 * kernels/cpu/conv2d_backward_weights.cl asks the host to keep; names in capitals are that kernel's. */
#include "ops/conv.h"

#define KERNEL_FILE "cpu/vector+cpu/conv2d_reduce+cpu/conv2d_patch+cpu/conv2d_backward_weights"

enum {
    LINE = 16,    /* floats of a cache line: STEP of a plain convolution, and its most RB */
    PIXELS = 256, /* of a block: x, dy and the sums stay near */
    LEAST_PIXELS = 64,
    MOST_LANE_COLUMNS = 8,
    MOST_LANE_ROWS = 12,   /* of a tile: KW; RB for all taps at once */
    MOST_MERGED = 8,       /* channels, MERGE */
    MOST_MERGED_ROWS = 64, /* RB */
    RUN = 512,             /* channels of neighbouring groups */
    FMA_PER_COPY = 96,     /* per pixel, for every vector of x and dy copied */
    POOL = 131072,         /* most floats of local memory, twice other kernels': half an L2 cache of the smaller kind */
};

typedef struct work {
    lbk_conv_sizes s;
    int width, tq; /* VW, TQ */
    int64_t cg, kg, lanes, lane_taps;
    bool merge;
    int64_t step, rb, tr, taps; /* STEP, RB, TR; loops over a tile's taps */
    int64_t blocks, columns;    /* of a group: of RB rows, of TN output channels */
    int64_t held, images, rows, cols, cbs, kbs;
} work;

/* A 1x1 convolution knows no images and rows: rows of a length that gives equal blocks. */
static void flatten(lbk_conv_sizes *s) {
    bool pixelwise = s->kh == 1 && s->kw == 1 && s->sh == 1 && s->sw == 1 && s->ph == 0 && s->pw == 0;
    int64_t pixels = s->n * s->h * s->w;
    if (!pixelwise || pixels > INT32_MAX)
        return;
    s->n = s->h = s->oh = 1;
    s->w = s->ow = pixels;
}

/* As many rows per tile as registers hold sums, in equal tiles. */
static int64_t tile_rows(const work *w) {
    int64_t most = (w->width == 16 ? 24 : 10) / w->tq;
    return lbk_ceil_div(w->rb, lbk_ceil_div(w->rb, most));
}

static void choose_rows(work *w) {
    const lbk_conv_sizes *s = &w->s;
    int64_t in = s->c / s->groups, out = s->k / s->groups, together;
    w->lanes = lbk_conv_lanes(w->width, s->groups, in, out, &together);
    if (s->kw > MOST_LANE_COLUMNS)
        w->lanes = 0;
    w->cg = w->lanes ? w->width : together * in;
    w->kg = w->lanes ? w->width : together * out;
    w->merge = s->groups == 1 && s->c <= MOST_MERGED && s->kw > 1 && s->kw * s->c <= MOST_MERGED_ROWS && s->dw == 1;
    bool run = w->lanes || w->merge, at_once = w->lanes * s->kh * s->kw <= MOST_LANE_ROWS;
    w->lane_taps = at_once ? s->kh * s->kw : s->kw;
    w->step = w->lanes ? w->lanes * w->width : w->merge ? s->sw * s->c : LINE;
    w->rb = w->lanes ? w->lanes * w->lane_taps : w->merge ? s->kw * s->c : LINE;
    w->taps = w->lanes ? s->kh * s->kw / w->lane_taps : w->merge ? s->kh : s->kh * s->kw;
    w->blocks = run ? 1 : lbk_ceil_div(w->cg, LINE);
    w->tq = w->lanes || w->kg <= w->width ? 1 : 2;
    /* 1x1, where multiplications are few for each number that is copied: fewer loads for each of them. */
    if (w->taps == 1 && !run && w->width == 16 && w->kg % (3 * w->width) == 0)
        w->tq = 3;
    w->tr = w->lanes ? w->rb : tile_rows(w);
    w->columns = lbk_ceil_div(w->kg, w->tq * w->width);
}

/* Local memory, floats: patch, dy and sums. */
static int64_t pool_floats(const work *w) {
    const lbk_conv_sizes *s = &w->s;
    int64_t skip = s->kh == 1 ? s->sh : 1, phases = w->merge || s->kw == 1 ? 1 : s->sw;
    int64_t prows = (w->rows - 1) * s->sh / skip + (s->kh - 1) * s->dh + 1;
    int64_t row = w->merge ? w->cols * w->step + w->rb : phases * (w->cols + (s->kw - 1) * s->dw / phases) * w->step;
    int64_t tn = w->tq * w->width, tiles = lbk_ceil_div(w->rb, w->tr);
    int64_t each = w->cbs * w->images * prows * row + w->kbs * w->images * w->rows * w->cols * tn +
                   w->kbs * w->cbs * w->taps * tiles * w->tr * tn;
    return w->held * each;
}

static void choose_pixels(work *w, int64_t pixels) {
    const lbk_conv_sizes *s = &w->s;
    w->rows = lbk_clamp(pixels / s->ow, 1, s->oh);
    w->rows = lbk_ceil_div(s->oh, lbk_ceil_div(s->oh, w->rows)); /* equal blocks */
    w->cols = lbk_ceil_div(s->ow, lbk_ceil_div(s->ow, 2 * pixels));
    w->images = w->rows == s->oh && w->cols == s->ow ? lbk_clamp(pixels / (s->oh * s->ow), 1, s->n) : 1;
}

/* More blocks of channels per work-group, until the copies are small beside the work. */
static void choose_blocks(work *w, int64_t limit) {
    const lbk_conv_sizes *s = &w->s;
    int64_t apart = (s->kh > 1 ? s->sh : 1) * (s->kw > 1 ? s->sw : 1); /* pixels of x per pixel of dy */
    int64_t vectors = w->rb / w->width * apart + 1;
    while (w->taps * w->rb * w->tq * w->cbs * w->kbs < FMA_PER_COPY * (w->cbs * vectors + w->kbs * w->tq)) {
        work more = *w;
        bool wide = w->kbs * w->tq * w->width <= w->cbs * w->rb;
        if ((wide || w->cbs >= w->blocks) && w->kbs < w->columns)
            more.kbs = lbk_clamp(2 * w->kbs, 1, w->columns);
        else if (w->cbs < w->blocks)
            more.cbs = lbk_clamp(2 * w->cbs, 1, w->blocks);
        else
            return;
        for (int64_t pixels = PIXELS / 2; pool_floats(&more) > limit && pixels >= LEAST_PIXELS; pixels /= 2)
            choose_pixels(&more, pixels);
        if (pool_floats(&more) > limit)
            return;
        *w = more;
    }
}

/* Neighbouring groups together, in smaller blocks of pixels: longer runs of memory. */
static void choose_held(work *w, int64_t limit, int64_t groups) {
    int64_t wanted = lbk_clamp(lbk_ceil_div(RUN, w->cg), 1, groups);
    for (int64_t pixels = PIXELS / 2; wanted * pool_floats(w) > limit && pixels >= LEAST_PIXELS; pixels /= 2)
        choose_pixels(w, pixels);
    w->held = lbk_clamp(limit / pool_floats(w), 1, wanted);
}

/* The more sums a work-group has, the fewer read the same x and dy. Not for LANES, whose x and dy are read once anyway. */
static int64_t pool_limit(const lbk_emit *e) {
    uint64_t half = e->caps->local_bytes / 2 / sizeof(float);
    return half < POOL ? (int64_t)half / LINE * LINE : POOL;
}

lbk_status lbk_conv_emit_cpu_weight(lbk_emit *e, const lbk_conv *conv, bool lanes) {
    work w = {.s = conv->s, .width = lbk_emit_vector_width(e), .held = 1, .cbs = 1, .kbs = 1};
    int64_t limit = lanes ? lbk_conv_local_floats(e) : pool_limit(e), cores = e->caps->compute_units;
    flatten(&w.s);
    choose_rows(&w);
    int64_t first = w.tq == 3 || w.merge ? PIXELS / 2 : PIXELS; /* less where a tile's x and dy would fill L1 */
    for (int64_t pixels = first; pixels == first || (pool_floats(&w) > limit && pixels >= 1); pixels /= 2)
        choose_pixels(&w, pixels);
    if (lanes != (w.lanes > 0) || pool_floats(&w) > limit)
        return lbk_emit_decline(e);
    choose_blocks(&w, limit);
    int64_t groups = lbk_ceil_div(w.s.c, w.cg);
    if (w.cbs == w.blocks && w.kbs == w.columns)
        choose_held(&w, limit, groups);
    int64_t in = lbk_ceil_div(groups, w.held) * lbk_ceil_div(w.blocks, w.cbs), out = lbk_ceil_div(w.columns, w.kbs);
    int64_t pieces = lbk_ceil_div(w.s.n, w.images) * lbk_ceil_div(w.s.oh, w.rows) * lbk_ceil_div(w.s.ow, w.cols);
    int64_t parts = lbk_clamp(lbk_ceil_div(4 * cores, in * out), 1, pieces);
    lbk_call *call;
    LBK_TRY(lbk_conv_begin_weight(e, KERNEL_FILE, "conv2d_backward_weights", parts, &call));
    LBK_TRY(lbk_call_option(call, "-DVW=%d -DTQ=%d -DTR=%d -DPOOL_FLOATS=%d", w.width, w.tq, (int)w.tr, (int)limit));
    if (w.lanes)
        LBK_TRY(lbk_call_option(call, "-DLANES=%d -DLANE_TAPS=%d", (int)w.lanes, (int)w.lane_taps));
    if (w.merge)
        LBK_TRY(lbk_call_option(call, "-DMERGE=1 -DSTEP=%d -DRB=%d", (int)w.step, (int)w.rb));
    lbk_conv_call_sizes(call, &w.s);
    const int64_t args[] = {w.cg, w.kg, w.held, w.images, w.rows, w.cols, w.cbs, w.kbs, parts};
    for (size_t i = 0; i < sizeof args / sizeof *args; i++)
        lbk_call_int(call, args[i]);
    lbk_call_range_3d(call, (size_t[3]){(size_t)parts, (size_t)in, (size_t)out}, (size_t[3]){1, 1, 1});
    return lbk_conv_reduce(e, parts);
}

/* How the convolution kernels of each class are cut into work-groups. The limits are those that the kernels' head comments
 * ask the host to keep. */
#include "ops/conv.h"

enum {
    BLOCK = 16,             /* CB of kernels/cpu/conv2d*.cl */
    SEGMENT = 4,            /* their SEG, where the width is no multiple of twice as much */
    MAX_TAPS = 128,         /* their MAX_TAPS */
    WEIGHT_BYTES = 96 << 10 /* of weights per pass: an eighth of an L2 cache of the usual size; measured */
};

static int64_t div_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

static int64_t min64(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* At most 256 KiB: a quarter of the L2 of the CPUs measured. */
int64_t lbk_conv_local_floats(const lbk_emit *e) {
    uint64_t half = e->caps->local_bytes / 2 / sizeof(float);
    return half < 65536 ? (int64_t)half / BLOCK * BLOCK : 65536;
}

/* Floats of the patch for rows x cols of one image; `channels` is the reduction's. */
static int64_t patch_floats(const lbk_conv_sizes *s, bool backward, int64_t segment, int64_t channels, int64_t rows,
                            int64_t cols) {
    int64_t height, width;
    if (backward) {
        height = (rows - 1 + (s->kh - 1) * s->dh) / s->sh + 2;
        width = (cols - 1 + (s->kw - 1) * s->dw) / s->sw + 2 + segment;
    } else {
        int64_t phases = s->kw == 1 ? 1 : s->sw;
        height = s->kh == 1 ? rows : (rows - 1) * s->sh + (s->kh - 1) * s->dh + 1;
        width = phases * (div_up(cols, segment) * segment + (s->kw - 1) * s->dw / phases);
    }
    return div_up(channels, BLOCK) * BLOCK * height * width;
}

/* Halves *extent, keeping it a multiple of `step`. false: it is as small as it gets. */
static bool shrink(int64_t *extent, int64_t step) {
    int64_t half = div_up(div_up(*extent, 2), step) * step;
    if (half >= *extent)
        return false;
    *extent = half;
    return true;
}

/* A tile of two vectors does twice the work per broadcast; one vector where two would be more than a quarter idle. */
static void choose_tile(const lbk_emit *e, int64_t channels, lbk_conv_blocks *b) {
    int64_t vectors = div_up(channels, lbk_emit_vector_width(e));
    b->tq = vectors == 1 || vectors == 3 || channels < 2 * lbk_emit_vector_width(e) ? 1 : 2;
    b->narrow = channels < b->tq * lbk_emit_vector_width(e);
}

/* Whole small images together, up to about 1024 pixels, but enough work-groups for every core to have several. */
static int64_t images_together(const lbk_emit *e, const lbk_conv_sizes *s, int64_t pixels, int64_t fit) {
    int64_t several = s->n / (4 * (int64_t)e->caps->compute_units), wanted = 1024 / pixels;
    int64_t images = min64(min64(fit, wanted), several);
    return images < 1 ? 1 : images;
}

bool lbk_conv_blocks_find(const lbk_emit *e, const lbk_conv_sizes *s, bool backward, lbk_conv_blocks *b) {
    int64_t height = backward ? s->h : s->oh, width = backward ? s->w : s->ow, limit = lbk_conv_local_floats(e);
    int64_t reduce = backward ? s->k : s->c, channels = backward ? s->c : s->k;
    int64_t row_step = backward ? s->sh : 1, col_step = backward ? s->sw : 1;
    choose_tile(e, channels, b);
    b->segment = !backward && width % (2 * SEGMENT) == 0 ? 2 * SEGMENT : SEGMENT;
    b->rows = height;
    b->cols = width;
    /* About a thousand pixels amortise the weights' way into L1; fewer where cores would idle. */
    int64_t cores = e->caps->compute_units;
    while (b->rows > row_step && (b->rows * b->cols > 1024 || s->n * div_up(height, b->rows) < 4 * cores))
        if (b->rows * b->cols <= 64 || !shrink(&b->rows, row_step))
            break;
    while (patch_floats(s, backward, b->segment, reduce, b->rows, b->cols) > limit)
        if (!shrink(&b->rows, row_step) && !shrink(&b->cols, col_step))
            return false;
    int64_t fit = limit / patch_floats(s, backward, b->segment, reduce, b->rows, b->cols);
    b->images = b->rows == height && b->cols == width ? images_together(e, s, height * width, fit) : 1;

    int64_t taps = backward ? div_up(s->kh, s->sh) * div_up(s->kw, s->sw) : s->kh * s->kw;
    int64_t columns = b->tq * lbk_emit_vector_width(e), blocks = div_up(channels, columns);
    b->pass = WEIGHT_BYTES / (taps * BLOCK * columns * (int64_t)sizeof(float));
    b->pass = b->pass < 1 ? 1 : b->pass;
    b->groups = (size_t)(div_up(s->n, b->images) * div_up(height, b->rows) * div_up(width, b->cols));
    b->splits = 1;
    while ((int64_t)b->groups * (int64_t)b->splits < 4 * cores && (int64_t)b->splits < blocks)
        b->splits++;
    return s->kh * s->kw <= MAX_TAPS;
}

/* Segments per tile: 16 accumulators, or 8 where there are 16 vector registers in all; at least one segment. */
static int segments(int width, const lbk_conv_blocks *b) {
    int count = (width < 16 ? 8 : 16) / (b->tq * b->segment);
    return count < 1 ? 1 : count;
}

lbk_status lbk_conv_blocks_options(const lbk_emit *e, const lbk_conv_blocks *b, lbk_call *call) {
    int width = lbk_emit_vector_width(e);
    LBK_TRY(lbk_call_option(call, "-DVW=%d -DTQ=%d -DSEG=%d -DNSEG=%d", width, b->tq, b->segment, segments(width, b)));
    if (b->narrow)
        LBK_TRY(lbk_call_option(call, "-DNARROW=1"));
    return lbk_call_option(call, "-DPATCH_FLOATS=%d", (int)lbk_conv_local_floats(e));
}

void lbk_conv_call_sizes(lbk_call *call, const lbk_conv_sizes *s, bool depthwise) {
    const int64_t all[] = {s->n,  s->h,  s->w,  s->c,  s->oh, s->ow, s->k, s->kh,
                           s->kw, s->sh, s->sw, s->ph, s->pw, s->dh, s->dw};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!(depthwise && i == 6)) /* k is c */
            lbk_call_int(call, all[i]);
}

void lbk_conv_call_groups(lbk_call *call, const lbk_conv_sizes *s) {
    lbk_conv_call_sizes(call, s, false);
    lbk_call_int(call, s->groups);
}

/* Tiles as wide as the channels of a group need, up to 64; the 128 x 128 one where it still leaves every unit some. */
bool lbk_conv_tile_find(const lbk_emit *e, const lbk_conv_sizes *s, int64_t rows, int64_t columns,
                        lbk_conv_tile *tile) {
    int64_t big = div_up(rows, 128) * div_up(columns, 128) * s->groups;
    *tile = (lbk_conv_tile){.bm = 128, .bn = columns <= 16 ? 16 : 32, .tm = 4, .tn = 4};
    if (columns > 64 && big >= 2 * (int64_t)e->caps->compute_units)
        *tile = (lbk_conv_tile){.bm = 128, .bn = 128, .tm = 8, .tn = 8};
    else if (columns > 32)
        *tile = (lbk_conv_tile){.bm = 64, .bn = 64, .tm = 4, .tn = 4};
    tile->vec = s->c / s->groups % 4 == 0 && s->k / s->groups % 4 == 0 ? 4 : 1;
    tile->group = (size_t)(tile->bm / tile->tm) * (size_t)(tile->bn / tile->tn);
    uint64_t bytes = 4u * 16u * (uint64_t)(tile->bm + 4 + tile->bn + 4);
    return tile->group <= e->caps->max_group && tile->group <= e->caps->max_item[0] && bytes <= e->caps->local_bytes;
}

lbk_status lbk_conv_tile_options(lbk_call *call, const lbk_conv_tile *tile) {
    return lbk_call_option(call, "-DVEC=%d -DBM=%d -DBN=%d -DBK=16 -DTM=%d -DTN=%d", tile->vec, tile->bm, tile->bn,
                           tile->tm, tile->tn);
}

size_t lbk_conv_tile_count(const lbk_conv_tile *tile, int64_t rows, int64_t columns) {
    return (size_t)(div_up(rows, tile->bm) * div_up(columns, tile->bn));
}

/* Winograd's convolution for class cpu: the launches of kernels/cpu/conv2d_winograd.cl. */
#include "ops/conv.h"

#define KERNEL_FILE "cpu/vector+cpu/conv2d_epilogue+cpu/conv2d_winograd"

enum {
    BLOCK = 16,          /* CB of the kernel */
    VECTORS = 2,         /* its TQ */
    POSITIONS = 16,      /* of a transformed tile */
    LEAST_CHANNELS = 32, /* two of the widest vectors */
    LEAST_TILES = 48,
    MOST_PADDING = 2 /* of a 3x3 kernel, before outputs see nothing but zeros */
};

typedef struct winograd {
    int width, step;                /* floats per vector, tiles per register tile */
    int64_t local;                  /* floats */
    int64_t tiles;                  /* of one work-group */
    int64_t blocks, groups, splits; /* blocks of output channels; global size */
} winograd;

/* 2x2 tiles of the output. */
static int64_t tiles_of(const lbk_conv_sizes *s) {
    return s->n * lbk_ceil_div(s->oh, 2) * lbk_ceil_div(s->ow, 2);
}

bool lbk_conv_winograd_fits(const lbk_conv_sizes *s) {
    bool kernel = s->kh == 3 && s->kw == 3 && s->sh == 1 && s->sw == 1 && s->dh == 1 && s->dw == 1 && s->groups == 1;
    bool padding = s->ph >= 0 && s->pw >= 0 && s->ph <= MOST_PADDING && s->pw <= MOST_PADDING;
    return kernel && padding && s->c % BLOCK == 0 && s->k % BLOCK == 0 && s->h * s->w * s->c <= INT32_MAX;
}

/* Transforming the weights costs 16 * C * K stores whatever the batch, and a tile saves 20 * C * K multiplications:
 * tens of tiles pay for it. Measured on two AVX-512 cores, against direct: 16 tiles 0.6 to 1.0 times as fast, 49 tiles
 * (256 channels) 1.5 times, 64 tiles (32 channels) 1.0 times, 512 and more tiles 1.4 (32 channels) to 1.9 times. */
static bool suits(const lbk_conv_sizes *s) {
    bool channels = s->c >= LEAST_CHANNELS && s->k >= LEAST_CHANNELS;
    return lbk_conv_winograd_fits(s) && channels && tiles_of(s) >= LEAST_TILES && tiles_of(s) <= INT32_MAX;
}

lbk_conv_sizes lbk_conv_turned(const lbk_conv_sizes *s) {
    lbk_conv_sizes t = *s;
    t.h = s->oh;
    t.w = s->ow;
    t.c = s->k;
    t.oh = s->h;
    t.ow = s->w;
    t.k = s->c;
    t.ph = s->kh - 1 - s->ph;
    t.pw = s->kw - 1 - s->pw;
    return t;
}

/* Whole register tiles that fit into b->local. */
static int64_t tiles_fitting(const lbk_conv_sizes *s, const winograd *b) {
    return (b->local / POSITIONS - 2 * BLOCK) / (s->c + VECTORS * b->width) / b->step * b->step;
}

/* As many tiles per work-group as fit, in a number of work-groups that the cores share evenly. */
static bool blocks_find(const lbk_emit *e, const lbk_conv_sizes *s, winograd *b) {
    int64_t cores = e->caps->compute_units;
    b->width = lbk_emit_vector_width(e);
    b->step = b->width == 16 ? 12 : 6; /* AVX-512 has 32 vector registers, others 16 */
    b->local = lbk_conv_local_floats(e);
    if (tiles_fitting(s, b) < b->step) /* more than 200 channels: better a larger part of L2 than no tile */
        b->local = (int64_t)(e->caps->local_bytes / 2 / sizeof(float));
    int64_t fit = tiles_fitting(s, b);
    if (fit < b->step || b->local > INT32_MAX)
        return false;
    int64_t groups = lbk_ceil_div(lbk_ceil_div(tiles_of(s), fit), cores) * cores;
    b->tiles = lbk_ceil_div(lbk_ceil_div(tiles_of(s), groups), b->step) * b->step;
    b->groups = lbk_ceil_div(tiles_of(s), b->tiles);
    b->blocks = lbk_ceil_div(s->k, VECTORS * b->width);
    b->splits = 1;
    while (b->groups * b->splits < 4 * cores && b->splits < b->blocks)
        b->splits++;
    return true;
}

/* The same for both kernels: one program. */
static lbk_status options(const winograd *b, lbk_call *call) {
    return lbk_call_option(call, "-DVW=%d -DTT=%d -DLOCAL_FLOATS=%d", b->width, b->step, (int)b->local);
}

/* The transformed weights in scratch memory. */
static lbk_status emit_weights(lbk_emit *e, const lbk_conv_sizes *s, const winograd *b, bool transposed, int scratch) {
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, KERNEL_FILE, "conv2d_winograd_weights", &call));
    LBK_TRY(options(b, call));
    lbk_call_scratch(call, scratch);
    lbk_call_input(call, 1);
    lbk_call_int(call, s->c);
    lbk_call_int(call, s->k);
    lbk_call_int(call, transposed);
    lbk_call_range_2d(call, (size_t)b->blocks, (size_t)(s->c / BLOCK), 1, 1);
    return LBK_OK;
}

lbk_status lbk_conv_emit_winograd(lbk_emit *e, const lbk_conv *conv) {
    bool backward = conv->result == LBK_CONV_X;
    lbk_conv_sizes s = backward ? lbk_conv_turned(&conv->s) : conv->s;
    winograd b;
    lbk_call *call;
    if (!suits(&s) || !blocks_find(e, &s, &b))
        return lbk_emit_decline(e);
    int u = lbk_emit_scratch(e, sizeof(float) * (size_t)(POSITIONS * s.c * b.blocks * VECTORS * b.width));
    LBK_TRY(emit_weights(e, &s, &b, backward, u));
    LBK_TRY(lbk_conv_begin(e, conv, KERNEL_FILE, "conv2d_winograd", u, &call));
    LBK_TRY(options(&b, call));
    const int64_t args[] = {s.n, s.h, s.w, s.c, s.oh, s.ow, s.k, s.ph, s.pw, b.tiles};
    for (size_t i = 0; i < sizeof args / sizeof *args; i++)
        lbk_call_int(call, args[i]);
    lbk_call_range_2d(call, (size_t)b.groups, (size_t)b.splits, 1, 1);
    return LBK_OK;
}

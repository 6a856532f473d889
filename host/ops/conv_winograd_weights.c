/* Winograd's way to the gradient of the weights, for class cpu: the launches of
 * kernels/cpu/conv2d_backward_weights_winograd.cl. */
#include "ops/conv.h"

#define KERNEL_FILE "cpu/vector+cpu/conv2d_reduce+cpu/conv2d_backward_weights_winograd"

enum {
    QUAD = 4,      /* names in capitals are the kernel's */
    POSITIONS = 6, /* of a transformed quad */
    LINE = 16,
    L1_FLOATS = 6 << 10, /* x or dy of a position: half an L1 cache of the usual size */
    LEAST_PIXELS = 128
};

/* What one work-group takes. */
typedef struct block {
    int64_t quads, cn, kn, images, rows;
} block;

static int64_t sums_floats(const block *b) {
    return 3 * POSITIONS * b->cn * b->kn;
}

static int64_t pixels_floats(const block *b) {
    return POSITIONS * (b->images * b->quads * ((b->rows + 2) * b->cn + b->rows * b->kn) + 2 * LINE);
}

static int64_t halved(int64_t channels) {
    return lbk_ceil_div(channels, 2 * LINE) * LINE;
}

/* Channels until the sums fit into half of the local memory, rows of one image until the rest does, then images. */
static bool block_find(const lbk_conv_sizes *s, int64_t limit, block *b) {
    *b = (block){.quads = lbk_ceil_div(s->ow, QUAD), .cn = s->c, .kn = s->k, .images = 1, .rows = s->oh};
    while (sums_floats(b) > limit / 2 && (b->cn > LINE || b->kn > LINE))
        *(b->kn >= b->cn ? &b->kn : &b->cn) = halved(b->kn >= b->cn ? b->kn : b->cn);
    int64_t left = limit - sums_floats(b);
    while (pixels_floats(b) > left && b->rows > 2)
        b->rows = lbk_ceil_div(b->rows, 2);
    if (b->rows == s->oh) {
        int64_t wide = b->cn > b->kn ? b->cn : b->kn, near = L1_FLOATS / ((b->rows + 2) * b->quads * wide);
        b->images = lbk_clamp(near, 1, s->n);
        while (pixels_floats(b) > left && b->images > 1)
            b->images--;
    }
    return pixels_floats(b) <= left;
}

static bool suits(const lbk_conv_sizes *s) {
    bool covers = lbk_ceil_div(s->ow, QUAD) * QUAD * 3 <= s->ow * 4;
    return lbk_conv_winograd_fits(s) && s->oh * s->ow * s->k <= INT32_MAX && covers &&
           s->n * s->oh * s->ow >= LEAST_PIXELS;
}

lbk_status lbk_conv_emit_winograd_weight(lbk_emit *e, const lbk_conv *conv) {
    const lbk_conv_sizes *s = &conv->s;
    int64_t limit = lbk_conv_local_floats(e), width = lbk_emit_vector_width(e);
    block b;
    if (!suits(s) || !block_find(s, limit, &b))
        return lbk_emit_decline(e);
    int64_t in = lbk_ceil_div(s->c, b.cn), out = lbk_ceil_div(s->k, b.kn);
    int64_t pieces = lbk_ceil_div(s->n, b.images) * lbk_ceil_div(s->oh, b.rows);
    int64_t parts = lbk_clamp(lbk_ceil_div(4 * (int64_t)e->caps->compute_units, in * out), 1, pieces);
    lbk_call *call;
    LBK_TRY(lbk_conv_begin_weight(e, KERNEL_FILE, "conv2d_backward_weights_winograd", parts, &call));
    LBK_TRY(lbk_call_option(call, "-DVW=%d -DCB=%d -DLOCAL_FLOATS=%d", (int)width, width == 16 ? 8 : 4, (int)limit));
    const int64_t args[] = {s->n,  s->h,  s->w,     s->c,   s->oh, s->ow, s->k,
                            s->ph, s->pw, b.images, b.rows, b.cn,  b.kn,  parts};
    for (size_t i = 0; i < sizeof args / sizeof *args; i++)
        lbk_call_int(call, args[i]);
    lbk_call_range_3d(call, (size_t[3]){(size_t)parts, (size_t)in, (size_t)out}, (size_t[3]){1, 1, 1});
    return lbk_conv_reduce(e, parts);
}

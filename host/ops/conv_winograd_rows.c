/* Winograd's convolution along the rows, for class cpu and few channels: the launches of
 * kernels/cpu/conv2d_winograd_rows.cl. */
#include "ops/conv.h"

#define KERNEL_FILE "cpu/vector+cpu/conv2d_epilogue+cpu/conv2d_winograd_rows"

enum {
    QUAD = 4,      /* names in capitals are the kernel's */
    POSITIONS = 6, /* of a transformed quad */
    BLOCK = 16,    /* CB */
    FEW = 32,      /* channels: below, conv_winograd.c declines */
    LEAST_PIXELS = 128,
    WEIGHT_BYTES =
        96 << 10,    /* an eighth of an L2 cache of the usual size: the weights are read again for every R rows */
    MOST_PADDING = 2 /* of a 3x3 kernel, before outputs see nothing but zeros */
};

static int64_t weight_count(const lbk_conv_sizes *s) {
    return POSITIONS * 3 * s->c * s->k;
}

/* R: AVX-512 has 32 vector registers, others 16. */
static int tile_rows(const lbk_emit *e) {
    return lbk_emit_vector_width(e) == 16 ? 4 : 2;
}

/* CPU time on two AVX-512 cores: 16 channels 1.1 (5x5 images) to 1.8 times less than direct (1.7 with vectors of 8); 32
 * channels, against F(2x2,3x3), 1.07 to 1.14 times less where the tiles cover the images well, 1.3 times more at 10x10. More
 * weights, as of 64 x 64 channels: 1.1 times more. */
static bool suits(const lbk_conv_sizes *s, int tile) {
    bool weights = weight_count(s) * (int64_t)sizeof(float) <= WEIGHT_BYTES;
    int64_t covered = lbk_ceil_div(s->ow, QUAD) * QUAD * lbk_ceil_div(s->oh, tile) * tile;
    bool covers = s->c < FEW || s->k < FEW || covered * 3 <= s->oh * s->ow * 4;
    return lbk_conv_winograd_fits(s) && weights && covers && s->n * s->oh * s->ow >= LEAST_PIXELS;
}

/* The same for both kernels: one program. */
static lbk_status options(const lbk_emit *e, lbk_call *call) {
    return lbk_call_option(call, "-DVW=%d -DR=%d -DLOCAL_FLOATS=%d", lbk_emit_vector_width(e), tile_rows(e),
                           (int)lbk_conv_local_floats(e));
}

/* The transformed weights in scratch memory. */
static lbk_status emit_weights(lbk_emit *e, const lbk_conv_sizes *s, bool transposed, int scratch) {
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, KERNEL_FILE, "conv2d_winograd_rows_weights", &call));
    LBK_TRY(options(e, call));
    lbk_call_scratch(call, scratch);
    lbk_call_input(call, 1);
    lbk_call_int(call, s->c);
    lbk_call_int(call, s->k);
    lbk_call_int(call, transposed);
    lbk_call_range_2d(call, (size_t)(s->k / lbk_emit_vector_width(e)), (size_t)s->c, 1, 1);
    return LBK_OK;
}

lbk_status lbk_conv_emit_winograd_rows(lbk_emit *e, const lbk_conv *conv) {
    lbk_conv_sizes s = conv->result == LBK_CONV_X ? lbk_conv_turned(&conv->s) : conv->s;
    int tile = tile_rows(e);
    int64_t ring = (tile + 2) * (lbk_ceil_div(s.ow, QUAD) * POSITIONS * s.c + BLOCK);
    if (!suits(&s, tile) || ring > lbk_conv_local_floats(e))
        return lbk_emit_decline(e);
    int64_t strips = lbk_ceil_div(s.oh, tile), parts = lbk_ceil_div(4 * (int64_t)e->caps->compute_units, s.n);
    int64_t rows = lbk_ceil_div(strips, lbk_clamp(parts, 1, strips)) * tile;
    int u = lbk_emit_scratch(e, sizeof(float) * (size_t)weight_count(&s));
    lbk_call *call;
    LBK_TRY(emit_weights(e, &s, conv->result == LBK_CONV_X, u));
    LBK_TRY(lbk_conv_begin(e, conv, KERNEL_FILE, "conv2d_winograd_rows", u, &call));
    LBK_TRY(options(e, call));
    const int64_t args[] = {s.n, s.h, s.w, s.c, s.oh, s.ow, s.k, s.ph, s.pw, rows};
    for (size_t i = 0; i < sizeof args / sizeof *args; i++)
        lbk_call_int(call, args[i]);
    lbk_call_range_1d(call, (size_t)(s.n * lbk_ceil_div(s.oh, rows)), 1);
    return LBK_OK;
}

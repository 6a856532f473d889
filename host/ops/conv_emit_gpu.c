/* Class gpu's convolutions: kernels/gpu/conv2d.cl, conv2d_narrow.cl and conv2d_backward_weights.cl. */
#include "ops/conv.h"
#include "ops/tile.h"

static int vec_of(const lbk_conv_sizes *s) {
    return s->c / s->groups % 4 == 0 && s->k / s->groups % 4 == 0 ? 4 : 1;
}

/* Parts of a weight's sum: about three work-groups per unit, every part at least `least` pixels, scratch at most 64 MiB. */
static int64_t parts_of(const lbk_emit *e, const lbk_conv_sizes *s, int64_t groups, int64_t least) {
    int64_t wanted = lbk_ceil_div(3 * (int64_t)e->caps->compute_units, groups);
    int64_t room = (64 << 20) / (int64_t)lbk_tensor_bytes(&e->output[0]);
    return lbk_clamp(lbk_clamp(wanted, 1, s->n * s->oh * s->ow / least), 1, room > 1 ? room : 1);
}

static lbk_status emit_weight(lbk_emit *e, const lbk_conv_sizes *s, lbk_arithmetic arithmetic) {
    int64_t rows = s->kh * s->kw * (s->c / s->groups), columns = s->k / s->groups;
    lbk_tile tile;
    lbk_call *call;
    if (!lbk_tile_find(e, arithmetic, rows, columns, s->n * s->oh * s->ow, s->groups, &tile))
        return lbk_emit_decline(e);
    tile.vec = vec_of(s);
    size_t tiles = lbk_tile_count(&tile, rows, columns);
    int64_t parts = parts_of(e, s, (int64_t)tiles * s->groups, 8 * tile.bk);
    LBK_TRY(lbk_conv_begin_weight(e, LBK_TILE_FILE(&tile, "conv2d_backward_weights"), "conv2d_backward_weights", parts,
                                  &call));
    LBK_TRY(lbk_tile_options(call, &tile));
    lbk_conv_call_sizes(call, s);
    lbk_call_int(call, parts);
    lbk_call_range_2d(call, tile.group * tiles, (size_t)(s->groups * parts), tile.group, 1);
    return lbk_conv_reduce(e, parts);
}

lbk_status lbk_conv_emit_gpu(lbk_emit *e, const lbk_conv *conv, lbk_arithmetic arithmetic) {
    const lbk_conv_gather g = lbk_conv_gather_of(conv);
    int64_t groups = conv->s.groups, phases = g.h.divide * g.w.divide, columns = g.k / groups;
    int64_t rows = g.n * lbk_ceil_div(g.h.out, g.h.divide) * lbk_ceil_div(g.w.out, g.w.divide); /* of a phase */
    lbk_tile tile;
    lbk_call *call;
    if (conv->result == LBK_CONV_WEIGHT)
        return emit_weight(e, &conv->s, arithmetic);
    if (!lbk_tile_find(e, arithmetic, rows, columns, g.h.taps * g.w.taps * (g.c / groups), groups, &tile))
        return lbk_emit_decline(e);
    tile.vec = vec_of(&conv->s);
    LBK_TRY(lbk_conv_begin(e, conv, LBK_TILE_FILE(&tile, "conv2d"), "conv2d", -1, &call));
    LBK_TRY(lbk_tile_options(call, &tile));
    if (conv->result == LBK_CONV_X)
        LBK_TRY(lbk_call_option(call, "-DBACKWARD=1"));
    lbk_conv_call_gather(call, &g);
    lbk_call_int(call, groups);
    lbk_call_range_2d(call, tile.group * lbk_tile_count(&tile, rows, columns), (size_t)(groups * phases), tile.group,
                      1);
    return LBK_OK;
}

static lbk_status emit_narrow_weight(lbk_emit *e, const lbk_conv_sizes *s) {
    enum { CHANNELS = 32, LANES = 8 }; /* NC, NP of the kernel */
    lbk_call *call;
    if (e->caps->max_group < CHANNELS * LANES)
        return lbk_emit_decline(e);
    int64_t groups = lbk_ceil_div(s->k, CHANNELS) * s->kh * s->kw * (s->c / s->groups);
    int64_t parts = parts_of(e, s, groups, 8 * LANES);
    LBK_TRY(lbk_conv_begin_weight(e, "gpu/conv2d_backward_weights", "conv2d_backward_weights_narrow", parts, &call));
    lbk_conv_call_sizes(call, s);
    lbk_call_int(call, parts);
    lbk_call_range_2d(call, (size_t)(CHANNELS * LANES * groups), (size_t)parts, CHANNELS * LANES, 1);
    return lbk_conv_reduce(e, parts);
}

lbk_status lbk_conv_emit_gpu_narrow(lbk_emit *e, const lbk_conv *conv) {
    enum { MOST = 8, STRIP = 4, GROUP = 128 }; /* channels per group; STRIP, WG of the kernel */
    const lbk_conv_gather g = lbk_conv_gather_of(conv);
    int64_t groups = conv->s.groups, in = g.c / groups, out = g.k / groups;
    bool depthwise = in == 1 && out == 1;
    lbk_call *call;
    if (groups == 1 || in > MOST || out > MOST || e->caps->max_group < GROUP)
        return lbk_emit_decline(e);
    if (conv->result == LBK_CONV_WEIGHT)
        return emit_narrow_weight(e, &conv->s);
    int64_t vec = g.k % 4 == 0 && (depthwise || out % 4 == 0) ? 4 : 1;
    int64_t strips = g.w.divide * lbk_ceil_div(lbk_ceil_div(g.w.out, g.w.divide), STRIP);
    LBK_TRY(lbk_conv_begin(e, conv, "gpu/conv2d_narrow", "conv2d_narrow", -1, &call));
    LBK_TRY(lbk_call_option(call, "-DVEC=%d -DDEPTHWISE=%d -DBACKWARD=%d", (int)vec, depthwise,
                            conv->result == LBK_CONV_X));
    lbk_conv_call_gather(call, &g);
    lbk_call_int(call, groups);
    lbk_call_range_1d(call, (size_t)(g.n * g.h.out * strips * (g.k / vec)), GROUP);
    return LBK_OK;
}

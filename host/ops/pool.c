#include "ops/pool.h"

/* Windows along `extent` pixels; 0 when none fits. One that reaches beyond the border begins on a pixel or before them. */
static int64_t windows(int64_t extent, int kernel, int stride, int padding, bool ceil_mode) {
    int64_t room = extent + 2 * (int64_t)padding - kernel;
    if (room < 0)
        return 0;
    bool one_more = ceil_mode && room % stride > 0 && (room / stride + 1) * stride < extent + padding;
    return room / stride + 1 + one_more;
}

static lbk_status size_fill(lbk_pool_size *s, const lbk_pool_params *p) {
    s->kh = p->kernel[0], s->kw = p->kernel[1];
    s->sh = p->stride[0] > 0 ? p->stride[0] : s->kh;
    s->sw = p->stride[1] > 0 ? p->stride[1] : s->kw;
    s->ph = p->padding[0], s->pw = p->padding[1];
    if (2 * s->ph > s->kh || 2 * s->pw > s->kw)
        return lbk_fail(LBK_ERR_INPUT, "padding %d,%d is more than half of the window %d,%d", s->ph, s->pw, s->kh,
                        s->kw);
    s->oh = windows(s->h, s->kh, s->sh, s->ph, p->ceil_mode);
    s->ow = windows(s->w, s->kw, s->sw, s->pw, p->ceil_mode);
    if (s->oh < 1 || s->ow < 1)
        return lbk_fail(LBK_ERR_INPUT, "a window of %dx%d with padding %d,%d does not fit into %lldx%lld", s->kh, s->kw,
                        s->ph, s->pw, (long long)s->h, (long long)s->w);
    return LBK_OK;
}

lbk_status lbk_pool_size_init(lbk_pool_size *size, const lbk_pool_params *params, const lbk_shape *x) {
    *size = (lbk_pool_size){.n = x->dim[0], .h = x->dim[1], .w = x->dim[2], .c = x->dim[3]};
    return size_fill(size, params);
}

lbk_pool_params lbk_pool_forward_of(const lbk_pool_backward_params *p) {
    return (lbk_pool_params){.kernel = {p->kernel[0], p->kernel[1]},
                             .stride = {p->stride[0], p->stride[1]},
                             .padding = {p->padding[0], p->padding[1]},
                             .ceil_mode = p->ceil_mode,
                             .count_include_pad = p->count_include_pad};
}

lbk_status lbk_pool_size_backward(lbk_pool_size *size, const lbk_pool_backward_params *params, const lbk_shape *dy) {
    lbk_pool_params p = lbk_pool_forward_of(params);
    *size = (lbk_pool_size){.n = dy->dim[0], .h = params->height, .w = params->width, .c = dy->dim[3]};
    LBK_TRY(size_fill(size, &p));
    if (dy->dim[1] != size->oh || dy->dim[2] != size->ow)
        return lbk_fail(LBK_ERR_INPUT, "dy is %lldx%lld, expected %lldx%lld", (long long)dy->dim[1],
                        (long long)dy->dim[2], (long long)size->oh, (long long)size->ow);
    return LBK_OK;
}

lbk_pool_backward_params lbk_pool_backward_of(const lbk_pool_params *params, const lbk_shape *x) {
    return (lbk_pool_backward_params){.kernel = {params->kernel[0], params->kernel[1]},
                                      .stride = {params->stride[0], params->stride[1]},
                                      .padding = {params->padding[0], params->padding[1]},
                                      .ceil_mode = params->ceil_mode,
                                      .count_include_pad = params->count_include_pad,
                                      .height = (int)x->dim[1],
                                      .width = (int)x->dim[2]};
}

void lbk_pool_call(lbk_call *call, const lbk_emit *e, const lbk_pool_size *s, int64_t items) {
    const int64_t numbers[] = {s->h, s->w, s->c, s->oh, s->ow, s->kh, s->kw, s->sh, s->sw, s->ph, s->pw, items};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        lbk_call_int(call, numbers[i]);
    lbk_call_range_1d(call, (size_t)items, lbk_emit_local(e));
}

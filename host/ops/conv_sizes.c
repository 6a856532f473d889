/* Sizes, checks and reference loop of the convolution ops. */
#include "ops/conv.h"

lbk_conv_sizes lbk_conv_sizes_of(const lbk_conv_window *window, const lbk_shape *x, const lbk_shape *weight,
                                 const lbk_shape *y) {
    return (lbk_conv_sizes){.n = x->dim[0],
                            .h = x->dim[1],
                            .w = x->dim[2],
                            .c = x->dim[3],
                            .oh = y->dim[1],
                            .ow = y->dim[2],
                            .k = y->dim[3],
                            .kh = weight->dim[0],
                            .kw = weight->dim[1],
                            .sh = window->stride[0],
                            .sw = window->stride[1],
                            .ph = window->padding[0],
                            .pw = window->padding[1],
                            .dh = window->dilation[0],
                            .dw = window->dilation[1],
                            .groups = window->groups};
}

int64_t lbk_conv_extent(int64_t extent, int kernel, int stride, int padding, int dilation) {
    int64_t room = extent + 2 * (int64_t)padding - (int64_t)dilation * (kernel - 1) - 1;
    return room < 0 ? 0 : room / stride + 1;
}

static lbk_status check_channels(const lbk_conv_window *window, const lbk_shape *x, const lbk_shape *weight,
                                 const lbk_shape *y) {
    int64_t c = x->dim[3], k = y->dim[3];
    if (c % window->groups != 0 || k % window->groups != 0)
        return lbk_fail(LBK_ERR_INPUT, "groups=%d divides not both input channels (%lld) and output channels (%lld)",
                        window->groups, (long long)c, (long long)k);
    if (weight->dim[2] == c / window->groups && weight->dim[3] == k)
        return LBK_OK;
    char text[LBK_SHAPE_TEXT];
    return lbk_fail(LBK_ERR_INPUT, "weight has shape %s, expected KHxKWx%lldx%lld", lbk_shape_print(weight, text),
                    (long long)(c / window->groups), (long long)k);
}

lbk_status lbk_conv_check(const lbk_conv_window *window, const lbk_shape *x, const lbk_shape *weight,
                          const lbk_shape *y) {
    LBK_TRY(check_channels(window, x, weight, y));
    char text[2][LBK_SHAPE_TEXT];
    if (x->dim[0] != y->dim[0])
        return lbk_fail(LBK_ERR_INPUT, "x (%s) and y (%s) have different numbers of images",
                        lbk_shape_print(x, text[0]), lbk_shape_print(y, text[1]));
    for (int i = 0; i < 2; i++) {
        int64_t fits = lbk_conv_extent(x->dim[1 + i], (int)weight->dim[i], window->stride[i], window->padding[i],
                                       window->dilation[i]);
        if (fits < 1)
            return lbk_fail(LBK_ERR_INPUT, "a kernel of %lld pixels, dilation %d, does not fit %lld pixels + 2 x %d",
                            (long long)weight->dim[i], window->dilation[i], (long long)x->dim[1 + i],
                            window->padding[i]);
        if (fits != y->dim[1 + i])
            return lbk_fail(LBK_ERR_INPUT, "x (%s) gives %lld output pixels in dimension %d, y has shape %s",
                            lbk_shape_print(x, text[0]), (long long)fits, 1 + i, lbk_shape_print(y, text[1]));
    }
    return LBK_OK;
}

double lbk_conv_flops(const lbk_conv_sizes *s) {
    return 2.0 * (double)(s->n * s->oh * s->ow * s->k) * (double)(s->kh * s->kw * (s->c / s->groups));
}

/* The products of output channel k at output pixel `y / k`, image n, upper left input pixel (h0, w0). */
static void visit_window(const lbk_conv_sizes *s, int64_t n, int64_t h0, int64_t w0, int64_t k, int64_t y,
                         void (*visit)(void *, int64_t, int64_t, int64_t), void *user) {
    int64_t each = s->c / s->groups, first = k / (s->k / s->groups) * each;
    for (int64_t i = 0; i < s->kh; i++)
        for (int64_t j = 0; j < s->kw; j++) {
            int64_t h = h0 + i * s->dh, w = w0 + j * s->dw;
            if (h < 0 || h >= s->h || w < 0 || w >= s->w)
                continue;
            for (int64_t c = 0; c < each; c++)
                visit(user, ((n * s->h + h) * s->w + w) * s->c + first + c, ((i * s->kw + j) * each + c) * s->k + k, y);
        }
}

void lbk_conv_visit(const lbk_conv_sizes *s, void (*visit)(void *user, int64_t x, int64_t w, int64_t y), void *user) {
    int64_t y = 0;
    for (int64_t n = 0; n < s->n; n++)
        for (int64_t oh = 0; oh < s->oh; oh++)
            for (int64_t ow = 0; ow < s->ow; ow++)
                for (int64_t k = 0; k < s->k; k++)
                    visit_window(s, n, oh * s->sh - s->ph, ow * s->sw - s->pw, k, y++, visit, user);
}

/* What every convolution op is: shapes and their checks, cost, reference and derivative. */
#include "ops/compose.h"
#include "ops/conv.h"

const char *const lbk_conv_init_names[] = {"default", "kaiming", NULL}; /* lbk_conv_init */

lbk_conv_sizes lbk_conv_sizes_of(const lbk_conv_window *window, const lbk_shape *x, const lbk_shape *weight,
                                 const lbk_shape *y) {
    int dims = x->rank - 2, last = dims; /* index of the width in images; of the channels of weights */
    lbk_conv_sizes s = {.dims = dims, .n = x->dim[0], .h = 1, .oh = 1, .kh = 1, .sh = 1, .dh = 1};
    s.w = x->dim[last];
    s.c = x->dim[last + 1];
    s.ow = y->dim[last];
    s.k = y->dim[last + 1];
    s.kw = weight->dim[last - 1];
    s.sw = window->stride[1];
    s.pw = window->padding[1];
    s.dw = window->dilation[1];
    s.groups = window->groups;
    if (dims == 2) {
        s.h = x->dim[1];
        s.oh = y->dim[1];
        s.kh = weight->dim[0];
        s.sh = window->stride[0];
        s.ph = window->padding[0];
        s.dh = window->dilation[0];
    }
    return s;
}

lbk_shape lbk_conv_image_shape(int dims, int64_t n, int64_t h, int64_t w, int64_t channels) {
    return dims == 2 ? lbk_shape_4(n, h, w, channels) : lbk_shape_of(3, (int64_t[]){n, w, channels});
}

lbk_shape lbk_conv_weight_shape(int dims, const int kernel[2], int64_t each, int64_t channels) {
    return dims == 2 ? lbk_shape_4(kernel[0], kernel[1], each, channels)
                     : lbk_shape_of(3, (int64_t[]){kernel[1], each, channels});
}

int64_t lbk_conv_extent(int64_t extent, int kernel, int stride, int padding, int dilation) {
    int64_t room = extent + 2 * (int64_t)padding - (int64_t)dilation * (kernel - 1) - 1;
    return room < 0 ? 0 : room / stride + 1;
}

lbk_status lbk_conv_infer_ranks(const lbk_infer *infer, int dims, const char *first, const char *second) {
    LBK_TRY(lbk_infer_rank(infer, 0, first, dims + 2));
    return lbk_infer_rank(infer, 1, second, dims + 2);
}

lbk_status lbk_conv_check_groups(int groups, int64_t in, int64_t out) {
    if (in % groups == 0 && out % groups == 0)
        return LBK_OK;
    return lbk_fail(LBK_ERR_INPUT, "groups=%d divides not both input channels (%lld) and output channels (%lld)",
                    groups, (long long)in, (long long)out);
}

static lbk_status check_weight(const lbk_conv_sizes *s, const lbk_shape *weight) {
    if (weight->dim[s->dims] == s->c / s->groups && weight->dim[s->dims + 1] == s->k)
        return LBK_OK;
    char text[LBK_SHAPE_TEXT];
    return lbk_fail(LBK_ERR_INPUT, "weight has shape %s, expected %s%lldx%lld", lbk_shape_print(weight, text),
                    s->dims == 2 ? "KHxKWx" : "KWx", (long long)(s->c / s->groups), (long long)s->k);
}

lbk_status lbk_conv_check(const lbk_conv_window *window, const lbk_shape *x, const lbk_shape *weight,
                          const lbk_shape *y) {
    lbk_conv_sizes s = lbk_conv_sizes_of(window, x, weight, y);
    char text[2][LBK_SHAPE_TEXT];
    LBK_TRY(lbk_conv_check_groups(window->groups, s.c, s.k));
    LBK_TRY(check_weight(&s, weight));
    if (x->dim[0] != y->dim[0])
        return lbk_fail(LBK_ERR_INPUT, "x (%s) and y (%s) have different numbers of samples",
                        lbk_shape_print(x, text[0]), lbk_shape_print(y, text[1]));
    for (int i = 0; i < s.dims; i++) {
        int at = 2 - s.dims + i; /* in the window */
        int64_t fits = lbk_conv_extent(x->dim[1 + i], (int)weight->dim[i], window->stride[at], window->padding[at],
                                       window->dilation[at]);
        if (fits < 1)
            return lbk_fail(LBK_ERR_INPUT, "a kernel of %lld, dilation %d, does not fit into %lld + 2 x %d",
                            (long long)weight->dim[i], window->dilation[at], (long long)x->dim[1 + i],
                            window->padding[at]);
        if (fits != y->dim[1 + i])
            return lbk_fail(LBK_ERR_INPUT, "x (%s) gives an output of %lld in dimension %d, y has shape %s",
                            lbk_shape_print(x, text[0]), (long long)fits, 1 + i, lbk_shape_print(y, text[1]));
    }
    return LBK_OK;
}

lbk_status lbk_conv_infer_epilogue(const lbk_infer *infer, const lbk_shape *y) {
    static const char *const names[] = {"x", "weight", "bias", "scale", "shift"};
    for (int i = LBK_CONV_BIAS; i <= LBK_CONV_SHIFT; i++)
        if (lbk_infer_has(infer, i))
            LBK_TRY(lbk_infer_shape(infer, i, names[i], lbk_shape_1(lbk_shape_last(y))));
    if (lbk_infer_has(infer, LBK_CONV_SCALE) != lbk_infer_has(infer, LBK_CONV_SHIFT))
        return lbk_fail(LBK_ERR_INPUT, "scale and shift come together");
    return lbk_infer_has(infer, LBK_CONV_ADDEND) ? lbk_infer_shape(infer, LBK_CONV_ADDEND, "addend", *y) : LBK_OK;
}

void lbk_conv_layer_epilogue(lbk_conv *conv, const lbk_conv_params *p, int input_count, const lbk_tensor_desc *input) {
    int *const field[] = {&conv->bias, &conv->scale, NULL, &conv->addend};
    for (int i = LBK_CONV_BIAS; i <= LBK_CONV_ADDEND; i++)
        if (i != LBK_CONV_SHIFT)
            *field[i - LBK_CONV_BIAS] = i < input_count && lbk_ops_present(&input[i]) ? i : LBK_NONE;
    conv->relu = p->relu;
}

void lbk_conv_layer_weights(const lbk_conv_params *p, int dims, int64_t each, int64_t channels, lbk_weight_list *list) {
    lbk_init init = p->init == LBK_CONV_INIT_KAIMING ? LBK_INIT_KAIMING_NORMAL_FAN_OUT : LBK_INIT_UNIFORM_FAN_IN;
    int64_t taps = (int64_t)(dims == 2 ? p->kernel[0] : 1) * p->kernel[1];
    list->count = p->bias ? 2 : 1;
    list->item[0] = (lbk_weight){.suffix = "weight",
                                 .kind = LBK_WEIGHT_PARAM,
                                 .input = 1,
                                 .shape = lbk_conv_weight_shape(dims, p->kernel, each, channels),
                                 .layout = LBK_LAYOUT_OIHW,
                                 .init = init,
                                 .fan_in = taps * each,
                                 .fan_out = taps * channels};
    list->item[1] = (lbk_weight){.suffix = "bias",
                                 .kind = LBK_WEIGHT_PARAM,
                                 .input = LBK_CONV_BIAS,
                                 .shape = lbk_shape_1(p->out),
                                 .init = LBK_INIT_UNIFORM_FAN_IN,
                                 .fan_in = taps * each,
                                 .fan_out = taps * channels};
}

void lbk_conv_cost(const lbk_conv *conv, const lbk_infer *shapes, lbk_cost *cost) {
    const lbk_conv_sizes *s = &conv->s;
    lbk_cost_elementwise(shapes, 0, cost);
    cost->flops = 2.0 * (double)(s->n * s->oh * s->ow * s->k) * (double)(s->kh * s->kw * (s->c / s->groups));
}

/* Adds a product to the element of the result that it belongs to. */
static void product(const lbk_conv *conv, const lbk_reference *r, int64_t x, int64_t w, int64_t y) {
    int64_t result = conv->result == LBK_CONV_Y ? y : conv->result == LBK_CONV_X ? x : w;
    int64_t first = conv->result == LBK_CONV_X ? y : x, second = conv->result == LBK_CONV_WEIGHT ? y : w;
    r->out[0][result] += r->in[0][first] * r->in[1][second];
}

/* The products of output channel k at output pixel `y / k`, image n, upper left input pixel (h0, w0). */
static void products(const lbk_conv *conv, const lbk_reference *r, int64_t n, int64_t h0, int64_t w0, int64_t k,
                     int64_t y) {
    const lbk_conv_sizes *s = &conv->s;
    int64_t each = s->c / s->groups, first = k / (s->k / s->groups) * each;
    for (int64_t i = 0; i < s->kh; i++)
        for (int64_t j = 0; j < s->kw; j++) {
            int64_t h = h0 + i * s->dh, w = w0 + j * s->dw;
            if (h < 0 || h >= s->h || w < 0 || w >= s->w)
                continue;
            for (int64_t c = 0; c < each; c++)
                product(conv, r, ((n * s->h + h) * s->w + w) * s->c + first + c,
                        ((i * s->kw + j) * each + c) * s->k + k, y);
        }
}

void lbk_conv_reference(const lbk_conv *conv, const lbk_reference *r) {
    const lbk_conv_sizes *s = &conv->s;
    int64_t y = 0, channels = lbk_shape_last(&r->output[0].shape);
    for (int64_t n = 0; n < s->n; n++)
        for (int64_t oh = 0; oh < s->oh; oh++)
            for (int64_t ow = 0; ow < s->ow; ow++)
                for (int64_t k = 0; k < s->k; k++)
                    products(conv, r, n, oh * s->sh - s->ph, ow * s->sw - s->pw, k, y++);
    for (int64_t i = 0; i < lbk_ops_count(&r->output[0]); i++) {
        double *out = &r->out[0][i];
        *out += conv->bias >= 0 ? r->in[conv->bias][i % channels] : 0;
        if (conv->scale >= 0)
            *out = *out * r->in[conv->scale][i % channels] + r->in[conv->scale + 1][i % channels];
        *out += conv->addend >= 0 ? r->in[conv->addend][i] : 0;
        *out = conv->relu && *out < 0 ? 0 : *out;
    }
}

/* Emits the op that computes tensor `result` of the same convolution. */
static lbk_status derive(const lbk_conv *conv, lbk_gradient *g, lbk_conv_result result, const lbk_value inputs[2],
                         lbk_value *out) {
    static const char *const names[2][3] = {{"conv1d", "conv1d_backward_data", "conv1d_backward_weights"},
                                            {"conv2d", "conv2d_backward_data", "conv2d_backward_weights"}};
    const lbk_conv_sizes *s = &conv->s;
    const char *name = names[s->dims - 1][result];
    lbk_conv_window window = {
        {(int)s->sh, (int)s->sw}, {(int)s->ph, (int)s->pw}, {(int)s->dh, (int)s->dw}, (int)s->groups};
    lbk_conv_params forward = {.out = (int)s->k, .kernel = {(int)s->kh, (int)s->kw}, .window = window};
    lbk_conv_backward_params data = {{(int)s->h, (int)s->w}, window}, weights = {{(int)s->kh, (int)s->kw}, window};
    const void *params = result == LBK_CONV_Y ? (const void *)&forward : result == LBK_CONV_X ? &data : &weights;
    return lbk_gradient_emit(g, name, params, 2, inputs, out);
}

/* dL/d(output) behind the relu. */
static lbk_status through_relu(const lbk_conv *conv, lbk_gradient *g, lbk_value *d) {
    *d = g->output_grad[0];
    const lbk_value inputs[] = {*d, g->output[0]};
    return conv->relu ? lbk_gradient_emit(g, "relu_backward", NULL, 2, inputs, d) : LBK_OK;
}

/* The same before scale and shift; dscale = sum over rows of d (conv(a, b) + bias), dshift = that of d. */
static lbk_status through_scale(const lbk_conv *conv, lbk_gradient *g, lbk_value *d) {
    lbk_compose c = {g, LBK_OK};
    int scale = conv->scale, shift = conv->scale + 1;
    if (g->wanted[scale]) {
        lbk_value y;
        LBK_TRY(derive(conv, g, conv->result, g->input, &y));
        y = lbk_compose_add(&c, y, conv->bias >= 0 ? g->input[conv->bias] : LBK_NONE);
        g->input_grad[scale] = lbk_compose_sum_rows(&c, lbk_compose_mul(&c, *d, y));
    }
    if (g->wanted[shift])
        g->input_grad[shift] = lbk_compose_sum_rows(&c, *d);
    *d = lbk_compose_mul(&c, *d, g->input[scale]);
    return c.status;
}

/* Every result is linear in both of its inputs. So each derivative is the third tensor of the convolution, computed from
 * the output's gradient and the other input. */
lbk_status lbk_conv_differentiate(const lbk_conv *conv, lbk_gradient *g) {
    lbk_value d, a = g->input[0], b = g->input[1];
    LBK_TRY(through_relu(conv, g, &d));
    if (conv->addend >= 0 && g->wanted[conv->addend])
        g->input_grad[conv->addend] = d;
    if (conv->scale >= 0)
        LBK_TRY(through_scale(conv, g, &d));
    static const lbk_conv_result first[] = {LBK_CONV_X, LBK_CONV_Y, LBK_CONV_X},
                                 second[] = {LBK_CONV_WEIGHT, LBK_CONV_WEIGHT, LBK_CONV_Y};
    const lbk_value of_first[][2] = {{d, b}, {d, b}, {b, d}}, of_second[][2] = {{a, d}, {d, a}, {a, d}};
    lbk_conv_result r = conv->result;
    if (g->wanted[0])
        LBK_TRY(derive(conv, g, first[r], of_first[r], &g->input_grad[0]));
    if (g->wanted[1])
        LBK_TRY(derive(conv, g, second[r], of_second[r], &g->input_grad[1]));
    if (conv->bias >= 0 && g->wanted[conv->bias])
        LBK_TRY(lbk_gradient_emit(g, "reduce_rows", NULL, 1, &d, &g->input_grad[conv->bias]));
    return LBK_OK;
}

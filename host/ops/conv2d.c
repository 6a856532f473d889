/* conv2d: 2-D convolution with groups, and, in the same pass, what often follows it: a bias, a scale and shift per channel
 * (an evaluating batch_norm, folded), a residual addend and a relu. */
#include "ops/conv.h"

static const char *const init_names[] = {"default", "kaiming", NULL}; /* lbk_conv_init */

static const lbk_param conv2d_table[] = {
    LBK_PARAM_INT(lbk_conv2d_params, out, NULL, 1, 1 << 20, "channels", "output channels", NULL),
    LBK_PARAM_PAIR(lbk_conv2d_params, kernel, "1", 1, 1024, "pixels", "size of the kernel", NULL),
    LBK_CONV_WINDOW_PARAMS(lbk_conv2d_params),
    LBK_PARAM_BOOL(lbk_conv2d_params, bias, "yes", "add a bias per output channel", NULL),
    LBK_PARAM_BOOL(lbk_conv2d_params, relu, "no", "y = max(y, 0) in the same pass", NULL),
    LBK_PARAM_CHOICE(lbk_conv2d_params, init, "default", init_names,
                     "start of the weights: default: uniform in +-1/sqrt(fan_in); kaiming: normal, variance 2/fan_out",
                     "He et al. 2015, arXiv 1502.01852, section 2.2"),
    LBK_PARAM_END};

enum { X, WEIGHT, BIAS, SCALE, SHIFT, ADDEND }; /* inputs */

static lbk_status infer_vectors(const lbk_infer *infer, int64_t channels) {
    static const char *const names[] = {"x", "weight", "bias", "scale", "shift"};
    for (int i = BIAS; i <= SHIFT; i++)
        if (lbk_infer_has(infer, i))
            LBK_TRY(lbk_infer_shape(infer, i, names[i], lbk_shape_1(channels)));
    if (lbk_infer_has(infer, SCALE) != lbk_infer_has(infer, SHIFT))
        return lbk_fail(LBK_ERR_INPUT, "scale and shift come together");
    return LBK_OK;
}

static lbk_status conv2d_infer(lbk_infer *infer) {
    const lbk_conv2d_params *p = infer->params;
    const lbk_conv_window *w = &p->window;
    LBK_TRY(lbk_infer_rank(infer, X, "x", 4));
    LBK_TRY(lbk_infer_rank(infer, WEIGHT, "weight", 4));
    const lbk_shape *x = &infer->input[X].shape, *weight = &infer->input[WEIGHT].shape;
    if (weight->dim[0] != p->kernel[0] || weight->dim[1] != p->kernel[1])
        return lbk_fail(LBK_ERR_INPUT, "weight is %lldx%lld pixels, kernel=%d,%d", (long long)weight->dim[0],
                        (long long)weight->dim[1], p->kernel[0], p->kernel[1]);
    lbk_shape y =
        lbk_shape_4(x->dim[0], lbk_conv_extent(x->dim[1], p->kernel[0], w->stride[0], w->padding[0], w->dilation[0]),
                    lbk_conv_extent(x->dim[2], p->kernel[1], w->stride[1], w->padding[1], w->dilation[1]), p->out);
    LBK_TRY(lbk_conv_check(w, x, weight, &y));
    LBK_TRY(infer_vectors(infer, p->out));
    if (lbk_infer_has(infer, ADDEND))
        LBK_TRY(lbk_infer_shape(infer, ADDEND, "addend", y));
    lbk_infer_output(infer, LBK_F32, y);
    return LBK_OK;
}

static void conv2d_cost(const lbk_infer *shapes, lbk_cost *cost) {
    const lbk_conv2d_params *p = shapes->params;
    lbk_conv_sizes s =
        lbk_conv_sizes_of(&p->window, &shapes->input[X].shape, &shapes->input[WEIGHT].shape, &shapes->output[0].shape);
    lbk_cost_elementwise(shapes, 0, cost);
    cost->flops = lbk_conv_flops(&s);
}

static void reference_visit(void *user, int64_t x, int64_t w, int64_t y) {
    const lbk_reference *r = user;
    r->out[0][y] += r->in[X][x] * r->in[WEIGHT][w];
}

static const double *reference_input(const lbk_reference *r, int input) {
    return input < r->input_count ? r->in[input] : NULL;
}

static void conv2d_reference(const lbk_reference *r) {
    const lbk_conv2d_params *p = r->params;
    lbk_conv_sizes s = lbk_conv_sizes_of(&p->window, &r->input[X].shape, &r->input[WEIGHT].shape, &r->output[0].shape);
    const double *bias = reference_input(r, BIAS), *scale = reference_input(r, SCALE),
                 *shift = reference_input(r, SHIFT);
    const double *addend = reference_input(r, ADDEND);
    lbk_conv_visit(&s, reference_visit, (void *)r);
    for (int64_t i = 0; i < lbk_ops_count(&r->output[0]); i++) {
        double *y = &r->out[0][i];
        *y += bias ? bias[i % s.k] : 0;
        *y = scale ? *y * scale[i % s.k] + shift[i % s.k] : *y;
        *y += addend ? addend[i] : 0;
        *y = p->relu && *y < 0 ? 0 : *y;
    }
}

/* dL/dy behind the relu. */
static lbk_status through_relu(lbk_gradient *g, lbk_value *dy) {
    const lbk_conv2d_params *p = g->params;
    *dy = g->output_grad[0];
    const lbk_value inputs[] = {*dy, g->output[0]};
    return p->relu ? lbk_gradient_emit(g, "relu_backward", NULL, 2, inputs, dy) : LBK_OK;
}

static lbk_status conv2d_differentiate(lbk_gradient *g) {
    const lbk_conv2d_params *p = g->params;
    const lbk_shape *x = &g->input_desc[X].shape;
    if (g->input_count > SCALE && lbk_ops_present(&g->input_desc[SCALE]))
        return lbk_fail(LBK_ERR_UNSUPPORTED, "no derivative is defined with a folded scale (evaluation only)");
    lbk_value dy;
    LBK_TRY(through_relu(g, &dy));
    lbk_conv_backward_params data = {{(int)x->dim[1], (int)x->dim[2]}, p->window};
    lbk_conv_backward_params weights = {{p->kernel[0], p->kernel[1]}, p->window};
    if (g->wanted[X])
        LBK_TRY(lbk_gradient_emit(g, "conv2d_backward_data", &data, 2, (lbk_value[]){dy, g->input[WEIGHT]},
                                  &g->input_grad[X]));
    if (g->wanted[WEIGHT])
        LBK_TRY(lbk_gradient_emit(g, "conv2d_backward_weights", &weights, 2, (lbk_value[]){g->input[X], dy},
                                  &g->input_grad[WEIGHT]));
    if (g->input_count > BIAS && g->wanted[BIAS])
        LBK_TRY(lbk_gradient_emit(g, "reduce_rows", NULL, 1, &dy, &g->input_grad[BIAS]));
    if (g->input_count > ADDEND && g->wanted[ADDEND])
        g->input_grad[ADDEND] = dy;
    return LBK_OK;
}

static lbk_status conv2d_weights(const void *params, const lbk_tensor_desc *input, lbk_weight_list *list) {
    const lbk_conv2d_params *p = params;
    int64_t channels = lbk_shape_last(&input->shape), taps = (int64_t)p->kernel[0] * p->kernel[1];
    if (input->shape.rank != 4 || channels % p->window.groups != 0)
        return lbk_fail(LBK_ERR_INPUT, "x needs 4 dimensions and channels that groups=%d divides", p->window.groups);
    int64_t each = channels / p->window.groups;
    lbk_init init = p->init == LBK_CONV_INIT_KAIMING ? LBK_INIT_KAIMING_NORMAL_FAN_OUT : LBK_INIT_UNIFORM_FAN_IN;
    list->count = p->bias ? 2 : 1;
    list->item[0] = (lbk_weight){.suffix = "weight",
                                 .kind = LBK_WEIGHT_PARAM,
                                 .input = WEIGHT,
                                 .shape = lbk_shape_4(p->kernel[0], p->kernel[1], each, p->out),
                                 .layout = LBK_LAYOUT_OIHW,
                                 .init = init,
                                 .fan_in = taps * each,
                                 .fan_out = taps * p->out};
    list->item[1] = (lbk_weight){.suffix = "bias",
                                 .kind = LBK_WEIGHT_PARAM,
                                 .input = BIAS,
                                 .shape = lbk_shape_1(p->out),
                                 .init = LBK_INIT_UNIFORM_FAN_IN,
                                 .fan_in = taps * each,
                                 .fan_out = taps * p->out};
    return LBK_OK;
}

static lbk_conv_sizes emit_sizes(const lbk_emit *e) {
    const lbk_conv2d_params *p = e->params;
    return lbk_conv_sizes_of(&p->window, &e->input[X].shape, &e->input[WEIGHT].shape, &e->output[0].shape);
}

/* An lbk_conv_begin. */
static lbk_status begin(lbk_emit *e, const char *file, const char *name, int weights, lbk_call **call) {
    const lbk_conv2d_params *p = e->params;
    LBK_TRY(lbk_emit_kernel(e, file, name, call));
    if (lbk_emit_has(e, BIAS))
        LBK_TRY(lbk_call_option(*call, "-DHAS_BIAS=1"));
    if (lbk_emit_has(e, SCALE))
        LBK_TRY(lbk_call_option(*call, "-DHAS_SCALE=1"));
    if (lbk_emit_has(e, ADDEND))
        LBK_TRY(lbk_call_option(*call, "-DHAS_ADD=1"));
    if (p->relu)
        LBK_TRY(lbk_call_option(*call, "-DHAS_RELU=1"));
    lbk_call_output(*call, 0);
    for (int i = X; i <= ADDEND; i++)
        if (i == WEIGHT && weights >= 0)
            lbk_call_scratch(*call, weights);
        else if (lbk_emit_has(e, i))
            lbk_call_input(*call, i);
    return LBK_OK;
}

static lbk_status emit_generic(lbk_emit *e) {
    lbk_conv_sizes s = emit_sizes(e);
    lbk_call *call;
    LBK_TRY(begin(e, "generic/conv2d", "conv2d", -1, &call));
    lbk_conv_call_groups(call, &s);
    lbk_call_range_1d(call, (size_t)lbk_ops_count(&e->output[0]), lbk_emit_local(e));
    return LBK_OK;
}

static lbk_status emit_cpu_depthwise(lbk_emit *e) {
    lbk_conv_sizes s = emit_sizes(e);
    lbk_call *call;
    if (!lbk_conv_is_depthwise(&s))
        return lbk_emit_decline(e);
    LBK_TRY(begin(e, "cpu/conv2d", "conv2d_depthwise", -1, &call));
    LBK_TRY(lbk_call_option(call, "-DVW=%d", lbk_emit_vector_width(e)));
    lbk_conv_call_sizes(call, &s, true);
    lbk_call_range_1d(call, (size_t)(s.n * s.oh), 1);
    return LBK_OK;
}

static lbk_status emit_cpu(lbk_emit *e) {
    lbk_conv_sizes s = emit_sizes(e);
    lbk_conv_blocks b;
    lbk_call *call;
    if (s.groups > 1 || !lbk_conv_blocks_find(e, &s, false, &b))
        return lbk_emit_decline(e);
    LBK_TRY(begin(e, "cpu/conv2d", "conv2d", -1, &call));
    LBK_TRY(lbk_conv_blocks_options(e, &b, call));
    lbk_conv_call_sizes(call, &s, false);
    lbk_call_int(call, b.images);
    lbk_call_int(call, b.rows);
    lbk_call_int(call, b.cols);
    lbk_call_int(call, b.pass);
    lbk_call_range_2d(call, b.groups, b.splits, 1, 1);
    return LBK_OK;
}

static lbk_status emit_cpu_winograd(lbk_emit *e) {
    lbk_conv_sizes s = emit_sizes(e);
    return lbk_conv_winograd_emit(e, &s, false, begin);
}

static lbk_status emit_gpu_depthwise(lbk_emit *e) {
    enum { STRIP = 4, GROUP = 128 }; /* DTW, DWG of the kernel */
    lbk_conv_sizes s = emit_sizes(e);
    lbk_call *call;
    if (s.groups < 2 || s.groups != s.c || e->caps->max_group < GROUP)
        return lbk_emit_decline(e);
    int64_t vec = s.k == s.c && s.c % 4 == 0 ? 4 : 1;
    LBK_TRY(begin(e, "gpu/conv2d", "conv2d_depthwise", -1, &call));
    LBK_TRY(lbk_call_option(call, "-DVEC=%d", (int)vec));
    lbk_conv_call_groups(call, &s);
    lbk_call_range_1d(call, (size_t)(s.n * s.oh * ((s.ow + STRIP - 1) / STRIP) * (s.k / vec)), GROUP);
    return LBK_OK;
}

static lbk_status emit_gpu(lbk_emit *e) {
    lbk_conv_sizes s = emit_sizes(e);
    int64_t rows = s.n * s.oh * s.ow, columns = s.k / s.groups;
    lbk_conv_tile tile;
    lbk_call *call;
    if (!lbk_conv_tile_find(e, &s, rows, columns, &tile))
        return lbk_emit_decline(e);
    LBK_TRY(begin(e, "gpu/conv2d", "conv2d", -1, &call));
    LBK_TRY(lbk_conv_tile_options(call, &tile));
    lbk_conv_call_groups(call, &s);
    lbk_call_range_2d(call, tile.group * lbk_conv_tile_count(&tile, rows, columns), (size_t)s.groups, tile.group, 1);
    return LBK_OK;
}

static const lbk_variant conv2d_variants[] = {{LBK_CLASS_CPU, "depthwise", emit_cpu_depthwise},
                                              {LBK_CLASS_CPU, "winograd", emit_cpu_winograd},
                                              {LBK_CLASS_CPU, "direct", emit_cpu},
                                              {LBK_CLASS_GPU, "depthwise", emit_gpu_depthwise},
                                              {LBK_CLASS_GPU, "implicit-gemm", emit_gpu},
                                              {LBK_CLASS_GENERIC, "loop", emit_generic},
                                              {.emit = NULL}};

#define NONE                                                                                                           \
    { .rank = -1 }
#define CASE(text, n, h, w, c, kh, kw, each, k)                                                                        \
    { .params = text, .input = {{4, {n, h, w, c}}, {4, {kh, kw, each, k}}}, .input_count = 2 }
#define CASE_BIAS(text, n, h, w, c, kh, kw, each, k)                                                                   \
    { .params = text, .input = {{4, {n, h, w, c}}, {4, {kh, kw, each, k}}, {1, {k}}}, .input_count = 3 }
static const lbk_op_example conv2d_examples[] = {
    CASE_BIAS("out=16 kernel=3 padding=1", 2, 9, 11, 3, 3, 3, 3, 16),
    CASE("out=32 kernel=3 stride=2 padding=1 bias=no", 3, 8, 8, 16, 3, 3, 16, 32),
    CASE_BIAS("out=10 kernel=1", 2, 5, 3, 20, 1, 1, 20, 10),
    CASE("out=1 kernel=2,5 stride=1,3 padding=0,2 bias=no", 1, 6, 17, 7, 2, 5, 7, 1),
    CASE("out=40 kernel=3 padding=2 dilation=2 bias=no", 2, 7, 10, 33, 3, 3, 33, 40),
    CASE("out=19 kernel=3 padding=1 groups=19 stride=2 bias=no", 2, 9, 8, 19, 3, 3, 1, 19),
    CASE("out=12 kernel=3 padding=1 groups=2 bias=no", 2, 6, 5, 8, 3, 3, 4, 12),
    CASE("out=64 kernel=1 stride=2 bias=no", 2, 9, 9, 32, 1, 1, 32, 64),
    {.params = "out=48 kernel=3 padding=1 bias=no relu=yes",
     .input = {{4, {2, 6, 6, 48}}, {4, {3, 3, 48, 48}}, NONE, {1, {48}}, {1, {48}}, {4, {2, 6, 6, 48}}},
     .input_count = 6},
    {.params = "out=5 kernel=3 padding=1 groups=5 relu=yes",
     .input = {{4, {2, 4, 6, 5}}, {4, {3, 3, 1, 5}}, {1, {5}}, {1, {5}}, {1, {5}}, {4, {2, 4, 6, 5}}},
     .input_count = 6},
    CASE("out=16 kernel=3 padding=1 bias=no", 1, 32, 32, 16, 3, 3, 16, 16),
    CASE("out=64 kernel=3 padding=1 bias=no", 4, 8, 8, 64, 3, 3, 64, 64),
    CASE_BIAS("out=32 kernel=3", 3, 15, 12, 32, 3, 3, 32, 32),
    CASE("out=48 kernel=3 padding=0,1 bias=no", 1, 17, 19, 48, 3, 3, 48, 48),
    {.params = "out=80 kernel=3 padding=1 relu=yes",
     .input = {{4, {3, 9, 11, 32}}, {4, {3, 3, 32, 80}}, {1, {80}}, {1, {80}}, {1, {80}}, {4, {3, 9, 11, 80}}},
     .input_count = 6},
};

static const lbk_op conv2d_op = {
    .name = "conv2d",
    .summary = "2-D convolution",
    .formula = "y[n,oh,ow,k] = sum over i, j, c of x[n, oh*s-p+i*d, ow*s-p+j*d, c] * weight[i,j,c,k] + bias[k]",
    .inputs = "x[N,H,W,C] weight[KH,KW,C/g,K] bias[K]? scale[K]? shift[K]? addend[N,OH,OW,K]?",
    .outputs = "y[N,OH,OW,K]",
    .params = conv2d_table,
    .params_size = sizeof(lbk_conv2d_params),
    .min_inputs = 2,
    .max_inputs = 6,
    .addend = 1 + ADDEND,
    .scale = 1 + SCALE,
    .layer = true,
    .infer = conv2d_infer,
    .cost = conv2d_cost,
    .differentiate = conv2d_differentiate,
    .reference = conv2d_reference,
    .variants = conv2d_variants,
    .examples = conv2d_examples,
    .example_count = sizeof conv2d_examples / sizeof *conv2d_examples,
    .weights = conv2d_weights,
};

const lbk_op *const lbk_ops_conv2d[] = {&conv2d_op, NULL};

/* conv1d and conv2d: convolution with groups, and, in the same pass, what often follows it: a bias, a scale and shift per
 * channel (an evaluating batch_norm, folded), a residual addend and a relu. */
#include "ops/conv.h"

static const lbk_param conv1d_table[] = {LBK_CONV_LAYER_ROWS(LBK_CONV_ROW_1D), LBK_PARAM_END};
static const lbk_param conv2d_table[] = {LBK_CONV_LAYER_ROWS(LBK_CONV_ROW_2D), LBK_PARAM_END};

enum { X, WEIGHT }; /* inputs; then LBK_CONV_BIAS... */

static lbk_status conv_infer(lbk_infer *infer, int dims) {
    const lbk_conv_params *p = infer->params;
    const lbk_conv_window *w = &p->window;
    LBK_TRY(lbk_conv_infer_ranks(infer, dims, "x", "weight"));
    const lbk_shape *x = &infer->input[X].shape, *weight = &infer->input[WEIGHT].shape;
    LBK_TRY(lbk_conv_check_groups(w->groups, lbk_shape_last(x), p->out));
    LBK_TRY(lbk_infer_shape(infer, WEIGHT, "weight",
                            lbk_conv_weight_shape(dims, p->kernel, lbk_shape_last(x) / w->groups, p->out)));
    int64_t extent[2] = {1, 1};
    for (int i = 2 - dims; i < 2; i++)
        extent[i] = lbk_conv_extent(x->dim[i + dims - 1], p->kernel[i], w->stride[i], w->padding[i], w->dilation[i]);
    lbk_shape y = lbk_conv_image_shape(dims, x->dim[0], extent[0], extent[1], p->out);
    LBK_TRY(lbk_conv_check(w, x, weight, &y));
    LBK_TRY(lbk_conv_infer_epilogue(infer, &y));
    lbk_infer_output(infer, LBK_F32, y);
    return LBK_OK;
}

static lbk_status conv1d_infer(lbk_infer *infer) {
    return conv_infer(infer, 1);
}

static lbk_status conv2d_infer(lbk_infer *infer) {
    return conv_infer(infer, 2);
}

static lbk_conv conv_of(const void *params, int input_count, const lbk_tensor_desc *input,
                        const lbk_tensor_desc *output) {
    const lbk_conv_params *p = params;
    lbk_conv conv = {
        .result = LBK_CONV_Y,
        .s = lbk_conv_sizes_of(&p->window, &input[X].shape, &input[WEIGHT].shape, &output[0].shape),
    };
    lbk_conv_layer_epilogue(&conv, p, input_count, input);
    return conv;
}

LBK_CONV_FUNCTIONS(conv)

static lbk_status conv_weights(const void *params, const lbk_tensor_desc *input, lbk_weight_list *list, int dims) {
    const lbk_conv_params *p = params;
    int64_t channels = lbk_shape_last(&input->shape);
    if (input->shape.rank != dims + 2 || channels % p->window.groups != 0)
        return lbk_fail(LBK_ERR_INPUT, "x needs %d dimensions and channels that groups=%d divides", dims + 2,
                        p->window.groups);
    lbk_conv_layer_weights(p, dims, channels / p->window.groups, p->out, list);
    return LBK_OK;
}

static lbk_status conv1d_weights(const void *params, const lbk_tensor_desc *input, lbk_weight_list *list) {
    return conv_weights(params, input, list, 1);
}

static lbk_status conv2d_weights(const void *params, const lbk_tensor_desc *input, lbk_weight_list *list) {
    return conv_weights(params, input, list, 2);
}

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
    {.params = "out=40 kernel=1 relu=yes",
     .input = {{4, {1, 5, 7, 150}}, {4, {1, 1, 150, 40}}, {1, {40}}, {1, {40}}, {1, {40}}, {4, {1, 5, 7, 40}}},
     .input_count = 6},
    {.params = "out=96 kernel=1 relu=yes", /* several panels of whole vectors */
     .input = {{4, {2, 9, 7, 24}}, {4, {1, 1, 24, 96}}, {1, {96}}, {1, {96}}, {1, {96}}, {4, {2, 9, 7, 96}}},
     .input_count = 6},
    CASE("out=64 kernel=1 bias=no", 1, 5, 7, 530, 1, 1, 530, 64), /* more channels than one pass takes */
    CASE("out=1 kernel=2,5 stride=1,3 padding=0,2 bias=no", 1, 6, 17, 7, 2, 5, 7, 1),
    CASE("out=40 kernel=3 padding=2 dilation=2 bias=no", 2, 7, 10, 33, 3, 3, 33, 40),
    CASE("out=19 kernel=3 padding=1 groups=19 stride=2 bias=no", 2, 9, 8, 19, 3, 3, 1, 19),
    CASE("out=12 kernel=3 padding=1 groups=2 bias=no", 2, 6, 5, 8, 3, 3, 4, 12),
    CASE("out=64 kernel=1 stride=2 bias=no", 2, 9, 9, 32, 1, 1, 32, 64),
    CASE("out=20 kernel=16 stride=16 bias=no", 2, 33, 48, 3, 16, 16, 3, 20), /* patches */
    CASE("out=18 kernel=20,8 stride=2 padding=3 bias=no", 2, 41, 17, 1, 20, 8, 1, 18),
    {.params = "out=48 kernel=3 padding=1 bias=no relu=yes",
     .input = {{4, {2, 6, 6, 48}}, {4, {3, 3, 48, 48}}, NONE, {1, {48}}, {1, {48}}, {4, {2, 6, 6, 48}}},
     .input_count = 6},
    {.params = "out=5 kernel=3 padding=1 groups=5 relu=yes",
     .input = {{4, {2, 4, 6, 5}}, {4, {3, 3, 1, 5}}, {1, {5}}, {1, {5}}, {1, {5}}, {4, {2, 4, 6, 5}}},
     .input_count = 6},
    {.params = "out=40 kernel=5 padding=2,1 groups=40 relu=yes",
     .input = {{4, {2, 9, 11, 40}}, {4, {5, 5, 1, 40}}, {1, {40}}, {1, {40}}, {1, {40}}, {4, {2, 9, 9, 40}}},
     .input_count = 6},
    CASE("out=16 kernel=3 padding=1 bias=no", 1, 32, 32, 16, 3, 3, 16, 16),
    {.params = "out=48 kernel=3 padding=2,0 relu=yes",
     .input = {{4, {3, 11, 17, 16}}, {4, {3, 3, 16, 48}}, {1, {48}}, {1, {48}}, {1, {48}}, {4, {3, 13, 15, 48}}},
     .input_count = 6},
    CASE("out=64 kernel=3 padding=1 bias=no", 4, 8, 8, 64, 3, 3, 64, 64),
    CASE_BIAS("out=32 kernel=3", 3, 15, 12, 32, 3, 3, 32, 32),
    CASE("out=48 kernel=3 padding=0,1 bias=no", 1, 17, 19, 48, 3, 3, 48, 48),
    {.params = "out=80 kernel=3 padding=1 relu=yes",
     .input = {{4, {3, 9, 11, 32}}, {4, {3, 3, 32, 80}}, {1, {80}}, {1, {80}}, {1, {80}}, {4, {3, 9, 11, 80}}},
     .input_count = 6},
};

#define CASE_1D(text, n, t, c, kw, each, k)                                                                            \
    { .params = text, .input = {{3, {n, t, c}}, {3, {kw, each, k}}, {1, {k}}}, .input_count = 3 }
static const lbk_op_example conv1d_examples[] = {
    CASE_1D("out=16 kernel=3 padding=1", 2, 37, 20, 3, 20, 16),
    CASE_1D("out=10 kernel=5 stride=2 padding=2 relu=yes", 3, 40, 1, 5, 1, 10),
    CASE_1D("out=12 kernel=3 padding=4 dilation=4 groups=3", 2, 33, 6, 3, 2, 12),
    {.params = "out=5 kernel=7 padding=3 groups=5",
     .input = {{3, {2, 64, 5}}, {3, {7, 1, 5}}, NONE, {1, {5}}, {1, {5}}, {3, {2, 64, 5}}},
     .input_count = 6},
};

static const lbk_op conv1d_op = {
    .name = "conv1d",
    .summary = "1-D convolution over sequences",
    .formula = "y[n,t,k] = sum over j, c of x[n, t*s-p+j*d, c] * weight[j,c,k] + bias[k]",
    .inputs = "x[N,T,C] weight[KT,C/g,K] bias[K]? scale[K]? shift[K]? addend[N,OT,K]?",
    .outputs = "y[N,OT,K]",
    .params = conv1d_table,
    .params_size = sizeof(lbk_conv_params),
    .multiplied = 3,
    .min_inputs = 2,
    .max_inputs = 6,
    .addend = 1 + LBK_CONV_ADDEND,
    .scale = 1 + LBK_CONV_SCALE,
    .layer = true,
    .infer = conv1d_infer,
    .cost = conv_cost,
    .differentiate = conv_differentiate,
    .reference = conv_reference,
    .variants = conv_variants,
    .examples = conv1d_examples,
    .example_count = sizeof conv1d_examples / sizeof *conv1d_examples,
    .weights = conv1d_weights,
};

static const lbk_op conv2d_op = {
    .name = "conv2d",
    .summary = "2-D convolution",
    .formula = "y[n,oh,ow,k] = sum over i, j, c of x[n, oh*s-p+i*d, ow*s-p+j*d, c] * weight[i,j,c,k] + bias[k]",
    .inputs = "x[N,H,W,C] weight[KH,KW,C/g,K] bias[K]? scale[K]? shift[K]? addend[N,OH,OW,K]?",
    .outputs = "y[N,OH,OW,K]",
    .params = conv2d_table,
    .params_size = sizeof(lbk_conv_params),
    .multiplied = 3,
    .min_inputs = 2,
    .max_inputs = 6,
    .addend = 1 + LBK_CONV_ADDEND,
    .scale = 1 + LBK_CONV_SCALE,
    .layer = true,
    .infer = conv2d_infer,
    .cost = conv_cost,
    .differentiate = conv_differentiate,
    .reference = conv_reference,
    .variants = conv_variants,
    .examples = conv2d_examples,
    .example_count = sizeof conv2d_examples / sizeof *conv2d_examples,
    .weights = conv2d_weights,
};

const lbk_op *const lbk_ops_conv[] = {&conv1d_op, &conv2d_op, NULL};

/* conv_transpose1d and conv_transpose2d: what conv*_backward_data computes, as a layer. The layer's x is the y of that
 * convolution and its y the x, so its weight[KH,KW,K/g,C] is named the other way round too: PyTorch's file order
 * [C][K/g][KH][KW] is the one of conv. Its derivatives are conv and conv_backward_weights. */
#include "ops/conv.h"

#define OUTPUT_PADDING(ROW)                                                                                            \
    ROW(lbk_conv_params, output_padding, "output_padding", "0", 0, 1023,                                               \
        "further output on the lower and right side; below the stride", NULL)
static const lbk_param transpose1d_table[] = {LBK_CONV_LAYER_ROWS(LBK_CONV_ROW_1D), OUTPUT_PADDING(LBK_CONV_ROW_1D),
                                              LBK_PARAM_END};
static const lbk_param transpose2d_table[] = {LBK_CONV_LAYER_ROWS(LBK_CONV_ROW_2D), OUTPUT_PADDING(LBK_CONV_ROW_2D),
                                              LBK_PARAM_END};

enum { X, WEIGHT }; /* inputs; then LBK_CONV_BIAS... */

/* One dimension of y, index i of the parameters. */
static lbk_status extent_find(const lbk_conv_params *p, int i, int64_t x, int64_t *y) {
    const lbk_conv_window *w = &p->window;
    if (p->output_padding[i] >= w->stride[i])
        return lbk_fail(LBK_ERR_INPUT, "output_padding=%d must be below the stride, %d", p->output_padding[i],
                        w->stride[i]);
    *y = (x - 1) * w->stride[i] - 2 * (int64_t)w->padding[i] + (int64_t)w->dilation[i] * (p->kernel[i] - 1) +
         p->output_padding[i] + 1;
    if (*y < 1)
        return lbk_fail(LBK_ERR_INPUT, "padding=%d leaves nothing of the output of %lld", w->padding[i],
                        (long long)(*y + 2 * (int64_t)w->padding[i]));
    return LBK_OK;
}

static lbk_status transpose_infer(lbk_infer *infer, int dims) {
    const lbk_conv_params *p = infer->params;
    LBK_TRY(lbk_conv_infer_ranks(infer, dims, "x", "weight"));
    const lbk_shape *x = &infer->input[X].shape, *weight = &infer->input[WEIGHT].shape;
    LBK_TRY(lbk_conv_check_groups(p->window.groups, lbk_shape_last(x), p->out));
    LBK_TRY(lbk_infer_shape(infer, WEIGHT, "weight",
                            lbk_conv_weight_shape(dims, p->kernel, p->out / p->window.groups, lbk_shape_last(x))));
    int64_t extent[2] = {1, 1};
    for (int i = 2 - dims; i < 2; i++)
        LBK_TRY(extent_find(p, i, x->dim[i + dims - 1], &extent[i]));
    lbk_shape y = lbk_conv_image_shape(dims, x->dim[0], extent[0], extent[1], p->out);
    LBK_TRY(lbk_conv_check(&p->window, &y, weight, x));
    LBK_TRY(lbk_conv_infer_epilogue(infer, &y));
    lbk_infer_output(infer, LBK_F32, y);
    return LBK_OK;
}

static lbk_status transpose1d_infer(lbk_infer *infer) {
    return transpose_infer(infer, 1);
}

static lbk_status transpose2d_infer(lbk_infer *infer) {
    return transpose_infer(infer, 2);
}

static lbk_conv transpose_of(const void *params, int input_count, const lbk_tensor_desc *input,
                             const lbk_tensor_desc *output) {
    const lbk_conv_params *p = params;
    lbk_conv conv = {
        .result = LBK_CONV_X,
        .s = lbk_conv_sizes_of(&p->window, &output[0].shape, &input[WEIGHT].shape, &input[X].shape),
    };
    lbk_conv_layer_epilogue(&conv, p, input_count, input);
    return conv;
}

LBK_CONV_FUNCTIONS(transpose)

static lbk_status transpose_weights(const void *params, const lbk_tensor_desc *input, lbk_weight_list *list, int dims) {
    const lbk_conv_params *p = params;
    if (input->shape.rank != dims + 2 || p->out % p->window.groups != 0)
        return lbk_fail(LBK_ERR_INPUT, "x needs %d dimensions, and out=%d a multiple of groups=%d", dims + 2, p->out,
                        p->window.groups);
    lbk_conv_layer_weights(p, dims, p->out / p->window.groups, lbk_shape_last(&input->shape), list);
    return LBK_OK;
}

static lbk_status transpose1d_weights(const void *params, const lbk_tensor_desc *input, lbk_weight_list *list) {
    return transpose_weights(params, input, list, 1);
}

static lbk_status transpose2d_weights(const void *params, const lbk_tensor_desc *input, lbk_weight_list *list) {
    return transpose_weights(params, input, list, 2);
}

#define CASE(text, n, h, w, c, kh, kw, each, k)                                                                        \
    { .params = text, .input = {{4, {n, h, w, c}}, {4, {kh, kw, each, c}}, {1, {k}}}, .input_count = 3 }
static const lbk_op_example transpose2d_examples[] = {
    CASE("out=16 kernel=4 stride=2 padding=1", 2, 5, 7, 20, 4, 4, 16, 16),
    CASE("out=3 kernel=3,2 stride=2,3 padding=1,0 output_padding=1,2 relu=yes", 1, 6, 4, 9, 3, 2, 3, 3),
    CASE("out=12 kernel=3 padding=2 dilation=2 groups=3", 2, 7, 8, 6, 3, 3, 4, 12),
    {.params = "out=7 kernel=3 stride=2 padding=1 output_padding=1 groups=7 relu=yes",
     .input = {{4, {2, 4, 5, 7}}, {4, {3, 3, 1, 7}}, {1, {7}}, {1, {7}}, {1, {7}}, {4, {2, 8, 10, 7}}},
     .input_count = 6},
};

#define CASE_1D(text, n, t, c, kw, each, k)                                                                            \
    { .params = text, .input = {{3, {n, t, c}}, {3, {kw, each, c}}, {1, {k}}}, .input_count = 3 }
static const lbk_op_example transpose1d_examples[] = {
    CASE_1D("out=16 kernel=4 stride=2 padding=1", 2, 21, 20, 4, 16, 16),
    CASE_1D("out=6 kernel=3 stride=3 padding=1 dilation=2 output_padding=2 groups=2", 3, 11, 4, 3, 3, 6),
    CASE_1D("out=1 kernel=5 stride=2 padding=2 relu=yes", 1, 17, 1, 5, 1, 1),
};

static const lbk_op transpose1d_op = {
    .name = "conv_transpose1d",
    .summary = "1-D transposed convolution over sequences",
    .formula = "y[n, t*s-p+j*d, k] += x[n,t,c] * weight[j,k,c]; y + bias[k]",
    .inputs = "x[N,T,C] weight[KT,K/g,C] bias[K]? scale[K]? shift[K]? addend[N,OT,K]?",
    .outputs = "y[N,OT,K]",
    .params = transpose1d_table,
    .params_size = sizeof(lbk_conv_params),
    .multiplied = 3,
    .min_inputs = 2,
    .max_inputs = 6,
    .addend = 1 + LBK_CONV_ADDEND,
    .scale = 1 + LBK_CONV_SCALE,
    .layer = true,
    .infer = transpose1d_infer,
    .cost = transpose_cost,
    .differentiate = transpose_differentiate,
    .reference = transpose_reference,
    .variants = transpose_variants,
    .examples = transpose1d_examples,
    .example_count = sizeof transpose1d_examples / sizeof *transpose1d_examples,
    .weights = transpose1d_weights,
};

static const lbk_op transpose2d_op = {
    .name = "conv_transpose2d",
    .summary = "2-D transposed convolution",
    .formula = "y[n, h*s-p+i*d, w*s-p+j*d, k] += x[n,h,w,c] * weight[i,j,k,c]; y + bias[k]",
    .inputs = "x[N,H,W,C] weight[KH,KW,K/g,C] bias[K]? scale[K]? shift[K]? addend[N,OH,OW,K]?",
    .outputs = "y[N,OH,OW,K]",
    .params = transpose2d_table,
    .params_size = sizeof(lbk_conv_params),
    .multiplied = 3,
    .min_inputs = 2,
    .max_inputs = 6,
    .addend = 1 + LBK_CONV_ADDEND,
    .scale = 1 + LBK_CONV_SCALE,
    .layer = true,
    .infer = transpose2d_infer,
    .cost = transpose_cost,
    .differentiate = transpose_differentiate,
    .reference = transpose_reference,
    .variants = transpose_variants,
    .examples = transpose2d_examples,
    .example_count = sizeof transpose2d_examples / sizeof *transpose2d_examples,
    .weights = transpose2d_weights,
};

const lbk_op *const lbk_ops_conv_transpose[] = {&transpose1d_op, &transpose2d_op, NULL};

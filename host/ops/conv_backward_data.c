/* conv1d_backward_data and conv2d_backward_data: dL/dx of a convolution from dL/dy and the weights; an addend takes the
 * gradient that reaches x by another path along. */
#include "ops/conv.h"

static const lbk_param data1d_table[] = {
    LBK_CONV_ROW_1D(lbk_conv_backward_params, extent, "extent", NULL, 1, INT32_MAX, "size of x", NULL),
    LBK_CONV_WINDOW_ROWS(LBK_CONV_ROW_1D, lbk_conv_backward_params), LBK_PARAM_END};
static const lbk_param data2d_table[] = {
    LBK_CONV_ROW_2D(lbk_conv_backward_params, extent, "extent", NULL, 1, 1 << 20, "size of x", NULL),
    LBK_CONV_WINDOW_ROWS(LBK_CONV_ROW_2D, lbk_conv_backward_params), LBK_PARAM_END};

enum { DY, WEIGHT, ADDEND }; /* inputs */

static lbk_status data_infer(lbk_infer *infer, int dims) {
    const lbk_conv_backward_params *p = infer->params;
    LBK_TRY(lbk_conv_infer_ranks(infer, dims, "dy", "weight"));
    const lbk_shape *dy = &infer->input[DY].shape, *weight = &infer->input[WEIGHT].shape;
    lbk_shape dx =
        lbk_conv_image_shape(dims, dy->dim[0], p->extent[0], p->extent[1], weight->dim[dims] * p->window.groups);
    LBK_TRY(lbk_conv_check(&p->window, &dx, weight, dy));
    if (lbk_infer_has(infer, ADDEND))
        LBK_TRY(lbk_infer_shape(infer, ADDEND, "addend", dx));
    lbk_infer_output(infer, LBK_F32, dx);
    return LBK_OK;
}

static lbk_status data1d_infer(lbk_infer *infer) {
    return data_infer(infer, 1);
}

static lbk_status data2d_infer(lbk_infer *infer) {
    return data_infer(infer, 2);
}

static lbk_conv data_of(const void *params, int input_count, const lbk_tensor_desc *input,
                        const lbk_tensor_desc *output) {
    const lbk_conv_backward_params *p = params;
    bool addend = input_count > ADDEND && lbk_ops_present(&input[ADDEND]);
    return (lbk_conv){
        .result = LBK_CONV_X,
        .s = lbk_conv_sizes_of(&p->window, &output[0].shape, &input[WEIGHT].shape, &input[DY].shape),
        .bias = LBK_NONE,
        .scale = LBK_NONE,
        .addend = addend ? ADDEND : LBK_NONE,
    };
}

LBK_CONV_FUNCTIONS(data)

#define CASE(text, n, oh, ow, k, kh, kw, each)                                                                         \
    { .params = text, .input = {{4, {n, oh, ow, k}}, {4, {kh, kw, each, k}}}, .input_count = 2 }
static const lbk_op_example data2d_examples[] = {
    CASE("extent=9,11 padding=1", 2, 9, 11, 16, 3, 3, 16),
    CASE("extent=8 stride=2 padding=1", 3, 4, 4, 32, 3, 3, 16),
    CASE("extent=5,3", 2, 5, 3, 10, 1, 1, 20),
    CASE("extent=6,17 stride=1,3 padding=0,2", 1, 5, 6, 1, 2, 5, 7),
    CASE("extent=7,10 padding=2 dilation=2", 2, 7, 10, 40, 3, 3, 33),
    CASE("extent=9,14 stride=2,1 padding=3,1 dilation=1,2", 2, 7, 10, 5, 3, 4, 3),
    CASE("extent=9,8 padding=1 groups=19 stride=2", 2, 5, 4, 19, 3, 3, 1),
    CASE("extent=6,5 padding=1 groups=2", 2, 6, 5, 12, 3, 3, 4),
    CASE("extent=9 stride=2", 2, 5, 5, 64, 1, 1, 32),
    {.params = "extent=6 padding=1",
     .input = {{4, {2, 6, 6, 48}}, {4, {3, 3, 48, 48}}, {4, {2, 6, 6, 48}}},
     .input_count = 3},
    {.params = "extent=7,6 padding=1 groups=5",
     .input = {{4, {2, 7, 6, 5}}, {4, {3, 3, 1, 5}}, {4, {2, 7, 6, 5}}},
     .input_count = 3},
    CASE("extent=32 padding=1", 1, 32, 32, 16, 3, 3, 16),
    {.params = "extent=13,15 padding=0,2",
     .input = {{4, {3, 11, 17, 16}}, {4, {3, 3, 48, 16}}, {4, {3, 13, 15, 48}}},
     .input_count = 3},
    CASE("extent=8 padding=1", 4, 8, 8, 64, 3, 3, 64),
    CASE("extent=15,13", 1, 13, 11, 32, 3, 3, 48),
    {.params = "extent=9,7 padding=1,2",
     .input = {{4, {3, 9, 9, 80}}, {4, {3, 3, 32, 80}}, {4, {3, 9, 7, 32}}},
     .input_count = 3},
};

#define CASE_1D(text, n, ot, k, kw, each)                                                                              \
    { .params = text, .input = {{3, {n, ot, k}}, {3, {kw, each, k}}}, .input_count = 2 }
static const lbk_op_example data1d_examples[] = {
    CASE_1D("extent=37 padding=1", 2, 37, 16, 3, 20),
    CASE_1D("extent=40 stride=2 padding=2", 3, 20, 10, 5, 1),
    CASE_1D("extent=33 padding=4 dilation=4 groups=3", 2, 33, 12, 3, 2),
};

static const lbk_op data1d_op = {
    .name = "conv1d_backward_data",
    .summary = "derivative of conv1d with respect to x",
    .formula = "dx[n,t,c] = sum over j, k of dy[n, (t+p-j*d)/s, k] * weight[j,c,k] (+ addend)",
    .inputs = "dy[N,OT,K] weight[KT,C/g,K] addend[N,T,C]?",
    .outputs = "dx[N,T,C]",
    .params = data1d_table,
    .params_size = sizeof(lbk_conv_backward_params),
    .multiplied = 3,
    .min_inputs = 2,
    .max_inputs = 3,
    .addend = 1 + ADDEND,
    .infer = data1d_infer,
    .cost = data_cost,
    .differentiate = data_differentiate,
    .reference = data_reference,
    .variants = data_variants,
    .examples = data1d_examples,
    .example_count = sizeof data1d_examples / sizeof *data1d_examples,
};

static const lbk_op data2d_op = {
    .name = "conv2d_backward_data",
    .summary = "derivative of conv2d with respect to x",
    .formula = "dx[n,h,w,c] = sum over i, j, k of dy[n, (h+p-i*d)/s, (w+p-j*d)/s, k] * weight[i,j,c,k] (+ addend)",
    .inputs = "dy[N,OH,OW,K] weight[KH,KW,C/g,K] addend[N,H,W,C]?",
    .outputs = "dx[N,H,W,C]",
    .params = data2d_table,
    .params_size = sizeof(lbk_conv_backward_params),
    .multiplied = 3,
    .min_inputs = 2,
    .max_inputs = 3,
    .addend = 1 + ADDEND,
    .infer = data2d_infer,
    .cost = data_cost,
    .differentiate = data_differentiate,
    .reference = data_reference,
    .variants = data_variants,
    .examples = data2d_examples,
    .example_count = sizeof data2d_examples / sizeof *data2d_examples,
};

const lbk_op *const lbk_ops_conv_backward_data[] = {&data1d_op, &data2d_op, NULL};

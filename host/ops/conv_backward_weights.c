/* conv1d_backward_weights and conv2d_backward_weights: dL/dweight of a convolution from x and dL/dy. The sum over all pixels is
 * cut into parts that are summed apart and then added up in a fixed order: the result repeats bit for bit. */
#include "ops/conv.h"

static const lbk_param weights1d_table[] = {
    LBK_CONV_ROW_1D(lbk_conv_backward_params, extent, "extent", NULL, 1, 1024, "size of the kernel", NULL),
    LBK_CONV_WINDOW_ROWS(LBK_CONV_ROW_1D, lbk_conv_backward_params), LBK_PARAM_END};
static const lbk_param weights2d_table[] = {
    LBK_CONV_ROW_2D(lbk_conv_backward_params, extent, "extent", NULL, 1, 1024, "size of the kernel", NULL),
    LBK_CONV_WINDOW_ROWS(LBK_CONV_ROW_2D, lbk_conv_backward_params), LBK_PARAM_END};

enum { X, DY }; /* inputs */

static lbk_status weights_infer(lbk_infer *infer, int dims) {
    const lbk_conv_backward_params *p = infer->params;
    LBK_TRY(lbk_conv_infer_ranks(infer, dims, "x", "dy"));
    const lbk_shape *x = &infer->input[X].shape, *dy = &infer->input[DY].shape;
    lbk_shape dw = lbk_conv_weight_shape(dims, p->extent, lbk_shape_last(x) / p->window.groups, lbk_shape_last(dy));
    LBK_TRY(lbk_conv_check(&p->window, x, &dw, dy));
    lbk_infer_output(infer, LBK_F32, dw);
    return LBK_OK;
}

static lbk_status weights1d_infer(lbk_infer *infer) {
    return weights_infer(infer, 1);
}

static lbk_status weights2d_infer(lbk_infer *infer) {
    return weights_infer(infer, 2);
}

static lbk_conv weights_of(const void *params, int input_count, const lbk_tensor_desc *input,
                           const lbk_tensor_desc *output) {
    const lbk_conv_backward_params *p = params;
    (void)input_count;
    return (lbk_conv){
        .result = LBK_CONV_WEIGHT,
        .s = lbk_conv_sizes_of(&p->window, &input[X].shape, &output[0].shape, &input[DY].shape),
        .bias = LBK_NONE,
        .scale = LBK_NONE,
        .addend = LBK_NONE,
    };
}

LBK_CONV_FUNCTIONS(weights)

#define CASE(text, n, h, w, c, oh, ow, k)                                                                              \
    { .params = text, .input = {{4, {n, h, w, c}}, {4, {n, oh, ow, k}}}, .input_count = 2 }
static const lbk_op_example weights2d_examples[] = {
    CASE("extent=3 padding=1", 2, 9, 11, 3, 9, 11, 16),
    CASE("extent=3 stride=2 padding=1", 3, 8, 8, 16, 4, 4, 32),
    CASE("extent=1", 2, 5, 3, 20, 5, 3, 10),
    CASE("extent=1", 2, 9, 21, 20, 9, 21, 96),
    CASE("extent=1", 2, 7, 9, 33, 7, 9, 40),
    CASE("extent=1", 1, 5, 8, 24, 5, 8, 200),
    CASE("extent=2,5 stride=1,3 padding=0,2", 1, 6, 17, 7, 5, 6, 1),
    CASE("extent=3 padding=2 dilation=2", 2, 7, 10, 33, 7, 10, 40),
    CASE("extent=3 padding=1 groups=19 stride=2", 2, 9, 8, 19, 5, 4, 19),
    CASE("extent=3 padding=1 groups=2", 2, 6, 5, 8, 6, 5, 12),
    CASE("extent=1 stride=2", 2, 9, 9, 32, 5, 5, 64),
    CASE("extent=3 stride=2 padding=1", 2, 6, 6, 70, 3, 3, 100),
    CASE("extent=3 padding=1", 5, 16, 16, 16, 16, 16, 16),
    CASE("extent=3 padding=0,2", 1, 12, 13, 48, 10, 15, 80),
    CASE("extent=3 padding=1", 1, 9, 400, 16, 9, 400, 16),
};

#define CASE_1D(text, n, t, c, ot, k)                                                                                  \
    { .params = text, .input = {{3, {n, t, c}}, {3, {n, ot, k}}}, .input_count = 2 }
static const lbk_op_example weights1d_examples[] = {
    CASE_1D("extent=3 padding=1", 2, 37, 20, 37, 16),
    CASE_1D("extent=5 stride=2 padding=2", 3, 40, 1, 20, 10),
    CASE_1D("extent=3 padding=4 dilation=4 groups=3", 2, 33, 6, 33, 12),
};

static const lbk_op weights1d_op = {
    .name = "conv1d_backward_weights",
    .summary = "derivative of conv1d with respect to its weights",
    .formula = "dw[j,c,k] = sum over n, t of x[n, t*s-p+j*d, c] * dy[n,t,k]",
    .inputs = "x[N,T,C] dy[N,OT,K]",
    .outputs = "dw[KT,C/g,K]",
    .params = weights1d_table,
    .params_size = sizeof(lbk_conv_backward_params),
    .multiplied = 3,
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = weights1d_infer,
    .cost = weights_cost,
    .differentiate = weights_differentiate,
    .reference = weights_reference,
    .variants = weights_variants,
    .examples = weights1d_examples,
    .example_count = sizeof weights1d_examples / sizeof *weights1d_examples,
};

static const lbk_op weights2d_op = {
    .name = "conv2d_backward_weights",
    .summary = "derivative of conv2d with respect to its weights",
    .formula = "dw[i,j,c,k] = sum over n, oh, ow of x[n, oh*s-p+i*d, ow*s-p+j*d, c] * dy[n,oh,ow,k]",
    .inputs = "x[N,H,W,C] dy[N,OH,OW,K]",
    .outputs = "dw[KH,KW,C/g,K]",
    .params = weights2d_table,
    .params_size = sizeof(lbk_conv_backward_params),
    .multiplied = 3,
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = weights2d_infer,
    .cost = weights_cost,
    .differentiate = weights_differentiate,
    .reference = weights_reference,
    .variants = weights_variants,
    .examples = weights2d_examples,
    .example_count = sizeof weights2d_examples / sizeof *weights2d_examples,
};

const lbk_op *const lbk_ops_conv_backward_weights[] = {&weights1d_op, &weights2d_op, NULL};

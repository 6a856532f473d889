/* conv2d_backward_data: dL/dx of conv2d from dL/dy and the weights; an addend takes the gradient that reaches x by another
 * path along. */
#include "ops/conv.h"

static const lbk_param data_table[] = {
    LBK_PARAM_PAIR(lbk_conv_backward_params, extent, NULL, 1, 1 << 20, "pixels", "size of x", NULL),
    LBK_CONV_WINDOW_PARAMS(lbk_conv_backward_params), LBK_PARAM_END};

enum { DY, WEIGHT, ADDEND }; /* inputs */

static lbk_shape dx_shape(const lbk_conv_backward_params *p, const lbk_shape *dy, const lbk_shape *weight) {
    return lbk_shape_4(dy->dim[0], p->extent[0], p->extent[1], weight->dim[2] * p->window.groups);
}

static lbk_status data_infer(lbk_infer *infer) {
    const lbk_conv_backward_params *p = infer->params;
    LBK_TRY(lbk_infer_rank(infer, DY, "dy", 4));
    LBK_TRY(lbk_infer_rank(infer, WEIGHT, "weight", 4));
    const lbk_shape *dy = &infer->input[DY].shape, *weight = &infer->input[WEIGHT].shape;
    lbk_shape dx = dx_shape(p, dy, weight);
    LBK_TRY(lbk_conv_check(&p->window, &dx, weight, dy));
    if (lbk_infer_has(infer, ADDEND))
        LBK_TRY(lbk_infer_shape(infer, ADDEND, "addend", dx));
    lbk_infer_output(infer, LBK_F32, dx);
    return LBK_OK;
}

static void data_cost(const lbk_infer *shapes, lbk_cost *cost) {
    const lbk_conv_backward_params *p = shapes->params;
    lbk_conv_sizes s =
        lbk_conv_sizes_of(&p->window, &shapes->output[0].shape, &shapes->input[WEIGHT].shape, &shapes->input[DY].shape);
    lbk_cost_elementwise(shapes, 0, cost);
    cost->flops = lbk_conv_flops(&s);
}

static void reference_visit(void *user, int64_t x, int64_t w, int64_t y) {
    const lbk_reference *r = user;
    r->out[0][x] += r->in[DY][y] * r->in[WEIGHT][w];
}

static void data_reference(const lbk_reference *r) {
    const lbk_conv_backward_params *p = r->params;
    lbk_conv_sizes s = lbk_conv_sizes_of(&p->window, &r->output[0].shape, &r->input[WEIGHT].shape, &r->input[DY].shape);
    lbk_conv_visit(&s, reference_visit, (void *)r);
    if (r->input_count > ADDEND && r->in[ADDEND])
        for (int64_t i = 0; i < lbk_ops_count(&r->output[0]); i++)
            r->out[0][i] += r->in[ADDEND][i];
}

/* Linear in dy, in the weights and in the addend. */
static lbk_status data_differentiate(lbk_gradient *g) {
    const lbk_conv_backward_params *p = g->params;
    const lbk_shape *weight = &g->input_desc[WEIGHT].shape;
    lbk_value ddx = g->output_grad[0];
    lbk_conv_backward_params weights = {{(int)weight->dim[0], (int)weight->dim[1]}, p->window};
    lbk_conv2d_params forward = {
        .out = (int)weight->dim[3], .kernel = {(int)weight->dim[0], (int)weight->dim[1]}, .window = p->window};
    if (g->wanted[DY])
        LBK_TRY(lbk_gradient_emit(g, "conv2d", &forward, 2, (lbk_value[]){ddx, g->input[WEIGHT]}, &g->input_grad[DY]));
    if (g->wanted[WEIGHT])
        LBK_TRY(lbk_gradient_emit(g, "conv2d_backward_weights", &weights, 2, (lbk_value[]){ddx, g->input[DY]},
                                  &g->input_grad[WEIGHT]));
    if (g->input_count > ADDEND && g->wanted[ADDEND])
        g->input_grad[ADDEND] = ddx;
    return LBK_OK;
}

static lbk_conv_sizes emit_sizes(const lbk_emit *e) {
    const lbk_conv_backward_params *p = e->params;
    return lbk_conv_sizes_of(&p->window, &e->output[0].shape, &e->input[WEIGHT].shape, &e->input[DY].shape);
}

/* Begins a call with its tensors; weights: scratch index of the transposed ones, or -1 for the input. */
static lbk_status begin(lbk_emit *e, const char *file, const char *name, int weights, lbk_call **call) {
    LBK_TRY(lbk_emit_kernel(e, file, name, call));
    if (lbk_emit_has(e, ADDEND))
        LBK_TRY(lbk_call_option(*call, "-DHAS_ADD=1"));
    lbk_call_output(*call, 0);
    lbk_call_input(*call, DY);
    if (weights >= 0)
        lbk_call_scratch(*call, weights);
    else
        lbk_call_input(*call, WEIGHT);
    if (lbk_emit_has(e, ADDEND))
        lbk_call_input(*call, ADDEND);
    return LBK_OK;
}

static lbk_status emit_generic(lbk_emit *e) {
    lbk_conv_sizes s = emit_sizes(e);
    lbk_call *call;
    LBK_TRY(begin(e, "generic/conv2d_backward_data", "conv2d_backward_data", -1, &call));
    lbk_conv_call_groups(call, &s);
    lbk_call_range_1d(call, (size_t)lbk_ops_count(&e->output[0]), lbk_emit_local(e));
    return LBK_OK;
}

static lbk_status emit_cpu_depthwise(lbk_emit *e) {
    lbk_conv_sizes s = emit_sizes(e);
    lbk_call *call;
    if (!lbk_conv_is_depthwise(&s))
        return lbk_emit_decline(e);
    LBK_TRY(begin(e, "cpu/conv2d_backward_data", "conv2d_backward_data_depthwise", -1, &call));
    LBK_TRY(lbk_call_option(call, "-DVW=%d", lbk_emit_vector_width(e)));
    lbk_conv_call_sizes(call, &s, true);
    lbk_call_range_1d(call, (size_t)(s.n * s.h), 1);
    return LBK_OK;
}

/* The transposed weights, made with the same build options as the main kernel: one program. */
static lbk_status emit_transpose(lbk_emit *e, const lbk_conv_sizes *s, const lbk_conv_blocks *b, int scratch) {
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, "cpu/conv2d_backward_data", "conv2d_backward_data_weights", &call));
    if (lbk_emit_has(e, ADDEND))
        LBK_TRY(lbk_call_option(call, "-DHAS_ADD=1"));
    LBK_TRY(lbk_conv_blocks_options(e, b, call));
    lbk_call_scratch(call, scratch);
    lbk_call_input(call, WEIGHT);
    lbk_call_int(call, s->kh * s->kw);
    lbk_call_int(call, s->c);
    lbk_call_int(call, s->k);
    lbk_call_range_2d(call, (size_t)(s->kh * s->kw), (size_t)((s->k + 15) / 16), 1, 1);
    return LBK_OK;
}

static lbk_status emit_cpu(lbk_emit *e) {
    lbk_conv_sizes s = emit_sizes(e);
    lbk_conv_blocks b;
    lbk_call *call;
    if (s.groups > 1 || !lbk_conv_blocks_find(e, &s, true, &b))
        return lbk_emit_decline(e);
    int scratch = lbk_emit_scratch(e, lbk_tensor_bytes(&e->input[WEIGHT]));
    LBK_TRY(emit_transpose(e, &s, &b, scratch));
    LBK_TRY(begin(e, "cpu/conv2d_backward_data", "conv2d_backward_data", scratch, &call));
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
    return lbk_conv_winograd_emit(e, &s, true, begin);
}

static lbk_status emit_gpu_depthwise(lbk_emit *e) {
    enum { GROUP = 128 }; /* DWG of the kernel */
    lbk_conv_sizes s = emit_sizes(e);
    lbk_call *call;
    if (s.groups < 2 || s.groups != s.c || e->caps->max_group < GROUP)
        return lbk_emit_decline(e);
    int64_t vec = s.k == s.c && s.c % 4 == 0 ? 4 : 1;
    LBK_TRY(begin(e, "gpu/conv2d_backward_data", "conv2d_backward_data_depthwise", -1, &call));
    LBK_TRY(lbk_call_option(call, "-DVEC=%d", (int)vec));
    lbk_conv_call_groups(call, &s);
    lbk_call_range_1d(call, (size_t)(s.n * s.h * s.w * (s.c / vec)), GROUP);
    return LBK_OK;
}

static lbk_status emit_gpu(lbk_emit *e) {
    lbk_conv_sizes s = emit_sizes(e);
    int64_t rows = s.n * ((s.h + s.sh - 1) / s.sh) * ((s.w + s.sw - 1) / s.sw),
            columns = s.c / s.groups; /* of a phase */
    lbk_conv_tile tile;
    lbk_call *call;
    if (!lbk_conv_tile_find(e, &s, rows, columns, &tile))
        return lbk_emit_decline(e);
    LBK_TRY(begin(e, "gpu/conv2d_backward_data", "conv2d_backward_data", -1, &call));
    LBK_TRY(lbk_conv_tile_options(call, &tile));
    lbk_conv_call_groups(call, &s);
    lbk_call_range_2d(call, tile.group * lbk_conv_tile_count(&tile, rows, columns), (size_t)(s.groups * s.sh * s.sw),
                      tile.group, 1);
    return LBK_OK;
}

static const lbk_variant data_variants[] = {{LBK_CLASS_CPU, "depthwise", emit_cpu_depthwise},
                                            {LBK_CLASS_CPU, "winograd", emit_cpu_winograd},
                                            {LBK_CLASS_CPU, "direct", emit_cpu},
                                            {LBK_CLASS_GPU, "depthwise", emit_gpu_depthwise},
                                            {LBK_CLASS_GPU, "implicit-gemm", emit_gpu},
                                            {LBK_CLASS_GENERIC, "loop", emit_generic},
                                            {.emit = NULL}};

#define CASE(text, n, oh, ow, k, kh, kw, each)                                                                         \
    { .params = text, .input = {{4, {n, oh, ow, k}}, {4, {kh, kw, each, k}}}, .input_count = 2 }
static const lbk_op_example data_examples[] = {
    CASE("extent=9,11 padding=1", 2, 9, 11, 16, 3, 3, 16),
    CASE("extent=8 stride=2 padding=1", 3, 4, 4, 32, 3, 3, 16),
    CASE("extent=5,3", 2, 5, 3, 10, 1, 1, 20),
    CASE("extent=6,17 stride=1,3 padding=0,2", 1, 5, 6, 1, 2, 5, 7),
    CASE("extent=7,10 padding=2 dilation=2", 2, 7, 10, 40, 3, 3, 33),
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
    CASE("extent=8 padding=1", 4, 8, 8, 64, 3, 3, 64),
    CASE("extent=15,13", 1, 13, 11, 32, 3, 3, 48),
    {.params = "extent=9,7 padding=1,2",
     .input = {{4, {3, 9, 9, 80}}, {4, {3, 3, 32, 80}}, {4, {3, 9, 7, 32}}},
     .input_count = 3},
};

static const lbk_op data_op = {
    .name = "conv2d_backward_data",
    .summary = "derivative of conv2d with respect to x",
    .formula = "dx[n,h,w,c] = sum over i, j, k of dy[n, (h+p-i*d)/s, (w+p-j*d)/s, k] * weight[i,j,c,k] (+ addend)",
    .inputs = "dy[N,OH,OW,K] weight[KH,KW,C/g,K] addend[N,H,W,C]?",
    .outputs = "dx[N,H,W,C]",
    .params = data_table,
    .params_size = sizeof(lbk_conv_backward_params),
    .min_inputs = 2,
    .max_inputs = 3,
    .addend = 1 + ADDEND,
    .infer = data_infer,
    .cost = data_cost,
    .differentiate = data_differentiate,
    .reference = data_reference,
    .variants = data_variants,
    .examples = data_examples,
    .example_count = sizeof data_examples / sizeof *data_examples,
};

const lbk_op *const lbk_ops_conv2d_backward_data[] = {&data_op, NULL};

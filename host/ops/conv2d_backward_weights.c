/* conv2d_backward_weights: dL/dweight of conv2d from x and dL/dy. The sum over all pixels is cut into parts that are summed
 * apart and then added up in a fixed order: the result repeats bit for bit. */
#include "ops/conv.h"

#include <string.h>

static const lbk_param weights_table[] = {
    LBK_PARAM_PAIR(lbk_conv_backward_params, extent, NULL, 1, 1024, "pixels", "size of the kernel", NULL),
    LBK_CONV_WINDOW_PARAMS(lbk_conv_backward_params), LBK_PARAM_END};

enum { X, DY }; /* inputs */

static lbk_status weights_infer(lbk_infer *infer) {
    const lbk_conv_backward_params *p = infer->params;
    LBK_TRY(lbk_infer_rank(infer, X, "x", 4));
    LBK_TRY(lbk_infer_rank(infer, DY, "dy", 4));
    const lbk_shape *x = &infer->input[X].shape, *dy = &infer->input[DY].shape;
    lbk_shape dw = lbk_shape_4(p->extent[0], p->extent[1], x->dim[3] / p->window.groups, dy->dim[3]);
    LBK_TRY(lbk_conv_check(&p->window, x, &dw, dy));
    lbk_infer_output(infer, LBK_F32, dw);
    return LBK_OK;
}

static lbk_conv_sizes sizes(const void *params, const lbk_tensor_desc *input, const lbk_tensor_desc *output) {
    const lbk_conv_backward_params *p = params;
    return lbk_conv_sizes_of(&p->window, &input[X].shape, &output[0].shape, &input[DY].shape);
}

static void weights_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_conv_sizes s = sizes(shapes->params, shapes->input, shapes->output);
    lbk_cost_elementwise(shapes, 0, cost);
    cost->flops = lbk_conv_flops(&s);
}

static void reference_visit(void *user, int64_t x, int64_t w, int64_t y) {
    const lbk_reference *r = user;
    r->out[0][w] += r->in[X][x] * r->in[DY][y];
}

static void weights_reference(const lbk_reference *r) {
    lbk_conv_sizes s = sizes(r->params, r->input, r->output);
    lbk_conv_visit(&s, reference_visit, (void *)r);
}

/* Linear in x and in dy. */
static lbk_status weights_differentiate(lbk_gradient *g) {
    const lbk_conv_backward_params *p = g->params;
    const lbk_shape *x = &g->input_desc[X].shape;
    lbk_value ddw = g->output_grad[0];
    lbk_conv_backward_params data = {{(int)x->dim[1], (int)x->dim[2]}, p->window};
    lbk_conv2d_params forward = {
        .out = (int)g->input_desc[DY].shape.dim[3], .kernel = {p->extent[0], p->extent[1]}, .window = p->window};
    if (g->wanted[X])
        LBK_TRY(lbk_gradient_emit(g, "conv2d_backward_data", &data, 2, (lbk_value[]){g->input[DY], ddw},
                                  &g->input_grad[X]));
    if (g->wanted[DY])
        LBK_TRY(lbk_gradient_emit(g, "conv2d", &forward, 2, (lbk_value[]){g->input[X], ddw}, &g->input_grad[DY]));
    return LBK_OK;
}

static int64_t div_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

static int64_t clamp(int64_t a, int64_t low, int64_t high) {
    return a > high ? high : a < low ? low : a;
}

/* Where a main kernel leaves `parts` partial results: scratch, or dw itself when there is one. -1: dw. */
static int parts_scratch(lbk_emit *e, int64_t parts) {
    return parts > 1 ? lbk_emit_scratch(e, (size_t)parts * lbk_tensor_bytes(&e->output[0])) : -1;
}

static lbk_status begin(lbk_emit *e, const char *file, const char *name, int scratch, lbk_call **call) {
    LBK_TRY(lbk_emit_kernel(e, file, name, call));
    if (scratch >= 0)
        lbk_call_scratch(*call, scratch);
    else
        lbk_call_output(*call, 0);
    lbk_call_input(*call, X);
    lbk_call_input(*call, DY);
    return LBK_OK;
}

/* dw = the sum of the parts, by the kernel of the same program (`options` of the main call). */
static lbk_status emit_reduce(lbk_emit *e, const char *file, const char *options, int scratch, int64_t parts) {
    lbk_call *call;
    int64_t count = lbk_ops_count(&e->output[0]);
    if (scratch < 0)
        return LBK_OK;
    LBK_TRY(lbk_emit_kernel(e, file, "conv2d_backward_weights_reduce", &call));
    LBK_TRY(lbk_call_option(call, "%s", options));
    lbk_call_output(call, 0);
    lbk_call_scratch(call, scratch);
    lbk_call_int(call, count);
    lbk_call_int(call, parts);
    lbk_call_range_1d(call, (size_t)count, lbk_emit_local(e));
    return LBK_OK;
}

static lbk_status emit_generic(lbk_emit *e) {
    lbk_conv_sizes s = sizes(e->params, e->input, e->output);
    lbk_call *call;
    LBK_TRY(begin(e, "generic/conv2d_backward_weights", "conv2d_backward_weights", -1, &call));
    lbk_conv_call_groups(call, &s);
    lbk_call_range_1d(call, (size_t)lbk_ops_count(&e->output[0]), lbk_emit_local(e));
    return LBK_OK;
}

/* Blocks of class cpu's kernel. */
typedef struct cpu_blocks {
    int tq;
    int64_t images, rows, parts, floats; /* floats: local memory needed */
    int64_t cb, kb;                      /* blocks of input and output channels */
} cpu_blocks;

/* Local memory for a block, floats; the kernel's head comment has the formula. */
static int64_t block_floats(const lbk_conv_sizes *s, const cpu_blocks *b, int64_t columns) {
    int64_t height = (b->rows - 1) * s->sh + (s->kh - 1) * s->dh + 1;
    int64_t patch = b->images * height * s->sw * (s->ow + (s->kw - 1) * s->dw / s->sw) * 16;
    return patch + b->images * b->rows * s->ow * columns + s->kh * s->kw * 16 * columns;
}

/* About 256 pixels per block (x, dy and the sums in L1); about four work-groups per core, more parts only as needed. */
static cpu_blocks cpu_blocks_find(const lbk_emit *e, const lbk_conv_sizes *s) {
    enum { PIXELS = 256 };
    int64_t cores = e->caps->compute_units, width = lbk_emit_vector_width(e);
    cpu_blocks b = {.tq = s->k <= width ? 1 : 2};
    b.rows = clamp(PIXELS / s->ow, 1, s->oh);
    b.rows = div_up(s->oh, div_up(s->oh, b.rows)); /* equal blocks */
    b.images = b.rows == s->oh ? clamp(PIXELS / (s->oh * s->ow), 1, s->n) : 1;
    b.cb = div_up(s->c, 16);
    b.kb = div_up(s->k, b.tq * width);
    b.floats = block_floats(s, &b, b.tq * width);
    for (; b.floats > lbk_conv_local_floats(e) && b.rows > 1; b.floats = block_floats(s, &b, b.tq * width)) {
        b.images = 1;
        b.rows = div_up(b.rows, 2);
    }
    b.parts = clamp(div_up(4 * cores, b.cb * b.kb), 1, div_up(s->n, b.images) * div_up(s->oh, b.rows));
    return b;
}

static lbk_status emit_cpu(lbk_emit *e) {
    static const char file[] = "cpu/conv2d_backward_weights";
    lbk_conv_sizes s = sizes(e->params, e->input, e->output);
    cpu_blocks b = cpu_blocks_find(e, &s);
    lbk_call *call;
    if (s.groups > 1 || b.floats > lbk_conv_local_floats(e))
        return lbk_emit_decline(e);
    int scratch = parts_scratch(e, b.parts);
    LBK_TRY(begin(e, file, "conv2d_backward_weights", scratch, &call));
    LBK_TRY(lbk_call_option(call, "-DVW=%d -DTQ=%d -DPOOL_FLOATS=%d", lbk_emit_vector_width(e), b.tq,
                            (int)lbk_conv_local_floats(e)));
    if (lbk_emit_vector_width(e) < 16) /* sixteen registers */
        LBK_TRY(lbk_call_option(call, "-DTR=%d", 8 / b.tq));
    lbk_conv_call_sizes(call, &s, false);
    lbk_call_int(call, b.images);
    lbk_call_int(call, b.rows);
    lbk_call_int(call, b.parts);
    lbk_call_range_3d(call, (size_t[3]){(size_t)b.parts, (size_t)b.cb, (size_t)b.kb}, (size_t[3]){1, 1, 1});
    char options[sizeof call->options];
    memcpy(options, call->options, sizeof options);
    return emit_reduce(e, file, options, scratch, b.parts);
}

static lbk_status emit_cpu_depthwise(lbk_emit *e) {
    static const char file[] = "cpu/conv2d_backward_weights";
    lbk_conv_sizes s = sizes(e->params, e->input, e->output);
    int width = lbk_emit_vector_width(e);
    lbk_call *call;
    if (!lbk_conv_is_depthwise(&s))
        return lbk_emit_decline(e);
    int64_t blocks = div_up(s.c, width);
    int64_t parts = clamp(div_up(4 * (int64_t)e->caps->compute_units, blocks), 1, s.n * s.oh);
    int scratch = parts_scratch(e, parts);
    LBK_TRY(begin(e, file, "conv2d_backward_weights_depthwise", scratch, &call));
    LBK_TRY(lbk_call_option(call, "-DVW=%d", width));
    lbk_conv_call_sizes(call, &s, true);
    lbk_call_int(call, parts);
    lbk_call_range_2d(call, (size_t)parts, (size_t)blocks, 1, 1);
    char options[sizeof call->options];
    memcpy(options, call->options, sizeof options);
    return emit_reduce(e, file, options, scratch, parts);
}

/* Parts for class gpu: about three work-groups per unit, every part at least `least` pixels, scratch at most 64 MiB. */
static int64_t gpu_parts(const lbk_emit *e, int64_t pixels, int64_t groups, int64_t least) {
    int64_t wanted = div_up(3 * (int64_t)e->caps->compute_units, groups);
    int64_t room = (64 << 20) / (int64_t)lbk_tensor_bytes(&e->output[0]);
    return clamp(clamp(wanted, 1, pixels / least), 1, room > 1 ? room : 1);
}

static lbk_status emit_gpu(lbk_emit *e) {
    static const char file[] = "gpu/conv2d_backward_weights";
    lbk_conv_sizes s = sizes(e->params, e->input, e->output);
    int64_t rows = s.kh * s.kw * (s.c / s.groups), columns = s.k / s.groups;
    lbk_conv_tile tile;
    lbk_call *call;
    if (!lbk_conv_tile_find(e, &s, rows, columns, &tile))
        return lbk_emit_decline(e);
    size_t tiles = lbk_conv_tile_count(&tile, rows, columns);
    int64_t parts = gpu_parts(e, s.n * s.oh * s.ow, (int64_t)tiles * s.groups, 128);
    int scratch = parts_scratch(e, parts);
    LBK_TRY(begin(e, file, "conv2d_backward_weights", scratch, &call));
    LBK_TRY(lbk_conv_tile_options(call, &tile));
    lbk_conv_call_groups(call, &s);
    lbk_call_int(call, parts);
    lbk_call_range_2d(call, tile.group * tiles, (size_t)(s.groups * parts), tile.group, 1);
    char options[sizeof call->options];
    memcpy(options, call->options, sizeof options);
    return emit_reduce(e, file, options, scratch, parts);
}

static lbk_status emit_gpu_depthwise(lbk_emit *e) {
    enum { CHANNELS = 32, LANES = 8 }; /* DWC, DWP of the kernel */
    static const char file[] = "gpu/conv2d_backward_weights";
    lbk_conv_sizes s = sizes(e->params, e->input, e->output);
    lbk_call *call;
    if (s.groups < 2 || s.groups != s.c || e->caps->max_group < CHANNELS * LANES)
        return lbk_emit_decline(e);
    int64_t groups = div_up(s.k, CHANNELS) * s.kh * s.kw;
    int64_t parts = gpu_parts(e, s.n * s.oh * s.ow, groups, 8 * LANES);
    int scratch = parts_scratch(e, parts);
    LBK_TRY(begin(e, file, "conv2d_backward_weights_depthwise", scratch, &call));
    lbk_conv_call_groups(call, &s);
    lbk_call_int(call, parts);
    lbk_call_range_2d(call, (size_t)(CHANNELS * LANES * groups), (size_t)parts, CHANNELS * LANES, 1);
    return emit_reduce(e, file, "-DDWC=32 -DDWP=8", scratch, parts);
}

static const lbk_variant weights_variants[] = {
    {LBK_CLASS_CPU, "depthwise", emit_cpu_depthwise}, {LBK_CLASS_CPU, "direct", emit_cpu},
    {LBK_CLASS_GPU, "depthwise", emit_gpu_depthwise}, {LBK_CLASS_GPU, "implicit-gemm", emit_gpu},
    {LBK_CLASS_GENERIC, "loop", emit_generic},        {.emit = NULL}};

#define CASE(text, n, h, w, c, oh, ow, k)                                                                              \
    { .params = text, .input = {{4, {n, h, w, c}}, {4, {n, oh, ow, k}}}, .input_count = 2 }
static const lbk_op_example weights_examples[] = {
    CASE("extent=3 padding=1", 2, 9, 11, 3, 9, 11, 16),
    CASE("extent=3 stride=2 padding=1", 3, 8, 8, 16, 4, 4, 32),
    CASE("extent=1", 2, 5, 3, 20, 5, 3, 10),
    CASE("extent=2,5 stride=1,3 padding=0,2", 1, 6, 17, 7, 5, 6, 1),
    CASE("extent=3 padding=2 dilation=2", 2, 7, 10, 33, 7, 10, 40),
    CASE("extent=3 padding=1 groups=19 stride=2", 2, 9, 8, 19, 5, 4, 19),
    CASE("extent=3 padding=1 groups=2", 2, 6, 5, 8, 6, 5, 12),
    CASE("extent=1 stride=2", 2, 9, 9, 32, 5, 5, 64),
    CASE("extent=3 padding=1", 5, 16, 16, 16, 16, 16, 16),
};

static const lbk_op weights_op = {
    .name = "conv2d_backward_weights",
    .summary = "derivative of conv2d with respect to its weights",
    .formula = "dw[i,j,c,k] = sum over n, oh, ow of x[n, oh*s-p+i*d, ow*s-p+j*d, c] * dy[n,oh,ow,k]",
    .inputs = "x[N,H,W,C] dy[N,OH,OW,K]",
    .outputs = "dw[KH,KW,C/g,K]",
    .params = weights_table,
    .params_size = sizeof(lbk_conv_backward_params),
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = weights_infer,
    .cost = weights_cost,
    .differentiate = weights_differentiate,
    .reference = weights_reference,
    .variants = weights_variants,
    .examples = weights_examples,
    .example_count = sizeof weights_examples / sizeof *weights_examples,
};

const lbk_op *const lbk_ops_conv2d_backward_weights[] = {&weights_op, NULL};

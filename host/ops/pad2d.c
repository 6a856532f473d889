/* pad2d: images that go on beyond their edges, mirrored or with the outermost pixel, as torch.nn.ReflectionPad2d and
 * ReplicationPad2d. For zeros, or another constant, see pad. */
#include "ops/resample.h"

enum { REFLECT, REPLICATE };
static const char *const modes[] = {"reflect", "replicate", NULL};

/* Of both ops: the backward op's x is smaller than dy by as much. */
typedef struct pad2d_params {
    int rows[2], columns[2];
    int mode;
} pad2d_params;

static const lbk_param pad2d_table[] = {
    LBK_PARAM_PAIR(pad2d_params, rows, "0", 0, LBK_RESAMPLE_MOST, "pixels", "new rows above,below; one number for both",
                   NULL),
    LBK_PARAM_PAIR(pad2d_params, columns, "0", 0, LBK_RESAMPLE_MOST, "pixels",
                   "new columns left,right; one number for both", NULL),
    LBK_PARAM_CHOICE(pad2d_params, mode, "reflect", modes,
                     "mirrored in the outermost pixel, which is not repeated, or that pixel again",
                     "PyTorch's meaning"),
    LBK_PARAM_END};

/* `small` is x's or dx's height or width. */
static lbk_resample_axis axis_of(int64_t small, const int add[2]) {
    return (lbk_resample_axis){small, small + add[0] + add[1], 1, -add[0], 1};
}

static lbk_resample map_of(const pad2d_params *p, int64_t n, int64_t height, int64_t width, int64_t c) {
    return (lbk_resample){.kind = p->mode == REFLECT ? LBK_RESAMPLE_REFLECT : LBK_RESAMPLE_REPLICATE,
                          .n = n,
                          .c = c,
                          .axis = {axis_of(height, p->rows), axis_of(width, p->columns)}};
}

static lbk_resample pad2d_map(const pad2d_params *p, const lbk_shape *x) {
    return map_of(p, x->dim[0], x->dim[1], x->dim[2], x->dim[3]);
}

static lbk_resample backward_map(const pad2d_params *p, const lbk_shape *dy) {
    return map_of(p, dy->dim[0], dy->dim[1] - p->rows[0] - p->rows[1], dy->dim[2] - p->columns[0] - p->columns[1],
                  dy->dim[3]);
}

static lbk_status map_check(const pad2d_params *p, const lbk_resample *map) {
    for (int d = 0; d < 2; d++) {
        const int *add = d == 0 ? p->rows : p->columns;
        const char *what = d == 0 ? "rows" : "columns";
        int64_t in = map->axis[d].in, most = add[0] > add[1] ? add[0] : add[1];
        if (in < 1)
            return lbk_fail(LBK_ERR_INPUT, "dy has %lld %s, expected more than %d + %d", (long long)map->axis[d].out,
                            what, add[0], add[1]);
        if (p->mode == REFLECT && most >= in)
            return lbk_fail(LBK_ERR_INPUT, "%d and %d %s cannot be mirrored in %lld", add[0], add[1], what,
                            (long long)in);
    }
    return lbk_resample_check(map);
}

static lbk_status pad2d_infer(lbk_infer *infer) {
    LBK_TRY(lbk_infer_rank(infer, 0, "x", 4));
    lbk_resample map = pad2d_map(infer->params, &infer->input[0].shape);
    LBK_TRY(map_check(infer->params, &map));
    lbk_infer_output(infer, LBK_F32, lbk_resample_shape(&map, true));
    return LBK_OK;
}

static lbk_status backward_infer(lbk_infer *infer) {
    LBK_TRY(lbk_infer_rank(infer, 0, "dy", 4));
    lbk_resample map = backward_map(infer->params, &infer->input[0].shape);
    LBK_TRY(map_check(infer->params, &map));
    lbk_infer_output(infer, LBK_F32, lbk_resample_shape(&map, false));
    return LBK_OK;
}

static void pad2d_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 0, cost);
}

static void pad2d_reference(const lbk_reference *r) {
    lbk_resample map = pad2d_map(r->params, &r->input[0].shape);
    lbk_resample_reference(&map, r->in[0], r->out[0], false);
}

static void backward_reference(const lbk_reference *r) {
    lbk_resample map = backward_map(r->params, &r->input[0].shape);
    lbk_resample_reference(&map, r->in[0], r->out[0], true);
}

static lbk_status pad2d_differentiate(lbk_gradient *g) {
    return lbk_gradient_emit(g, "pad2d_backward", g->params, 1, &g->output_grad[0], &g->input_grad[0]);
}

static lbk_status backward_differentiate(lbk_gradient *g) {
    return lbk_gradient_emit(g, "pad2d", g->params, 1, &g->output_grad[0], &g->input_grad[0]);
}

static lbk_status pad2d_emit(lbk_emit *e, lbk_class cls) {
    lbk_resample map = pad2d_map(e->params, &e->input[0].shape);
    return lbk_resample_emit(e, cls, &map, false);
}

static lbk_status backward_emit(lbk_emit *e, lbk_class cls) {
    lbk_resample map = backward_map(e->params, &e->input[0].shape);
    return lbk_resample_emit(e, cls, &map, true);
}

LBK_RESAMPLE_VARIANTS(pad2d)
LBK_RESAMPLE_VARIANTS(backward)

static const lbk_op_example pad2d_examples[] = {
    {.params = "rows=1,2 columns=3", .input = {{4, {2, 7, 5, 20}}}, .input_count = 1},
    {.params = "rows=3,4 columns=0,1 mode=replicate", .input = {{4, {3, 2, 9, 33}}}, .input_count = 1},
    {.params = "columns=2 mode=replicate", .input = {{4, {1, 1, 1, 1}}}, .input_count = 1},
    {.params = "rows=4,4 columns=1,0", .input = {{4, {2, 5, 2, 3}}}, .input_count = 1},
};

static const lbk_op_example backward_examples[] = {
    {.params = "rows=1,2 columns=3", .input = {{4, {2, 10, 11, 20}}}, .input_count = 1},
    {.params = "rows=3,4 columns=0,1 mode=replicate", .input = {{4, {3, 9, 10, 33}}}, .input_count = 1},
    {.params = "columns=2 mode=replicate", .input = {{4, {1, 1, 5, 1}}}, .input_count = 1},
    {.params = "rows=4,4 columns=1,0", .input = {{4, {2, 13, 3, 3}}}, .input_count = 1},
};

static const lbk_op pad2d_op = {
    .name = "pad2d",
    .summary = "images continued beyond their edges",
    .formula = "y[n,i,j,c] = x[n, r(i - above), s(j - left), c], r and s mirrored or cut to the image",
    .inputs = "x[N,H,W,C]",
    .outputs = "y[N,above+H+below,left+W+right,C]",
    .params = pad2d_table,
    .params_size = sizeof(pad2d_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .layer = true,
    .infer = pad2d_infer,
    .cost = pad2d_cost,
    .differentiate = pad2d_differentiate,
    .reference = pad2d_reference,
    .variants = pad2d_variants,
    .examples = pad2d_examples,
    .example_count = sizeof pad2d_examples / sizeof *pad2d_examples,
};

static const lbk_op backward_op = {
    .name = "pad2d_backward",
    .summary = "derivative of pad2d",
    .formula = "dx[n,r,s,c] = sum of dy over the pixels that show (r, s)",
    .inputs = "dy[N,above+H+below,left+W+right,C]",
    .outputs = "dx[N,H,W,C]",
    .params = pad2d_table,
    .params_size = sizeof(pad2d_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = backward_infer,
    .cost = pad2d_cost,
    .differentiate = backward_differentiate,
    .reference = backward_reference,
    .variants = backward_variants,
    .examples = backward_examples,
    .example_count = sizeof backward_examples / sizeof *backward_examples,
};

const lbk_op *const lbk_ops_pad2d[] = {&pad2d_op, &backward_op, NULL};

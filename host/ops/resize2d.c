/* resize2d: images to another size, as torch.nn.functional.interpolate. A scale is a whole number, since sizes in model
 * files are; `size` does the rest. Positions are exact fractions, where PyTorch rounds them to floats. */
#include "ops/resample.h"

enum { NEAREST, BILINEAR };
static const char *const modes[] = {"nearest", "bilinear", NULL};

typedef struct resize_params {
    int size[2], scale[2]; /* height, width */
    int mode;
    bool align_corners;
} resize_params;

/* Height and width of the resized image, which dy does not tell. */
typedef struct backward_params {
    int height, width, mode;
    bool align_corners;
} backward_params;

#define MODE_ROWS(S)                                                                                                   \
    LBK_PARAM_CHOICE(S, mode, "nearest", modes, "the pixel a new one lies in, or a mean of the four around it",        \
                     "PyTorch's meaning"),                                                                             \
        LBK_PARAM_BOOL(S, align_corners, "no",                                                                         \
                       "bilinear: the centres of the corner pixels stay in place, not the image's edges",              \
                       "PyTorch's meaning")

static const lbk_param resize_table[] = {
    LBK_PARAM_PAIR(resize_params, size, "0", 0, LBK_RESAMPLE_MOST, "pixels", "height,width; 0: by scale", NULL),
    LBK_PARAM_PAIR(resize_params, scale, "0", 0, 1024, NULL, "factor of height,width; 0: by size", NULL),
    MODE_ROWS(resize_params), LBK_PARAM_END};

static const lbk_param backward_table[] = {
    LBK_PARAM_INT(backward_params, height, NULL, 1, LBK_RESAMPLE_MOST, "pixels", "height of x", NULL),
    LBK_PARAM_INT(backward_params, width, NULL, 1, LBK_RESAMPLE_MOST, "pixels", "width of x", NULL),
    MODE_ROWS(backward_params), LBK_PARAM_END};

/* Pixel i of y has its centre at (i + 1/2) in / out of x, whose pixels have theirs at r + 1/2; with aligned corners both
 * count from the first pixel's centre to the last one's. */
static lbk_resample_axis axis_of(int64_t in, int64_t out, int mode, bool align_corners) {
    if (mode == NEAREST)
        return (lbk_resample_axis){in, out, in, 0, out};
    if (align_corners)
        return (lbk_resample_axis){in, out, in - 1, 0, out > 1 ? out - 1 : 1};
    return (lbk_resample_axis){in, out, 2 * in, in - out, 2 * out};
}

static lbk_resample map_of(int64_t n, int64_t c, const int64_t in[2], const int64_t out[2], int mode, bool corners) {
    return (lbk_resample){.kind = mode == NEAREST ? LBK_RESAMPLE_NEAREST : LBK_RESAMPLE_LINEAR,
                          .n = n,
                          .c = c,
                          .axis = {axis_of(in[0], out[0], mode, corners), axis_of(in[1], out[1], mode, corners)}};
}

static lbk_resample resize_map(const resize_params *p, const lbk_shape *x) {
    int64_t out[2];
    for (int d = 0; d < 2; d++)
        out[d] = p->size[0] > 0 ? p->size[d] : x->dim[1 + d] * p->scale[d];
    return map_of(x->dim[0], x->dim[3], &x->dim[1], out, p->mode, p->align_corners);
}

static lbk_resample backward_map(const backward_params *p, const lbk_shape *dy) {
    const int64_t in[2] = {p->height, p->width};
    return map_of(dy->dim[0], dy->dim[3], in, &dy->dim[1], p->mode, p->align_corners);
}

static lbk_status mode_check(int mode, bool align_corners) {
    if (mode == NEAREST && align_corners)
        return lbk_fail(LBK_ERR_INPUT, "align_corners has no effect on mode nearest");
    return LBK_OK;
}

static lbk_status resize_infer(lbk_infer *infer) {
    const resize_params *p = infer->params;
    bool size = p->size[0] > 0 && p->size[1] > 0, scale = p->scale[0] > 0 && p->scale[1] > 0;
    bool half = (!size && p->size[0] + p->size[1] > 0) || (!scale && p->scale[0] + p->scale[1] > 0);
    LBK_TRY(lbk_infer_rank(infer, 0, "x", 4));
    LBK_TRY(mode_check(p->mode, p->align_corners));
    if (half || size == scale)
        return lbk_fail(LBK_ERR_INPUT, "expected either size or scale, both numbers above 0");
    lbk_resample map = resize_map(p, &infer->input[0].shape);
    LBK_TRY(lbk_resample_check(&map));
    lbk_infer_output(infer, LBK_F32, lbk_resample_shape(&map, true));
    return LBK_OK;
}

static lbk_status backward_infer(lbk_infer *infer) {
    const backward_params *p = infer->params;
    LBK_TRY(lbk_infer_rank(infer, 0, "dy", 4));
    LBK_TRY(mode_check(p->mode, p->align_corners));
    lbk_resample map = backward_map(p, &infer->input[0].shape);
    LBK_TRY(lbk_resample_check(&map));
    lbk_infer_output(infer, LBK_F32, lbk_resample_shape(&map, false));
    return LBK_OK;
}

static void resize_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_resample map = resize_map(shapes->params, &shapes->input[0].shape);
    lbk_resample_cost(&map, shapes, cost);
}

static void backward_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_resample map = backward_map(shapes->params, &shapes->input[0].shape);
    lbk_resample_cost(&map, shapes, cost);
}

static void resize_reference(const lbk_reference *r) {
    lbk_resample map = resize_map(r->params, &r->input[0].shape);
    lbk_resample_reference(&map, r->in[0], r->out[0], false);
}

static void backward_reference(const lbk_reference *r) {
    lbk_resample map = backward_map(r->params, &r->input[0].shape);
    lbk_resample_reference(&map, r->in[0], r->out[0], true);
}

static lbk_status resize_differentiate(lbk_gradient *g) {
    const resize_params *p = g->params;
    const lbk_shape *x = &g->input_desc[0].shape;
    backward_params params = {(int)x->dim[1], (int)x->dim[2], p->mode, p->align_corners};
    return lbk_gradient_emit(g, "resize2d_backward", &params, 1, &g->output_grad[0], &g->input_grad[0]);
}

static lbk_status backward_differentiate(lbk_gradient *g) {
    const backward_params *p = g->params;
    const lbk_shape *dy = &g->input_desc[0].shape;
    resize_params params = {{(int)dy->dim[1], (int)dy->dim[2]}, {0, 0}, p->mode, p->align_corners};
    return lbk_gradient_emit(g, "resize2d", &params, 1, &g->output_grad[0], &g->input_grad[0]);
}

static lbk_status resize_emit(lbk_emit *e, lbk_class cls) {
    lbk_resample map = resize_map(e->params, &e->input[0].shape);
    return lbk_resample_emit(e, cls, &map, false);
}

static lbk_status backward_emit(lbk_emit *e, lbk_class cls) {
    lbk_resample map = backward_map(e->params, &e->input[0].shape);
    return lbk_resample_emit(e, cls, &map, true);
}

LBK_RESAMPLE_VARIANTS(resize)
LBK_RESAMPLE_VARIANTS(backward)

static const lbk_op_example resize_examples[] = {
    {.params = "scale=2", .input = {{4, {2, 5, 7, 20}}}, .input_count = 1},
    {.params = "size=9,4 mode=bilinear", .input = {{4, {2, 7, 10, 13}}}, .input_count = 1},
    {.params = "size=11,1 mode=bilinear align_corners=yes", .input = {{4, {3, 5, 6, 3}}}, .input_count = 1},
    {.params = "size=5,13", .input = {{4, {2, 13, 5, 48}}}, .input_count = 1},
    {.params = "scale=3,1 mode=bilinear", .input = {{4, {1, 1, 1, 1}}}, .input_count = 1},
};

static const lbk_op_example backward_examples[] = {
    {.params = "height=5 width=7", .input = {{4, {2, 10, 14, 20}}}, .input_count = 1},
    {.params = "height=7 width=10 mode=bilinear", .input = {{4, {2, 9, 4, 13}}}, .input_count = 1},
    {.params = "height=5 width=6 mode=bilinear align_corners=yes", .input = {{4, {3, 11, 1, 3}}}, .input_count = 1},
    {.params = "height=13 width=5", .input = {{4, {2, 5, 13, 48}}}, .input_count = 1},
    {.params = "height=1 width=1 mode=bilinear align_corners=yes", .input = {{4, {1, 3, 1, 1}}}, .input_count = 1},
};

static const lbk_op resize_op = {
    .name = "resize2d",
    .summary = "images scaled to another size",
    .formula =
        "nearest: y[n,i,j,c] = x[n, floor(i H / OH), floor(j W / OW), c]; bilinear: a mean of the four pixels around",
    .inputs = "x[N,H,W,C]",
    .outputs = "y[N,OH,OW,C]",
    .params = resize_table,
    .params_size = sizeof(resize_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .layer = true,
    .infer = resize_infer,
    .cost = resize_cost,
    .differentiate = resize_differentiate,
    .reference = resize_reference,
    .variants = resize_variants,
    .examples = resize_examples,
    .example_count = sizeof resize_examples / sizeof *resize_examples,
};

static const lbk_op backward_op = {
    .name = "resize2d_backward",
    .summary = "derivative of resize2d",
    .formula = "dx[n,r,s,c] = sum over y's pixels of x's weight in them times dy",
    .inputs = "dy[N,OH,OW,C]",
    .outputs = "dx[N,height,width,C]",
    .params = backward_table,
    .params_size = sizeof(backward_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = backward_infer,
    .cost = backward_cost,
    .differentiate = backward_differentiate,
    .reference = backward_reference,
    .variants = backward_variants,
    .examples = backward_examples,
    .example_count = sizeof backward_examples / sizeof *backward_examples,
};

const lbk_op *const lbk_ops_resize2d[] = {&resize_op, &backward_op, NULL};

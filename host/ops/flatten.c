/* flatten: [N, ...] -> [N, rest]. An image [N,H,W,C] becomes C*H*W numbers in channels-first order, as PyTorch's nn.Flatten
 * makes them of [N,C,H,W], so that the dense layer behind it has the same weights there and here. Everything else, and an
 * image of one pixel or one channel, keeps its order and its memory: a node without calls is an alias (op->alias). */
#include "ops/support.h"

/* Dimensions behind the first; 0 ends the list. An op cannot read them from a tensor it does not have. */
typedef struct unflatten_params {
    int d1, d2, d3, d4, d5;
} unflatten_params;

static const lbk_param unflatten_table[] = {
    LBK_PARAM_INT(unflatten_params, d1, NULL, 1, 1 << 30, NULL, "second dimension (the first is kept)", NULL),
    LBK_PARAM_INT(unflatten_params, d2, "0", 0, 1 << 30, NULL, "third dimension; 0: none", NULL),
    LBK_PARAM_INT(unflatten_params, d3, "0", 0, 1 << 30, NULL, "fourth dimension; 0: none", NULL),
    LBK_PARAM_INT(unflatten_params, d4, "0", 0, 1 << 30, NULL, "fifth dimension; 0: none", NULL),
    LBK_PARAM_INT(unflatten_params, d5, "0", 0, 1 << 30, NULL, "sixth dimension; 0: none", NULL),
    LBK_PARAM_END};

static lbk_status flatten_infer(lbk_infer *infer) {
    const lbk_shape *x = &infer->input[0].shape;
    if (x->rank < 2)
        return lbk_fail(LBK_ERR_INPUT, "x has %d dimensions, expected at least 2", x->rank);
    lbk_infer_output(infer, LBK_F32, lbk_shape_2(x->dim[0], lbk_shape_count(x) / x->dim[0]));
    return LBK_OK;
}

static lbk_status unflatten_infer(lbk_infer *infer) {
    const unflatten_params *p = infer->params;
    const int dims[] = {p->d1, p->d2, p->d3, p->d4, p->d5};
    LBK_TRY(lbk_infer_rank(infer, 0, "x", 2));
    lbk_shape shape = {.rank = 1, .dim = {infer->input[0].shape.dim[0]}};
    for (int i = 0; i < 5 && dims[i] != 0; i++)
        shape.dim[shape.rank++] = dims[i];
    if (lbk_shape_count(&shape) != lbk_ops_count(&infer->input[0]))
        return lbk_fail(LBK_ERR_INPUT, "x has %lld elements, the new shape %lld",
                        (long long)lbk_ops_count(&infer->input[0]), (long long)lbk_shape_count(&shape));
    lbk_infer_output(infer, LBK_F32, shape);
    return LBK_OK;
}

/* The channels-last shape, if its elements change places. */
static bool is_moved(const lbk_shape *shape) {
    return shape->rank == 4 && shape->dim[1] * shape->dim[2] > 1 && shape->dim[3] > 1;
}

static void flatten_cost(const lbk_infer *shapes, lbk_cost *cost) {
    *cost = (lbk_cost){0, 0};
    if (is_moved(&shapes->input[0].shape) || is_moved(&shapes->output[0].shape))
        lbk_cost_elementwise(shapes, 0, cost);
}

/* Where element i of the channels-last shape lies in its flattened form. */
static int64_t place(const lbk_shape *shape, int64_t i) {
    if (!is_moved(shape))
        return i;
    int64_t pixels = shape->dim[1] * shape->dim[2], c = shape->dim[3];
    return (i / c / pixels * c + i % c) * pixels + i / c % pixels;
}

static void flatten_reference(const lbk_reference *r) {
    for (int64_t i = 0; i < lbk_ops_count(&r->input[0]); i++)
        r->out[0][place(&r->input[0].shape, i)] = r->in[0][i];
}

static void unflatten_reference(const lbk_reference *r) {
    for (int64_t i = 0; i < lbk_ops_count(&r->input[0]); i++)
        r->out[0][i] = r->in[0][place(&r->output[0].shape, i)];
}

static lbk_status flatten_differentiate(lbk_gradient *g) {
    const lbk_shape *x = &g->input_desc[0].shape;
    unflatten_params params = {0};
    int *const dims[] = {&params.d1, &params.d2, &params.d3, &params.d4, &params.d5};
    for (int i = 1; i < x->rank; i++)
        *dims[i - 1] = (int)x->dim[i];
    return lbk_gradient_emit(g, "unflatten", &params, 1, &g->output_grad[0], &g->input_grad[0]);
}

static lbk_status unflatten_differentiate(lbk_gradient *g) {
    return lbk_gradient_emit(g, "flatten", NULL, 1, &g->output_grad[0], &g->input_grad[0]);
}

static lbk_status emit(lbk_emit *e, const char *name, const lbk_shape *image) {
    lbk_call *call;
    if (!is_moved(image))
        return LBK_OK;
    LBK_TRY(lbk_emit_elementwise(e, "generic/flatten", name, image->dim[1] * image->dim[2], &call));
    lbk_call_int(call, image->dim[3]);
    lbk_call_int(call, lbk_shape_count(image));
    lbk_call_range_1d(call, (size_t)lbk_shape_count(image), lbk_emit_local(e));
    return LBK_OK;
}

static lbk_status flatten_emit(lbk_emit *e) {
    return emit(e, "flatten", &e->input[0].shape);
}

static lbk_status unflatten_emit(lbk_emit *e) {
    return emit(e, "unflatten", &e->output[0].shape);
}

static const lbk_variant flatten_variants[] = {{LBK_CLASS_GENERIC, "move", flatten_emit}, {.emit = NULL}};
static const lbk_variant unflatten_variants[] = {{LBK_CLASS_GENERIC, "move", unflatten_emit}, {.emit = NULL}};

static const lbk_op_example flatten_examples[] = {
    {.params = "", .input = {{4, {3, 2, 5, 7}}}, .input_count = 1},
    {.params = "", .input = {{2, {1, 1}}}, .input_count = 1},
    {.params = "", .input = {{3, {2, 13, 11}}}, .input_count = 1},
};

static const lbk_op_example unflatten_examples[] = {
    {.params = "d1=2 d2=5 d3=7", .input = {{2, {3, 70}}}, .input_count = 1},
    {.params = "d1=1", .input = {{2, {1, 1}}}, .input_count = 1},
    {.params = "d1=13 d2=11", .input = {{2, {2, 143}}}, .input_count = 1},
};

static const lbk_op flatten_op = {
    .name = "flatten",
    .summary = "all dimensions but the first become one; images in channels-first order, as in PyTorch",
    .formula = "y[n, (c * H + h) * W + w] = x[n,h,w,c]; other ranks keep their order",
    .inputs = "x[N,...]",
    .outputs = "y[N,M]",
    .min_inputs = 1,
    .max_inputs = 1,
    .alias = 1,
    .layer = true,
    .infer = flatten_infer,
    .cost = flatten_cost,
    .differentiate = flatten_differentiate,
    .reference = flatten_reference,
    .variants = flatten_variants,
    .examples = flatten_examples,
    .example_count = 3,
};

static const lbk_op unflatten_op = {
    .name = "unflatten",
    .summary = "inverse of flatten",
    .formula = "y[n,h,w,c] = x[n, (c * H + h) * W + w]; other ranks keep their order",
    .inputs = "x[N,M]",
    .outputs = "y[N,d1,...]",
    .params = unflatten_table,
    .params_size = sizeof(unflatten_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .alias = 1,
    .infer = unflatten_infer,
    .cost = flatten_cost,
    .differentiate = unflatten_differentiate,
    .reference = unflatten_reference,
    .variants = unflatten_variants,
    .examples = unflatten_examples,
    .example_count = 3,
};

const lbk_op *const lbk_ops_flatten[] = {&flatten_op, &unflatten_op, NULL};

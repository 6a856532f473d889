/* flatten: [N, ...] -> [N, rest]. An image [N,H,W,C] becomes C*H*W numbers in channels-first order, as PyTorch's nn.Flatten
 * makes them of [N,C,H,W], so that the dense layer behind it has the same weights there and here. Everything else, and an
 * image of one pixel or one channel, keeps its order and its memory: a node without calls is an alias (op->alias). */
#include "ops/copy.h"

/* Dimensions behind the first, which the flattened tensor does not tell. */
typedef struct unflatten_params {
    lbk_ints shape;
} unflatten_params;

static const lbk_param unflatten_table[] = {LBK_PARAM_INTS(unflatten_params, shape, NULL, 1, 1 << 30, NULL,
                                                           "all dimensions but the first, which is kept", NULL),
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
    LBK_TRY(lbk_infer_rank(infer, 0, "x", 2));
    if (p->shape.count >= LBK_MAX_RANK)
        return lbk_fail(LBK_ERR_INPUT, "shape has %d dimensions, expected at most %d", p->shape.count,
                        LBK_MAX_RANK - 1);
    lbk_shape shape = {.rank = 1, .dim = {infer->input[0].shape.dim[0]}};
    for (int i = 0; i < p->shape.count; i++)
        shape.dim[shape.rank++] = p->shape.items[i];
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
    unflatten_params params = {.shape = {.count = x->rank - 1}};
    for (int i = 1; i < x->rank; i++)
        params.shape.items[i - 1] = (int)x->dim[i];
    return lbk_gradient_emit(g, "unflatten", &params, 1, &g->output_grad[0], &g->input_grad[0]);
}

static lbk_status unflatten_differentiate(lbk_gradient *g) {
    return lbk_gradient_emit(g, "flatten", NULL, 1, &g->output_grad[0], &g->input_grad[0]);
}

/* A transposition of pixels x channels, per image. */
static lbk_status emit(lbk_emit *e, lbk_class cls, int64_t images, int64_t rows, int64_t columns) {
    lbk_copy copy = {.rank = 0};
    lbk_copy_add(&copy, images, rows * columns, rows * columns);
    lbk_copy_add(&copy, columns, 1, rows);
    lbk_copy_add(&copy, rows, columns, 1);
    return lbk_copy_emit(e, cls, 0, 0, &copy);
}

static lbk_status flatten_emit(lbk_emit *e, lbk_class cls) {
    const lbk_shape *x = &e->input[0].shape;
    return is_moved(x) ? emit(e, cls, x->dim[0], x->dim[1] * x->dim[2], x->dim[3]) : LBK_OK;
}

static lbk_status unflatten_emit(lbk_emit *e, lbk_class cls) {
    const lbk_shape *y = &e->output[0].shape;
    return is_moved(y) ? emit(e, cls, y->dim[0], y->dim[3], y->dim[1] * y->dim[2]) : LBK_OK;
}

LBK_COPY_VARIANTS(flatten)
LBK_COPY_VARIANTS(unflatten)

static const lbk_op_example flatten_examples[] = {
    {.params = "", .input = {{4, {3, 2, 5, 7}}}, .input_count = 1},
    {.params = "", .input = {{2, {1, 1}}}, .input_count = 1},
    {.params = "", .input = {{3, {2, 13, 11}}}, .input_count = 1},
};

static const lbk_op_example unflatten_examples[] = {
    {.params = "shape=2,5,7", .input = {{2, {3, 70}}}, .input_count = 1},
    {.params = "shape=1", .input = {{2, {1, 1}}}, .input_count = 1},
    {.params = "shape=13,11", .input = {{2, {2, 143}}}, .input_count = 1},
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
    .outputs = "y[N,shape]",
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

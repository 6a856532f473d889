/* permute: the dimensions of x in another order, as torch.permute, but moved in memory. An order that moves nothing (only
 * dimensions of size 1 change places) costs nothing. */
#include "ops/copy.h"

typedef struct permute_params {
    lbk_ints order;
} permute_params;

static const lbk_param permute_table[] = {
    LBK_PARAM_INTS(permute_params, order, NULL, -LBK_MAX_RANK, LBK_MAX_RANK - 1, NULL,
                   "for each dimension of y, which one of x it is; negative: counted from the end", NULL),
    LBK_PARAM_END};

static lbk_status permute_infer(lbk_infer *infer) {
    const permute_params *p = infer->params;
    const lbk_shape *x = &infer->input[0].shape;
    char text[LBK_SHAPE_TEXT];
    lbk_shape y = {.rank = x->rank};
    unsigned seen = 0;
    if (p->order.count != x->rank)
        return lbk_fail(LBK_ERR_INPUT, "order has %d dimensions, x (%s) has %d", p->order.count,
                        lbk_shape_print(x, text), x->rank);
    for (int d = 0; d < x->rank; d++) {
        int from;
        LBK_TRY(lbk_ops_axis_find(x, "x", p->order.items[d], &from));
        if (seen >> from & 1u)
            return lbk_fail(LBK_ERR_INPUT, "order names dimension %d twice", from);
        seen |= 1u << from;
        y.dim[d] = x->dim[from];
    }
    lbk_infer_output(infer, LBK_F32, y);
    return LBK_OK;
}

static lbk_copy copy_of(const permute_params *p, const lbk_shape *x, const lbk_shape *y) {
    int64_t from[LBK_MAX_RANK], to[LBK_MAX_RANK];
    lbk_copy copy = {.rank = 0};
    lbk_copy_strides(x, from);
    lbk_copy_strides(y, to);
    for (int d = 0; d < y->rank; d++)
        lbk_copy_add(&copy, y->dim[d], from[lbk_ops_axis(p->order.items[d], x->rank)], to[d]);
    return copy;
}

static void permute_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_copy copy = copy_of(shapes->params, &shapes->input[0].shape, &shapes->output[0].shape);
    *cost = (lbk_cost){0, 0};
    if (!lbk_copy_is_still(&copy))
        lbk_cost_elementwise(shapes, 0, cost);
}

static void permute_reference(const lbk_reference *r) {
    const permute_params *p = r->params;
    const lbk_shape *x = &r->input[0].shape, *y = &r->output[0].shape;
    int64_t from[LBK_MAX_RANK], to[LBK_MAX_RANK];
    for (int64_t i = 0; i < lbk_ops_count(&r->output[0]); i++) {
        lbk_ops_coordinates(y, i, to);
        for (int d = 0; d < y->rank; d++)
            from[lbk_ops_axis(p->order.items[d], x->rank)] = to[d];
        r->out[0][i] = r->in[0][lbk_ops_place(x, from)];
    }
}

static lbk_status permute_differentiate(lbk_gradient *g) {
    const permute_params *p = g->params;
    permute_params params = {.order = {.count = p->order.count}};
    for (int d = 0; d < p->order.count; d++)
        params.order.items[lbk_ops_axis(p->order.items[d], p->order.count)] = d;
    return lbk_gradient_emit(g, "permute", &params, 1, &g->output_grad[0], &g->input_grad[0]);
}

static lbk_status permute_emit(lbk_emit *e, lbk_class cls) {
    lbk_copy copy = copy_of(e->params, &e->input[0].shape, &e->output[0].shape);
    return lbk_copy_is_still(&copy) ? LBK_OK : lbk_copy_emit(e, cls, 0, 0, &copy);
}

LBK_COPY_VARIANTS(permute)

static const lbk_op_example permute_examples[] = {
    {.params = "order=0,3,1,2", .input = {{4, {5, 13, 11, 66}}}, .input_count = 1},
    {.params = "order=0,2,1,3", .input = {{4, {3, 10, 4, 33}}}, .input_count = 1},
    {.params = "order=-1,1,0", .input = {{3, {33, 2, 67}}}, .input_count = 1},
    {.params = "order=5,0,4,1,3,2", .input = {{6, {2, 3, 4, 5, 3, 2}}}, .input_count = 1},
    {.params = "order=1,0,2", .input = {{3, {1, 13, 21}}}, .input_count = 1},
    {.params = "order=1,0", .input = {{2, {3, 1021}}}, .input_count = 1},
};

static const lbk_op permute_op = {
    .name = "permute",
    .summary = "the dimensions in another order",
    .formula = "y[i_order0, i_order1, ...] = x[i_0, i_1, ...]",
    .inputs = "x[...]",
    .outputs = "y[...]",
    .params = permute_table,
    .params_size = sizeof(permute_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .alias = 1,
    .layer = true,
    .infer = permute_infer,
    .cost = permute_cost,
    .differentiate = permute_differentiate,
    .reference = permute_reference,
    .variants = permute_variants,
    .examples = permute_examples,
    .example_count = sizeof permute_examples / sizeof *permute_examples,
};

const lbk_op *const lbk_ops_permute[] = {&permute_op, NULL};

/* reshape: the same numbers in the same order under another shape; no kernel, the result is the input's memory. Unlike
 * flatten it knows nothing of images: the channels stay innermost. */
#include "ops/broadcast.h"

typedef lbk_shape_params reshape_params;

static const lbk_param reshape_table[] = {
    LBK_PARAM_INTS(reshape_params, shape, NULL, -1, 1 << 30, NULL,
                   "the new sizes; 0 keeps x's size of that dimension, one may be -1: whatever is left", NULL),
    LBK_PARAM_END};

/* The sizes that are stated; a -1 counts as 1, and *open is its dimension. */
static lbk_status sizes_read(const reshape_params *p, const lbk_shape *x, lbk_shape *y, int *open) {
    char text[LBK_SHAPE_TEXT];
    *y = (lbk_shape){.rank = p->shape.count};
    *open = -1;
    if (p->shape.count < 1 || p->shape.count > LBK_MAX_RANK)
        return lbk_fail(LBK_ERR_INPUT, "shape has %d dimensions, expected 1 to %d", p->shape.count, LBK_MAX_RANK);
    for (int d = 0; d < y->rank; d++) {
        int size = p->shape.items[d];
        if (size == 0 && d >= x->rank)
            return lbk_fail(LBK_ERR_INPUT, "shape keeps dimension %d, which x (%s) lacks", d, lbk_shape_print(x, text));
        if (size < 0 && *open >= 0)
            return lbk_fail(LBK_ERR_INPUT, "shape leaves dimensions %d and %d open, expected one -1 at most", *open, d);
        if (size < 0)
            *open = d;
        y->dim[d] = size < 0 ? 1 : size == 0 ? x->dim[d] : size;
    }
    return LBK_OK;
}

static lbk_status reshape_infer(lbk_infer *infer) {
    const lbk_shape *x = &infer->input[0].shape;
    int64_t left = lbk_shape_count(x);
    char text[2][LBK_SHAPE_TEXT];
    lbk_shape y;
    int open;
    LBK_TRY(sizes_read(infer->params, x, &y, &open));
    for (int d = 0; d < y.rank && left > 0; d++)
        left = left % y.dim[d] == 0 ? left / y.dim[d] : 0;
    if (open >= 0)
        y.dim[open] = left > 0 ? left : -1;
    if (left == 0 || (open < 0 && left != 1))
        return lbk_fail(LBK_ERR_INPUT, "x (%s) does not fit the shape %s", lbk_shape_print(x, text[0]),
                        lbk_shape_print(&y, text[1]));
    lbk_infer_output(infer, LBK_F32, y);
    return LBK_OK;
}

static void reshape_cost(const lbk_infer *shapes, lbk_cost *cost) {
    (void)shapes;
    *cost = (lbk_cost){0, 0};
}

static void reshape_reference(const lbk_reference *r) {
    for (int64_t i = 0; i < lbk_ops_count(&r->input[0]); i++)
        r->out[0][i] = r->in[0][i];
}

static lbk_status reshape_differentiate(lbk_gradient *g) {
    const lbk_shape *x = &g->input_desc[0].shape;
    reshape_params params = {.shape = {.count = x->rank}};
    for (int d = 0; d < x->rank; d++)
        params.shape.items[d] = (int)x->dim[d];
    return lbk_gradient_emit(g, "reshape", &params, 1, &g->output_grad[0], &g->input_grad[0]);
}

/* No calls: an alias of x. */
static lbk_status reshape_emit(lbk_emit *e) {
    (void)e;
    return LBK_OK;
}

static const lbk_variant reshape_variants[] = {{LBK_CLASS_GENERIC, "alias", reshape_emit}, {.emit = NULL}};

static const lbk_op_example reshape_examples[] = {
    {.params = "shape=0,-1", .input = {{4, {3, 2, 5, 7}}}, .input_count = 1},
    {.params = "shape=-1,6,7", .input = {{2, {12, 7}}}, .input_count = 1},
    {.params = "shape=0,0,1,5,3,2", .input = {{3, {2, 13, 30}}}, .input_count = 1},
    {.params = "shape=1", .input = {{2, {1, 1}}}, .input_count = 1},
};

static const lbk_op reshape_op = {
    .name = "reshape",
    .summary = "the same numbers in the same order under another shape",
    .formula = "y[i] = x[i], i counting elements from the first",
    .inputs = "x[...]",
    .outputs = "y[shape]",
    .params = reshape_table,
    .params_size = sizeof(reshape_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .alias = 1,
    .layer = true,
    .infer = reshape_infer,
    .cost = reshape_cost,
    .differentiate = reshape_differentiate,
    .reference = reshape_reference,
    .variants = reshape_variants,
    .examples = reshape_examples,
    .example_count = sizeof reshape_examples / sizeof *reshape_examples,
};

const lbk_op *const lbk_ops_reshape[] = {&reshape_op, NULL};

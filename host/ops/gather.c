/* gather: elements along an axis picked by integers, as torch.gather, the logits of the labels, say; 0 where the integer names none.
 * Also the derivative of selection_backward. */
#include "ops/gather.h"

typedef lbk_gather_axis_params gather_params;

static const lbk_param gather_table[] = {
    LBK_PARAM_INT(gather_params, axis, "-1", -LBK_MAX_RANK, LBK_MAX_RANK - 1, NULL, "axis of x", NULL),
    LBK_PARAM_BOOL(gather_params, keepdims, "yes", "the index has the axis, of any size", NULL), LBK_PARAM_END};

/* x as slices, the shape that the index has to have, and how many elements of each slice it names. */
static lbk_status slices_of(const void *params, const lbk_tensor_desc *input, lbk_slices *slices, lbk_shape *index,
                            int64_t *taken) {
    const gather_params *p = params;
    const lbk_shape *x = &input[0].shape, *given = &input[1].shape;
    int axis;
    LBK_TRY(lbk_ops_axis_find(x, "x", p->axis, &axis));
    LBK_TRY(lbk_slices_init_axis(slices, x, axis, p->keepdims, index));
    *taken = p->keepdims && given->rank == x->rank ? given->dim[axis] : 1;
    if (p->keepdims)
        index->dim[axis] = *taken;
    return LBK_OK;
}

static lbk_status gather_infer(lbk_infer *infer) {
    lbk_slices slices;
    lbk_shape index;
    int64_t taken;
    LBK_TRY(slices_of(infer->params, infer->input, &slices, &index, &taken));
    LBK_TRY(lbk_infer_shape(infer, 1, "index", index));
    lbk_infer_output(infer, LBK_F32, index);
    return LBK_OK;
}

/* Of x only the elements named are read. */
static void gather_cost(const lbk_infer *shapes, lbk_cost *cost) {
    *cost = (lbk_cost){0, 3 * (double)lbk_tensor_bytes(&shapes->output[0])};
}

static void gather_reference(const lbk_reference *r) {
    lbk_slices slices;
    lbk_shape index;
    int64_t taken;
    if (slices_of(r->params, r->input, &slices, &index, &taken) != LBK_OK)
        return;
    for (int64_t i = 0; i < lbk_ops_count(&r->output[0]); i++) {
        int64_t slice = i / slices.inner / taken * slices.inner + i % slices.inner, k = (int64_t)r->in[1][i];
        r->out[0][i] = k >= 0 && k < slices.length ? r->in[0][lbk_slices_at(&slices, slice, k)] : 0;
    }
}

static lbk_status gather_differentiate(lbk_gradient *g) {
    const gather_params *p = g->params;
    const lbk_selection_params params = {
        .axis = p->axis, .keepdims = p->keepdims, .shape = lbk_ints_of_shape(&g->input_desc[0].shape)};
    const lbk_value inputs[] = {g->output_grad[0], g->input[1]};
    return lbk_gradient_emit(g, "selection_backward", &params, 2, inputs, &g->input_grad[0]);
}

static lbk_status gather_emit(lbk_emit *e) {
    lbk_slices slices;
    lbk_shape index;
    int64_t taken;
    lbk_call *call;
    LBK_TRY(slices_of(e->params, e->input, &slices, &index, &taken));
    LBK_TRY(lbk_emit_elementwise(e, "generic/max", "gather", lbk_ops_count(&e->output[0]), &call));
    lbk_call_int(call, slices.length);
    lbk_call_int(call, slices.inner);
    lbk_call_int(call, taken);
    return LBK_OK;
}

static const lbk_variant gather_variants[] = {{LBK_CLASS_GENERIC, "element", gather_emit}, {.emit = NULL}};

static const lbk_op_example gather_examples[] = {
    {.params = "keepdims=no", .input = {{2, {37, 10}}, {1, {37}}}, .input_count = 2, .integer_below = 12},
    {.params = "", .input = {{1, {1}}, {1, {1}}}, .input_count = 2, .integer_below = 1},
    {.params = "axis=1", .input = {{3, {5, 13, 67}}, {3, {5, 2, 67}}}, .input_count = 2, .integer_below = 13},
};

static const lbk_op gather_op = {
    .name = "gather",
    .summary = "elements along an axis picked by an index; 0 for one that is out of range",
    .formula = "y[o,j,i] = x[o,index[o,j,i],i]",
    .inputs = "x[...] index[...]:i32",
    .outputs = "y[...] (the index's shape)",
    .params = gather_table,
    .params_size = sizeof(gather_params),
    .min_inputs = 2,
    .max_inputs = 2,
    .integers = 1u << 1,
    .infer = gather_infer,
    .cost = gather_cost,
    .differentiate = gather_differentiate,
    .reference = gather_reference,
    .variants = gather_variants,
    .examples = gather_examples,
    .example_count = sizeof gather_examples / sizeof *gather_examples,
};

const lbk_op *const lbk_ops_gather[] = {&gather_op, NULL};

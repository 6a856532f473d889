/* parameter: a learned tensor that stands by itself (class tokens, position embeddings, scales), and its derivative. It
 * reads a node only for the number of samples. */
#include "ops/support.h"

typedef struct parameter_params {
    lbk_ints shape;
    bool batch;
    int init; /* index into inits */
} parameter_params;

static const char *const init_names[] = {"zero", "one", "normal", NULL};
static const lbk_init inits[] = {LBK_INIT_ZERO, LBK_INIT_ONE, LBK_INIT_NORMAL};

static const lbk_param parameter_table[] = {
    LBK_PARAM_INTS(parameter_params, shape, NULL, 1, 1 << 24, NULL, "of the tensor", NULL),
    LBK_PARAM_BOOL(parameter_params, batch, "no",
                   "repeat the tensor, whose first dimension is 1, for every sample of x", NULL),
    LBK_PARAM_CHOICE(parameter_params, init, "zero", init_names, "initial values; normal: deviation 0.02",
                     "Dosovitskiy et al. 2021"),
    LBK_PARAM_END};

typedef struct backward_params {
    bool batch;
} backward_params;

static const lbk_param backward_table[] = {
    LBK_PARAM_BOOL(backward_params, batch, "no", "sum over the first dimension", NULL), LBK_PARAM_END};

enum { X, WEIGHT }; /* inputs of parameter */

static lbk_status shape_of(const parameter_params *p, lbk_shape *out) {
    LBK_TRY(lbk_shape_of_ints(&p->shape, out));
    if (p->batch && out->dim[0] != 1)
        return lbk_fail(LBK_ERR_INPUT, "shape begins with %d, batch=yes expects 1 there", p->shape.items[0]);
    return LBK_OK;
}

static lbk_status parameter_infer(lbk_infer *infer) {
    const parameter_params *p = infer->params;
    lbk_shape shape;
    LBK_TRY(shape_of(p, &shape));
    LBK_TRY(lbk_infer_shape(infer, WEIGHT, "weight", shape));
    if (p->batch)
        shape.dim[0] = infer->input[X].shape.dim[0];
    lbk_infer_output(infer, LBK_F32, shape);
    return LBK_OK;
}

static lbk_status backward_infer(lbk_infer *infer) {
    lbk_shape shape = infer->input[0].shape;
    if (((const backward_params *)infer->params)->batch)
        shape.dim[0] = 1;
    lbk_infer_output(infer, LBK_F32, shape);
    return LBK_OK;
}

static void parameter_cost(const lbk_infer *shapes, lbk_cost *cost) {
    *cost =
        (lbk_cost){0, (double)lbk_tensor_bytes(&shapes->input[WEIGHT]) + (double)lbk_tensor_bytes(&shapes->output[0])};
}

static void backward_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 1, cost);
}

static void parameter_reference(const lbk_reference *r) {
    for (int64_t i = 0; i < lbk_ops_count(&r->output[0]); i++)
        r->out[0][i] = r->in[WEIGHT][i % lbk_ops_count(&r->input[WEIGHT])];
}

static void backward_reference(const lbk_reference *r) {
    for (int64_t i = 0; i < lbk_ops_count(&r->input[0]); i++)
        r->out[0][i % lbk_ops_count(&r->output[0])] += r->in[0][i];
}

static lbk_status parameter_differentiate(lbk_gradient *g) {
    const backward_params back = {((const parameter_params *)g->params)->batch};
    if (!g->wanted[WEIGHT])
        return LBK_OK;
    return lbk_gradient_emit(g, "parameter_backward", &back, 1, &g->output_grad[0], &g->input_grad[WEIGHT]);
}

static lbk_status backward_differentiate(lbk_gradient *g) {
    const parameter_params forward = {.shape = lbk_ints_of_shape(&g->output_desc[0].shape),
                                      .batch = ((const backward_params *)g->params)->batch};
    const lbk_value inputs[] = {g->input[0], g->output_grad[0]};
    return lbk_gradient_emit(g, "parameter", &forward, 2, inputs, &g->input_grad[0]);
}

static lbk_status emit_call(lbk_emit *e, const char *name, int from, int64_t items, int64_t last) {
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, "generic/parameter", name, &call));
    lbk_call_input(call, from);
    lbk_call_output(call, 0);
    lbk_call_int(call, items);
    lbk_call_int(call, last);
    lbk_call_range_1d(call, (size_t)items, lbk_emit_local(e));
    return LBK_OK;
}

static lbk_status parameter_emit(lbk_emit *e) {
    return emit_call(e, "parameter", WEIGHT, lbk_ops_count(&e->output[0]), lbk_ops_count(&e->input[WEIGHT]));
}

static lbk_status backward_emit(lbk_emit *e) {
    int64_t size = lbk_ops_count(&e->output[0]);
    return emit_call(e, "parameter_backward", 0, size, lbk_ops_count(&e->input[0]) / size);
}

static lbk_status parameter_weights(const void *params, const lbk_tensor_desc *input, lbk_weight_list *list) {
    const parameter_params *p = params;
    (void)input;
    list->count = 1;
    list->item[0] = (lbk_weight){.suffix = "", /* called as its node is */
                                 .kind = LBK_WEIGHT_PARAM,
                                 .input = WEIGHT,
                                 .layout = LBK_LAYOUT_SAME,
                                 .init = inits[p->init],
                                 .deviation = 0.02};
    return shape_of(p, &list->item[0].shape);
}

static const lbk_variant parameter_variants[] = {{LBK_CLASS_GENERIC, "elementwise", parameter_emit}, {.emit = NULL}};
static const lbk_variant backward_variants[] = {{LBK_CLASS_GENERIC, "columns", backward_emit}, {.emit = NULL}};

static const lbk_op_example parameter_examples[] = {
    {.params = "shape=1,1,8 batch=yes", .input = {{3, {5, 7, 8}}, {3, {1, 1, 8}}}, .input_count = 2},
    {.params = "shape=1,65,96 init=normal", .input = {{3, {5, 7, 8}}, {3, {1, 65, 96}}}, .input_count = 2},
    {.params = "shape=1,50,67 batch=yes", .input = {{2, {13, 2}}, {3, {1, 50, 67}}}, .input_count = 2},
    {.params = "shape=1", .input = {{1, {3}}, {1, {1}}}, .input_count = 2},
};

static const lbk_op_example backward_examples[] = {
    {.params = "batch=yes", .input = {{3, {5, 1, 8}}}, .input_count = 1},
    {.params = "", .input = {{2, {3, 7}}}, .input_count = 1},
    {.params = "batch=yes", .input = {{3, {13, 50, 67}}}, .input_count = 1},
};

static const lbk_op parameter_op = {
    .name = "parameter",
    .summary = "a learned tensor by itself",
    .formula = "y[...] = weight[...], or y[n,...] = weight[0,...] for every sample n of x",
    .inputs = "x[N,...] weight[...]",
    .outputs = "y[...]",
    .params = parameter_table,
    .params_size = sizeof(parameter_params),
    .min_inputs = 2,
    .max_inputs = 2,
    .layer = true,
    .infer = parameter_infer,
    .cost = parameter_cost,
    .differentiate = parameter_differentiate,
    .reference = parameter_reference,
    .variants = parameter_variants,
    .examples = parameter_examples,
    .example_count = 4,
    .weights = parameter_weights,
};

static const lbk_op backward_op = {
    .name = "parameter_backward",
    .summary = "derivative of parameter with respect to its weight",
    .formula = "dweight[...] = dy[...], or dweight[0,...] = sum over n of dy[n,...]",
    .inputs = "dy[N,...]",
    .outputs = "dweight[...]",
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
    .example_count = 3,
};

const lbk_op *const lbk_ops_parameter[] = {&parameter_op, &backward_op, NULL};

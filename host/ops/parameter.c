/* parameter: a learned tensor that stands by itself (class tokens, position embeddings, scales). It reads a node only for
 * the number of samples. */
#include "ops/broadcast.h"

typedef struct parameter_params {
    lbk_ints shape;
    bool batch;
    int init; /* index into inits */
    double mean, deviation;
} parameter_params;

static const char *const init_names[] = {"zero", "one", "normal", NULL};
static const lbk_init inits[] = {LBK_INIT_ZERO, LBK_INIT_ONE, LBK_INIT_NORMAL};

static const lbk_param parameter_table[] = {
    LBK_PARAM_INTS(parameter_params, shape, NULL, 1, 1 << 24, NULL, "of the tensor", NULL),
    LBK_PARAM_BOOL(parameter_params, batch, "no",
                   "repeat the tensor, whose first dimension is 1, for every sample of x", NULL),
    LBK_PARAM_CHOICE(parameter_params, init, "zero", init_names, "initial values", NULL),
    LBK_PARAM_FLOAT(parameter_params, mean, "0", -1e30, 1e30, NULL, "of init=normal", NULL),
    LBK_PARAM_FLOAT(parameter_params, deviation, "0.02", 0, 1e30, NULL, "of init=normal; 0: all are the mean",
                    "Dosovitskiy et al. 2021"),
    LBK_PARAM_END};

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

static void parameter_cost(const lbk_infer *shapes, lbk_cost *cost) {
    *cost =
        (lbk_cost){0, (double)lbk_tensor_bytes(&shapes->input[WEIGHT]) + (double)lbk_tensor_bytes(&shapes->output[0])};
}

static void parameter_reference(const lbk_reference *r) {
    for (int64_t i = 0; i < lbk_ops_count(&r->output[0]); i++)
        r->out[0][i] = r->in[WEIGHT][i % lbk_ops_count(&r->input[WEIGHT])];
}

static lbk_status parameter_differentiate(lbk_gradient *g) {
    const lbk_shape_params sum = {lbk_ints_of_shape(&g->input_desc[WEIGHT].shape)};
    if (!g->wanted[WEIGHT])
        return LBK_OK;
    return lbk_gradient_emit(g, "sum_to", &sum, 1, &g->output_grad[0], &g->input_grad[WEIGHT]);
}

static lbk_status parameter_emit(lbk_emit *e) {
    int64_t count = lbk_ops_count(&e->output[0]);
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, "generic/parameter", "parameter", &call));
    lbk_call_input(call, WEIGHT);
    lbk_call_output(call, 0);
    lbk_call_int(call, count);
    lbk_call_int(call, lbk_ops_count(&e->input[WEIGHT]));
    lbk_call_range_1d(call, (size_t)count, lbk_emit_local(e));
    return LBK_OK;
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
                                 .mean = p->mean,
                                 .deviation = p->deviation};
    return shape_of(p, &list->item[0].shape);
}

static const lbk_variant parameter_variants[] = {{LBK_CLASS_GENERIC, "elementwise", parameter_emit}, {.emit = NULL}};

static const lbk_op_example parameter_examples[] = {
    {.params = "shape=1,1,8 batch=yes", .input = {{3, {5, 7, 8}}, {3, {1, 1, 8}}}, .input_count = 2},
    {.params = "shape=1,65,96 init=normal", .input = {{3, {5, 7, 8}}, {3, {1, 65, 96}}}, .input_count = 2},
    {.params = "shape=1,50,67 batch=yes", .input = {{2, {13, 2}}, {3, {1, 50, 67}}}, .input_count = 2},
    {.params = "shape=1", .input = {{1, {3}}, {1, {1}}}, .input_count = 2},
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

const lbk_op *const lbk_ops_parameter[] = {&parameter_op, NULL};

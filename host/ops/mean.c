/* sum and mean along neighbouring axes or over all elements, and their derivatives, which spread dy evenly. */
#include "ops/reduce.h"

typedef struct reduce_params {
    lbk_ints axes;
    bool keepdims;
} reduce_params;

typedef struct backward_params {
    lbk_ints axes;
    bool keepdims;
    lbk_ints shape;
} backward_params;

#define REDUCE_ROWS(S)                                                                                                 \
    LBK_PARAM_INTS(S, axes, "", -LBK_MAX_RANK, LBK_MAX_RANK - 1, NULL,                                                 \
                   "neighbouring axes, negative ones from the end; none: all", NULL),                                  \
        LBK_PARAM_BOOL(S, keepdims, "no", "keep the axes with size 1", NULL)
static const lbk_param reduce_table[] = {REDUCE_ROWS(reduce_params), LBK_PARAM_END};
static const lbk_param backward_table[] = {REDUCE_ROWS(backward_params), LBK_SHAPE_ROW(backward_params), LBK_PARAM_END};

typedef struct family {
    const char *forward, *backward; /* the ops */
    bool mean;
} family;

static const family sum_family = {"sum", "sum_backward", false}, mean_family = {"mean", "mean_backward", true};

static const family *family_of(const lbk_op *op) {
    return op->family;
}

static double divisor(const lbk_op *op, const lbk_slices *slices) {
    return family_of(op)->mean ? (double)slices->length : 1;
}

static lbk_status forward_slices(const void *params, const lbk_shape *x, lbk_slices *slices, lbk_shape *y) {
    const reduce_params *p = params;
    return lbk_slices_init(slices, x, &p->axes, p->keepdims, y);
}

static lbk_status backward_slices(const void *params, lbk_slices *slices, lbk_shape *dy, lbk_shape *x) {
    const backward_params *p = params;
    LBK_TRY(lbk_shape_of_ints(&p->shape, x));
    return lbk_slices_init(slices, x, &p->axes, p->keepdims, dy);
}

static lbk_status forward_infer(lbk_infer *infer) {
    lbk_slices slices;
    lbk_shape y;
    LBK_TRY(forward_slices(infer->params, &infer->input[0].shape, &slices, &y));
    lbk_infer_output(infer, LBK_F32, y);
    return LBK_OK;
}

static lbk_status backward_infer(lbk_infer *infer) {
    lbk_slices slices;
    lbk_shape dy, x;
    LBK_TRY(backward_slices(infer->params, &slices, &dy, &x));
    if (lbk_infer_has(infer, 0))
        LBK_TRY(lbk_infer_shape(infer, 0, "dy", dy));
    lbk_infer_output(infer, LBK_F32, x);
    return LBK_OK;
}

static void forward_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 1, cost);
}

static void backward_cost(const lbk_infer *shapes, lbk_cost *cost) {
    *cost = (lbk_cost){0, (double)lbk_tensor_bytes(&shapes->output[0])};
    if (lbk_infer_has(shapes, 0))
        cost->bytes += (double)lbk_tensor_bytes(&shapes->input[0]);
}

static void forward_reference(const lbk_reference *r) {
    lbk_slices slices;
    lbk_shape y;
    if (forward_slices(r->params, &r->input[0].shape, &slices, &y) != LBK_OK)
        return;
    for (int64_t s = 0; s < slices.outer * slices.inner; s++) {
        for (int64_t k = 0; k < slices.length; k++)
            r->out[0][s] += r->in[0][lbk_slices_at(&slices, s, k)];
        r->out[0][s] /= divisor(r->op, &slices);
    }
}

static void backward_reference(const lbk_reference *r) {
    lbk_slices slices;
    lbk_shape dy, x;
    if (backward_slices(r->params, &slices, &dy, &x) != LBK_OK)
        return;
    for (int64_t s = 0; s < slices.outer * slices.inner; s++)
        for (int64_t k = 0; k < slices.length; k++)
            r->out[0][lbk_slices_at(&slices, s, k)] = (r->input_count > 0 ? r->in[0][s] : 1) / divisor(r->op, &slices);
}

static lbk_status forward_differentiate(lbk_gradient *g) {
    const reduce_params *p = g->params;
    backward_params params = {
        .axes = p->axes, .keepdims = p->keepdims, .shape = lbk_ints_of_shape(&g->input_desc[0].shape)};
    return lbk_gradient_emit(g, family_of(g->op)->backward, &params, g->output_grad[0] == LBK_ONE ? 0 : 1,
                             &g->output_grad[0], &g->input_grad[0]);
}

static lbk_status backward_differentiate(lbk_gradient *g) {
    const backward_params *p = g->params;
    const reduce_params params = {.axes = p->axes, .keepdims = p->keepdims};
    if (g->input_count == 0 || !g->wanted[0])
        return LBK_OK;
    return lbk_gradient_emit(g, family_of(g->op)->forward, &params, 1, &g->output_grad[0], &g->input_grad[0]);
}

static lbk_status forward_emit(lbk_emit *e, lbk_class cls) {
    lbk_slices slices;
    lbk_shape y;
    LBK_TRY(forward_slices(e->params, &e->input[0].shape, &slices, &y));
    return lbk_sum_emit(e, cls, &slices, 1 / divisor(e->op, &slices));
}

static lbk_status backward_emit(lbk_emit *e, lbk_class cls) {
    lbk_slices slices;
    lbk_shape dy, x;
    LBK_TRY(backward_slices(e->params, &slices, &dy, &x));
    return lbk_spread_emit(e, cls, &slices, 1 / divisor(e->op, &slices));
}

static const lbk_op_example forward_examples[] = {
    {.params = "", .input = {{1, {1}}}, .input_count = 1},
    {.params = "", .input = {{4, {3, 31, 33, 7}}}, .input_count = 1, .low = 0.5, .high = 1.5},
    {.params = "axes=-1 keepdims=yes", .input = {{3, {5, 3, 300}}}, .input_count = 1},
    {.params = "axes=1", .input = {{3, {2, 37, 67}}}, .input_count = 1},
    {.params = "axes=1,0", .input = {{3, {29, 31, 50}}}, .input_count = 1},
};

static const lbk_op_example backward_examples[] = {
    {.params = "shape=7", .input_count = 0},
    {.params = "axes=1 shape=2,117,67", .input = {{2, {2, 67}}}, .input_count = 1},
    {.params = "axes=-1,-2 keepdims=yes shape=3,101,31", .input = {{3, {3, 1, 1}}}, .input_count = 1},
};

LBK_VARIANTS_BY_CLASS(forward, "vector", "tree", "columns")
LBK_VARIANTS_CPU_GENERIC(backward, "rows", "elementwise")

#define FORWARD(NAME, SUMMARY, FORMULA)                                                                                \
    static const lbk_op NAME##_op = {                                                                                  \
        .name = #NAME,                                                                                                 \
        .summary = SUMMARY,                                                                                            \
        .formula = FORMULA,                                                                                            \
        .inputs = "x[...]",                                                                                            \
        .outputs = "y[...]",                                                                                           \
        .params = reduce_table,                                                                                        \
        .params_size = sizeof(reduce_params),                                                                          \
        .min_inputs = 1,                                                                                               \
        .max_inputs = 1,                                                                                               \
        .layer = true,                                                                                                 \
        .family = &NAME##_family,                                                                                      \
        .infer = forward_infer,                                                                                        \
        .cost = forward_cost,                                                                                          \
        .differentiate = forward_differentiate,                                                                        \
        .reference = forward_reference,                                                                                \
        .variants = forward_variants,                                                                                  \
        .examples = forward_examples,                                                                                  \
        .example_count = sizeof forward_examples / sizeof *forward_examples,                                           \
    };

#define BACKWARD(NAME, FORMULA)                                                                                        \
    static const lbk_op NAME##_backward_op = {                                                                         \
        .name = #NAME "_backward",                                                                                     \
        .summary = "derivative of " #NAME,                                                                             \
        .formula = FORMULA,                                                                                            \
        .inputs = "dy[...]?",                                                                                          \
        .outputs = "dx[...]",                                                                                          \
        .params = backward_table,                                                                                      \
        .params_size = sizeof(backward_params),                                                                        \
        .max_inputs = 1,                                                                                               \
        .family = &NAME##_family,                                                                                      \
        .infer = backward_infer,                                                                                       \
        .cost = backward_cost,                                                                                         \
        .differentiate = backward_differentiate,                                                                       \
        .reference = backward_reference,                                                                               \
        .variants = backward_variants,                                                                                 \
        .examples = backward_examples,                                                                                 \
        .example_count = sizeof backward_examples / sizeof *backward_examples,                                         \
    };

FORWARD(sum, "sum along neighbouring axes, or over all elements", "y[o,i] = sum_k x[o,k,i]")
FORWARD(mean, "mean along neighbouring axes, or over all elements", "y[o,i] = sum_{k<K} x[o,k,i] / K")
BACKWARD(sum, "dx[o,k,i] = dy[o,i] (dy = 1 when absent)")
BACKWARD(mean, "dx[o,k,i] = dy[o,i] / K (dy = 1 when absent)")

const lbk_op *const lbk_ops_mean[] = {&sum_op, &sum_backward_op, &mean_op, &mean_backward_op, NULL};

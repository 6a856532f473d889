/* dropout (Srivastava et al., "Dropout", JMLR 2014), inverted: kept elements are scaled up in training, so that
 * evaluation is the identity. The mask is a function of (seed, step, node, element), computed again in the backward pass;
 * the op is linear in x, so its derivative is itself. */
#include "base/rng.h"
#include "ops/support.h"

typedef struct dropout_params {
    double p;
    int seed, node;
    bool training;
} dropout_params;

static const lbk_param dropout_table[] = {
    LBK_PARAM_FLOAT(dropout_params, p, "0.5", 0, 0.999, "probability", "chance that an element is dropped",
                    "Srivastava et al. 2014"),
    LBK_PARAM_INT(dropout_params, seed, "0", 0, 2147483647, NULL, "seed of the masks", NULL),
    LBK_PARAM_INT(dropout_params, node, "0", 0, 2147483647, NULL, "tells the dropout layers of a model apart", NULL),
    LBK_PARAM_BOOL(dropout_params, training, "yes", "drop; otherwise the identity", NULL), LBK_PARAM_END};

/* A number's upper 24 bits below this mean "drop". */
static uint32_t drop_threshold(const dropout_params *p) {
    return (uint32_t)(p->p * 16777216.0);
}

static lbk_status dropout_infer(lbk_infer *infer) {
    const dropout_params *p = infer->params;
    if (p->training && !lbk_infer_has(infer, 1))
        return lbk_fail(LBK_ERR_INPUT, "training needs the step as its second input");
    if (lbk_infer_has(infer, 1))
        LBK_TRY(lbk_infer_shape(infer, 1, "step", lbk_shape_1(1)));
    lbk_infer_output(infer, LBK_F32, infer->input[0].shape);
    return LBK_OK;
}

static void dropout_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 1, cost);
}

/* Number j of block b belongs to element b + j * ceil(count / 4), as in the kernel. */
static void dropout_reference(const lbk_reference *r) {
    const dropout_params *p = r->params;
    int64_t count = lbk_ops_count(&r->input[0]), quarter = (count + 3) / 4;
    lbk_rng rng;
    if (p->training)
        lbk_rng_init(&rng, (uint64_t)p->seed, LBK_RNG_DROPOUT, (uint32_t)r->in[1][0], (uint64_t)p->node);
    for (int64_t k = 0; k < 4 * quarter; k++) {
        int64_t i = k / 4 + k % 4 * quarter;
        bool drop = p->training && lbk_rng_u32(&rng) >> 8 < drop_threshold(p);
        if (i < count)
            r->out[0][i] = drop ? 0 : p->training ? r->in[0][i] / (1 - p->p) : r->in[0][i];
    }
}

static lbk_status dropout_differentiate(lbk_gradient *g) {
    const dropout_params *p = g->params;
    if (!p->training) {
        g->input_grad[0] = g->output_grad[0];
        return LBK_OK;
    }
    const lbk_value inputs[] = {g->output_grad[0], g->input[1]};
    return lbk_gradient_emit(g, "dropout", p, 2, inputs, &g->input_grad[0]);
}

static lbk_status dropout_emit(lbk_emit *e) {
    const dropout_params *p = e->params;
    int64_t count = lbk_ops_count(&e->input[0]), quarter = (count + 3) / 4;
    lbk_call *call;
    if (!p->training)
        return LBK_OK; /* no calls: an alias of x */
    LBK_TRY(lbk_emit_elementwise(e, "generic/dropout", "dropout", count, &call));
    lbk_call_int(call, quarter);
    lbk_call_int(call, p->seed);
    lbk_call_int(call, p->node);
    lbk_call_int(call, drop_threshold(p));
    lbk_call_float(call, 1 / (1 - p->p));
    lbk_call_range_1d(call, (size_t)quarter, lbk_emit_local(e));
    return LBK_OK;
}

static const lbk_variant dropout_variants[] = {{LBK_CLASS_GENERIC, "philox", dropout_emit}, {.emit = NULL}};

static const lbk_op_example dropout_examples[] = {
    {.params = "p=0.3 seed=7 node=3", .input = {{4, {2, 5, 7, 3}}, {1, {1}}}, .input_count = 2, .integer_below = 1000},
    {.params = "p=0", .input = {{1, {1}}, {1, {1}}}, .input_count = 2, .integer_below = 3},
    {.params = "seed=123456789", .input = {{2, {13, 1021}}, {1, {1}}}, .input_count = 2, .integer_below = 1000000},
    {.params = "training=no", .input = {{2, {3, 7}}}, .input_count = 1},
};

static const lbk_op dropout_op = {
    .name = "dropout",
    .summary = "zeroes a random part of the elements while training",
    .formula = "y = x * keep / (1 - p), keep = [uniform(seed, step, node, element) >= p]",
    .inputs = "x[...] step[1]:i32?",
    .outputs = "y[...]",
    .params = dropout_table,
    .params_size = sizeof(dropout_params),
    .min_inputs = 1,
    .max_inputs = 2,
    .integers = 1u << 1,
    .scalars = 1u << 1,
    .inplace = 1,
    .alias = 1,
    .layer = true,
    .infer = dropout_infer,
    .cost = dropout_cost,
    .differentiate = dropout_differentiate,
    .reference = dropout_reference,
    .variants = dropout_variants,
    .examples = dropout_examples,
    .example_count = 4,
};

const lbk_op *const lbk_ops_dropout[] = {&dropout_op, NULL};

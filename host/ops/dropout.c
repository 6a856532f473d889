/* dropout (Srivastava et al., "Dropout", JMLR 2014) and stochastic_depth (Huang et al., "Deep networks with stochastic
 * depth", ECCV 2016), inverted: what is kept is scaled up in training, so that evaluation is the identity. The mask is a
 * function of (seed, step, node, element or sample), computed again in the backward pass; both ops are linear in x, so the
 * derivative of each is itself. */
#include "base/rng.h"
#include "ops/support.h"

typedef struct dropout_params {
    double p;
    int seed, node;
    bool training;
} dropout_params;

static const lbk_param dropout_table[] = {
    LBK_PARAM_FLOAT(dropout_params, p, "0.5", 0, 0.999, "probability", "chance to be dropped",
                    "Srivastava et al. 2014, Huang et al. 2016"),
    LBK_PARAM_INT(dropout_params, seed, "0", 0, 2147483647, NULL, "seed of the masks", NULL),
    LBK_PARAM_INT(dropout_params, node, "0", 0, 2147483647, NULL, "tells such layers of a model apart", NULL),
    LBK_PARAM_BOOL(dropout_params, training, "yes", "drop; otherwise the identity", NULL), LBK_PARAM_END};

#define SHARE 16 /* elements a work-item of stochastic_depth scales */

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

static void random_start(const lbk_reference *r, lbk_rng *rng) {
    const dropout_params *p = r->params;
    if (p->training)
        lbk_rng_init(rng, (uint64_t)p->seed, LBK_RNG_DROPOUT, (uint32_t)r->in[1][0], (uint64_t)p->node);
}

/* What the next number makes of an element: 0, or its factor. */
static double random_factor(const lbk_reference *r, lbk_rng *rng) {
    const dropout_params *p = r->params;
    if (!p->training)
        return 1;
    return lbk_rng_u32(rng) >> 8 < drop_threshold(p) ? 0 : 1 / (1 - p->p);
}

/* Number j of block b belongs to element b + j * ceil(count / 4), as in the kernel. */
static void dropout_reference(const lbk_reference *r) {
    int64_t count = lbk_ops_count(&r->input[0]), quarter = (count + 3) / 4;
    lbk_rng rng;
    random_start(r, &rng);
    for (int64_t k = 0; k < 4 * quarter; k++) {
        int64_t i = k / 4 + k % 4 * quarter;
        double factor = random_factor(r, &rng);
        if (i < count)
            r->out[0][i] = factor * r->in[0][i];
    }
}

static void depth_reference(const lbk_reference *r) {
    int64_t samples = r->input[0].shape.dim[0], size = lbk_ops_count(&r->input[0]) / samples;
    lbk_rng rng;
    random_start(r, &rng);
    for (int64_t n = 0; n < samples; n++) {
        double factor = random_factor(r, &rng);
        for (int64_t i = 0; i < size; i++)
            r->out[0][n * size + i] = factor * r->in[0][n * size + i];
    }
}

static lbk_status differentiate_by(lbk_gradient *g, const char *op) {
    const dropout_params *p = g->params;
    if (!p->training) {
        g->input_grad[0] = g->output_grad[0];
        return LBK_OK;
    }
    const lbk_value inputs[] = {g->output_grad[0], g->input[1]};
    return lbk_gradient_emit(g, op, p, 2, inputs, &g->input_grad[0]);
}

static lbk_status dropout_differentiate(lbk_gradient *g) {
    return differentiate_by(g, "dropout");
}

static lbk_status depth_differentiate(lbk_gradient *g) {
    return differentiate_by(g, "stochastic_depth");
}

static void call_mask(lbk_call *call, const dropout_params *p) {
    lbk_call_int(call, p->seed);
    lbk_call_int(call, p->node);
    lbk_call_int(call, drop_threshold(p));
    lbk_call_float(call, 1 / (1 - p->p));
}

/* width: blocks of a work-item. */
static lbk_status emit_dropout(lbk_emit *e, int width) {
    const dropout_params *p = e->params;
    int64_t count = lbk_ops_count(&e->input[0]), quarter = (count + 3) / 4;
    lbk_call *call;
    if (!p->training)
        return LBK_OK; /* no calls: an alias of x */
    LBK_TRY(lbk_emit_elementwise(e, "generic/dropout", "dropout", count, &call));
    LBK_TRY(lbk_call_option(call, "-DWIDTH=%d", width));
    lbk_call_int(call, quarter);
    call_mask(call, p);
    lbk_call_range_1d(call, (size_t)lbk_ceil_div(quarter, width), lbk_emit_local(e));
    return LBK_OK;
}

static lbk_status dropout_generic(lbk_emit *e) {
    return emit_dropout(e, 1);
}

static lbk_status dropout_cpu(lbk_emit *e) {
    return emit_dropout(e, lbk_emit_vector_width(e));
}

static lbk_status depth_emit(lbk_emit *e) {
    const dropout_params *p = e->params;
    int64_t samples = e->input[0].shape.dim[0], size = lbk_ops_count(&e->input[0]) / samples;
    int64_t columns = (size + SHARE - 1) / SHARE;
    lbk_call *call;
    if (!p->training)
        return LBK_OK; /* no calls: an alias of x */
    LBK_TRY(lbk_emit_kernel(e, "generic/dropout", "stochastic_depth", &call));
    lbk_call_input(call, 0);
    lbk_call_input(call, 1);
    lbk_call_output(call, 0);
    lbk_call_int(call, size);
    lbk_call_int(call, columns);
    call_mask(call, p);
    lbk_call_range_2d(call, (size_t)columns, (size_t)samples, lbk_emit_local(e), 1);
    return LBK_OK;
}

static const lbk_variant dropout_variants[] = {
    {LBK_CLASS_GENERIC, "philox", dropout_generic}, {LBK_CLASS_CPU, "philox", dropout_cpu}, {.emit = NULL}};
static const lbk_variant depth_variants[] = {{LBK_CLASS_GENERIC, "philox", depth_emit}, {.emit = NULL}};

static const lbk_op_example dropout_examples[] = {
    {.params = "p=0.3 seed=7 node=3", .input = {{4, {2, 5, 7, 3}}, {1, {1}}}, .input_count = 2, .integer_below = 1000},
    {.params = "p=0", .input = {{1, {1}}, {1, {1}}}, .input_count = 2, .integer_below = 3},
    {.params = "seed=123456789", .input = {{2, {13, 1021}}, {1, {1}}}, .input_count = 2, .integer_below = 1000000},
    {.params = "training=no", .input = {{2, {3, 7}}}, .input_count = 1},
};

static const lbk_op_example depth_examples[] = {
    {.params = "p=0.3 seed=7 node=3", .input = {{4, {9, 5, 7, 3}}, {1, {1}}}, .input_count = 2, .integer_below = 1000},
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

static const lbk_op depth_op = {
    .name = "stochastic_depth",
    .summary = "zeroes a random part of the samples while training: a residual branch that is left out",
    .formula = "y[n,...] = x[n,...] * keep[n] / (1 - p), keep = [uniform(seed, step, node, n) >= p]",
    .inputs = "x[N,...] step[1]:i32?",
    .outputs = "y[N,...]",
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
    .differentiate = depth_differentiate,
    .reference = depth_reference,
    .variants = depth_variants,
    .examples = depth_examples,
    .example_count = 4,
};

const lbk_op *const lbk_ops_dropout[] = {&dropout_op, &depth_op, NULL};

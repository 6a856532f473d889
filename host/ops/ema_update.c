/* ema_update: a running mean of x kept in a state, as of a mean teacher's weights (Tarvainen and Valpola 2017). The decay is read
 * when the kernel runs, so that it may grow during training. */
#include "ops/support.h"

enum { STATE, X, DECAY }; /* inputs */

static lbk_status ema_infer(lbk_infer *infer) {
    LBK_TRY(lbk_infer_shape(infer, X, "x", infer->input[STATE].shape));
    LBK_TRY(lbk_infer_shape(infer, DECAY, "decay", lbk_shape_1(1)));
    lbk_infer_output(infer, LBK_F32, infer->input[STATE].shape);
    return LBK_OK;
}

static void ema_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 3, cost);
    cost->bytes += (double)lbk_tensor_bytes(&shapes->input[STATE]);
}

static void ema_reference(const lbk_reference *r) {
    double decay = r->in[DECAY][0];
    for (int64_t i = 0; i < lbk_ops_count(&r->input[STATE]); i++)
        r->out[0][i] = r->in[STATE][i] = decay * r->in[STATE][i] + (1 - decay) * r->in[X][i];
}

static lbk_status ema_emit(lbk_emit *e) {
    lbk_call *call;
    return lbk_emit_elementwise(e, "generic/ema_update", "ema_update", lbk_ops_count(&e->input[STATE]), &call);
}

static const lbk_variant ema_variants[] = {{LBK_CLASS_GENERIC, "element", ema_emit}, {.emit = NULL}};

static const lbk_op_example ema_examples[] = {
    {.params = "", .input = {{2, {7, 10}}, {2, {7, 10}}, {1, {1}}}, .input_count = 3},
    {.params = "", .input = {{1, {1}}, {1, {1}}, {1, {1}}}, .input_count = 3},
    {.params = "", .input = {{4, {3, 3, 17, 67}}, {4, {3, 3, 17, 67}}, {1, {1}}}, .input_count = 3},
};

static const lbk_op ema_op = {
    .name = "ema_update",
    .summary = "exponential moving average kept in a state; x is a constant to derivatives",
    .formula = "state = decay[0] * state + (1 - decay[0]) * x, y = state",
    .inputs = "state[...] x[...] decay[1]",
    .outputs = "y[...]",
    .min_inputs = 3,
    .max_inputs = 3,
    .updates = 1u << STATE,
    .scalars = 1u << DECAY,
    .detached = 1u << STATE | 1u << X,
    .infer = ema_infer,
    .cost = ema_cost,
    .reference = ema_reference,
    .variants = ema_variants,
    .examples = ema_examples,
    .example_count = sizeof ema_examples / sizeof *ema_examples,
};

const lbk_op *const lbk_ops_ema_update[] = {&ema_op, NULL};

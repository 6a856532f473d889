/* last_step and shift_steps: what goes with recurrent layers over x[N,T,C]. last_step is the state behind the last step of each
 * sample, a shift gives every step the state before it. */
#include "ops/recurrent.h"

/* The number of steps, which dy alone does not tell. */
typedef struct backward_params {
    bool reverse;
    int steps;
} backward_params;

static const lbk_param backward_table[] = {
    LBK_PARAM_BOOL(backward_params, reverse, "no", "the layer goes from the last step to the first", NULL),
    LBK_PARAM_INT(backward_params, steps, NULL, 1, 1 << 24, "steps", "steps of x", NULL), LBK_PARAM_END};

static lbk_status last_infer(lbk_infer *infer) {
    const lbk_shape *x = &infer->input[0].shape;
    LBK_TRY(lbk_infer_rank(infer, 0, "x", 3));
    LBK_TRY(lbk_rnn_check_lengths(infer, 1, x->dim[0]));
    lbk_infer_output(infer, LBK_F32, lbk_shape_2(x->dim[0], x->dim[2]));
    return LBK_OK;
}

static lbk_status backward_infer(lbk_infer *infer) {
    const backward_params *p = infer->params;
    const lbk_shape *dy = &infer->input[0].shape;
    LBK_TRY(lbk_infer_rank(infer, 0, "dy", 2));
    LBK_TRY(lbk_rnn_check_lengths(infer, 1, dy->dim[0]));
    lbk_infer_output(infer, LBK_F32, lbk_shape_of(3, (const int64_t[]){dy->dim[0], p->steps, dy->dim[1]}));
    return LBK_OK;
}

static lbk_status shift_infer(lbk_infer *infer) {
    LBK_TRY(lbk_infer_rank(infer, 0, "x", 3));
    lbk_infer_output(infer, LBK_F32, infer->input[0].shape);
    return LBK_OK;
}

/* Only the output's elements are read. */
static void last_cost(const lbk_infer *shapes, lbk_cost *cost) {
    *cost = (lbk_cost){0, 2 * (double)lbk_tensor_bytes(&shapes->output[0])};
}

static void moved_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 0, cost);
}

/* The last step of a sample in the layer's direction; -1 when it has none. */
static int64_t last_of(const lbk_reference *r, int64_t sample, int64_t steps, bool reverse) {
    lbk_rnn_walk walk = lbk_rnn_walk_of(r->input_count > 1 ? r->in[1] : NULL, sample, steps, reverse);
    return walk.count == 0 ? -1 : walk.first + (walk.count - 1) * walk.by;
}

static void last_reference(const lbk_reference *r) {
    const lbk_direction_params *p = r->params;
    const int64_t *x = r->input[0].shape.dim;
    for (int64_t i = 0; i < x[0] * x[2]; i++) {
        int64_t n = i / x[2], t = last_of(r, n, x[1], p->reverse);
        r->out[0][i] = t < 0 ? 0 : r->in[0][(n * x[1] + t) * x[2] + i % x[2]];
    }
}

static void backward_reference(const lbk_reference *r) {
    const backward_params *p = r->params;
    const int64_t *dx = r->output[0].shape.dim;
    for (int64_t i = 0; i < dx[0] * dx[2]; i++) {
        int64_t n = i / dx[2], t = last_of(r, n, dx[1], p->reverse);
        if (t >= 0)
            r->out[0][(n * dx[1] + t) * dx[2] + i % dx[2]] = r->in[0][i];
    }
}

static void shift_reference(const lbk_reference *r) {
    const lbk_direction_params *p = r->params;
    const int64_t *x = r->input[0].shape.dim;
    for (int64_t n = 0; n < x[0]; n++)
        for (int64_t t = 0; t < x[1]; t++)
            for (int64_t c = 0; c < x[2]; c++) {
                int64_t from = p->reverse ? t + 1 : t - 1;
                r->out[0][(n * x[1] + t) * x[2] + c] =
                    from < 0 || from >= x[1] ? 0 : r->in[0][(n * x[1] + from) * x[2] + c];
            }
}

static lbk_status last_differentiate(lbk_gradient *g) {
    const lbk_direction_params *p = g->params;
    backward_params params = {p->reverse, (int)g->input_desc[0].shape.dim[1]};
    const lbk_value inputs[] = {g->output_grad[0], g->input_count > 1 ? g->input[1] : LBK_NONE};
    return lbk_gradient_emit(g, "last_step_backward", &params, g->input_count, inputs, &g->input_grad[0]);
}

static lbk_status backward_differentiate(lbk_gradient *g) {
    const backward_params *p = g->params;
    lbk_direction_params params = {p->reverse};
    const lbk_value inputs[] = {g->output_grad[0], g->input_count > 1 ? g->input[1] : LBK_NONE};
    return lbk_gradient_emit(g, "last_step", &params, g->input_count, inputs, &g->input_grad[0]);
}

/* The adjoint of a shift is the shift the other way. */
static lbk_status shift_differentiate(lbk_gradient *g) {
    const lbk_direction_params *p = g->params;
    lbk_direction_params params = {!p->reverse};
    return lbk_gradient_emit(g, "shift_steps", &params, 1, &g->output_grad[0], &g->input_grad[0]);
}

/* One work-item per element of `count`; `sequence` is the shape [N,T,C]. Absent lengths are stood in for by input 0. */
static lbk_status emit_call(lbk_emit *e, const char *name, const lbk_shape *sequence, bool reverse, int64_t count) {
    bool has_lengths = lbk_emit_has(e, 1);
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, "generic/steps", name, &call));
    lbk_call_input(call, 0);
    if (e->op->max_inputs > 1)
        lbk_call_input(call, has_lengths ? 1 : 0);
    lbk_call_output(call, 0);
    for (int i = 0; i < 3; i++)
        lbk_call_int(call, sequence->dim[i]);
    lbk_call_int(call, reverse);
    if (e->op->max_inputs > 1)
        lbk_call_int(call, has_lengths);
    lbk_call_range_1d(call, (size_t)count, lbk_emit_local(e));
    return LBK_OK;
}

static lbk_status last_emit(lbk_emit *e) {
    const lbk_direction_params *p = e->params;
    return emit_call(e, "last_step", &e->input[0].shape, p->reverse, lbk_ops_count(&e->output[0]));
}

static lbk_status backward_emit(lbk_emit *e) {
    const backward_params *p = e->params;
    return emit_call(e, "last_step_backward", &e->output[0].shape, p->reverse, lbk_ops_count(&e->output[0]));
}

static lbk_status shift_emit(lbk_emit *e) {
    const lbk_direction_params *p = e->params;
    return emit_call(e, "shift_steps", &e->input[0].shape, p->reverse, lbk_ops_count(&e->output[0]));
}

static const lbk_variant last_variants[] = {{LBK_CLASS_GENERIC, "elementwise", last_emit}, {.emit = NULL}};
static const lbk_variant backward_variants[] = {{LBK_CLASS_GENERIC, "elementwise", backward_emit}, {.emit = NULL}};
static const lbk_variant shift_variants[] = {{LBK_CLASS_GENERIC, "elementwise", shift_emit}, {.emit = NULL}};

static const lbk_op_example last_examples[] = {
    {.params = "", .input = {{3, {5, 7, 3}}, {1, {5}}}, .input_count = 2, .integer_below = 9},
    {.params = "reverse=yes", .input = {{3, {2, 1, 17}}, {1, {2}}}, .input_count = 2, .integer_below = 2},
    {.params = "", .input = {{3, {13, 31, 64}}}, .input_count = 1},
};
static const lbk_op_example backward_examples[] = {
    {.params = "steps=7", .input = {{2, {5, 3}}, {1, {5}}}, .input_count = 2, .integer_below = 9},
    {.params = "steps=1 reverse=yes", .input = {{2, {2, 17}}, {1, {2}}}, .input_count = 2, .integer_below = 2},
    {.params = "steps=31", .input = {{2, {13, 64}}}, .input_count = 1},
};
static const lbk_op_example shift_examples[] = {
    {.params = "", .input = {{3, {5, 7, 3}}}, .input_count = 1},
    {.params = "reverse=yes", .input = {{3, {1, 1, 1}}}, .input_count = 1},
    {.params = "reverse=yes", .input = {{3, {13, 31, 64}}}, .input_count = 1},
};

static const lbk_op last_op = {
    .name = "last_step",
    .summary = "last step of each sample, in the direction of the layer before",
    .formula = "y[n,c] = x[n, lengths[n] - 1, c], or x[n,0,c] with reverse; 0 for a length below 1",
    .inputs = "x[N,T,C] lengths[N]:i32?",
    .outputs = "y[N,C]",
    .params = lbk_direction_table,
    .params_size = sizeof(lbk_direction_params),
    .min_inputs = 1,
    .max_inputs = 2,
    .integers = 1u << 1,
    .layer = true,
    .infer = last_infer,
    .cost = last_cost,
    .differentiate = last_differentiate,
    .reference = last_reference,
    .variants = last_variants,
    .examples = last_examples,
    .example_count = 3,
};

static const lbk_op backward_op = {
    .name = "last_step_backward",
    .summary = "derivative of last_step",
    .formula = "dx[n,t,c] = dy[n,c] at the step that was taken, else 0",
    .inputs = "dy[N,C] lengths[N]:i32?",
    .outputs = "dx[N,T,C]",
    .params = backward_table,
    .params_size = sizeof(backward_params),
    .min_inputs = 1,
    .max_inputs = 2,
    .integers = 1u << 1,
    .infer = backward_infer,
    .cost = moved_cost,
    .differentiate = backward_differentiate,
    .reference = backward_reference,
    .variants = backward_variants,
    .examples = backward_examples,
    .example_count = 3,
};

static const lbk_op shift_op = {
    .name = "shift_steps",
    .summary = "each step gets the values of the step before it, the first one zeros",
    .formula = "y[n,t,c] = x[n,t-1,c], or x[n,t+1,c] with reverse",
    .inputs = "x[N,T,C]",
    .outputs = "y[N,T,C]",
    .params = lbk_direction_table,
    .params_size = sizeof(lbk_direction_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .layer = true,
    .infer = shift_infer,
    .cost = moved_cost,
    .differentiate = shift_differentiate,
    .reference = shift_reference,
    .variants = shift_variants,
    .examples = shift_examples,
    .example_count = 3,
};

const lbk_op *const lbk_ops_steps[] = {&last_op, &backward_op, &shift_op, NULL};

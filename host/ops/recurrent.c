#include "ops/recurrent.h"

const lbk_param lbk_rnn_table[] = {
    LBK_PARAM_INT(lbk_rnn_params, hidden, NULL, 1, 1 << 20, "units", "hidden units", NULL),
    LBK_PARAM_BOOL(lbk_rnn_params, reverse, "no", "from the last step to the first", NULL),
    LBK_PARAM_BOOL(lbk_rnn_params, bias, "yes", "two biases per gate and unit, as PyTorch", NULL), LBK_PARAM_END};

const lbk_param lbk_direction_table[] = {
    LBK_PARAM_BOOL(lbk_direction_params, reverse, "no", "the layer goes from the last step to the first", NULL),
    LBK_PARAM_END};

static lbk_shape sequence(const lbk_rnn_sizes *s, int64_t channels) {
    return lbk_shape_of(3, (const int64_t[]){s->samples, s->steps, channels});
}

lbk_rnn_sizes lbk_rnn_forward_sizes(const void *params, const lbk_tensor_desc *input, int gates) {
    const lbk_rnn_params *p = params;
    const lbk_shape *x = &input[LBK_RNN_X].shape;
    return (lbk_rnn_sizes){x->dim[0], x->dim[1], x->dim[2], p->hidden, gates};
}

lbk_rnn_sizes lbk_rnn_backward_sizes(const lbk_tensor_desc *input, int gates) {
    const lbk_shape *dy = &input[LBK_RNN_DY].shape;
    return (lbk_rnn_sizes){dy->dim[0], dy->dim[1], 0, dy->dim[2], gates};
}

lbk_status lbk_rnn_check_lengths(const lbk_infer *infer, int input, int64_t samples) {
    if (!lbk_infer_has(infer, input))
        return LBK_OK;
    const lbk_shape *lengths = &infer->input[input].shape;
    if (lengths->rank == 2 && lengths->dim[1] == 1 && lengths->dim[0] == samples)
        return LBK_OK;
    return lbk_infer_shape(infer, input, "lengths", lbk_shape_1(samples));
}

lbk_status lbk_rnn_infer(lbk_infer *infer, int gates) {
    const lbk_rnn_params *p = infer->params;
    static const char *const biases[] = {"bias_ih", "bias_hh"};
    LBK_TRY(lbk_infer_rank(infer, LBK_RNN_X, "x", 3));
    lbk_rnn_sizes s = lbk_rnn_forward_sizes(p, infer->input, gates);
    if (infer->input_count <= LBK_RNN_WEIGHT_HH)
        return lbk_fail(LBK_ERR_INPUT,
                        "%d inputs, expected x, lengths (may be absent), weight_ih and weight_hh at least",
                        infer->input_count);
    LBK_TRY(lbk_rnn_check_lengths(infer, LBK_RNN_LENGTHS, s.samples));
    int64_t width = s.gates * s.hidden;
    LBK_TRY(lbk_infer_shape(infer, LBK_RNN_WEIGHT_IH, "weight_ih", lbk_shape_2(s.channels, width)));
    LBK_TRY(lbk_infer_shape(infer, LBK_RNN_WEIGHT_HH, "weight_hh", lbk_shape_2(s.hidden, width)));
    for (int i = LBK_RNN_BIAS_IH; i <= LBK_RNN_BIAS_HH; i++) {
        if (lbk_infer_has(infer, i) != p->bias)
            return lbk_fail(LBK_ERR_INPUT, "bias=%s, but %s is %s", p->bias ? "yes" : "no", biases[i - LBK_RNN_BIAS_IH],
                            p->bias ? "absent" : "there");
        if (p->bias)
            LBK_TRY(lbk_infer_shape(infer, i, biases[i - LBK_RNN_BIAS_IH], lbk_shape_1(width)));
    }
    lbk_infer_output(infer, LBK_F32, sequence(&s, s.hidden));
    lbk_infer_output(infer, LBK_F32, sequence(&s, 4 * s.hidden));
    return LBK_OK;
}

lbk_status lbk_rnn_backward_infer(lbk_infer *infer, int gates, const char *state) {
    LBK_TRY(lbk_infer_rank(infer, LBK_RNN_DY, "dy", 3));
    lbk_rnn_sizes s = lbk_rnn_backward_sizes(infer->input, gates);
    LBK_TRY(lbk_infer_shape(infer, LBK_RNN_B_GATES, "gates", sequence(&s, 4 * s.hidden)));
    LBK_TRY(lbk_infer_shape(infer, LBK_RNN_B_STATE, state, sequence(&s, s.hidden)));
    LBK_TRY(lbk_infer_shape(infer, LBK_RNN_B_WEIGHT, "weight_hh", lbk_shape_2(s.hidden, s.gates * s.hidden)));
    return lbk_rnn_check_lengths(infer, LBK_RNN_B_LENGTHS, s.samples);
}

/* All from U(-1/sqrt(H), 1/sqrt(H)), as PyTorch. */
lbk_status lbk_rnn_weights(const void *params, const lbk_tensor_desc *input, lbk_weight_list *list, int gates) {
    const lbk_rnn_params *p = params;
    int64_t hidden = p->hidden, width = gates * hidden;
    const lbk_shape shapes[] = {lbk_shape_2(lbk_shape_last(&input->shape), width), lbk_shape_2(hidden, width),
                                lbk_shape_1(width), lbk_shape_1(width)};
    static const char *const names[] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh"};
    list->count = p->bias ? 4 : 2;
    for (int i = 0; i < list->count; i++)
        list->item[i] = (lbk_weight){.suffix = names[i],
                                     .kind = LBK_WEIGHT_PARAM,
                                     .input = LBK_RNN_WEIGHT_IH + i,
                                     .shape = shapes[i],
                                     .layout = i < 2 ? LBK_LAYOUT_OI : LBK_LAYOUT_SAME,
                                     .init = LBK_INIT_UNIFORM_FAN_IN,
                                     .fan_in = hidden,
                                     .fan_out = width};
    return LBK_OK;
}

/* The two products; the gates' functions count as 40 operations a unit and step. */
void lbk_rnn_cost(const lbk_infer *shapes, lbk_cost *cost, const lbk_rnn_sizes *s) {
    double units = (double)(s->samples * s->steps * s->hidden);
    lbk_cost_elementwise(shapes, 0, cost);
    cost->flops = units * (2 * (double)(s->gates * (s->channels + s->hidden)) + 40);
}

lbk_status lbk_rnn_emit_gradient(lbk_gradient *g, const char *op, int state, lbk_value *outputs) {
    const lbk_rnn_params *p = g->params;
    const lbk_direction_params direction = {p->reverse};
    const lbk_value inputs[] = {g->output_grad[LBK_RNN_Y], g->output[LBK_RNN_GATES], g->output[state],
                                g->input[LBK_RNN_WEIGHT_HH], g->input[LBK_RNN_LENGTHS]};
    for (int i = LBK_RNN_GATES; i < g->output_count; i++)
        if (g->output_grad[i] != LBK_NONE)
            return lbk_fail(LBK_ERR_UNSUPPORTED, "only the first output has a derivative");
    return lbk_gradient_emit(g, op, &direction, inputs[LBK_RNN_B_LENGTHS] == LBK_NONE ? 4 : 5, inputs, outputs);
}

lbk_status lbk_rnn_differentiate(lbk_gradient *g, lbk_value dgates, lbk_value dhidden) {
    const lbk_rnn_params *p = g->params;
    const lbk_direction_params direction = {p->reverse};
    const lbk_value of_x[] = {dgates, g->input[LBK_RNN_WEIGHT_IH]}, of_ih[] = {g->input[LBK_RNN_X], dgates};
    lbk_value of_hh[] = {LBK_NONE, dhidden};
    if (g->wanted[LBK_RNN_X])
        LBK_TRY(lbk_gradient_emit(g, "dense_backward_data", NULL, 2, of_x, &g->input_grad[LBK_RNN_X]));
    if (g->wanted[LBK_RNN_WEIGHT_IH])
        LBK_TRY(lbk_gradient_emit(g, "dense_backward_weights", NULL, 2, of_ih, &g->input_grad[LBK_RNN_WEIGHT_IH]));
    if (g->wanted[LBK_RNN_WEIGHT_HH]) {
        LBK_TRY(lbk_gradient_emit(g, "shift_steps", &direction, 1, &g->output[LBK_RNN_Y], &of_hh[0]));
        LBK_TRY(lbk_gradient_emit(g, "dense_backward_weights", NULL, 2, of_hh, &g->input_grad[LBK_RNN_WEIGHT_HH]));
    }
    if (p->bias && g->wanted[LBK_RNN_BIAS_IH])
        LBK_TRY(lbk_gradient_emit(g, "reduce_rows", NULL, 1, &dgates, &g->input_grad[LBK_RNN_BIAS_IH]));
    if (p->bias && g->wanted[LBK_RNN_BIAS_HH])
        LBK_TRY(lbk_gradient_emit(g, "reduce_rows", NULL, 1, &dhidden, &g->input_grad[LBK_RNN_BIAS_HH]));
    return LBK_OK;
}

lbk_rnn_walk lbk_rnn_walk_of(const double *lengths, int64_t sample, int64_t steps, bool reverse) {
    int64_t count = lengths ? (int64_t)lengths[sample] : steps;
    count = count < 0 ? 0 : count > steps ? steps : count;
    return reverse ? (lbk_rnn_walk){count - 1, -1, count} : (lbk_rnn_walk){0, 1, count};
}

static double product(const double *bias, const double *x, const double *weight, int64_t depth, int64_t width,
                      int64_t column) {
    double sum = bias ? bias[column] : 0;
    for (int64_t k = 0; x && k < depth; k++)
        sum += x[k] * weight[k * width + column];
    return sum;
}

double lbk_rnn_from_x(const lbk_reference *r, int64_t row, int64_t column) {
    const lbk_shape *weight = &r->input[LBK_RNN_WEIGHT_IH].shape;
    const double *bias = r->input_count > LBK_RNN_BIAS_IH ? r->in[LBK_RNN_BIAS_IH] : NULL;
    return product(bias, r->in[LBK_RNN_X] + row * weight->dim[0], r->in[LBK_RNN_WEIGHT_IH], weight->dim[0],
                   weight->dim[1], column);
}

double lbk_rnn_from_h(const lbk_reference *r, int64_t row, int64_t column) {
    const lbk_shape *weight = &r->input[LBK_RNN_WEIGHT_HH].shape;
    const double *bias = r->input_count > LBK_RNN_BIAS_HH ? r->in[LBK_RNN_BIAS_HH] : NULL;
    const double *h = row < 0 ? NULL : r->out[LBK_RNN_Y] + row * weight->dim[0];
    return product(bias, h, r->in[LBK_RNN_WEIGHT_HH], weight->dim[0], weight->dim[1], column);
}

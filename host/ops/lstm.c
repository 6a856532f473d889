/* lstm: one direction of one LSTM layer (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000), as
 * torch.nn.LSTM: with s the logistic function, a column block of W per gate and h, c zero before the first step,
 *   i = s(x W_i + h W_hi + b)   f = s(x W_f + h W_hf + b)   g = tanh(x W_g + h W_hg + b)   o = s(x W_o + h W_ho + b)
 *   c' = f c + i g              h' = o tanh(c') */
#include "ops/recurrent.h"

#include <math.h>

enum { GATES = 4, DGATES = 0, DCELL = 1 };

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

static lbk_status lstm_infer(lbk_infer *infer) {
    LBK_TRY(lbk_rnn_infer(infer, GATES));
    lbk_infer_output(infer, LBK_F32, infer->output[LBK_RNN_Y].shape);
    return LBK_OK;
}

static lbk_status backward_infer(lbk_infer *infer) {
    LBK_TRY(lbk_rnn_backward_infer(infer, GATES, "cell"));
    const lbk_shape *dy = &infer->input[LBK_RNN_DY].shape;
    lbk_infer_output(infer, LBK_F32, infer->input[LBK_RNN_B_GATES].shape);
    lbk_infer_output(infer, LBK_F32, lbk_shape_2(dy->dim[0], dy->dim[2]));
    return LBK_OK;
}

static void lstm_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_rnn_sizes s = lbk_rnn_forward_sizes(shapes->params, shapes->input, GATES);
    lbk_rnn_cost(shapes, cost, &s);
}

static void backward_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_rnn_sizes s = lbk_rnn_backward_sizes(shapes->input, GATES);
    lbk_rnn_cost(shapes, cost, &s);
}

static void lstm_reference(const lbk_reference *r) {
    const lbk_rnn_params *p = r->params;
    lbk_rnn_sizes s = lbk_rnn_forward_sizes(p, r->input, GATES);
    for (int64_t n = 0; n < s.samples; n++) {
        lbk_rnn_walk walk = lbk_rnn_walk_of(r->in[LBK_RNN_LENGTHS], n, s.steps, p->reverse);
        for (int64_t k = 0, row = n * s.steps + walk.first; k < walk.count; k++, row += walk.by)
            for (int64_t j = 0; j < s.hidden; j++) {
                int64_t before = k == 0 ? -1 : row - walk.by;
                double *gate = r->out[LBK_RNN_GATES] + row * 4 * s.hidden + j, pre[GATES];
                for (int64_t c = 0; c < GATES; c++)
                    pre[c] = lbk_rnn_from_x(r, row, c * s.hidden + j) + lbk_rnn_from_h(r, before, c * s.hidden + j);
                for (int64_t c = 0; c < GATES; c++)
                    gate[c * s.hidden] = c == 2 ? tanh(pre[c]) : sigmoid(pre[c]);
                double past = before < 0 ? 0 : r->out[LBK_RNN_CELL][before * s.hidden + j];
                double cell = gate[s.hidden] * past + gate[0] * gate[2 * s.hidden];
                r->out[LBK_RNN_CELL][row * s.hidden + j] = cell;
                r->out[LBK_RNN_Y][row * s.hidden + j] = gate[3 * s.hidden] * tanh(cell);
            }
    }
}

/* One step of one unit: dh reaches h; out[DCELL] holds what reaches c and becomes what reaches the c before. */
static void reference_step(const lbk_reference *r, const lbk_rnn_sizes *s, int64_t n, int64_t row, int64_t before,
                           int64_t j, double dh) {
    const double *gate = r->in[LBK_RNN_B_GATES] + row * 4 * s->hidden + j, *cell = r->in[LBK_RNN_B_STATE];
    double *d = r->out[DGATES] + row * 4 * s->hidden + j, *dcell = &r->out[DCELL][n * s->hidden + j];
    double i = gate[0], f = gate[s->hidden], g = gate[2 * s->hidden], o = gate[3 * s->hidden];
    double t = tanh(cell[row * s->hidden + j]), past = before < 0 ? 0 : cell[before * s->hidden + j];
    double dc = *dcell + dh * o * (1 - t * t);
    d[0] = dc * g * i * (1 - i);
    d[s->hidden] = dc * past * f * (1 - f);
    d[2 * s->hidden] = dc * i * (1 - g * g);
    d[3 * s->hidden] = dh * t * o * (1 - o);
    *dcell = dc * f;
}

static void backward_reference(const lbk_reference *r) {
    const lbk_direction_params *p = r->params;
    lbk_rnn_sizes s = lbk_rnn_backward_sizes(r->input, GATES);
    const double *lengths = r->input_count > LBK_RNN_B_LENGTHS ? r->in[LBK_RNN_B_LENGTHS] : NULL;
    for (int64_t n = 0; n < s.samples; n++) {
        lbk_rnn_walk walk = lbk_rnn_walk_of(lengths, n, s.steps, p->reverse);
        for (int64_t k = walk.count - 1; k >= 0; k--)
            for (int64_t j = 0; j < s.hidden; j++) {
                int64_t row = n * s.steps + walk.first + k * walk.by, after = row + walk.by;
                double dh = r->in[LBK_RNN_DY][row * s.hidden + j];
                for (int64_t q = 0; k < walk.count - 1 && q < 4 * s.hidden; q++)
                    dh += r->out[DGATES][after * 4 * s.hidden + q] * r->in[LBK_RNN_B_WEIGHT][j * 4 * s.hidden + q];
                reference_step(r, &s, n, row, k == 0 ? -1 : row - walk.by, j, dh);
            }
    }
}

static lbk_status lstm_differentiate(lbk_gradient *g) {
    lbk_value outputs[LBK_MAX_OUTPUTS];
    LBK_TRY(lbk_rnn_emit_gradient(g, "lstm_backward", LBK_RNN_CELL, outputs));
    return lbk_rnn_differentiate(g, outputs[DGATES], outputs[DGATES]);
}

static lbk_status lstm_weights(const void *params, const lbk_tensor_desc *input, lbk_weight_list *list) {
    return lbk_rnn_weights(params, input, list, GATES);
}

static lbk_status lstm_emit(lbk_emit *e, lbk_gemm_way way) {
    return lbk_rnn_emit(e, way, GATES);
}

static lbk_status backward_emit_cpu(lbk_emit *e) {
    return lbk_rnn_backward_emit(e, LBK_CLASS_CPU, GATES);
}

static lbk_status backward_emit_gpu(lbk_emit *e) {
    return lbk_rnn_backward_emit(e, LBK_CLASS_GPU, GATES);
}

static lbk_status backward_emit_generic(lbk_emit *e) {
    return lbk_rnn_backward_emit(e, LBK_CLASS_GENERIC, GATES);
}

LBK_GEMM_VARIANTS(lstm)
static const lbk_variant backward_variants[] = {{LBK_CLASS_CPU, "sequence", backward_emit_cpu},
                                                {LBK_CLASS_GPU, "steps", backward_emit_gpu},
                                                {LBK_CLASS_GENERIC, "steps", backward_emit_generic},
                                                {.emit = NULL}};

static const lbk_op_example lstm_examples[] = {
    {.params = "hidden=10",
     .input = {{3, {7, 5, 6}}, {1, {7}}, {2, {6, 40}}, {2, {10, 40}}, {1, {40}}, {1, {40}}},
     .input_count = 6,
     .integer_below = 7},
    {.params = "hidden=20 reverse=yes",
     .input = {{3, {9, 4, 3}}, {1, {9}}, {2, {3, 80}}, {2, {20, 80}}, {1, {80}}, {1, {80}}},
     .input_count = 6,
     .integer_below = 5},
    {.params = "hidden=1 bias=no", .input = {{3, {1, 1, 1}}, {-1, {0}}, {2, {1, 4}}, {2, {1, 4}}}, .input_count = 4},
    {.params = "hidden=33 reverse=yes bias=no",
     .input = {{3, {13, 17, 48}}, {-1, {0}}, {2, {48, 132}}, {2, {33, 132}}},
     .input_count = 4},
};

static const lbk_op_example backward_examples[] = {
    {.params = "",
     .input = {{3, {7, 5, 10}}, {3, {7, 5, 40}}, {3, {7, 5, 10}}, {2, {10, 40}}, {1, {7}}},
     .input_count = 5,
     .integer_below = 7},
    {.params = "reverse=yes",
     .input = {{3, {9, 4, 20}}, {3, {9, 4, 80}}, {3, {9, 4, 20}}, {2, {20, 80}}, {1, {9}}},
     .input_count = 5,
     .integer_below = 5},
    {.params = "", .input = {{3, {1, 1, 1}}, {3, {1, 1, 4}}, {3, {1, 1, 1}}, {2, {1, 4}}}, .input_count = 4},
    {.params = "reverse=yes",
     .input = {{3, {13, 17, 33}}, {3, {13, 17, 132}}, {3, {13, 17, 33}}, {2, {33, 132}}},
     .input_count = 4},
};

static const lbk_op lstm_op = {
    .name = "lstm",
    .summary = "one direction of one LSTM layer, as torch.nn.LSTM; zero behind a sample's length",
    .formula = "c' = f c + i g, h' = o tanh(c'); i, f, o = sigmoid, g = tanh of x W_ih + b_ih + h W_hh + b_hh, in the "
               "order i, f, g, o; y = h'",
    .inputs = "x[N,T,C] lengths[N]:i32? weight_ih[C,4H] weight_hh[H,4H] bias_ih[4H]? bias_hh[4H]?",
    .outputs = "y[N,T,H] gates[N,T,4H] cell[N,T,H]",
    .params = lbk_rnn_table,
    .params_size = sizeof(lbk_rnn_params),
    .multiplied = 1u | 3u << 2,
    .min_inputs = 1,
    .max_inputs = 6,
    .integers = 1u << LBK_RNN_LENGTHS,
    .layer = true,
    .data_inputs = 2,
    .infer = lstm_infer,
    .cost = lstm_cost,
    .differentiate = lstm_differentiate,
    .reference = lstm_reference,
    .variants = lstm_variants,
    .examples = lstm_examples,
    .example_count = 4,
    .weights = lstm_weights,
};

static const lbk_op backward_op = {
    .name = "lstm_backward",
    .summary = "derivative of lstm with respect to its gates before activation; dcell0 is that of a state before the "
               "first step",
    .formula = "backwards in time: dh = dy + dgates' W_hh^T, dc = dc' f' + dh o (1 - tanh(c)^2); d(i, f, g, o) = dc g "
               "i(1-i), dc c f(1-f), dc i (1-g^2), dh tanh(c) o(1-o)",
    .inputs = "dy[N,T,H] gates[N,T,4H] cell[N,T,H] weight_hh[H,4H] lengths[N]:i32?",
    .outputs = "dgates[N,T,4H] dcell0[N,H]",
    .params = lbk_direction_table,
    .params_size = sizeof(lbk_direction_params),
    .multiplied = 1u << 3,
    .min_inputs = 4,
    .max_inputs = 5,
    .integers = 1u << LBK_RNN_B_LENGTHS,
    .infer = backward_infer,
    .cost = backward_cost,
    .reference = backward_reference,
    .variants = backward_variants,
    .examples = backward_examples,
    .example_count = 4,
};

const lbk_op *const lbk_ops_lstm[] = {&lstm_op, &backward_op, NULL};

/* gru: one direction of one GRU layer (Cho et al. 2014), as torch.nn.GRU, where the reset gate acts behind the product: with
 * s the logistic function, a column block of W per gate and h zero before the first step,
 *   r = s(x W_r + b_r + h W_hr + b_hr)   z = s(x W_z + b_z + h W_hz + b_hz)   q = h W_hn + b_hn
 *   n = tanh(x W_n + b_n + r q)          h' = (1 - z) n + z h */
#include "ops/recurrent.h"

#include <math.h>

enum { GATES = 3, DINPUT = 0, DHIDDEN = 1, DSKIP = 2 };

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

static lbk_status gru_infer(lbk_infer *infer) {
    return lbk_rnn_infer(infer, GATES);
}

static lbk_status backward_infer(lbk_infer *infer) {
    LBK_TRY(lbk_rnn_backward_infer(infer, GATES, "y"));
    const lbk_shape *dy = &infer->input[LBK_RNN_DY].shape;
    lbk_shape dgates = lbk_shape_of(3, (const int64_t[]){dy->dim[0], dy->dim[1], GATES * dy->dim[2]});
    lbk_infer_output(infer, LBK_F32, dgates);
    lbk_infer_output(infer, LBK_F32, dgates);
    lbk_infer_output(infer, LBK_F32, lbk_shape_2(dy->dim[0], dy->dim[2]));
    return LBK_OK;
}

static void gru_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_rnn_sizes s = lbk_rnn_forward_sizes(shapes->params, shapes->input, GATES);
    lbk_rnn_cost(shapes, cost, &s);
}

static void backward_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_rnn_sizes s = lbk_rnn_backward_sizes(shapes->input, GATES);
    lbk_rnn_cost(shapes, cost, &s);
}

static void gru_reference(const lbk_reference *r) {
    const lbk_rnn_params *p = r->params;
    lbk_rnn_sizes s = lbk_rnn_forward_sizes(p, r->input, GATES);
    for (int64_t sample = 0; sample < s.samples; sample++) {
        lbk_rnn_walk walk = lbk_rnn_walk_of(r->in[LBK_RNN_LENGTHS], sample, s.steps, p->reverse);
        for (int64_t k = 0, row = sample * s.steps + walk.first; k < walk.count; k++, row += walk.by)
            for (int64_t j = 0; j < s.hidden; j++) {
                int64_t before = k == 0 ? -1 : row - walk.by;
                double *gate = r->out[LBK_RNN_GATES] + row * 4 * s.hidden + j, x[GATES], h[GATES];
                for (int64_t c = 0; c < GATES; c++) {
                    x[c] = lbk_rnn_from_x(r, row, c * s.hidden + j);
                    h[c] = lbk_rnn_from_h(r, before, c * s.hidden + j);
                }
                double reset = sigmoid(x[0] + h[0]), z = sigmoid(x[1] + h[1]), n = tanh(x[2] + reset * h[2]);
                double past = before < 0 ? 0 : r->out[LBK_RNN_Y][before * s.hidden + j];
                gate[0] = reset;
                gate[s.hidden] = z;
                gate[2 * s.hidden] = n;
                gate[3 * s.hidden] = h[2];
                r->out[LBK_RNN_Y][row * s.hidden + j] = (1 - z) * n + z * past;
            }
    }
}

/* One step of one unit: dh reaches h' through the gates; out[DSKIP] holds what reaches it past them. */
static void reference_step(const lbk_reference *r, const lbk_rnn_sizes *s, int64_t sample, int64_t row, int64_t before,
                           int64_t j, double dh) {
    int64_t hidden = s->hidden;
    const double *gate = r->in[LBK_RNN_B_GATES] + row * 4 * hidden + j;
    double *dx = r->out[DINPUT] + row * GATES * hidden + j, *dhidden = r->out[DHIDDEN] + row * GATES * hidden + j;
    double *skip = &r->out[DSKIP][sample * hidden + j];
    double reset = gate[0], z = gate[hidden], n = gate[2 * hidden], q = gate[3 * hidden];
    double past = before < 0 ? 0 : r->in[LBK_RNN_B_STATE][before * hidden + j], whole = dh + *skip;
    double dn = whole * (1 - z) * (1 - n * n);
    dx[0] = dhidden[0] = dn * q * reset * (1 - reset);
    dx[hidden] = dhidden[hidden] = whole * (past - n) * z * (1 - z);
    dx[2 * hidden] = dn;
    dhidden[2 * hidden] = dn * reset;
    *skip = whole * z;
}

static void backward_reference(const lbk_reference *r) {
    const lbk_direction_params *p = r->params;
    lbk_rnn_sizes s = lbk_rnn_backward_sizes(r->input, GATES);
    const double *lengths = r->input_count > LBK_RNN_B_LENGTHS ? r->in[LBK_RNN_B_LENGTHS] : NULL;
    int64_t width = GATES * s.hidden;
    for (int64_t n = 0; n < s.samples; n++) {
        lbk_rnn_walk walk = lbk_rnn_walk_of(lengths, n, s.steps, p->reverse);
        for (int64_t k = walk.count - 1; k >= 0; k--)
            for (int64_t j = 0; j < s.hidden; j++) {
                int64_t row = n * s.steps + walk.first + k * walk.by, after = row + walk.by;
                double dh = r->in[LBK_RNN_DY][row * s.hidden + j];
                for (int64_t q = 0; k < walk.count - 1 && q < width; q++)
                    dh += r->out[DHIDDEN][after * width + q] * r->in[LBK_RNN_B_WEIGHT][j * width + q];
                reference_step(r, &s, n, row, k == 0 ? -1 : row - walk.by, j, dh);
            }
    }
}

static lbk_status gru_differentiate(lbk_gradient *g) {
    lbk_value outputs[LBK_MAX_OUTPUTS];
    LBK_TRY(lbk_rnn_emit_gradient(g, "gru_backward", LBK_RNN_Y, outputs));
    return lbk_rnn_differentiate(g, outputs[DINPUT], outputs[DHIDDEN]);
}

static lbk_status gru_weights(const void *params, const lbk_tensor_desc *input, lbk_weight_list *list) {
    return lbk_rnn_weights(params, input, list, GATES);
}

static lbk_status gru_emit(lbk_emit *e, lbk_gemm_way way) {
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

LBK_GEMM_VARIANTS(gru)
static const lbk_variant backward_variants[] = {{LBK_CLASS_CPU, "sequence", backward_emit_cpu},
                                                {LBK_CLASS_GPU, "steps", backward_emit_gpu},
                                                {LBK_CLASS_GENERIC, "steps", backward_emit_generic},
                                                {.emit = NULL}};

static const lbk_op_example gru_examples[] = {
    {.params = "hidden=10",
     .input = {{3, {7, 5, 6}}, {1, {7}}, {2, {6, 30}}, {2, {10, 30}}, {1, {30}}, {1, {30}}},
     .input_count = 6,
     .integer_below = 7},
    {.params = "hidden=20 reverse=yes",
     .input = {{3, {9, 4, 3}}, {1, {9}}, {2, {3, 60}}, {2, {20, 60}}, {1, {60}}, {1, {60}}},
     .input_count = 6,
     .integer_below = 5},
    {.params = "hidden=1 bias=no", .input = {{3, {1, 1, 1}}, {-1, {0}}, {2, {1, 3}}, {2, {1, 3}}}, .input_count = 4},
    {.params = "hidden=33 reverse=yes bias=no",
     .input = {{3, {13, 17, 48}}, {-1, {0}}, {2, {48, 99}}, {2, {33, 99}}},
     .input_count = 4},
};

static const lbk_op_example backward_examples[] = {
    {.params = "",
     .input = {{3, {7, 5, 10}}, {3, {7, 5, 40}}, {3, {7, 5, 10}}, {2, {10, 30}}, {1, {7}}},
     .input_count = 5,
     .integer_below = 7},
    {.params = "reverse=yes",
     .input = {{3, {9, 4, 20}}, {3, {9, 4, 80}}, {3, {9, 4, 20}}, {2, {20, 60}}, {1, {9}}},
     .input_count = 5,
     .integer_below = 5},
    {.params = "", .input = {{3, {1, 1, 1}}, {3, {1, 1, 4}}, {3, {1, 1, 1}}, {2, {1, 3}}}, .input_count = 4},
    {.params = "reverse=yes",
     .input = {{3, {13, 17, 33}}, {3, {13, 17, 132}}, {3, {13, 17, 33}}, {2, {33, 99}}},
     .input_count = 4},
};

static const lbk_op gru_op = {
    .name = "gru",
    .summary = "one direction of one GRU layer, as torch.nn.GRU; zero behind a sample's length",
    .formula =
        "h' = (1 - z) n + z h; r, z = sigmoid(x W_ih + b_ih + h W_hh + b_hh), n = tanh(x W_ih + b_ih + r q), q = "
        "h W_hh + b_hh, in the order r, z, n; y = h'",
    .inputs = "x[N,T,C] lengths[N]:i32? weight_ih[C,3H] weight_hh[H,3H] bias_ih[3H]? bias_hh[3H]?",
    .outputs = "y[N,T,H] gates[N,T,4H]: r, z, n, q",
    .params = lbk_rnn_table,
    .params_size = sizeof(lbk_rnn_params),
    .multiplied = 1u | 3u << 2,
    .min_inputs = 1,
    .max_inputs = 6,
    .integers = 1u << LBK_RNN_LENGTHS,
    .layer = true,
    .data_inputs = 2,
    .infer = gru_infer,
    .cost = gru_cost,
    .differentiate = gru_differentiate,
    .reference = gru_reference,
    .variants = gru_variants,
    .examples = gru_examples,
    .example_count = 4,
    .weights = gru_weights,
};

static const lbk_op backward_op = {
    .name = "gru_backward",
    .summary =
        "derivative of gru with respect to what its gates get from x and from h; dskip is what reaches the state "
        "before the first step past the gates",
    .formula =
        "backwards in time: dh = dy + dhidden' W_hh^T + z' dh'; dinput = (da, db, dn), dhidden = (da, db, r dn); "
        "dn = dh (1-z) (1-n^2), da = dn q r(1-r), db = dh (h - n) z(1-z)",
    .inputs = "dy[N,T,H] gates[N,T,4H] y[N,T,H] weight_hh[H,3H] lengths[N]:i32?",
    .outputs = "dinput[N,T,3H] dhidden[N,T,3H] dskip[N,H]",
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

const lbk_op *const lbk_ops_gru[] = {&gru_op, &backward_op, NULL};

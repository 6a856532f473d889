/* The launches of lstm and gru: kernels/cpu/recurrent.cl, and kernels/generic/recurrent.cl for the other classes. */
#include "ops/recurrent.h"

static int64_t div_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

static void call_ints(lbk_call *call, const int64_t *values, int count) {
    for (int i = 0; i < count; i++)
        lbk_call_int(call, values[i]);
}

/* An optional input, or `instead`, which is then not read. */
static void call_optional(lbk_call *call, const lbk_emit *e, int input, int instead) {
    lbk_call_input(call, lbk_emit_has(e, input) ? input : instead);
}

/* x W_ih into the gates; a GRU leaves their last quarter free. */
static lbk_status emit_projection(lbk_emit *e, lbk_gemm_way way, const lbk_rnn_sizes *s) {
    lbk_gemm g =
        lbk_gemm_of(s->samples * s->steps, s->gates * s->hidden, s->channels, false, false,
                    lbk_gemm_output(LBK_RNN_GATES), lbk_gemm_input(LBK_RNN_X), lbk_gemm_input(LBK_RNN_WEIGHT_IH));
    g.ldc = 4 * s->hidden;
    return lbk_gemm_emit(e, way, &g);
}

/* Class cpu: samples of a work-item. Twenty-four of thirty-two vector registers hold sums, or eight of sixteen; fewer when
 * there are too few samples for all cores. */
static int64_t cpu_tile(const lbk_emit *e, const lbk_rnn_sizes *s) {
    int64_t tile = (lbk_emit_vector_width(e) == 16 ? 24 : 8) / s->gates, cores = e->caps->compute_units;
    while (tile > 1 && div_up(s->samples, tile) < (s->samples < cores ? s->samples : cores))
        tile = tile > 2 ? 2 : 1;
    return tile;
}

static lbk_status cpu_kernel(lbk_emit *e, const lbk_rnn_sizes *s, const char *name, lbk_call **call) {
    LBK_TRY(lbk_emit_kernel(e, "cpu/recurrent", name, call));
    return lbk_call_option(*call, "-DGRU=%d -DVW=%d -DTM=%d", s->gates == 3, lbk_emit_vector_width(e),
                           (int)cpu_tile(e, s));
}

/* The weights of input `weight` in panels; returns where. */
static lbk_status cpu_pack(lbk_emit *e, const lbk_rnn_sizes *s, int weight, bool transposed, int *panels) {
    int64_t width = lbk_emit_vector_width(e), blocks = div_up(s->hidden, width);
    lbk_call *call;
    *panels = lbk_emit_scratch(e, (size_t)(blocks * width * s->hidden * s->gates) * sizeof(float));
    LBK_TRY(cpu_kernel(e, s, "pack", &call));
    lbk_call_scratch(call, *panels);
    lbk_call_input(call, weight);
    call_ints(call, (int64_t[]){s->hidden, transposed}, 2);
    lbk_call_range_2d(call, (size_t)blocks, (size_t)s->gates, 1, 1);
    return LBK_OK;
}

/* The forward kernels' buffers: gates, y, cell (a GRU has none), the weights, biases, lengths. */
static void call_forward(lbk_call *call, const lbk_emit *e, const lbk_rnn_sizes *s, int panels) {
    lbk_call_output(call, LBK_RNN_GATES);
    lbk_call_output(call, LBK_RNN_Y);
    lbk_call_output(call, s->gates == 4 ? LBK_RNN_CELL : LBK_RNN_Y);
    if (panels >= 0)
        lbk_call_scratch(call, panels);
    else
        lbk_call_input(call, LBK_RNN_WEIGHT_HH);
    call_optional(call, e, LBK_RNN_BIAS_IH, LBK_RNN_WEIGHT_HH);
    call_optional(call, e, LBK_RNN_BIAS_HH, LBK_RNN_WEIGHT_HH);
    call_optional(call, e, LBK_RNN_LENGTHS, LBK_RNN_WEIGHT_HH);
}

/* The backward kernels' buffers: dgates, dhidden (an LSTM's are the same), carry, dy, gates, state, the weights, lengths. */
static void call_backward(lbk_call *call, const lbk_emit *e, const lbk_rnn_sizes *s, int weights) {
    lbk_call_output(call, 0);
    lbk_call_output(call, s->gates == 4 ? 0 : 1);
    lbk_call_output(call, e->output_count - 1);
    lbk_call_input(call, LBK_RNN_DY);
    lbk_call_input(call, LBK_RNN_B_GATES);
    lbk_call_input(call, LBK_RNN_B_STATE);
    lbk_call_scratch(call, weights);
    call_optional(call, e, LBK_RNN_B_LENGTHS, LBK_RNN_B_WEIGHT);
}

static lbk_status cpu_forward(lbk_emit *e, const lbk_rnn_sizes *s, const lbk_rnn_params *p) {
    int panels;
    lbk_call *call;
    LBK_TRY(cpu_pack(e, s, LBK_RNN_WEIGHT_HH, false, &panels));
    LBK_TRY(cpu_kernel(e, s, "forward", &call));
    call_forward(call, e, s, panels);
    call_ints(call, (int64_t[]){s->samples, s->steps, s->hidden, p->reverse, p->bias, lbk_emit_has(e, LBK_RNN_LENGTHS)},
              6);
    lbk_call_range_1d(call, (size_t)div_up(s->samples, cpu_tile(e, s)), 1);
    return LBK_OK;
}

static lbk_status cpu_backward(lbk_emit *e, const lbk_rnn_sizes *s, bool reverse) {
    int panels;
    lbk_call *call;
    LBK_TRY(cpu_pack(e, s, LBK_RNN_B_WEIGHT, true, &panels));
    LBK_TRY(cpu_kernel(e, s, "backward", &call));
    call_backward(call, e, s, panels);
    call_ints(call, (int64_t[]){s->samples, s->steps, s->hidden, reverse, lbk_emit_has(e, LBK_RNN_B_LENGTHS)}, 5);
    lbk_call_range_1d(call, (size_t)div_up(s->samples, cpu_tile(e, s)), 1);
    return LBK_OK;
}

/* A kernel of one step: work-groups of 32 units and, on GPUs, up to 8 samples. */
static lbk_status step_kernel(lbk_emit *e, const lbk_rnn_sizes *s, lbk_class cls, const char *name, lbk_call **call) {
    enum { UNITS = 32 };
    size_t split = cls == LBK_CLASS_GPU ? lbk_emit_local(e) / UNITS : 1;
    LBK_TRY(lbk_emit_kernel(e, "generic/recurrent", name, call));
    LBK_TRY(lbk_call_option(*call, "-DGRU=%d", s->gates == 3));
    if (split > 1)
        LBK_TRY(lbk_call_option(*call, "-DSPLIT=%zu -DVEC=%d", split, s->hidden % 4 == 0 ? 4 : 1));
    lbk_call_range_2d(*call, (size_t)s->hidden, (size_t)s->samples, lbk_emit_local(e) < UNITS ? 1 : UNITS,
                      split > 1 ? split : 1);
    return LBK_OK;
}

static lbk_status steps_forward(lbk_emit *e, const lbk_rnn_sizes *s, const lbk_rnn_params *p, lbk_class cls) {
    for (int64_t i = 0; i < s->steps; i++) {
        int64_t step = p->reverse ? s->steps - 1 - i : i, before = i == 0 ? -1 : p->reverse ? step + 1 : step - 1;
        lbk_call *call;
        LBK_TRY(step_kernel(e, s, cls, "forward_step", &call));
        call_forward(call, e, s, -1);
        call_ints(call, (int64_t[]){s->samples, s->steps, s->hidden, step, before, p->bias}, 6);
        lbk_call_int(call, lbk_emit_has(e, LBK_RNN_LENGTHS));
    }
    return LBK_OK;
}

static lbk_status steps_backward(lbk_emit *e, const lbk_rnn_sizes *s, bool reverse, lbk_class cls) {
    int64_t width = s->gates * s->hidden;
    int weights = lbk_emit_scratch(e, (size_t)(s->hidden * width) * sizeof(float));
    lbk_call *call;
    LBK_TRY(step_kernel(e, s, cls, "transpose", &call));
    lbk_call_scratch(call, weights);
    lbk_call_input(call, LBK_RNN_B_WEIGHT);
    call_ints(call, (int64_t[]){s->hidden, width}, 2);
    lbk_call_range_1d(call, (size_t)(s->hidden * width), lbk_emit_local(e));
    for (int64_t i = 0; i < s->steps; i++) {
        int64_t step = reverse ? i : s->steps - 1 - i, back = reverse ? 1 : -1;
        LBK_TRY(step_kernel(e, s, cls, "backward_step", &call));
        call_backward(call, e, s, weights);
        call_ints(call, (int64_t[]){s->samples, s->steps, s->hidden, step}, 4);
        lbk_call_int(call, i == s->steps - 1 ? -1 : step + back);
        lbk_call_int(call, i == 0 ? -1 : step - back);
        lbk_call_int(call, lbk_emit_has(e, LBK_RNN_B_LENGTHS));
    }
    return LBK_OK;
}

lbk_status lbk_rnn_emit(lbk_emit *e, lbk_gemm_way way, int gates) {
    const lbk_rnn_params *p = e->params;
    lbk_rnn_sizes s = lbk_rnn_forward_sizes(p, e->input, gates);
    LBK_TRY(emit_projection(e, way, &s));
    if (e->declined)
        return LBK_OK;
    lbk_class cls = lbk_gemm_class(way);
    return cls == LBK_CLASS_CPU ? cpu_forward(e, &s, p) : steps_forward(e, &s, p, cls);
}

lbk_status lbk_rnn_backward_emit(lbk_emit *e, lbk_class cls, int gates) {
    const lbk_direction_params *p = e->params;
    lbk_rnn_sizes s = lbk_rnn_backward_sizes(e->input, gates);
    return cls == LBK_CLASS_CPU ? cpu_backward(e, &s, p->reverse) : steps_backward(e, &s, p->reverse, cls);
}

/* attention_backward: the derivative of attention. The probabilities are computed again from q, k and the kept log-sum-exp
 * (Dao et al., "FlashAttention", arXiv 2205.14135, appendix B.2). One kernel owns rows of dq, another rows of dk and dv, so
 * that every number has one writer and sums have one order; the price is computing the scores twice. */
#include "ops/attention.h"

#include <math.h>

enum { DY, Y, LSE, FIRST }; /* inputs; from FIRST on those of attention */

static lbk_attention_sizes sizes_of(const void *params, const lbk_tensor_desc *input, int input_count) {
    return lbk_attention_sizes_of(params, input, input_count, FIRST);
}

static lbk_status backward_infer(lbk_infer *infer) {
    LBK_TRY(lbk_attention_check(infer, FIRST));
    lbk_attention_sizes s = sizes_of(infer->params, infer->input, infer->input_count);
    LBK_TRY(lbk_infer_shape(infer, DY, "dy", lbk_attention_shape(&s)));
    LBK_TRY(lbk_infer_shape(infer, Y, "y", lbk_attention_shape(&s)));
    LBK_TRY(lbk_infer_shape(infer, LSE, "lse", lbk_attention_lse_shape(&s)));
    for (int i = s.q; i <= s.v; i++)
        lbk_infer_output(infer, LBK_F32, infer->input[i].shape);
    return LBK_OK;
}

/* Scores and their derivatives, twice; three sums; two exponentials. */
static void backward_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_attention_sizes s = sizes_of(shapes->params, shapes->input, shapes->input_count);
    double scores = (double)(s.n * s.heads) * (double)s.tq * (double)s.tk * (s.causal ? 0.5 : 1);
    lbk_cost_elementwise(shapes, 0, cost);
    cost->flops = scores * (14 * (double)s.d + 28);
}

/* Adds to dq, dk and dv what query i's looking at key j gives. */
static void reference_pair(const lbk_reference *r, const lbk_attention_sizes *s, int64_t n, int64_t h, int64_t i,
                           int64_t j) {
    int64_t at_q = lbk_attention_at(s, 'q', n, i, h), at_y = lbk_attention_at(s, 'y', n, i, h);
    int64_t at_k = lbk_attention_at(s, 'k', n, j, h), at_v = lbk_attention_at(s, 'v', n, j, h);
    const double *q = r->in[s->q] + at_q, *k = r->in[s->k] + at_k, *dy = r->in[DY] + at_y;
    double *dq = r->out[0] + at_q, *dk = r->out[s->k - FIRST] + at_k, *dv = r->out[s->v - FIRST] + at_v;
    double lse = r->in[LSE][(n * s->heads + h) * s->tq + i];
    double p = exp(s->scale * lbk_attention_dot(q, k, s->d) - lse);
    double dp = lbk_attention_dot(dy, r->in[s->v] + at_v, s->d);
    double ds = p * (dp - lbk_attention_dot(dy, r->in[Y] + at_y, s->d));
    for (int64_t f = 0; f < s->d; f++) {
        dq[f] += s->scale * ds * k[f];
        dk[f] += s->scale * ds * q[f];
        dv[f] += p * dy[f];
    }
}

static void backward_reference(const lbk_reference *r) {
    lbk_attention_sizes s = sizes_of(r->params, r->input, r->input_count);
    const double *mask = s.masked ? r->in[s.mask] : NULL;
    for (int64_t n = 0; n < s.n; n++)
        for (int64_t h = 0; h < s.heads; h++)
            for (int64_t i = 0; i < s.tq; i++)
                for (int64_t j = 0; j < s.tk; j++)
                    if (lbk_attention_sees(&s, mask, n, i, j))
                        reference_pair(r, &s, n, h, i, j);
}

static lbk_status backward_emit(lbk_emit *e, lbk_class cls) {
    lbk_attention_sizes s = sizes_of(e->params, e->input, e->input_count);
    lbk_call *call;
    if (!lbk_attention_fits(e, cls, &s))
        return lbk_emit_decline(e);
    int delta = lbk_emit_scratch(e, (size_t)(s.n * s.heads * s.tq) * sizeof(float));
    LBK_TRY(lbk_attention_begin(e, cls, &s, "attention_backward_q", &call));
    lbk_call_input(call, DY);
    lbk_call_input(call, Y);
    lbk_call_input(call, LSE);
    lbk_call_scratch(call, delta);
    lbk_call_output(call, 0);
    lbk_attention_end(e, cls, &s, s.tq, call);

    LBK_TRY(lbk_attention_begin(e, cls, &s, "attention_backward_kv", &call));
    lbk_call_input(call, DY);
    lbk_call_input(call, LSE);
    lbk_call_scratch(call, delta);
    lbk_call_output(call, s.k - FIRST);
    lbk_call_output(call, s.v - FIRST);
    lbk_attention_end(e, cls, &s, s.tk, call);
    return LBK_OK;
}

LBK_ATTENTION_VARIANTS(backward)

/* One line each: parameters, heads, n, tq, tk, features. */
#define EXAMPLE(text, h, n, tq, tk, c)                                                                                 \
    {                                                                                                                  \
        .params = "heads=" #h text, .input_count = 6, .input = {                                                       \
            {3, {n, tq, c}},                                                                                           \
            {3, {n, tq, c}},                                                                                           \
            {3, {n, h, tq}},                                                                                           \
            {3, {n, tq, c}},                                                                                           \
            {3, {n, tk, c}},                                                                                           \
            {3, {n, tk, c}}                                                                                            \
        }                                                                                                              \
    }
#define EXAMPLE_MASK(text, h, n, tq, tk, c)                                                                            \
    {                                                                                                                  \
        .params = "heads=" #h text, .input_count = 7, .integer_below = 2, .input = {                                   \
            {3, {n, tq, c}},                                                                                           \
            {3, {n, tq, c}},                                                                                           \
            {3, {n, h, tq}},                                                                                           \
            {3, {n, tq, c}},                                                                                           \
            {3, {n, tk, c}},                                                                                           \
            {3, {n, tk, c}},                                                                                           \
            {2, {n, tk}}                                                                                               \
        }                                                                                                              \
    }
static const lbk_op_example backward_examples[] = {
    EXAMPLE("", 1, 3, 35, 66, 21),
    EXAMPLE(" scale=0.7", 1, 1, 1, 1, 1),
    EXAMPLE(" causal=yes", 2, 2, 19, 33, 256),
    EXAMPLE_MASK("", 3, 2, 70, 41, 48),
    EXAMPLE_MASK(" causal=yes", 1, 3, 13, 7, 12),
    EXAMPLE("", 1, 1, 5, 9, 131),
};

#define PACKED(text, h, n, t, c)                                                                                       \
    {                                                                                                                  \
        .params = "heads=" #h text, .input_count = 4, .input = {                                                       \
            {3, {n, t, c}},                                                                                            \
            {3, {n, t, c}},                                                                                            \
            {3, {n, h, t}},                                                                                            \
            {3, {n, t, 3 * (c)}}                                                                                       \
        }                                                                                                              \
    }
static const lbk_op_example self_examples[] = {
    PACKED("", 3, 2, 65, 120),
    PACKED(" causal=yes", 1, 2, 80, 5),
    PACKED("", 1, 1, 1, 1),
    {.params = "heads=2 scale=0.3",
     .input = {{3, {2, 37, 18}}, {3, {2, 37, 18}}, {3, {2, 2, 37}}, {3, {2, 37, 54}}, {2, {2, 37}}},
     .input_count = 5,
     .integer_below = 2},
};

static const lbk_op backward_op = {
    .name = "attention_backward",
    .summary = "derivative of attention",
    .formula = "p_ij = exp(s_ij - lse_i), ds_ij = p_ij (dy_i . v_j - dy_i . y_i): dq_i = scale * sum_j ds_ij k_j, "
               "dk_j = scale * sum_i ds_ij q_i, dv_j = sum_i p_ij dy_i",
    .inputs = "dy[N,TQ,H*D] y[N,TQ,H*D] lse[N,H,TQ] q[N,TQ,H*D] k[N,TK,H*D] v[N,TK,H*D] mask[N,TK]:i32?",
    .outputs = "dq[N,TQ,H*D] dk[N,TK,H*D] dv[N,TK,H*D]",
    .params = lbk_attention_table,
    .params_size = sizeof(lbk_attention_params),
    .multiplied = 1u | 7u << 3,
    .min_inputs = 6,
    .max_inputs = 7,
    .integers = 1u << (FIRST + 3),
    .infer = backward_infer,
    .cost = backward_cost,
    .differentiate = lbk_attention_backward_differentiate,
    .reference = backward_reference,
    .variants = backward_variants,
    .examples = backward_examples,
    .example_count = sizeof backward_examples / sizeof *backward_examples,
};

static const lbk_op self_backward_op = {
    .name = "self_attention_backward",
    .summary = "derivative of self_attention",
    .formula = "dqkv = (dq, dk, dv) of attention_backward",
    .inputs = "dy[N,T,H*D] y[N,T,H*D] lse[N,H,T] qkv[N,T,3*H*D] mask[N,T]:i32?",
    .outputs = "dqkv[N,T,3*H*D]",
    .params = lbk_attention_table,
    .params_size = sizeof(lbk_attention_params),
    .multiplied = 1u | 1u << 3,
    .min_inputs = 4,
    .max_inputs = 5,
    .integers = 1u << (FIRST + 1),
    .infer = backward_infer,
    .cost = backward_cost,
    .differentiate = lbk_attention_backward_differentiate,
    .reference = backward_reference,
    .variants = backward_variants,
    .examples = self_examples,
    .example_count = sizeof self_examples / sizeof *self_examples,
};

const lbk_op *const lbk_ops_attention_backward[] = {&backward_op, &self_backward_op, NULL};

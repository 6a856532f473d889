/* attention: multi-head scaled dot-product attention (Vaswani et al., "Attention is all you need", arXiv 1706.03762,
 * section 3.2) in one pass: the scores of a few rows at a time, never all of them, pass through registers or local memory
 * (Dao et al., "FlashAttention", arXiv 2205.14135). Besides y there is one number a row to keep for the derivative.
 * self_attention is the same on q, k and v side by side, as one dense layer makes them. There is no dropout of the
 * probabilities. A row that sees no key is 0 here, and NaN in PyTorch. */
#include "ops/attention.h"

#include "ops/compose.h"

#include <math.h>

const lbk_param lbk_attention_table[] = {
    LBK_PARAM_INT(lbk_attention_params, heads, NULL, 1, 1 << 16, NULL, "parts of the features that attend on their own",
                  "Vaswani et al. 2017, arXiv 1706.03762, section 3.2.2"),
    LBK_PARAM_BOOL(lbk_attention_params, causal, "no", "row i sees rows 0 to i only", NULL),
    LBK_PARAM_FLOAT(lbk_attention_params, scale, "0", 0, 1e30, NULL,
                    "factor of the scores; 0: 1/sqrt(features of a head)", NULL),
    LBK_PARAM_END};

enum {
    CPU_VECTORS = 2, /* QV of kernels/cpu/attention.cl */
    MAX_D = 128,     /* of kernels/cpu/attention.cl; kernels/gpu has four blocks of 32 */
    TILE = 32,       /* rows of kernels/gpu/attention.cl's tiles; WIDE * WIDE work-items share one */
    WIDE = 8,
};

lbk_status lbk_attention_check(const lbk_infer *infer, int first) {
    const lbk_attention_params *p = infer->params;
    bool packed = infer->input_count - first <= 2;
    int mask = first + (packed ? 1 : 3), parts = packed ? 3 : 1;
    const lbk_shape *q = &infer->input[first].shape;
    const lbk_shape *k = &infer->input[packed ? first : first + 1].shape;
    LBK_TRY(lbk_infer_rank(infer, first, packed ? "qkv" : "q", 3));
    if (q->dim[2] % ((int64_t)parts * p->heads) != 0)
        return lbk_fail(LBK_ERR_INPUT, "%s has %lld features, no multiple of %s%d heads", packed ? "qkv" : "q",
                        (long long)q->dim[2], packed ? "3 * " : "", p->heads);
    if (!packed) {
        LBK_TRY(lbk_infer_rank(infer, first + 1, "k", 3));
        LBK_TRY(lbk_infer_shape(infer, first + 1, "k", (lbk_shape){3, {q->dim[0], k->dim[1], q->dim[2]}}));
        LBK_TRY(lbk_infer_shape(infer, first + 2, "v", *k));
    }
    return lbk_infer_has(infer, mask) ? lbk_infer_shape(infer, mask, "mask", lbk_shape_2(k->dim[0], k->dim[1]))
                                      : LBK_OK;
}

lbk_attention_sizes lbk_attention_sizes_of(const lbk_attention_params *params, const lbk_tensor_desc *input,
                                           int input_count, int first) {
    bool packed = input_count - first <= 2;
    lbk_attention_sizes s = {.packed = packed,
                             .causal = params->causal,
                             .heads = params->heads,
                             .q = first,
                             .k = packed ? first : first + 1,
                             .v = packed ? first : first + 2,
                             .mask = packed ? first + 1 : first + 3,
                             .n = input[first].shape.dim[0],
                             .tq = input[first].shape.dim[1],
                             .d = input[first].shape.dim[2] / (packed ? 3 : 1) / params->heads};
    s.tk = input[s.k].shape.dim[1];
    s.masked = s.mask < input_count && lbk_ops_present(&input[s.mask]);
    s.scale = params->scale > 0 ? params->scale : 1 / sqrt((double)s.d);
    return s;
}

lbk_shape lbk_attention_shape(const lbk_attention_sizes *s) {
    return (lbk_shape){3, {s->n, s->tq, s->heads * s->d}};
}

lbk_shape lbk_attention_lse_shape(const lbk_attention_sizes *s) {
    return (lbk_shape){3, {s->n, s->heads, s->tq}};
}

int64_t lbk_attention_at(const lbk_attention_sizes *s, char tensor, int64_t n, int64_t t, int64_t h) {
    int64_t rows = tensor == 'q' || tensor == 'y' ? s->tq : s->tk, width = s->heads * s->d;
    int64_t part = tensor == 'k' ? 1 : tensor == 'v' ? 2 : 0;
    if (s->packed && tensor != 'y')
        return ((n * rows + t) * 3 + part) * width + h * s->d;
    return (n * rows + t) * width + h * s->d;
}

bool lbk_attention_sees(const lbk_attention_sizes *s, const double *mask, int64_t n, int64_t i, int64_t j) {
    return (!s->causal || j <= i) && (!s->masked || mask[n * s->tk + j] != 0);
}

double lbk_attention_dot(const double *a, const double *b, int64_t d) {
    double sum = 0;
    for (int64_t f = 0; f < d; f++)
        sum += a[f] * b[f];
    return sum;
}

/* BLOCKS of kernels/gpu/attention.cl. */
static int gpu_blocks(const lbk_attention_sizes *s) {
    return s->d <= 32 ? 1 : s->d <= 64 ? 2 : 4;
}

bool lbk_attention_fits(const lbk_emit *e, lbk_class cls, const lbk_attention_sizes *s) {
    size_t row = 2 * (TILE + 4) + (size_t)gpu_blocks(s) * TILE + 4 + WIDE + 1;
    bool group = e->caps->max_group >= WIDE * WIDE && e->caps->max_item[0] >= WIDE * WIDE;
    bool local = e->caps->local_bytes >= sizeof(float) * TILE * row;
    return cls == LBK_CLASS_GENERIC || (s->d <= MAX_D && (cls == LBK_CLASS_CPU || (group && local)));
}

lbk_status lbk_attention_begin(lbk_emit *e, lbk_class cls, const lbk_attention_sizes *s, const char *name,
                               lbk_call **call) {
    static const char *const files[] = {"generic/attention", "cpu/attention", "gpu/attention"};
    LBK_TRY(lbk_emit_kernel(e, files[cls], name, call));
    if (cls == LBK_CLASS_CPU)
        LBK_TRY(lbk_call_option(*call, "-DVW=%d", lbk_emit_vector_width(e)));
    if (cls == LBK_CLASS_GPU)
        LBK_TRY(lbk_call_option(*call, "-DBLOCKS=%d", gpu_blocks(s)));
    lbk_call_input(*call, s->q);
    lbk_call_input(*call, s->k);
    lbk_call_input(*call, s->v);
    lbk_call_input(*call, s->masked ? s->mask : s->q); /* q: not read */
    return LBK_OK;
}

void lbk_attention_end(const lbk_emit *e, lbk_class cls, const lbk_attention_sizes *s, int64_t rows, lbk_call *call) {
    const int64_t numbers[] = {s->heads, s->d, s->tq, s->tk, s->packed, s->causal, s->masked};
    int64_t heads = s->n * s->heads, width = CPU_VECTORS * lbk_emit_vector_width(e);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        lbk_call_int(call, numbers[i]);
    lbk_call_float(call, s->scale);
    if (cls == LBK_CLASS_CPU) {
        lbk_call_range_2d(call, (size_t)heads, (size_t)((rows + width - 1) / width), 1, 1);
    } else if (cls == LBK_CLASS_GPU) {
        lbk_call_range_1d(call, (size_t)(heads * ((rows + TILE - 1) / TILE)) * WIDE * WIDE, WIDE * WIDE);
    } else {
        lbk_call_int(call, heads * rows);
        lbk_call_range_1d(call, (size_t)(heads * rows), lbk_emit_local(e));
    }
}

static lbk_attention_sizes sizes_of(const void *params, const lbk_tensor_desc *input, int input_count) {
    return lbk_attention_sizes_of(params, input, input_count, 0);
}

static lbk_status attention_infer(lbk_infer *infer) {
    LBK_TRY(lbk_attention_check(infer, 0));
    lbk_attention_sizes s = sizes_of(infer->params, infer->input, infer->input_count);
    lbk_infer_output(infer, LBK_F32, lbk_attention_shape(&s));
    lbk_infer_output(infer, LBK_F32, lbk_attention_lse_shape(&s));
    return LBK_OK;
}

/* Two products, and 14 operations for an exponential and its sum; half of it where the upper triangle is not seen. */
static void attention_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_attention_sizes s = sizes_of(shapes->params, shapes->input, shapes->input_count);
    double scores = (double)(s.n * s.heads) * (double)s.tq * (double)s.tk * (s.causal ? 0.5 : 1);
    lbk_cost_elementwise(shapes, 0, cost);
    cost->flops = scores * (4 * (double)s.d + 14);
}

/* Row i of head h of sample n. */
static void reference_row(const lbk_reference *r, const lbk_attention_sizes *s, int64_t n, int64_t h, int64_t i) {
    const double *mask = s->masked ? r->in[s->mask] : NULL;
    const double *q = r->in[s->q] + lbk_attention_at(s, 'q', n, i, h);
    double *y = r->out[0] + lbk_attention_at(s, 'y', n, i, h), top = -INFINITY, sum = 0;
    for (int64_t j = 0; j < s->tk; j++)
        if (lbk_attention_sees(s, mask, n, i, j))
            top = fmax(top, s->scale * lbk_attention_dot(q, r->in[s->k] + lbk_attention_at(s, 'k', n, j, h), s->d));
    for (int64_t j = 0; j < s->tk; j++) {
        if (!lbk_attention_sees(s, mask, n, i, j))
            continue;
        const double *v = r->in[s->v] + lbk_attention_at(s, 'v', n, j, h);
        double p = exp(s->scale * lbk_attention_dot(q, r->in[s->k] + lbk_attention_at(s, 'k', n, j, h), s->d) - top);
        sum += p;
        for (int64_t f = 0; f < s->d; f++)
            y[f] += p * v[f];
    }
    for (int64_t f = 0; f < s->d && sum > 0; f++)
        y[f] /= sum;
    r->out[1][(n * s->heads + h) * s->tq + i] = sum > 0 ? top + log(sum) : 0;
}

static void attention_reference(const lbk_reference *r) {
    lbk_attention_sizes s = sizes_of(r->params, r->input, r->input_count);
    for (int64_t n = 0; n < s.n; n++)
        for (int64_t h = 0; h < s.heads; h++)
            for (int64_t i = 0; i < s.tq; i++)
                reference_row(r, &s, n, h, i);
}

static lbk_status attention_differentiate(lbk_gradient *g) {
    lbk_attention_sizes s = sizes_of(g->params, g->input_desc, g->input_count);
    lbk_value inputs[LBK_MAX_INPUTS] = {g->output_grad[0], g->output[0], g->output[1]}, outputs[LBK_MAX_OUTPUTS];
    lbk_value sums[3] = {LBK_NONE, LBK_NONE, LBK_NONE};
    lbk_compose c = {g, LBK_OK};
    for (int i = 0; i < g->input_count; i++)
        inputs[3 + i] = g->input[i];
    if (g->output_grad[0] != LBK_NONE)
        LBK_TRY(lbk_gradient_emit(g, s.packed ? "self_attention_backward" : "attention_backward", g->params,
                                  3 + g->input_count, inputs, outputs));
    if (g->output_grad[1] != LBK_NONE)
        LBK_TRY(lbk_attention_lse_differentiate(g, sums));
    for (int i = 0; i <= s.v; i++)
        g->input_grad[i] = g->output_grad[0] == LBK_NONE ? sums[i] : lbk_compose_add(&c, outputs[i], sums[i]);
    return c.status;
}

static lbk_status attention_emit(lbk_emit *e, lbk_class cls) {
    lbk_attention_sizes s = sizes_of(e->params, e->input, e->input_count);
    lbk_call *call;
    if (!lbk_attention_fits(e, cls, &s))
        return lbk_emit_decline(e);
    LBK_TRY(lbk_attention_begin(e, cls, &s, "attention_forward", &call));
    lbk_call_output(call, 0);
    lbk_call_output(call, 1);
    lbk_attention_end(e, cls, &s, s.tq, call);
    return LBK_OK;
}

LBK_ATTENTION_VARIANTS(attention)

/* One line each: parameters, n, tq, tk, features. */
#define EXAMPLE(text, n, tq, tk, c)                                                                                    \
    { .params = text, .input = {{3, {n, tq, c}}, {3, {n, tk, c}}, {3, {n, tk, c}}}, .input_count = 3 }
#define EXAMPLE_MASK(text, n, tq, tk, c)                                                                               \
    {                                                                                                                  \
        .params = text, .input = {{3, {n, tq, c}}, {3, {n, tk, c}}, {3, {n, tk, c}}, {2, {n, tk}}}, .input_count = 4,  \
        .low = -3, .high = 3, .integer_below = 2                                                                       \
    }
static const lbk_op_example attention_examples[] = {
    EXAMPLE("heads=1", 3, 35, 66, 21),
    EXAMPLE("heads=1 scale=0.7", 1, 1, 1, 1),
    EXAMPLE("heads=2 causal=yes", 2, 19, 33, 2 * 128),
    EXAMPLE_MASK("heads=3", 2, 70, 41, 3 * 16),
    EXAMPLE_MASK("heads=1 causal=yes", 3, 13, 7, 12),
    EXAMPLE("heads=1", 1, 5, 9, 131),
};

#define PACKED(text, n, t, c)                                                                                          \
    { .params = text, .input = {{3, {n, t, 3 * (c)}}}, .input_count = 1 }
static const lbk_op_example self_examples[] = {
    PACKED("heads=3", 2, 65, 3 * 40),
    PACKED("heads=1 causal=yes", 2, 80, 5),
    PACKED("heads=1", 1, 1, 1),
    {.params = "heads=2 scale=0.3",
     .input = {{3, {2, 37, 3 * 2 * 9}}, {2, {2, 37}}},
     .input_count = 2,
     .integer_below = 2},
};

static const lbk_op attention_op = {
    .name = "attention",
    .summary = "multi-head scaled dot-product attention that keeps no table of scores",
    .formula =
        "y_i = sum over j of exp(s_ij - lse_i) v_j, s_ij = scale * q_i . k_j, lse_i = log sum over j of exp(s_ij), "
        "over the keys j that i sees: mask_j not 0 and, with causal, j <= i; y_i = 0 where there is none",
    .inputs = "q[N,TQ,H*D] k[N,TK,H*D] v[N,TK,H*D] mask[N,TK]:i32?",
    .outputs = "y[N,TQ,H*D] lse[N,H,TQ]",
    .params = lbk_attention_table,
    .params_size = sizeof(lbk_attention_params),
    .multiplied = 7,
    .min_inputs = 3,
    .max_inputs = 4,
    .integers = 1u << 3,
    .layer = true,
    .infer = attention_infer,
    .cost = attention_cost,
    .differentiate = attention_differentiate,
    .reference = attention_reference,
    .variants = attention_variants,
    .examples = attention_examples,
    .example_count = sizeof attention_examples / sizeof *attention_examples,
};

static const lbk_op self_op = {
    .name = "self_attention",
    .summary =
        "attention with q, k and v side by side in one tensor, as torch.nn.MultiheadAttention's in_proj makes them",
    .formula = "attention(q, k, v), qkv[n,t] = q[n,t] k[n,t] v[n,t]",
    .inputs = "qkv[N,T,3*H*D] mask[N,T]:i32?",
    .outputs = "y[N,T,H*D] lse[N,H,T]",
    .params = lbk_attention_table,
    .params_size = sizeof(lbk_attention_params),
    .multiplied = 1,
    .min_inputs = 1,
    .max_inputs = 2,
    .integers = 1u << 1,
    .layer = true,
    .infer = attention_infer,
    .cost = attention_cost,
    .differentiate = attention_differentiate,
    .reference = attention_reference,
    .variants = attention_variants,
    .examples = self_examples,
    .example_count = sizeof self_examples / sizeof *self_examples,
};

const lbk_op *const lbk_ops_attention[] = {&attention_op, &self_op, NULL};

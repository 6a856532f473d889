/* mse_loss, l1_loss, smooth_l1_loss, bce_with_logits: means, or sums, over the elements of f(a, b), as torch.nn.MSELoss,
 * L1Loss, SmoothL1Loss and BCEWithLogitsLoss:
 *   mse (a-b)^2   l1 |a-b|   smooth_l1 (a-b)^2 / 2 beta where |a-b| < beta, else |a-b| - beta / 2
 *   bce -(p b ln sigmoid(a) + (1 - b) ln sigmoid(-a)), with p = pos_weight of the last dimension, or 1. */
#include "ops/compose.h"
#include "ops/loss.h"

#include <math.h>

enum { MSE, L1, SMOOTH_L1, BCE }; /* LOSS of the kernel */

static const lbk_param table[] = {LBK_LOSS_PARAM_REDUCTION(lbk_loss_params), LBK_LOSS_PARAM_OPERAND, LBK_PARAM_END};
static const lbk_param smooth_table[] = {
    LBK_PARAM_FLOAT(lbk_loss_params, beta, "1", 0, 1e6, NULL, "where the parabola becomes a line; 0: l1_loss",
                    "Girshick, \"Fast R-CNN\", 2015"),
    LBK_LOSS_PARAM_REDUCTION(lbk_loss_params), LBK_LOSS_PARAM_OPERAND, LBK_PARAM_END};

static lbk_status pair_infer(lbk_infer *infer) {
    LBK_TRY(lbk_infer_shape(infer, 1, "the second input", infer->input[0].shape));
    lbk_infer_output(infer, LBK_F32, lbk_shape_1(1));
    lbk_infer_output(infer, LBK_F32, infer->input[0].shape);
    return LBK_OK;
}

static lbk_status bce_infer(lbk_infer *infer) {
    if (lbk_infer_has(infer, 2))
        LBK_TRY(lbk_infer_shape(infer, 2, "pos_weight", lbk_shape_1(lbk_shape_last(&infer->input[0].shape))));
    return pair_infer(infer);
}

static void pair_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 5, cost);
}

/* An exponential and a logarithm count as 10 operations each. */
static void bce_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 35, cost);
}

static double factor_of(const lbk_loss_params *p, int64_t count) {
    return p->reduction == LBK_LOSS_MEAN ? 1 / (double)count : 1;
}

/* f(a, b) and its derivatives with respect to both. */
typedef double term(const lbk_loss_params *p, double a, double b, double pos_weight, double *d);

static void reference(const lbk_reference *r, term *f) {
    const lbk_loss_params *p = r->params;
    int64_t count = lbk_ops_count(&r->input[0]), width = lbk_shape_last(&r->input[0].shape);
    const double *pos_weight = r->input_count > 2 ? r->in[2] : NULL;
    for (int64_t i = 0; i < count; i++) {
        double d[2], weight = pos_weight ? pos_weight[i % width] : 1;
        r->out[0][0] += f(p, r->in[0][i], r->in[1][i], weight, d) * factor_of(p, count);
        r->out[1][i] = d[p->operand] * factor_of(p, count);
    }
}

static double mse_term(const lbk_loss_params *p, double a, double b, double pos_weight, double *d) {
    (void)p;
    (void)pos_weight;
    d[0] = 2 * (a - b);
    d[1] = -d[0];
    return (a - b) * (a - b);
}

static double l1_term(const lbk_loss_params *p, double a, double b, double pos_weight, double *d) {
    (void)p;
    (void)pos_weight;
    d[0] = (a > b) - (a < b);
    d[1] = -d[0];
    return fabs(a - b);
}

static double smooth_term(const lbk_loss_params *p, double a, double b, double pos_weight, double *d) {
    if (fabs(a - b) >= p->beta)
        return l1_term(p, a, b, pos_weight, d) - p->beta / 2;
    d[0] = (a - b) / p->beta;
    d[1] = -d[0];
    return (a - b) * (a - b) / (2 * p->beta);
}

static double bce_term(const lbk_loss_params *p, double a, double b, double pos_weight, double *d) {
    double ln_high = -log1p(exp(-a)), ln_low = -log1p(exp(a));
    (void)p;
    d[0] = (1 - b) / (1 + exp(-a)) - pos_weight * b / (1 + exp(a));
    d[1] = ln_low - pos_weight * ln_high;
    return -(pos_weight * b * ln_high + (1 - b) * ln_low);
}

/* The derivative with respect to a is 2 (a - b), divided as the loss; with respect to b it is its negative. */
static lbk_status mse_differentiate(lbk_gradient *g) {
    const lbk_loss_params *p = g->params;
    lbk_compose c = {g, LBK_OK};
    lbk_value second[2] = {LBK_NONE, LBK_NONE};
    for (int i = 0; i < 2 && g->output_grad[1] != LBK_NONE; i++) {
        double factor = (i == p->operand ? 2 : -2) * factor_of(p, lbk_ops_count(&g->input_desc[0]));
        if (g->wanted[i])
            second[i] = lbk_compose_scale(&c, g->output_grad[1], factor, 0);
    }
    LBK_TRY(c.status);
    return lbk_loss_differentiate_twice(g, second);
}

/* The derivative with respect to a is sigmoid(a) - b without pos_weight, divided as the loss. */
static lbk_status bce_differentiate(lbk_gradient *g) {
    const lbk_loss_params *p = g->params;
    lbk_compose c = {g, LBK_OK};
    lbk_value second[2] = {LBK_NONE, LBK_NONE}, incoming = g->output_grad[1];
    if (incoming != LBK_NONE && (p->operand == 1 || g->input_count > 2))
        return lbk_fail(LBK_ERR_UNSUPPORTED, "with operand=second or pos_weight the derivative has no derivative");
    double factor = factor_of(p, lbk_ops_count(&g->input_desc[0]));
    if (incoming != LBK_NONE && g->wanted[0]) {
        lbk_value high = lbk_compose_unary(&c, "sigmoid", g->input[0]);
        lbk_value slope = lbk_compose_mul(&c, high, lbk_compose_scale(&c, high, -1, 1));
        second[0] = lbk_compose_scale(&c, lbk_compose_mul(&c, incoming, slope), factor, 0);
    }
    if (incoming != LBK_NONE && g->wanted[1])
        second[1] = lbk_compose_scale(&c, incoming, -factor, 0);
    LBK_TRY(c.status);
    return lbk_loss_differentiate_twice(g, second);
}

/* How the elements are cut into blocks. Few, so that summing those up does not show; small enough for small errors. */
typedef struct split {
    size_t group;
    int width;
    int64_t block, blocks;
} split;

static split split_of(const lbk_emit *e, lbk_class cls, int64_t count) {
    int64_t units = e->caps->compute_units > 0 ? e->caps->compute_units : 1, least = 64, wanted = 1024;
    split s = {.group = cls == LBK_CLASS_GPU ? lbk_emit_local(e) : 1, .width = cls == LBK_CLASS_CPU ? 16 : 1};
    int64_t grain = (int64_t)s.group * s.width;
    if (cls != LBK_CLASS_GENERIC) {
        least = cls == LBK_CLASS_CPU ? 1024 : 4 * grain;
        wanted = 8 * units;
    }
    s.block = (count + wanted - 1) / wanted;
    s.block = s.block < least ? least : s.block > 65536 ? 65536 : s.block;
    s.block = (s.block + grain - 1) / grain * grain;
    s.blocks = (count + s.block - 1) / s.block;
    return s;
}

static lbk_status emit(lbk_emit *e, lbk_class cls, int loss) {
    const lbk_loss_params *p = e->params;
    int64_t count = lbk_ops_count(&e->input[0]);
    split s = split_of(e, cls, count);
    bool swap = loss != BCE && p->operand == 1;
    int part = lbk_emit_scratch(e, (size_t)s.blocks * sizeof(float));
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, "generic/elementwise_loss", "losses", &call));
    LBK_TRY(lbk_call_option(call, "-DLOSS=%d -DGROUP=%zu -DVW=%d", loss, s.group, s.width));
    lbk_call_input(call, swap ? 1 : 0);
    lbk_call_input(call, swap ? 0 : 1);
    lbk_call_input(call, lbk_emit_has(e, 2) ? 2 : 0); /* 0: not read */
    lbk_call_output(call, 1);
    lbk_call_scratch(call, part);
    lbk_call_int(call, count);
    lbk_call_int(call, s.block);
    lbk_call_int(call, lbk_shape_last(&e->input[0].shape));
    lbk_call_int(call, lbk_emit_has(e, 2));
    lbk_call_int(call, p->operand);
    lbk_call_float(call, factor_of(p, count));
    lbk_call_float(call, p->beta);
    size_t local = cls == LBK_CLASS_GENERIC ? lbk_emit_local(e) : s.group;
    lbk_call_range_1d(call, (size_t)s.blocks * s.group, local);
    return lbk_loss_emit_sum(e, part, s.blocks, s.group);
}

/* The loss `name`, whose term is name##_term and which is `loss` to the kernel. */
#define EMIT_(name, suffix, cls, loss)                                                                                 \
    static lbk_status name##_emit_##suffix(lbk_emit *e) {                                                              \
        return emit(e, cls, loss);                                                                                     \
    }
#define LOSS(name, loss)                                                                                               \
    static void name##_reference(const lbk_reference *r) {                                                             \
        reference(r, name##_term);                                                                                     \
    }                                                                                                                  \
    EMIT_(name, cpu, LBK_CLASS_CPU, loss)                                                                              \
    EMIT_(name, gpu, LBK_CLASS_GPU, loss)                                                                              \
    EMIT_(name, generic, LBK_CLASS_GENERIC, loss)                                                                      \
    static const lbk_variant name##_variants[] = {{LBK_CLASS_CPU, "vector", name##_emit_cpu},                          \
                                                  {LBK_CLASS_GPU, "group", name##_emit_gpu},                           \
                                                  {LBK_CLASS_GENERIC, "block", name##_emit_generic},                   \
                                                  {.emit = NULL}};
LOSS(mse, MSE)
LOSS(l1, L1)
LOSS(smooth, ((const lbk_loss_params *)e->params)->beta > 0 ? SMOOTH_L1 : L1)
LOSS(bce, BCE)

static const lbk_op_example pair_examples[] = {
    {.params = "", .input = {{2, {7, 10}}, {2, {7, 10}}}, .input_count = 2},
    {.params = "operand=second", .input = {{1, {1}}, {1, {1}}}, .input_count = 2},
    {.params = "reduction=sum operand=second", .input = {{3, {3, 61, 101}}, {3, {3, 61, 101}}}, .input_count = 2},
};
static const lbk_op_example smooth_examples[] = {
    {.params = "", .input = {{2, {7, 10}}, {2, {7, 10}}}, .input_count = 2, .low = -2, .high = 2},
    {.params = "beta=0 operand=second", .input = {{1, {1}}, {1, {1}}}, .input_count = 2},
    {.params = "beta=0.3 reduction=sum operand=second",
     .input = {{3, {3, 61, 101}}, {3, {3, 61, 101}}},
     .input_count = 2},
};
static const lbk_op_example bce_examples[] = {
    {.params = "", .input = {{2, {7, 10}}, {2, {7, 10}}, {1, {10}}}, .input_count = 3, .low = 0.1, .high = 5},
    {.params = "operand=second", .input = {{1, {1}}, {1, {1}}, {1, {1}}}, .input_count = 3},
    {.params = "reduction=sum operand=second",
     .input = {{3, {3, 61, 101}}, {3, {3, 61, 101}}},
     .input_count = 2,
     .low = -20,
     .high = 20},
};

#define OP(id, op_name, op_inputs, most, op_table, op_infer, op_cost, rule, op_examples, text, op_formula)             \
    static const lbk_op id##_op = {                                                                                    \
        .name = op_name,                                                                                               \
        .summary = text,                                                                                               \
        .formula = op_formula "; derivative = dloss/da, or dloss/db with operand=second",                              \
        .inputs = op_inputs,                                                                                           \
        .outputs = "loss[1] derivative[...]",                                                                          \
        .params = op_table,                                                                                            \
        .params_size = sizeof(lbk_loss_params),                                                                        \
        .min_inputs = 2,                                                                                               \
        .max_inputs = most,                                                                                            \
        .infer = op_infer,                                                                                             \
        .cost = op_cost,                                                                                               \
        .differentiate = rule,                                                                                         \
        .reference = id##_reference,                                                                                   \
        .variants = id##_variants,                                                                                     \
        .examples = op_examples,                                                                                       \
        .example_count = 3,                                                                                            \
    };
OP(mse, "mse_loss", "a[...] b[...]", 2, table, pair_infer, pair_cost, mse_differentiate, pair_examples,
   "mean squared difference of two tensors, as torch.nn.MSELoss", "loss = mean (a - b)^2")
OP(l1, "l1_loss", "a[...] b[...]", 2, table, pair_infer, pair_cost, lbk_loss_differentiate, pair_examples,
   "mean absolute difference of two tensors, as torch.nn.L1Loss", "loss = mean |a - b|")
OP(smooth, "smooth_l1_loss", "a[...] b[...]", 2, smooth_table, pair_infer, pair_cost, lbk_loss_differentiate,
   smooth_examples, "squared difference where small, absolute where large, as torch.nn.SmoothL1Loss",
   "loss = mean of (a - b)^2 / (2 beta) where |a - b| < beta, else |a - b| - beta / 2")
OP(bce, "bce_with_logits", "a[...,K] b[...,K] pos_weight[K]?", 3, table, bce_infer, bce_cost, bce_differentiate,
   bce_examples, "binary cross-entropy of logits a against targets b, as torch.nn.BCEWithLogitsLoss",
   "loss = mean of -(pos_weight b ln sigmoid(a) + (1 - b) ln sigmoid(-a))")

const lbk_op *const lbk_ops_elementwise_loss[] = {&mse_op, &l1_op, &smooth_op, &bce_op, NULL};

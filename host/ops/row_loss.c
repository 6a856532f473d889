/* kl_div and cosine_loss: losses between the rows (last dimension) of two tensors.
 *
 * kl_div, the soft loss of Hinton, Vinyals, Dean 2015, between logits: p = softmax(t/T), q = softmax(s/T),
 *   loss = T^2 / B sum p (ln p - ln q),  dloss/ds = T / B (q - p),  dloss/dt_k = T / B p_k (ln p_k - ln q_k - KL of the row)
 * for B rows; torch.nn.KLDivLoss takes ln q and p and has no T^2. distill_loss adds the labels' loss in the same pass.
 *
 * cosine_loss: mean of 1 - cos(a, b), as torch.nn.CosineEmbeddingLoss with target 1, which adds 1e-12 to both squares. */
#include "ops/compose.h"
#include "ops/loss.h"

#include <math.h>

static const lbk_param kl_table[] = {
    LBK_PARAM_CHOICE(lbk_loss_params, reduction, "batchmean", lbk_loss_row_reductions,
                     "divide by the number of elements, do not, or divide by the number of rows", NULL),
    LBK_LOSS_PARAM_OPERAND, LBK_PARAM_END};
static const lbk_param cosine_table[] = {LBK_LOSS_PARAM_REDUCTION(lbk_loss_params), LBK_LOSS_PARAM_OPERAND,
                                         LBK_PARAM_END};

enum { TEMPERATURE = 2 };
#define TINY 1e-12 /* torch.nn.CosineEmbeddingLoss adds it to both squares */

static lbk_status cosine_infer(lbk_infer *infer) {
    LBK_TRY(lbk_infer_shape(infer, 1, "the second input", infer->input[0].shape));
    lbk_infer_output(infer, LBK_F32, lbk_shape_1(1));
    lbk_infer_output(infer, LBK_F32, infer->input[0].shape);
    return LBK_OK;
}

static lbk_status kl_infer(lbk_infer *infer) {
    LBK_TRY(lbk_infer_shape(infer, TEMPERATURE, "temperature", lbk_shape_1(1)));
    return cosine_infer(infer);
}

static void cosine_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 10, cost);
}

/* An exponential counts as 10 operations. */
static void kl_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 60, cost);
}

/* "mean" of kl_div is over elements, of cosine_loss over rows. */
static double factor_of(const lbk_loss_params *p, const lbk_shape *shape, bool cosine) {
    int64_t rows = lbk_ops_rows(shape);
    if (p->reduction == LBK_LOSS_SUM)
        return 1;
    return 1 / (double)(p->reduction == LBK_LOSS_MEAN && !cosine ? lbk_shape_count(shape) : rows);
}

/* ln sum_k exp(z_k / temperature) */
static double log_partition(const double *z, int64_t width, double temperature) {
    double top = z[0];
    for (int64_t k = 1; k < width; k++)
        top = fmax(top, z[k]);
    double sum = exp((z[0] - top) / temperature);
    for (int64_t k = 1; k < width; k++)
        sum += exp((z[k] - top) / temperature);
    return top / temperature + log(sum);
}

static void kl_reference(const lbk_reference *r) {
    const lbk_loss_params *p = r->params;
    int64_t rows = lbk_ops_rows(&r->input[0].shape), width = lbk_shape_last(&r->input[0].shape);
    double t = r->in[TEMPERATURE][0], factor = factor_of(p, &r->input[0].shape, false);
    for (int64_t row = 0; row < rows; row++) {
        const double *zs = r->in[0] + row * width, *zt = r->in[1] + row * width;
        double *d = r->out[1] + row * width, ln_s = log_partition(zs, width, t), ln_t = log_partition(zt, width, t);
        double kl = 0;
        for (int64_t k = 0; k < width; k++) {
            double ln_p = zt[k] / t - ln_t, ln_q = zs[k] / t - ln_s;
            kl += exp(ln_p) * (ln_p - ln_q);
            d[k] = t * factor * (p->operand == 0 ? exp(ln_q) - exp(ln_p) : exp(ln_p) * (ln_p - ln_q));
        }
        r->out[0][0] += t * t * factor * kl;
        for (int64_t k = 0; k < width && p->operand == 1; k++)
            d[k] -= t * factor * exp(zt[k] / t - ln_t) * kl;
    }
}

static void cosine_reference(const lbk_reference *r) {
    const lbk_loss_params *p = r->params;
    int64_t rows = lbk_ops_rows(&r->input[0].shape), width = lbk_shape_last(&r->input[0].shape);
    double factor = factor_of(p, &r->input[0].shape, true);
    for (int64_t row = 0; row < rows; row++) {
        const double *x = r->in[p->operand] + row * width, *y = r->in[1 - p->operand] + row * width;
        double dot = 0, xx = TINY, yy = TINY;
        for (int64_t k = 0; k < width; k++) {
            dot += x[k] * y[k];
            xx += x[k] * x[k];
            yy += y[k] * y[k];
        }
        r->out[0][0] += factor * (1 - dot / sqrt(xx * yy));
        for (int64_t k = 0; k < width; k++)
            r->out[1][row * width + k] = factor * (x[k] * dot / xx - y[k]) / sqrt(xx * yy);
    }
}

/* Of output 1, T / B (q - p), which has one factor T, and beside it only the quotients s/T, t/T: so T times its derivative is itself
 * less s and t times its derivatives with respect to them, `second`. */
static lbk_value temperature_gradient(lbk_compose *c, const lbk_value second[2]) {
    const lbk_gradient *g = c->g;
    lbk_value sum = lbk_compose_sum_all(c, lbk_compose_mul(c, g->output_grad[1], g->output[1]));
    for (int i = 0; i < 2; i++)
        sum = lbk_compose_sub(c, sum, lbk_compose_sum_all(c, lbk_compose_mul(c, second[i], g->input[i])));
    return lbk_compose_apply(c, "div", NULL, 2, (lbk_value[]){sum, g->input[TEMPERATURE]});
}

/* The derivative with respect to the student is T / B (q - p), and that of q with respect to s is softmax's divided by T. */
static lbk_status kl_differentiate(lbk_gradient *g) {
    const lbk_loss_params *p = g->params;
    lbk_compose c = {g, LBK_OK};
    lbk_value second[2] = {LBK_NONE, LBK_NONE}, incoming = g->output_grad[1];
    if (incoming != LBK_NONE && p->operand == 1)
        return lbk_fail(LBK_ERR_UNSUPPORTED, "with operand=second the derivative has no derivative");
    for (int i = 0; i < 2 && incoming != LBK_NONE; i++) {
        double factor = (i == 0 ? 1 : -1) * factor_of(p, &g->input_desc[0].shape, false);
        if (!g->wanted[i] && !g->wanted[TEMPERATURE])
            continue;
        lbk_value softened = lbk_compose_apply(&c, "div", NULL, 2, (lbk_value[]){g->input[i], g->input[TEMPERATURE]});
        lbk_value prediction = lbk_compose_unary(&c, "softmax", softened);
        second[i] = lbk_compose_apply(&c, "softmax_backward", NULL, 2, (lbk_value[]){incoming, prediction});
        second[i] = lbk_compose_scale(&c, second[i], factor, 0);
    }
    bool temperature = g->wanted[TEMPERATURE] && g->output_grad[0] == LBK_NONE;
    if (temperature)
        g->input_grad[TEMPERATURE] = temperature_gradient(&c, second);
    LBK_TRY(c.status);
    g->wanted[TEMPERATURE] &= !temperature;
    lbk_status status = lbk_loss_differentiate_twice(g, second);
    g->wanted[TEMPERATURE] |= temperature;
    return status;
}

/* Sums of products along rows: [...,1]. */
static lbk_value dot(lbk_compose *c, lbk_value a, lbk_value b) {
    return lbk_compose_sum_last(c, lbk_compose_mul(c, a, b));
}

/* Of output 1, per row f n (D/A a - b), a the operand, D = a.b, A = a.a, B = b.b, n = 1 / sqrt(A B), f the factor of the mean. With w what
 * comes in, P = w.a, Q = w.b and r = D P / A - Q its derivative is
 *     of a: f n / A (P b + D w - (r + 2 D P / A) a)     of b: f n (P / A a - w - r / B b) */
static void cosine_second(lbk_compose *c, lbk_value w, lbk_value second[2]) {
    const lbk_gradient *g = c->g;
    const lbk_loss_params *params = g->params;
    lbk_value a = g->input[params->operand], b = g->input[1 - params->operand];
    lbk_value d = dot(c, a, b), p = dot(c, w, a), q = dot(c, w, b);
    lbk_value over_a = lbk_compose_unary(c, "reciprocal", lbk_compose_scale(c, dot(c, a, a), 1, TINY));
    lbk_value over_b = lbk_compose_unary(c, "reciprocal", lbk_compose_scale(c, dot(c, b, b), 1, TINY));
    lbk_value n = lbk_compose_unary(c, "sqrt", lbk_compose_mul(c, over_a, over_b));
    n = lbk_compose_scale(c, n, factor_of(params, &g->input_desc[0].shape, true), 0);
    lbk_value projected = lbk_compose_mul(c, p, over_a), along = lbk_compose_mul(c, d, projected);
    lbk_value r = lbk_compose_sub(c, along, q);
    lbk_value own = lbk_compose_add(c, lbk_compose_mul(c, p, b), lbk_compose_mul(c, d, w));
    own = lbk_compose_sub(c, own, lbk_compose_mul(c, lbk_compose_add(c, r, lbk_compose_scale(c, along, 2, 0)), a));
    lbk_value other = lbk_compose_sub(c, lbk_compose_mul(c, projected, a), w);
    other = lbk_compose_sub(c, other, lbk_compose_mul(c, lbk_compose_mul(c, r, over_b), b));
    second[params->operand] = lbk_compose_mul(c, lbk_compose_mul(c, n, over_a), own);
    second[1 - params->operand] = lbk_compose_mul(c, n, other);
}

static lbk_status cosine_differentiate(lbk_gradient *g) {
    lbk_compose c = {g, LBK_OK};
    lbk_value second[2] = {LBK_NONE, LBK_NONE};
    if (g->output_grad[1] != LBK_NONE)
        cosine_second(&c, g->output_grad[1], second);
    LBK_TRY(c.status);
    return lbk_loss_differentiate_twice(g, second);
}

/* kl_div has a temperature among its inputs. */
static lbk_status emit(lbk_emit *e, lbk_class cls) {
    const lbk_loss_params *p = e->params;
    const lbk_shape *shape = &e->input[0].shape;
    bool kl = lbk_emit_has(e, TEMPERATURE), swap = !kl && p->operand == 1;
    int64_t rows = lbk_ops_rows(shape);
    size_t group = cls == LBK_CLASS_GPU ? lbk_emit_group(e, lbk_shape_last(shape)) : 1;
    int row_loss = lbk_emit_scratch(e, (size_t)rows * sizeof(float));
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, "generic/row_loss", e->op->name, &call));
    LBK_TRY(lbk_call_option(call, "-DGROUP=%zu -DVW=%d", group, cls == LBK_CLASS_CPU ? 16 : 1));
    lbk_call_input(call, swap ? 1 : 0);
    lbk_call_input(call, swap ? 0 : 1);
    if (kl)
        lbk_call_input(call, TEMPERATURE);
    lbk_call_output(call, 1);
    lbk_call_scratch(call, row_loss);
    lbk_call_int(call, rows);
    lbk_call_int(call, lbk_shape_last(shape));
    if (kl)
        lbk_call_int(call, p->operand);
    lbk_call_float(call, factor_of(p, shape, !kl));
    lbk_call_range_1d(call, (size_t)rows * group, cls == LBK_CLASS_GENERIC ? lbk_emit_local(e) : group);
    return lbk_loss_emit_sum(e, row_loss, rows, group);
}

static lbk_status emit_cpu(lbk_emit *e) {
    return emit(e, LBK_CLASS_CPU);
}

static lbk_status emit_gpu(lbk_emit *e) {
    return emit(e, LBK_CLASS_GPU);
}

static lbk_status emit_generic(lbk_emit *e) {
    return emit(e, LBK_CLASS_GENERIC);
}

static const lbk_variant variants[] = {{LBK_CLASS_CPU, "vector", emit_cpu},
                                       {LBK_CLASS_GPU, "group", emit_gpu},
                                       {LBK_CLASS_GENERIC, "row", emit_generic},
                                       {.emit = NULL}};

static const lbk_op_example kl_examples[] = {
    {.params = "", .input = {{2, {7, 10}}, {2, {7, 10}}, {1, {1}}}, .input_count = 3, .low = 0.5, .high = 4},
    {.params = "reduction=sum operand=second",
     .input = {{3, {5, 3, 307}}, {3, {5, 3, 307}}, {1, {1}}},
     .input_count = 3,
     .low = 0.3,
     .high = 6},
    {.params = "operand=second",
     .input = {{2, {1, 1}}, {2, {1, 1}}, {1, {1}}},
     .input_count = 3,
     .low = 0.5,
     .high = 2},
    {.params = "reduction=mean",
     .input = {{2, {128, 100}}, {2, {128, 100}}, {1, {1}}},
     .input_count = 3,
     .low = 1,
     .high = 8},
};
/* Away from zero, where a row of one number has a derivative of nearly nothing divided by nearly nothing. */
#define COSINE_EXAMPLE(text, ...)                                                                                      \
    { .params = text, .input = {__VA_ARGS__, __VA_ARGS__}, .input_count = 2, .low = 3, .high = 20 }
static const lbk_op_example cosine_examples[] = {
    COSINE_EXAMPLE("", {2, {7, 10}}), COSINE_EXAMPLE("reduction=sum operand=second", {3, {5, 3, 307}}),
    COSINE_EXAMPLE("", {2, {3, 1}}), COSINE_EXAMPLE("operand=second", {2, {128, 100}})};

static const lbk_op kl_op = {
    .name = "kl_div",
    .summary = "KL divergence from the teacher's softened prediction to the student's (Hinton et al. 2015)",
    .formula = "loss = T^2/B sum p (ln p - ln q), p = softmax(teacher/T), q = softmax(student/T); derivative = "
               "dloss/dstudent, or dloss/dteacher with operand=second",
    .inputs = "student[...,K] teacher[...,K] temperature[1]",
    .outputs = "loss[1] derivative[...,K]",
    .params = kl_table,
    .params_size = sizeof(lbk_loss_params),
    .min_inputs = 3,
    .max_inputs = 3,
    .scalars = 1u << TEMPERATURE,
    .infer = kl_infer,
    .cost = kl_cost,
    .differentiate = kl_differentiate,
    .reference = kl_reference,
    .variants = variants,
    .examples = kl_examples,
    .example_count = 4,
};

static const lbk_op cosine_op = {
    .name = "cosine_loss",
    .summary = "mean cosine distance of rows, as torch.nn.CosineEmbeddingLoss with target 1",
    .formula = "loss = mean of 1 - a.b / (|a| |b|); derivative = dloss/da, or dloss/db with operand=second",
    .inputs = "a[...,K] b[...,K]",
    .outputs = "loss[1] derivative[...,K]",
    .params = cosine_table,
    .params_size = sizeof(lbk_loss_params),
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = cosine_infer,
    .cost = cosine_cost,
    .differentiate = cosine_differentiate,
    .reference = cosine_reference,
    .variants = variants,
    .examples = cosine_examples,
    .example_count = 4,
};

const lbk_op *const lbk_ops_row_loss[] = {&kl_op, &cosine_op, NULL};

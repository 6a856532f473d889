/* l2_normalize: every slice along an axis divided by its Euclidean norm, which counts as eps where it is smaller
 * (torch.nn.functional.normalize); and its derivative. Of the differences of all pairs of a batch it gives the distances and
 * directions of relational distillation (Park et al. 2019), with a distance of 0, and no gradient, from a vector to itself. */
#include "ops/compose.h"
#include "ops/reduce.h"
#include "ops/unary.h"

#include <math.h>

typedef struct normalize_params {
    int axis;
    double eps;
} normalize_params;

static const lbk_param normalize_table[] = {
    LBK_PARAM_INT(normalize_params, axis, "-1", -LBK_MAX_RANK, LBK_MAX_RANK - 1, NULL, "axis, negative from the end",
                  NULL),
    LBK_PARAM_FLOAT(normalize_params, eps, "1e-12", 1e-30, 1e30, NULL, "the smallest divisor", "PyTorch's default"),
    LBK_PARAM_END};

static lbk_status slices_of(const void *params, const lbk_shape *x, lbk_slices *slices, lbk_shape *norm) {
    const normalize_params *p = params;
    return lbk_slices_init_axis(slices, x, p->axis, false, norm);
}

static lbk_status forward_infer(lbk_infer *infer) {
    lbk_slices slices;
    lbk_shape norm;
    LBK_TRY(slices_of(infer->params, &infer->input[0].shape, &slices, &norm));
    lbk_infer_output(infer, LBK_F32, infer->input[0].shape);
    lbk_infer_output(infer, LBK_F32, norm);
    return LBK_OK;
}

/* Inputs dy, y, norm. */
static lbk_status backward_infer(lbk_infer *infer) {
    lbk_slices slices;
    lbk_shape norm;
    LBK_TRY(slices_of(infer->params, &infer->input[0].shape, &slices, &norm));
    LBK_TRY(lbk_infer_shape(infer, 1, "y", infer->input[0].shape));
    LBK_TRY(lbk_infer_shape(infer, 2, "norm", norm));
    lbk_infer_output(infer, LBK_F32, infer->input[0].shape);
    return LBK_OK;
}

static void forward_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 3, cost);
}

static void backward_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 5, cost);
}

static void forward_reference(const lbk_reference *r) {
    const normalize_params *p = r->params;
    lbk_slices slices;
    lbk_shape shape;
    if (slices_of(p, &r->input[0].shape, &slices, &shape) != LBK_OK)
        return;
    for (int64_t s = 0; s < slices.outer * slices.inner; s++) {
        double square = 0;
        for (int64_t k = 0; k < slices.length; k++)
            square += r->in[0][lbk_slices_at(&slices, s, k)] * r->in[0][lbk_slices_at(&slices, s, k)];
        r->out[1][s] = sqrt(square);
        for (int64_t k = 0; k < slices.length; k++)
            r->out[0][lbk_slices_at(&slices, s, k)] =
                r->in[0][lbk_slices_at(&slices, s, k)] / fmax(r->out[1][s], p->eps);
    }
}

/* Below eps the divisor is a constant. */
static void backward_reference(const lbk_reference *r) {
    const normalize_params *p = r->params;
    const double *dy = r->in[0], *y = r->in[1], *norm = r->in[2];
    lbk_slices slices;
    lbk_shape shape;
    if (slices_of(p, &r->input[0].shape, &slices, &shape) != LBK_OK)
        return;
    for (int64_t s = 0; s < slices.outer * slices.inner; s++) {
        double dot = 0;
        for (int64_t k = 0; k < slices.length && norm[s] >= p->eps; k++)
            dot += dy[lbk_slices_at(&slices, s, k)] * y[lbk_slices_at(&slices, s, k)];
        for (int64_t k = 0; k < slices.length; k++) {
            int64_t i = lbk_slices_at(&slices, s, k);
            r->out[0][i] = (dy[i] - y[i] * dot) / fmax(norm[s], p->eps);
        }
    }
}

#define TINY 1e-30 /* stands for a norm of 0 */

/* dnorm/dx = x / norm = y max(norm, eps) / norm, and 0 where x is all zeros, as of a vector's difference to itself. */
static lbk_value of_norm(lbk_compose *c, lbk_value dnorm) {
    lbk_gradient *g = c->g;
    const normalize_params *p = g->params;
    const lbk_unary_params divided = {.min = p->eps, .max = 3.4e38}, tiny = {.min = TINY, .max = 3.4e38};
    lbk_slices slices;
    lbk_shape kept;
    if (dnorm == LBK_NONE)
        return LBK_NONE;
    lbk_value divisor = lbk_compose_apply(c, "clamp", &divided, 1, &g->output[1]);
    lbk_value norm = lbk_compose_apply(c, "clamp", &tiny, 1, &g->output[1]);
    lbk_value ratio = lbk_compose_apply(c, "div", NULL, 2, (lbk_value[]){divisor, norm});
    if (c->status == LBK_OK)
        c->status = lbk_slices_init_axis(&slices, &g->input_desc[0].shape, p->axis, true, &kept);
    if (c->status != LBK_OK)
        return LBK_NONE;
    return lbk_compose_mul(c, g->output[0], lbk_compose_reshape(c, lbk_compose_mul(c, dnorm, ratio), &kept));
}

static lbk_status forward_differentiate(lbk_gradient *g) {
    lbk_compose c = {g, LBK_OK};
    const lbk_value inputs[] = {g->output_grad[0], g->output[0], g->output[1]};
    lbk_value by_y = LBK_NONE;
    if (g->output_grad[0] != LBK_NONE)
        by_y = lbk_compose_apply(&c, "l2_normalize_backward", g->params, 3, inputs);
    g->input_grad[0] = lbk_compose_add(&c, by_y, of_norm(&c, g->output_grad[1]));
    return c.status;
}

/* dx = (dy - y (dy.y)) / norm is symmetric in dy. Below eps, where dx = dy / eps, y and norm are not in it. */
static lbk_status backward_differentiate(lbk_gradient *g) {
    const normalize_params *p = g->params;
    const lbk_unary_params at_least = {.min = p->eps, .max = 3.4e38}, eps = {.offset = p->eps};
    lbk_compose c = {g, LBK_OK};
    lbk_value in = g->output_grad[0], dy = g->input[0], y = g->input[1];
    lbk_slices slices;
    lbk_shape kept;
    LBK_TRY(lbk_slices_init_axis(&slices, &g->input_desc[0].shape, p->axis, true, &kept));
    if (g->wanted[0])
        g->input_grad[0] = lbk_compose_apply(&c, "l2_normalize_backward", p, 3, (lbk_value[]){in, y, g->input[2]});
    if (!g->wanted[1] && !g->wanted[2])
        return c.status;
    lbk_value limit = lbk_compose_apply(&c, "scale", &eps, 1, &g->input[2]); /* eps, in norm's shape */
    lbk_value below = lbk_compose_apply(&c, "less", NULL, 2, (lbk_value[]){g->input[2], limit});
    lbk_value divisor = lbk_compose_apply(&c, "clamp", &at_least, 1, &g->input[2]);
    lbk_value share = lbk_compose_unary(&c, "reciprocal", divisor); /* -1 / norm, or 0 */
    share = lbk_compose_mul(&c, share, lbk_compose_scale(&c, below, 1, -1));
    if (g->wanted[2]) {
        lbk_value dot = lbk_compose_sum_to(&c, lbk_compose_mul(&c, in, g->output[0]), &kept);
        g->input_grad[2] = lbk_compose_mul(&c, lbk_compose_reshape(&c, dot, &g->input_desc[2].shape), share);
    }
    if (!g->wanted[1])
        return c.status;
    lbk_value dot = lbk_compose_sum_to(&c, lbk_compose_mul(&c, dy, y), &kept);
    lbk_value in_dot = lbk_compose_sum_to(&c, lbk_compose_mul(&c, in, y), &kept);
    lbk_value sum = lbk_compose_add(&c, lbk_compose_mul(&c, in, dot), lbk_compose_mul(&c, dy, in_dot));
    g->input_grad[1] = lbk_compose_mul(&c, sum, lbk_compose_reshape(&c, share, &kept));
    return c.status;
}

/* All inputs, all outputs. A kernel is called as its op. */
static lbk_status normalize_emit(lbk_emit *e, lbk_class cls) {
    static const char *const files[] = {"generic/l2_normalize", "cpu/l2_normalize", "gpu/l2_normalize"};
    const normalize_params *p = e->params;
    lbk_slices slices;
    lbk_shape norm;
    lbk_call *call;
    LBK_TRY(slices_of(p, &e->input[0].shape, &slices, &norm));
    LBK_TRY(lbk_emit_kernel(e, files[cls], e->op->name, &call));
    for (int i = 0; i < e->input_count; i++)
        lbk_call_input(call, i);
    for (int i = 0; i < e->output_count; i++)
        lbk_call_output(call, i);
    lbk_call_float(call, p->eps);
    return lbk_slices_call_whole(call, e, cls, &slices);
}

LBK_VARIANTS_BY_CLASS(normalize, "vector", "tree", "columns")

static const lbk_op_example forward_examples[] = {
    {.params = "", .input = {{2, {37, 10}}}, .input_count = 1},
    {.params = "eps=0.9", .input = {{1, {1}}}, .input_count = 1},
    {.params = "axis=1", .input = {{4, {2, 11, 3, 67}}}, .input_count = 1},
    {.params = "eps=7", .input = {{2, {29, 143}}}, .input_count = 1},
};

static const lbk_op_example backward_examples[] = {
    {.params = "", .input = {{2, {37, 10}}, {2, {37, 10}}, {1, {37}}}, .input_count = 3, .low = 0.05, .high = 2},
    {.params = "eps=0.9", .input = {{1, {1}}, {1, {1}}, {1, {1}}}, .input_count = 3, .low = 0.05, .high = 2},
    {.params = "axis=1 eps=1",
     .input = {{3, {2, 17, 131}}, {3, {2, 17, 131}}, {2, {2, 131}}},
     .input_count = 3,
     .low = 0.05,
     .high = 2},
};

static const lbk_op normalize_op = {
    .name = "l2_normalize",
    .summary = "slices along an axis scaled to Euclidean norm 1",
    .formula = "y = x / max(norm, eps), norm = sqrt(sum of x^2 along the axis)",
    .inputs = "x[...]",
    .outputs = "y[...] norm[... without the axis]",
    .params = normalize_table,
    .params_size = sizeof(normalize_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .inplace = 1,
    .layer = true,
    .infer = forward_infer,
    .cost = forward_cost,
    .differentiate = forward_differentiate,
    .reference = forward_reference,
    .variants = normalize_variants,
    .examples = forward_examples,
    .example_count = sizeof forward_examples / sizeof *forward_examples,
};

static const lbk_op backward_op = {
    .name = "l2_normalize_backward",
    .summary = "derivative of l2_normalize",
    .formula = "dx = (dy - y sum(dy y)) / norm; where norm < eps, dx = dy / eps",
    .inputs = "dy[...] y[...] norm[... without the axis]",
    .outputs = "dx[...]",
    .params = normalize_table,
    .params_size = sizeof(normalize_params),
    .min_inputs = 3,
    .max_inputs = 3,
    .inplace = 1,
    .infer = backward_infer,
    .cost = backward_cost,
    .differentiate = backward_differentiate,
    .reference = backward_reference,
    .variants = normalize_variants,
    .examples = backward_examples,
    .example_count = sizeof backward_examples / sizeof *backward_examples,
};

const lbk_op *const lbk_ops_l2_normalize[] = {&normalize_op, &backward_op, NULL};

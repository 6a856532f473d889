/* Element-wise functions of one tensor: what the rows of unary.def have in common.
 *
 * A row gives f, its slope and its curvature. The op NAME computes y = f(x); NAME_backward dx = dy * slope(saved), where
 * saved is x or y; NAME_curvature the derivative of slope, which only the derivative of NAME_backward asks for. */
#include "ops/unary.h"

#include "ops/support.h"

#include <math.h>

#define CPU_CHUNK 256 /* vectors of one work-item */

static const lbk_param slope_table[] = {
    LBK_PARAM_FLOAT(lbk_unary_params, slope, "0.01", 0, 1000, NULL, "factor of negative inputs", "Maas et al. 2013"),
    LBK_PARAM_END};
static const lbk_param alpha_table[] = {
    LBK_PARAM_FLOAT(lbk_unary_params, alpha, "1", 0, 1000, NULL, "minus the limit at -infinity", "Clevert et al. 2016"),
    LBK_PARAM_END};
static const char *const gelu_choices[] = {"none", "tanh", NULL};
static const lbk_param gelu_table[] = {LBK_PARAM_CHOICE(lbk_unary_params, approximate, "none", gelu_choices,
                                                        "the normal distribution itself, or a tanh near it",
                                                        "Hendrycks and Gimpel 2016"),
                                       LBK_PARAM_END};
static const lbk_param beta_table[] = {
    LBK_PARAM_FLOAT(lbk_unary_params, beta, "1", 1e-3, 1000, NULL, "steepness: relu in the limit", NULL),
    LBK_PARAM_END};
static const lbk_param clamp_table[] = {
    LBK_PARAM_FLOAT(lbk_unary_params, min, "-3.4e38", -3.4e38, 3.4e38, NULL, "lower limit; the default is none", NULL),
    LBK_PARAM_FLOAT(lbk_unary_params, max, "3.4e38", -3.4e38, 3.4e38, NULL, "upper limit; the default is none", NULL),
    LBK_PARAM_END};
static const lbk_param exponent_table[] = {
    LBK_PARAM_FLOAT(lbk_unary_params, exponent, "2", -1000, 1000, NULL, "what x is raised to", NULL), LBK_PARAM_END};
static const lbk_param scale_table[] = {
    LBK_PARAM_FLOAT(lbk_unary_params, factor, "1", -1e30, 1e30, NULL, "what x is multiplied by", NULL),
    LBK_PARAM_FLOAT(lbk_unary_params, offset, "0", -1e30, 1e30, NULL, "what is added then", NULL), LBK_PARAM_END};

/* What expressions of the rows need. */
static double logistic(double x) {
    return 1 / (1 + exp(-x));
}

static double normal_part(double x) {
    return 0.5 * erfc(-x * sqrt(0.5));
}

static double normal_density(double x) {
    return exp(-x * x / 2) / sqrt(2 * acos(-1));
}

/* gelu's tanh form is x logistic(v), v = p (x + 0.044715 x^3) with p = 2 sqrt(2 / pi): v and its first two derivatives. */
static void gelu_inner(double x, double v[3]) {
    double p = 2 * sqrt(2 / acos(-1)), q = 0.044715 * p;
    v[0] = p * x + q * x * x * x;
    v[1] = p + 3 * q * x * x;
    v[2] = 6 * q * x;
}

static double gelu_tanh(double x) {
    double v[3];
    gelu_inner(x, v);
    return 0.5 * x * (1 + tanh(v[0] / 2));
}

static double gelu_tanh_slope(double x) {
    double v[3];
    gelu_inner(x, v);
    return logistic(v[0]) * (1 + x * logistic(-v[0]) * v[1]);
}

static double gelu_tanh_curvature(double x) {
    double v[3];
    gelu_inner(x, v);
    double s = logistic(v[0]);
    return s * logistic(-v[0]) * (2 * v[1] + x * (v[2] + v[1] * v[1] * (1 - 2 * s)));
}

typedef double (*unary_function)(double v, double a, double b);

typedef struct unary_row {
    const char *backward, *curvature; /* the ops; NULL: none, and the slope is a constant or has zero derivative */
    bool saves_output;
    double flops;
    unary_function slope;
} unary_row;

/* What an op of a row is: its function of x or `saved`, and the kernel that applies it. */
typedef struct unary_role {
    const unary_row *row;
    unary_function function;
    const char *kernel, *options;
} unary_role;

static const unary_row *row_of(const lbk_op *op) {
    return ((const unary_role *)op->family)->row;
}

static lbk_status unary_infer(lbk_infer *infer) {
    lbk_infer_output(infer, LBK_F32, infer->input[0].shape);
    return LBK_OK;
}

static lbk_status backward_infer(lbk_infer *infer) {
    LBK_TRY(lbk_infer_shape(infer, 1, row_of(infer->op)->saves_output ? "y" : "x", infer->input[0].shape));
    return unary_infer(infer);
}

static void unary_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, row_of(shapes->op)->flops, cost);
}

/* The op's parameters, in the order of its table, as functions and kernels take them. */
static void numbers_of(const lbk_op *op, const void *params, double number[2]) {
    number[0] = number[1] = 0;
    for (int i = 0; i < 2 && op->params && op->params[i].name; i++) {
        const void *field = (const char *)params + op->params[i].offset;
        number[i] = op->params[i].type == LBK_TYPE_FLOAT ? *(const double *)field : *(const int *)field;
    }
}

/* y = f(x); with two inputs, dx = dy * f(saved). */
static void unary_reference(const lbk_reference *r) {
    const unary_role *role = r->op->family;
    const double *at = r->in[r->input_count - 1];
    double number[2];
    numbers_of(r->op, r->params, number);
    for (int64_t i = 0; i < lbk_ops_count(&r->input[0]); i++)
        r->out[0][i] = role->function(at[i], number[0], number[1]) * (r->input_count == 2 ? r->in[0][i] : 1);
}

static lbk_status value_differentiate(lbk_gradient *g) {
    const unary_row *row = row_of(g->op);
    const lbk_value inputs[] = {g->output_grad[0], row->saves_output ? g->output[0] : g->input[0]};
    return lbk_gradient_emit(g, row->backward, g->params, 2, inputs, &g->input_grad[0]);
}

/* Linear in dy. */
static lbk_status backward_differentiate(lbk_gradient *g) {
    const unary_row *row = row_of(g->op);
    lbk_value incoming = g->output_grad[0], saved = g->input[1], product, curvature;
    if (g->wanted[0])
        LBK_TRY(lbk_gradient_emit(g, row->backward, g->params, 2, (lbk_value[]){incoming, saved}, &g->input_grad[0]));
    if (!g->wanted[1] || !row->curvature)
        return LBK_OK;
    LBK_TRY(lbk_gradient_emit(g, row->curvature, g->params, 1, &saved, &curvature));
    LBK_TRY(lbk_gradient_emit(g, "mul", NULL, 2, (lbk_value[]){incoming, g->input[0]}, &product));
    return lbk_gradient_emit(g, "mul", NULL, 2, (lbk_value[]){product, curvature}, &g->input_grad[1]);
}

static lbk_status linear_differentiate(lbk_gradient *g) {
    double number[2];
    numbers_of(g->op, g->params, number);
    const lbk_unary_params params = {.factor = row_of(g->op)->slope(0, number[0], number[1])};
    if (params.factor == 0)
        return LBK_OK;
    return lbk_gradient_emit(g, "scale", &params, 1, &g->output_grad[0], &g->input_grad[0]);
}

static lbk_status unary_emit(lbk_emit *e, lbk_class cls) {
    const unary_role *role = e->op->family;
    int width = cls == LBK_CLASS_CPU ? lbk_emit_vector_width(e) : cls == LBK_CLASS_GPU ? 4 : 1;
    int chunk = cls == LBK_CLASS_CPU ? CPU_CHUNK : 1;
    int64_t count = lbk_ops_count(&e->input[0]), each = (int64_t)width * chunk;
    double number[2];
    lbk_call *call;
    numbers_of(e->op, e->params, number);
    LBK_TRY(lbk_emit_elementwise(e, "generic/unary", role->kernel, count, &call));
    LBK_TRY(lbk_call_option(call, "%s -DWIDTH=%d -DCHUNK=%d", role->options, width, chunk));
    for (int i = 0; i < 2; i++)
        lbk_call_float(call, number[i]);
    lbk_call_range_1d(call, (size_t)((count + each - 1) / each), cls == LBK_CLASS_CPU ? 1 : lbk_emit_local(e));
    return LBK_OK;
}

LBK_VARIANTS_BY_CLASS(unary, "vector", "float4", "element")

/* Rows to functions. `at` is x or y, so that an expression cannot name the tensor that is not there. */
#define FUNCTION(name, at, expression)                                                                                 \
    static double name(double at, double a, double b) {                                                                \
        (void)at, (void)a, (void)b;                                                                                    \
        return expression;                                                                                             \
    }
#define PIECEWISE(name, saved, parameters, example, low, high, summary, formula, value, slope)                         \
    FUNCTION(value_##name, x, value)                                                                                   \
    FUNCTION(slope_##name, saved, slope)
#define SMOOTH(name, saved, parameters, example, low, high, summary, formula, value, slope, curvature)                 \
    FUNCTION(value_##name, x, value)                                                                                   \
    FUNCTION(slope_##name, saved, slope)                                                                               \
    FUNCTION(curvature_##name, saved, curvature)
#define LINEAR(name, parameters, example, low, high, summary, formula, value, slope)                                   \
    FUNCTION(value_##name, x, value)                                                                                   \
    FUNCTION(slope_##name, x, slope)
#include "ops/unary.def"
#undef PIECEWISE
#undef SMOOTH
#undef LINEAR

/* Rows to ops. */
#define NONE .params = NULL
#define WITH(table) .params = table, .params_size = sizeof(lbk_unary_params)
#define INPUT1(...)                                                                                                    \
    {                                                                                                                  \
        { __VA_ARGS__ }                                                                                                \
    }
#define INPUT2(...)                                                                                                    \
    {                                                                                                                  \
        {__VA_ARGS__}, {                                                                                               \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }
#define EXAMPLES(INPUTS, count, text, from, to)                                                                        \
    (const lbk_op_example[]) {                                                                                         \
        {text, INPUTS(4, {2, 5, 7, 3}), count, from, to, 0}, {"", INPUTS(1, {1}), count, from, to, 0},                 \
            {"", INPUTS(2, {13, 1021}), count, from, to, 0},                                                           \
    }
#define KERNELS(name) "-DVALUE=value_" #name " -DSLOPE=slope_" #name
#define ROLE(row_name, f, kernel_name, kernel_options)                                                                 \
    .family = &(const unary_role) {                                                                                    \
        .row = &row_name##_row, .function = f, .kernel = kernel_name, .options = kernel_options                        \
    }
#define COMMON                                                                                                         \
    .inplace = 1, .cost = unary_cost, .reference = unary_reference, .variants = unary_variants, .example_count = 3
#define VALUE_OP(op_name, op_options, example, low, high, text, equation, rule, ...)                                   \
    static const lbk_op op_name##_op = {.name = #op_name,                                                              \
                                        .summary = text,                                                               \
                                        .formula = equation,                                                           \
                                        .inputs = "x[...]",                                                            \
                                        .outputs = "y[...]",                                                           \
                                        .min_inputs = 1,                                                               \
                                        .max_inputs = 1,                                                               \
                                        .layer = true,                                                                 \
                                        .infer = unary_infer,                                                          \
                                        .differentiate = rule,                                                         \
                                        .examples = EXAMPLES(INPUT1, 1, example, low, high),                           \
                                        ROLE(op_name, value_##op_name, "value", op_options),                           \
                                        __VA_ARGS__,                                                                   \
                                        COMMON};
#define BACKWARD_OP(op_name, saved, example, low, high, slope, ...)                                                    \
    static const lbk_op op_name##_backward_op = {.name = #op_name "_backward",                                         \
                                                 .summary = "derivative of " #op_name,                                 \
                                                 .formula = "dx = dy * (" #slope ")",                                  \
                                                 .inputs = "dy[...] " #saved "[...]",                                  \
                                                 .outputs = "dx[...]",                                                 \
                                                 .min_inputs = 2,                                                      \
                                                 .max_inputs = 2,                                                      \
                                                 .infer = backward_infer,                                              \
                                                 .differentiate = backward_differentiate,                              \
                                                 .examples = EXAMPLES(INPUT2, 2, example, low, high),                  \
                                                 ROLE(op_name, slope_##op_name, "backward", KERNELS(op_name)),         \
                                                 __VA_ARGS__,                                                          \
                                                 COMMON};
#define CURVATURE_OP(op_name, saved, example, low, high, curvature, ...)                                               \
    static const lbk_op op_name##_curvature_op = {                                                                     \
        .name = #op_name "_curvature",                                                                                 \
        .summary = "derivative of the factor in " #op_name "_backward",                                                \
        .formula = "c = " #curvature,                                                                                  \
        .inputs = #saved "[...]",                                                                                      \
        .outputs = "c[...]",                                                                                           \
        .min_inputs = 1,                                                                                               \
        .max_inputs = 1,                                                                                               \
        .infer = unary_infer,                                                                                          \
        .examples = EXAMPLES(INPUT1, 1, example, low, high),                                                           \
        ROLE(op_name, curvature_##op_name, "value", "-DVALUE=curvature_" #op_name),                                    \
        __VA_ARGS__,                                                                                                   \
        COMMON};
#define PIECEWISE(name, saved, parameters, example, low, high, summary, formula, value, slope)                         \
    static const unary_row name##_row = {#name "_backward", NULL, #saved[0] == 'y', 1, NULL};                          \
    VALUE_OP(name, KERNELS(name), example, low, high, summary, formula, value_differentiate, parameters)               \
    BACKWARD_OP(name, saved, example, low, high, slope, parameters)
#define SMOOTH(name, saved, parameters, example, low, high, summary, formula, value, slope, curvature)                 \
    static const unary_row name##_row = {#name "_backward", #name "_curvature", #saved[0] == 'y', 10, NULL};           \
    VALUE_OP(name, KERNELS(name), example, low, high, summary, formula, value_differentiate, parameters)               \
    BACKWARD_OP(name, saved, example, low, high, slope, parameters)                                                    \
    CURVATURE_OP(name, saved, example, low, high, curvature, parameters)
#define LINEAR(name, parameters, example, low, high, summary, formula, value, slope)                                   \
    static const unary_row name##_row = {NULL, NULL, false, 2, slope_##name};                                          \
    VALUE_OP(name, "-DVALUE=value_" #name, example, low, high, summary, formula, linear_differentiate, parameters)
#include "ops/unary.def"
#undef PIECEWISE
#undef SMOOTH
#undef LINEAR

#define PIECEWISE(name, ...) &name##_op, &name##_backward_op,
#define SMOOTH(name, ...) &name##_op, &name##_backward_op, &name##_curvature_op,
#define LINEAR(name, ...) &name##_op,
const lbk_op *const lbk_ops_unary[] = {
#include "ops/unary.def"
    NULL};

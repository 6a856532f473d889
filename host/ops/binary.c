/* Element-wise functions of two tensors with broadcasting: what the rows of binary.def have in common. */
#include "ops/broadcast.h"

typedef double (*binary_function)(double a, double b);

typedef struct binary_role {
    binary_function function;
    const char *options;     /* the kernel's function */
    const char *backward[2]; /* ops that multiply dy by a slope; NULL where the derivative is composed */
} binary_role;

static lbk_status value_infer(lbk_infer *infer) {
    lbk_shape shape;
    LBK_TRY(lbk_broadcast_shape(&infer->input[0].shape, &infer->input[1].shape, &shape));
    lbk_infer_output(infer, LBK_F32, shape);
    return LBK_OK;
}

static lbk_status backward_infer(lbk_infer *infer) {
    lbk_shape shape;
    LBK_TRY(lbk_broadcast_shape(&infer->input[1].shape, &infer->input[2].shape, &shape));
    LBK_TRY(lbk_infer_shape(infer, 0, "dy", shape));
    lbk_infer_output(infer, LBK_F32, shape);
    return LBK_OK;
}

static void binary_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 0, cost);
    cost->flops = (double)lbk_ops_count(&shapes->output[0]) * (shapes->input_count - 1);
}

/* y = f(a, b); with three inputs, dx = dy * f(a, b). */
static void binary_reference(const lbk_reference *r) {
    const binary_role *role = r->op->family;
    const lbk_shape *out = &r->output[0].shape;
    int first = r->input_count - 2;
    for (int64_t i = 0; i < lbk_ops_count(&r->output[0]); i++) {
        double a = r->in[first][lbk_broadcast_index(&r->input[first].shape, out, i)];
        double b = r->in[first + 1][lbk_broadcast_index(&r->input[first + 1].shape, out, i)];
        r->out[0][i] = role->function(a, b) * (first > 0 ? r->in[0][i] : 1);
    }
}

static lbk_status emit_negative(lbk_gradient *g, lbk_value x, lbk_value *out) {
    return lbk_gradient_emit(g, "neg", NULL, 1, &x, out);
}

/* Input `input` gets op(a, b), summed to its shape. */
static lbk_status give(lbk_gradient *g, int input, const char *op, lbk_value a, lbk_value b) {
    lbk_value full;
    if (!g->wanted[input])
        return LBK_OK;
    LBK_TRY(lbk_gradient_emit(g, op, NULL, 2, (lbk_value[]){a, b}, &full));
    return lbk_broadcast_sum(g, full, input, &g->input_grad[input]);
}

static lbk_status sub_differentiate(lbk_gradient *g) {
    lbk_value sum;
    if (g->wanted[0])
        LBK_TRY(lbk_broadcast_sum(g, g->output_grad[0], 0, &g->input_grad[0]));
    if (!g->wanted[1])
        return LBK_OK;
    LBK_TRY(lbk_broadcast_sum(g, g->output_grad[0], 1, &sum));
    return emit_negative(g, sum, &g->input_grad[1]);
}

static lbk_status mul_differentiate(lbk_gradient *g) {
    LBK_TRY(give(g, 0, "mul", g->output_grad[0], g->input[1]));
    return give(g, 1, "mul", g->output_grad[0], g->input[0]);
}

/* da = dy / b; db = -da y. */
static lbk_status div_differentiate(lbk_gradient *g) {
    lbk_value da, sum;
    LBK_TRY(lbk_gradient_emit(g, "div", NULL, 2, (lbk_value[]){g->output_grad[0], g->input[1]}, &da));
    if (g->wanted[0])
        LBK_TRY(lbk_broadcast_sum(g, da, 0, &g->input_grad[0]));
    if (!g->wanted[1])
        return LBK_OK;
    LBK_TRY(give(g, 1, "mul", da, g->output[0]));
    sum = g->input_grad[1];
    return emit_negative(g, sum, &g->input_grad[1]);
}

static lbk_status sloped_differentiate(lbk_gradient *g) {
    const binary_role *role = g->op->family;
    const lbk_value inputs[] = {g->output_grad[0], g->input[0], g->input[1]};
    for (int i = 0; i < 2; i++) {
        lbk_value full;
        if (!g->wanted[i])
            continue;
        LBK_TRY(lbk_gradient_emit(g, role->backward[i], NULL, 3, inputs, &full));
        LBK_TRY(lbk_broadcast_sum(g, full, i, &g->input_grad[i]));
    }
    return LBK_OK;
}

/* Linear in dy; the slopes are constant wherever they have a derivative. */
static lbk_status backward_differentiate(lbk_gradient *g) {
    const lbk_value inputs[] = {g->output_grad[0], g->input[1], g->input[2]};
    if (!g->wanted[0])
        return LBK_OK;
    return lbk_gradient_emit(g, g->op->name, NULL, 3, inputs, &g->input_grad[0]);
}

static lbk_status binary_emit(lbk_emit *e, lbk_class cls) {
    const binary_role *role = e->op->family;
    return lbk_broadcast_emit(e, cls, e->input_count == 2 ? "value" : "backward", role->options);
}

LBK_VARIANTS_BY_CLASS(binary, "vector", "float4", "element")

#define FUNCTION(name, expression)                                                                                     \
    static double name(double a, double b) {                                                                           \
        return expression;                                                                                             \
    }
#define COMPOSED(name, low, high, summary, formula, value) FUNCTION(value_##name, value)
#define COMPARED COMPOSED
#define SLOPED(name, low, high, summary, formula, value, slope_a, slope_b)                                             \
    FUNCTION(value_##name, value)                                                                                      \
    FUNCTION(slope_a_##name, slope_a)                                                                                  \
    FUNCTION(slope_b_##name, slope_b)
#include "ops/binary.def"
#undef COMPOSED
#undef SLOPED
#undef COMPARED

/* The launch's cases: equal shapes; a vector along the last dimension; one number a channel and sample; a scalar; both
 * operands repeat, with more dimensions than the launch has. */
#define EXAMPLE(n, from, to, ...)                                                                                      \
    { .params = "", .input = {__VA_ARGS__}, .input_count = n, .low = from, .high = to }
#define EXAMPLES(from, to)                                                                                             \
    (const lbk_op_example[]) {                                                                                         \
        EXAMPLE(2, from, to, {2, {13, 1021}}, {2, {13, 1021}}), EXAMPLE(2, from, to, {4, {2, 7, 5, 24}}, {1, {24}}),   \
            EXAMPLE(2, from, to, {4, {3, 5, 7, 10}}, {4, {3, 1, 1, 10}}),                                              \
            EXAMPLE(2, from, to, {1, {1}}, {3, {5, 13, 9}}),                                                           \
            EXAMPLE(2, from, to, {6, {2, 1, 3, 1, 4, 1}}, {5, {5, 1, 3, 1, 6}}),                                       \
    }
#define BACKWARD_EXAMPLES(from, to)                                                                                    \
    (const lbk_op_example[]) {                                                                                         \
        EXAMPLE(3, from, to, {2, {13, 1021}}, {2, {13, 1021}}, {2, {13, 1021}}),                                       \
            EXAMPLE(3, from, to, {4, {3, 5, 7, 10}}, {4, {3, 1, 1, 10}}, {4, {3, 5, 7, 10}}),                          \
            EXAMPLE(3, from, to, {3, {2, 9, 17}}, {3, {2, 9, 17}}, {1, {17}}),                                         \
    }
#define ROLE(kernel_function, back_a, back_b)                                                                          \
    .family = &(const binary_role) {                                                                                   \
        kernel_function, "-DFUNCTION=" #kernel_function, {                                                             \
            back_a, back_b                                                                                             \
        }                                                                                                              \
    }
#define COMMON .cost = binary_cost, .reference = binary_reference, .variants = binary_variants, .inplace = 1
#define VALUE_OP(op_name, low, high, text, equation, rule, back_a, back_b, trait)                                      \
    static const lbk_op op_name##_op = {.name = #op_name,                                                              \
                                        .summary = text,                                                               \
                                        .formula = equation,                                                           \
                                        .inputs = "a[...] b[...]",                                                     \
                                        .outputs = "y[...]",                                                           \
                                        .min_inputs = 2,                                                               \
                                        .max_inputs = 2,                                                               \
                                        trait,                                                                         \
                                        .infer = value_infer,                                                          \
                                        .differentiate = rule,                                                         \
                                        .examples = EXAMPLES(low, high),                                               \
                                        .example_count = 5,                                                            \
                                        ROLE(value_##op_name, back_a, back_b),                                         \
                                        COMMON};
#define BACKWARD_OP(op_name, operand, low, high, slope)                                                                \
    static const lbk_op op_name##_backward_##operand##_op = {                                                          \
        .name = #op_name "_backward_" #operand,                                                                        \
        .summary = "derivative of " #op_name " with respect to " #operand ", not yet summed to its shape",             \
        .formula = "d" #operand " = dy * (" #slope ")",                                                                \
        .inputs = "dy[...] a[...] b[...]",                                                                             \
        .outputs = "d" #operand "[...]",                                                                               \
        .min_inputs = 3,                                                                                               \
        .max_inputs = 3,                                                                                               \
        .infer = backward_infer,                                                                                       \
        .differentiate = backward_differentiate,                                                                       \
        .examples = BACKWARD_EXAMPLES(low, high),                                                                      \
        .example_count = 3,                                                                                            \
        ROLE(slope_##operand##_##op_name, NULL, NULL),                                                                 \
        COMMON};
#define COMPOSED(name, low, high, summary, formula, value)                                                             \
    VALUE_OP(name, low, high, summary, formula, name##_differentiate, NULL, NULL, .layer = true)
#define SLOPED(name, low, high, summary, formula, value, slope_a, slope_b)                                             \
    VALUE_OP(name, low, high, summary, formula, sloped_differentiate, #name "_backward_a", #name "_backward_b",        \
             .layer = true)                                                                                            \
    BACKWARD_OP(name, a, low, high, slope_a)                                                                           \
    BACKWARD_OP(name, b, low, high, slope_b)
#define COMPARED(name, low, high, summary, formula, value)                                                             \
    VALUE_OP(name, low, high, summary, formula, NULL, NULL, NULL, .detached = 3)
#include "ops/binary.def"
#undef COMPOSED
#undef SLOPED
#undef COMPARED

#define COMPOSED(name, ...) &name##_op,
#define COMPARED COMPOSED
#define SLOPED(name, ...) &name##_op, &name##_backward_a_op, &name##_backward_b_op,
const lbk_op *const lbk_ops_binary[] = {
#include "ops/binary.def"
    NULL};

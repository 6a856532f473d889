/* Element-wise functions y = f(x) and their derivatives dx = dy * slope(saved), saved = x or y. host/ops/unary.def says
 * what each is; expressions hold for floats and for vectors of them, and let a NaN pass.
 *
 * One work-item takes CHUNK vectors of WIDTH elements. Tensors are aligned to a vector; the last vector may be cut off. */

#ifndef WIDTH
#define WIDTH 1 /* 1, 4, 8 or 16 */
#endif
#ifndef CHUNK
#define CHUNK 1
#endif
#ifndef VALUE
#define VALUE value_relu
#endif
#ifndef SLOPE
#define SLOPE slope_relu
#endif

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#if WIDTH == 1
typedef float real;
#else
typedef JOIN(float, WIDTH) real;
#endif

#define MASK(condition) ((condition) ? (real)(1.0f) : (real)(0.0f))

/* a and b: the parameters of the op, in the order of its table. */
#define FUNCTION(name, at, expression)                                                                                 \
    static real name(real at, float a, float b) {                                                                      \
        return expression;                                                                                             \
    }

FUNCTION(logistic, x, 1.0f / (1.0f + exp(-x)))

FUNCTION(value_relu, x, x < 0.0f ? 0.0f : x)
FUNCTION(slope_relu, y, MASK(y > 0.0f))

FUNCTION(value_relu6, x, x < 0.0f ? 0.0f : (x > 6.0f ? 6.0f : x))
FUNCTION(slope_relu6, y, MASK(y > 0.0f && y < 6.0f))

FUNCTION(value_leaky_relu, x, x > 0.0f ? x : a * x)
FUNCTION(slope_leaky_relu, y, y > 0.0f ? (real)(1.0f) : (real)(a))

FUNCTION(value_elu, x, x > 0.0f ? x : a * expm1(x))
FUNCTION(slope_elu, y, y > 0.0f ? 1.0f : y + a)
FUNCTION(curvature_elu, y, MASK(y <= 0.0f))

FUNCTION(value_silu, x, x / (1.0f + exp(-x)))
FUNCTION(slope_silu, x, logistic(x, a, b) * (1.0f + x * logistic(-x, a, b)))
FUNCTION(curvature_silu, x, logistic(x, a, b) * logistic(-x, a, b) * (2.0f + x * (1.0f - 2.0f * logistic(x, a, b))))

FUNCTION(value_hard_swish, x, x < -3.0f ? 0.0f : (x > 3.0f ? x : x * (x + 3.0f) * (1.0f / 6.0f)))
FUNCTION(slope_hard_swish, x, x < -3.0f ? 0.0f : (x > 3.0f ? 1.0f : x * (1.0f / 3.0f) + 0.5f))
FUNCTION(curvature_hard_swish, x, MASK(x >= -3.0f && x <= 3.0f) * (1.0f / 3.0f))

FUNCTION(value_hard_sigmoid, x, x < -3.0f ? 0.0f : (x > 3.0f ? 1.0f : (x + 3.0f) * (1.0f / 6.0f)))
FUNCTION(slope_hard_sigmoid, y, MASK(y > 0.0f && y < 1.0f) * (1.0f / 6.0f))

/* a = 0: x Phi(x), Phi by Abramowitz and Stegun's 7.1.26, off by at most 1e-7 and several times faster than erfc(); a = 1: the
 * tanh form, x/2 (1 + tanh u) = x logistic(2 u) with 2 u = x (p + q x^2), p = 2 sqrt(2 / pi), q = 0.044715 p. */
FUNCTION(normal_density, x, 0.3989422804f * exp(-0.5f * x * x))

static real normal_part(real x) {
    real t = 1.0f / (1.0f + 0.3275911f * 0.7071067812f * fabs(x));
    real tail = 0.5f * exp(-0.5f * x * x) * t *
                (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
    return x < 0.0f ? tail : 1.0f - tail;
}

#define GELU_P 1.5957691216f
#define GELU_Q 0.0713548163f
FUNCTION(gelu_logistic, x, logistic(x *(GELU_P + GELU_Q * x * x), a, b))
FUNCTION(gelu_inner_slope, x, GELU_P + 3.0f * GELU_Q * x * x)
FUNCTION(value_gelu, x, x *(a > 0.0f ? gelu_logistic(x, a, b) : normal_part(x)))

static real slope_gelu(real x, float a, float b) {
    if (a == 0.0f)
        return normal_part(x) + x * normal_density(x, a, b);
    real s = gelu_logistic(x, a, b);
    return s * (1.0f + x * (1.0f - s) * gelu_inner_slope(x, a, b));
}

static real curvature_gelu(real x, float a, float b) {
    if (a == 0.0f)
        return normal_density(x, a, b) * (2.0f - x * x);
    real s = gelu_logistic(x, a, b), u = gelu_inner_slope(x, a, b);
    return s * (1.0f - s) * (2.0f * u + x * (6.0f * GELU_Q * x + u * u * (1.0f - 2.0f * s)));
}

FUNCTION(value_sigmoid, x, logistic(x, a, b))
FUNCTION(slope_sigmoid, y, y *(1.0f - y))
FUNCTION(curvature_sigmoid, y, 1.0f - 2.0f * y)

FUNCTION(value_tanh, x, tanh(x))
FUNCTION(slope_tanh, y, 1.0f - y * y)
FUNCTION(curvature_tanh, y, -2.0f * y)

FUNCTION(value_softplus, x, (x < 0.0f ? 0.0f : x) + log1p(exp(-fabs(a * x))) / a)
FUNCTION(slope_softplus, x, logistic(a *x, a, b))
FUNCTION(curvature_softplus, x, a *logistic(a *x, a, b) * logistic(-a * x, a, b))

FUNCTION(value_abs, x, fabs(x))
FUNCTION(slope_abs, x, MASK(x > 0.0f) - MASK(x < 0.0f))

FUNCTION(value_clamp, x, x < a ? a : (x > b ? b : x))
FUNCTION(slope_clamp, x, MASK(x >= a && x <= b))

FUNCTION(value_exp, x, exp(x))
FUNCTION(slope_exp, y, y)
FUNCTION(curvature_exp, y, 1.0f)

FUNCTION(value_log, x, log(x))
FUNCTION(slope_log, x, 1.0f / x)
FUNCTION(curvature_log, x, -1.0f / (x * x))

FUNCTION(value_sqrt, x, sqrt(x))
FUNCTION(slope_sqrt, y, 0.5f / y)
FUNCTION(curvature_sqrt, y, -0.5f / (y * y))

FUNCTION(value_rsqrt, x, rsqrt(x))
FUNCTION(slope_rsqrt, y, -0.5f * y * y * y)
FUNCTION(curvature_rsqrt, y, -1.5f * y * y)

FUNCTION(value_reciprocal, x, 1.0f / x)
FUNCTION(slope_reciprocal, y, -y *y)
FUNCTION(curvature_reciprocal, y, -2.0f * y)

FUNCTION(value_pow, x, pow(x, (real)(a)))
FUNCTION(slope_pow, x, a == 0.0f ? (real)(0.0f) : a * pow(x, (real)(a - 1.0f)))
FUNCTION(curvature_pow, x, a == 0.0f || a == 1.0f ? (real)(0.0f) : a * (a - 1.0f) * pow(x, (real)(a - 2.0f)))

FUNCTION(value_square, x, x *x)
FUNCTION(slope_square, x, 2.0f * x)
FUNCTION(curvature_square, x, 2.0f)

FUNCTION(value_neg, x, -x)
FUNCTION(value_scale, x, a *x + b)
FUNCTION(value_sign, x, x > 0.0f ? 1.0f : (x < 0.0f ? -1.0f : x))

/* Vector i of x[count]. */
static real load(__global const float *x, int i, int count) {
    if (count - i * WIDTH >= WIDTH)
        return ((__global const real *)x)[i];
    union {
        real all;
        float lane[WIDTH];
    } part;
    for (int k = 0; k < WIDTH; k++)
        part.lane[k] = i * WIDTH + k < count ? x[i * WIDTH + k] : 0.0f;
    return part.all;
}

static void store(real v, __global float *y, int i, int count) {
    if (count - i * WIDTH >= WIDTH) {
        ((__global real *)y)[i] = v;
        return;
    }
    union {
        real all;
        float lane[WIDTH];
    } part;
    part.all = v;
    for (int k = 0; k < WIDTH; k++)
        if (i * WIDTH + k < count)
            y[i * WIDTH + k] = part.lane[k];
}

/* Vectors [first, end) are this work-item's. */
#define VECTORS_OF_ITEM(first, end)                                                                                    \
    int first = (int)get_global_id(0) * CHUNK, end = min(first + CHUNK, (count - 1) / WIDTH + 1)

/* y[count] = f(x[count]); y may be x. */
__kernel void value(__global const float *x, __global float *y, int count, float a, float b) {
    VECTORS_OF_ITEM(first, end);
    for (int i = first; i < end; i++)
        store(VALUE(load(x, i, count), a, b), y, i, count);
}

/* dx[count] = dy[count] * slope(saved[count]); dx may be dy. */
__kernel void backward(__global const float *dy, __global const float *saved, __global float *dx, int count, float a,
                       float b) {
    VECTORS_OF_ITEM(first, end);
    for (int i = first; i < end; i++)
        store(load(dy, i, count) * SLOPE(load(saved, i, count), a, b), dx, i, count);
}

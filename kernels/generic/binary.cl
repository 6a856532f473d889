/* Functions of two operands with broadcasting, y = f(a, b), and dx = dy * f(a, b); host/ops/binary.def says what each is.
 * Expressions hold for floats and for vectors of them, and let a NaN pass.
 *
 * The output is seen as [n5][n4][n3][n2][n1][n0], dense; the operands have strides a0..a5, b0..b5 along these, of which the
 * innermost is 0 (repeats) or 1. Work-item (v, r, o): CHUNK vectors of WIDTH elements of `block` rows of n0 elements; o runs
 * over the outer four dimensions. What a row has beyond whole vectors goes element by element. */

#ifndef WIDTH
#define WIDTH 1 /* 1, 4, 8 or 16 */
#endif
#ifndef CHUNK
#define CHUNK 1
#endif
#ifndef FUNCTION
#define FUNCTION value_add
#endif

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#if WIDTH == 1
typedef float vec;
#define LOAD(i, p) (p)[i]
#define STORE(v, i, p) (p)[i] = (v)
#else
typedef JOIN(float, WIDTH) vec;
#ifdef ALIGNED /* n0 is a multiple of WIDTH */
#define LOAD(i, p) ((__global const vec *)(p))[i]
#define STORE(v, i, p) ((__global vec *)(p))[i] = (v)
#else
#define LOAD JOIN(vload, WIDTH)
#define STORE JOIN(vstore, WIDTH)
#endif
#endif

/* Of vectors, and name_1 of single elements. */
#define DEFINE(name, expression)                                                                                       \
    static vec name(vec a, vec b) {                                                                                    \
        typedef vec real;                                                                                              \
        return expression;                                                                                             \
    }                                                                                                                  \
    static float name##_1(float a, float b) {                                                                          \
        typedef float real;                                                                                            \
        return expression;                                                                                             \
    }

DEFINE(value_first, a)
DEFINE(value_add, a + b)
DEFINE(value_sub, a - b)
DEFINE(value_mul, a *b)
DEFINE(value_div, a / b)

/* Of equals each gets half of the gradient. */
#define STEP(d) ((d) > 0.0f ? (real)(1.0f) : (d) < 0.0f ? (real)(0.0f) : (real)(0.5f))
DEFINE(value_maximum, a > b || a != a ? a : b)
DEFINE(slope_a_maximum, STEP(a - b))
DEFINE(slope_b_maximum, STEP(b - a))
DEFINE(value_minimum, a < b || a != a ? a : b)
DEFINE(slope_a_minimum, STEP(b - a))
DEFINE(slope_b_minimum, STEP(a - b))

#define TRUTH(condition) ((condition) ? (real)(1.0f) : (real)(0.0f))
DEFINE(value_greater, TRUTH(a > b))
DEFINE(value_less, TRUTH(a < b))
DEFINE(value_equal, TRUTH(a == b))

DEFINE(value_prelu, a > 0.0f ? a : a * b)
DEFINE(slope_a_prelu, a > 0.0f ? (real)(1.0f) : b)
DEFINE(slope_b_prelu, a > 0.0f ? (real)(0.0f) : a)

#define FUNCTION_1 JOIN(FUNCTION, _1)

/* Vector i of p, or p[0] repeated. */
static vec load(__global const float *p, int step, int i) {
    return step == 0 ? (vec)(p[0]) : LOAD(i, p);
}

#define GEOMETRY                                                                                                       \
    int n0, int n1, int n2, int n3, int n4, int n5, int a0, int a1, int a2, int a3, int a4, int a5, int b0, int b1,    \
        int b2, int b3, int b4, int b5, int block

/* Runs `whole` for every vector i of the work-item, and `single` for every element k that is left of a row, with the row's pa,
 * pb and `row` (its number in the output). */
#define FOR_EACH(whole, single)                                                                                        \
    int first = (int)get_global_id(0) * CHUNK, vectors = n0 / WIDTH, end = min(first + CHUNK, vectors);                \
    int rest = vectors >= first && vectors < first + CHUNK ? vectors * WIDTH : n0;                                     \
    int top = (int)get_global_id(1) * block, bottom = min(top + block, n1), outer = n2 * n3 * n4 * n5;                 \
    for (int o = (int)get_global_id(2); o < outer; o += (int)get_global_size(2)) {                                     \
        size_t at_a = (size_t)o * a2, at_b = (size_t)o * b2;                                                           \
        if (outer > n2) {                                                                                              \
            int o2 = o % n2, o3 = o / n2 % n3, o4 = o / (n2 * n3) % n4, o5 = o / (n2 * n3 * n4);                       \
            at_a = (size_t)o2 * a2 + (size_t)o3 * a3 + (size_t)o4 * a4 + (size_t)o5 * a5;                              \
            at_b = (size_t)o2 * b2 + (size_t)o3 * b3 + (size_t)o4 * b4 + (size_t)o5 * b5;                              \
        }                                                                                                              \
        for (int r = top; r < bottom; r++) {                                                                           \
            __global const float *pa = a + at_a + (size_t)r * a1, *pb = b + at_b + (size_t)r * b1;                     \
            size_t row = ((size_t)o * n1 + r) * n0;                                                                    \
            for (int i = first; i < end; i++) {                                                                        \
                whole                                                                                                  \
            }                                                                                                          \
            for (int k = rest; k < n0; k++) {                                                                          \
                single                                                                                                 \
            }                                                                                                          \
        }                                                                                                              \
    }

/* y may be the operand that has its shape. */
__kernel void value(__global const float *a, __global const float *b, __global float *y, GEOMETRY) {
    FOR_EACH(STORE(FUNCTION(load(pa, a0, i), load(pb, b0, i)), i, y + row);
             , y[row + k] = FUNCTION_1(pa[k * a0], pb[k * b0]);)
}

/* dx has dy's shape, y's, and may be dy. */
__kernel void backward(__global const float *dy, __global const float *a, __global const float *b, __global float *dx,
                       GEOMETRY) {
    FOR_EACH(STORE(LOAD(i, dy + row) * FUNCTION(load(pa, a0, i), load(pb, b0, i)), i, dx + row);
             , dx[row + k] = dy[row + k] * FUNCTION_1(pa[k * a0], pb[k * b0]);)
}

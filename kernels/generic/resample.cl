/* y[n,i,j,c] = sum over r, s of h(i, r) w(j, s) x[n,r,s,c], and its derivative dx[n,r,s,c] = sum over i, j of h(i, r) w(j, s)
 * dy[n,i,j,c]: one kernel for both, since each knows the range of the other side's pixels that have a weight. Along an axis
 * of `in` pixels of x and `out` of y the weight is, by `kind`:
 *
 *   NEAREST, LINEAR, REFLECT, REPLICATE: y's pixel i lies at (i * mul + add) / den of x and takes from one or two pixels there
 *   AVERAGE, AVERAGE_INSIDE: it is the mean of the den pixels from i * mul + add on, but for those beyond the padding of -add
 *            pixels on both sides; those in the padding are zeros, or do not count
 *   ADAPTIVE: it is the mean of pixels floor(i * in / out) to ceil((i + 1) * in / out) - 1
 *
 * Positions are whole numbers over `den`, hence exact. Macro: VW 4, floats per vector of resample_rows: 4, 8 or 16. */
#ifndef VW
#define VW 4
#endif

#if VW == 16
typedef float16 vec;
#define LOAD(p) vload16(0, p)
#define STORE(v, p) vstore16(v, 0, p)
#elif VW == 8
typedef float8 vec;
#define LOAD(p) vload8(0, p)
#define STORE(v, p) vstore8(v, 0, p)
#else
typedef float4 vec;
#define LOAD(p) vload4(0, p)
#define STORE(v, p) vstore4(v, 0, p)
#endif

enum { NEAREST, LINEAR, REFLECT, REPLICATE, AVERAGE, AVERAGE_INSIDE, ADAPTIVE };

typedef struct axis {
    int in, out, mul, add, den;
} axis;

/* Position of y's pixel i among x's pixels, in units of 1 / den. */
static int position(int kind, axis a, int i) {
    int at = i * a.mul + a.add;
    if (kind == REFLECT)
        at = min(max(at, -at), 2 * (a.in - 1) - at);
    return clamp(at, 0, (a.in - 1) * a.den);
}

/* Pixels of x, from .x to .y, whose mean y's pixel i is. */
static int2 window(int kind, axis a, int i) {
    if (kind == ADAPTIVE)
        return (int2)(i * a.in / a.out, ((i + 1) * a.in - 1) / a.out);
    int first = i * a.mul + a.add;
    return (int2)(max(first, 0), min(first + a.den, a.in) - 1);
}

/* Of x's pixel r in y's pixel i. */
static float weight(int kind, axis a, int i, int r) {
    if (kind >= AVERAGE) {
        int2 inside = window(kind, a, i);
        int first = i * a.mul + a.add, padded = min(first + a.den, a.in - a.add) - first;
        int size = kind == AVERAGE ? padded : inside.y - inside.x + 1;
        return r < inside.x || r > inside.y ? 0.0f : 1.0f / (float)size;
    }
    int at = position(kind, a, i), low = at / a.den;
    float next = kind == LINEAR ? (float)(at - low * a.den) / (float)a.den : 0.0f;
    return r == low ? 1.0f - next : r == low + 1 ? next : 0.0f;
}

/* Pixels of x, from .x to .y, that may have a weight in y's pixel i. */
static int2 sources(int kind, axis a, int i) {
    if (kind >= AVERAGE)
        return window(kind, a, i);
    int low = position(kind, a, i) / a.den;
    return (int2)(low, kind == LINEAR ? min(low + 1, a.in - 1) : low);
}

/* Pixels of y in which x's pixel r may have a weight. */
static int2 targets(int kind, axis a, int r) {
    if (kind == ADAPTIVE)
        return (int2)(r * a.out / a.in, ((r + 1) * a.out - 1) / a.in);
    if (kind >= AVERAGE)
        return (int2)(max(r - a.add - a.den + a.mul, 0) / a.mul, min((r - a.add) / a.mul, a.out - 1));
    if (kind == REFLECT) { /* r itself and, near an end, its mirror image beyond it */
        int near = r - a.add, low = -a.add - r, high = 2 * (a.in - 1) - r - a.add;
        return (int2)(low >= 0 ? low : near, high < a.out ? high : near);
    }
    int first = r == 0 ? 0 : max(((r - 1) * a.den - a.add) / a.mul, 0);
    return (int2)(first, r == a.in - 1 ? a.out - 1 : min(((r + 1) * a.den - a.add) / a.mul, a.out - 1));
}

static float weight_of(int kind, int backward, axis a, int mine, int other) {
    return backward ? weight(kind, a, other, mine) : weight(kind, a, mine, other);
}

/* At least one, whatever its weight: a pixel that no window of an average holds has none. */
static int2 others(int kind, int backward, axis a, int mine) {
    int2 range = backward ? targets(kind, a, mine) : sources(kind, a, mine);
    range.x = min(range.x, (backward ? a.out : a.in) - 1);
    return (int2)(range.x, max(range.x, range.y));
}

/* x is dy and y is dx if backward. Work-item per number of y: global size (count). */
__kernel void resample(__global const float *x, __global float *y, int kind, int backward, int c, int count, int h_in,
                       int h_out, int h_mul, int h_add, int h_den, int w_in, int w_out, int w_mul, int w_add,
                       int w_den) {
    int at = (int)get_global_id(0);
    if (at >= count)
        return;
    axis h = {h_in, h_out, h_mul, h_add, h_den}, w = {w_in, w_out, w_mul, w_add, w_den};
    int height = backward ? h_in : h_out, width = backward ? w_in : w_out;
    int other_height = backward ? h_out : h_in, other_width = backward ? w_out : w_in;
    int pixel = at / c, i = pixel / width % height, j = pixel % width;
    int2 rows = others(kind, backward, h, i), columns = others(kind, backward, w, j);
    __global const float *image = x + (size_t)(pixel / width / height) * other_height * other_width * c + at % c;
    float sum = 0.0f;
    for (int r = rows.x; r <= rows.y; r++) {
        float of_row = weight_of(kind, backward, h, i, r);
        for (int s = columns.x; of_row != 0.0f && s <= columns.y; s++)
            sum += of_row * weight_of(kind, backward, w, j, s) * image[(size_t)(r * other_width + s) * c];
    }
    y[at] = sum;
}

#define TAPS 16 /* pixels with a weight that are gathered at once */

/* y[k] = sum of factor[t] * x[at[t] + k], or that added to what is in y; k < c. */
static void gather(__global const float *restrict x, __global float *restrict y, int c, const int *at,
                   const float *factor, int count, int add) {
    int k = 0;
    for (; k + VW <= c; k += VW) {
        vec sum = add ? LOAD(y + k) : (vec)(0.0f);
        for (int t = 0; t < count; t++)
            sum += factor[t] * LOAD(x + at[t] + k);
        STORE(sum, y + k);
    }
    for (; k < c; k++) {
        float sum = add ? y[k] : 0.0f;
        for (int t = 0; t < count; t++)
            sum += factor[t] * x[at[t] + k];
        y[k] = sum;
    }
}

/* The same for class cpu: a work-item takes a row of pixels of `each` images, since finding weights takes longer than using
 * them. Local size (1,1), global size (rows of y, images / each), rounded up. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
resample_rows(__global const float *restrict x, __global float *restrict y, int kind, int backward, int c, int images,
              int each, int h_in, int h_out, int h_mul, int h_add, int h_den, int w_in, int w_out, int w_mul, int w_add,
              int w_den) {
    axis h = {h_in, h_out, h_mul, h_add, h_den}, w = {w_in, w_out, w_mul, w_add, w_den};
    int width = backward ? w_in : w_out, other_width = backward ? w_out : w_in;
    int size = (backward ? h_in : h_out) * width * c, other_size = (backward ? h_out : h_in) * other_width * c;
    int i = (int)get_global_id(0), first = (int)get_global_id(1) * each, last = min(first + each, images);
    int2 rows = others(kind, backward, h, i);
    int at[TAPS], count = 0;
    float factor[TAPS];
    for (int j = 0; j < width; j++) {
        int2 columns = others(kind, backward, w, j);
        int add = 0;
        for (int r = rows.x; r <= rows.y; r++) {
            float of_row = weight_of(kind, backward, h, i, r);
            for (int s = columns.x; s <= columns.y; s++) {
                bool end = r == rows.y && s == columns.y;
                at[count] = (r * other_width + s) * c;
                factor[count] = of_row * weight_of(kind, backward, w, j, s);
                count += factor[count] != 0.0f;
                if (count < TAPS && !end)
                    continue;
                for (int n = first; n < last; n++)
                    gather(x + (size_t)n * other_size, y + (size_t)n * size + (i * width + j) * c, c, at, factor, count,
                           add);
                count = 0;
                add = 1;
            }
        }
    }
}

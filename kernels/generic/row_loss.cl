/* Losses between the rows of two matrices, with their derivative in the same pass; the formulas are in host/ops/row_loss.c.
 * row_loss[row] is the row's part of the loss, times factor; loss_sum.cl adds those up.
 *
 *   kl_div(student[rows, width], teacher[rows, width], temperature, derivative[rows, width], row_loss[rows],
 *          int rows, width, second, float factor)      second: of the teacher, else of the student
 *   cosine_loss(a[rows, width], b[rows, width], derivative[rows, width], row_loss[rows], int rows, width, float factor)
 *          derivative with respect to a; the loss is symmetric
 *
 * GROUP work-items per row; with GROUP 1 the local size is free.
 * Macros: GROUP: work-items of a work-group, a power of two; VW 1 or 16: floats per work-item at once. Class generic has
 * 1, 1, class cpu 1, 16, class gpu several, 1. */
#ifndef GROUP
#define GROUP 1
#endif
#ifndef VW
#define VW 1
#endif

#if VW == 16
typedef float16 vec;

/* Elements k to k + 15 of a row; `fill` behind its end. */
static vec load(__global const float *p, int k, int width, float fill) {
    if (k + VW <= width)
        return vload16(0, p + k);
    float lanes[VW];
    for (int l = 0; l < VW; l++)
        lanes[l] = k + l < width ? p[k + l] : fill;
    return vload16(0, lanes);
}

static void store(vec v, __global float *p, int k, int width) {
    if (k + VW <= width) {
        vstore16(v, 0, p + k);
        return;
    }
    float lanes[VW];
    vstore16(v, 0, lanes);
    for (int l = 0; k + l < width; l++)
        p[k + l] = lanes[l];
}

static float total(vec v) {
    const float8 a = v.lo + v.hi;
    const float4 b = a.lo + a.hi;
    return (b.x + b.y) + (b.z + b.w);
}

static float largest(vec v) {
    const float8 a = fmax(v.lo, v.hi);
    const float4 b = fmax(a.lo, a.hi);
    return fmax(fmax(b.x, b.y), fmax(b.z, b.w));
}
#else
typedef float vec;

static vec load(__global const float *p, int k, int width, float fill) {
    return p[k];
}

static void store(vec v, __global float *p, int k, int width) {
    p[k] = v;
}

static float total(vec v) {
    return v;
}

static float largest(vec v) {
    return v;
}
#endif

#if GROUP > 1
#define SPACE __local float4 space[GROUP];
#define SPACE_PARAM __local float4 *space,
#define SPACE_ARG space,
#define ROW (int)get_group_id(0)
#define ME (int)get_local_id(0)
#else
#define SPACE
#define SPACE_PARAM
#define SPACE_ARG
#define ROW (int)get_global_id(0)
#define ME 0
#endif

/* Sum, or maximum, of four numbers over a row's work-items, in a tree; each of them gets the result. */
static float4 reduce(SPACE_PARAM float4 v, int maximum) {
#if GROUP > 1
    const int me = (int)get_local_id(0);
    space[me] = v;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int half_way = GROUP / 2; half_way > 0; half_way /= 2) {
        if (me < half_way)
            space[me] = maximum ? fmax(space[me], space[me + half_way]) : space[me] + space[me + half_way];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    v = space[0];
    barrier(CLK_LOCAL_MEM_FENCE);
#endif
    return v;
}

__kernel void kl_div(__global const float *student, __global const float *teacher, __global const float *temperature,
                     __global float *derivative, __global float *row_loss, int rows, int width, int second,
                     float factor) {
    SPACE
    const int row = ROW;
#if GROUP == 1 /* else there are just as many groups, and barriers follow */
    if (row >= rows)
        return;
#endif
    __global const float *zs = student + (size_t)row * width, *zt = teacher + (size_t)row * width;
    __global float *dz = derivative + (size_t)row * width;
    vec most_s = -INFINITY, most_t = -INFINITY, sums_q = 0.0f, sums_p = 0.0f, crosses = 0.0f;
    for (int k = ME * VW; k < width; k += GROUP * VW) {
        most_s = fmax(most_s, load(zs, k, width, -INFINITY));
        most_t = fmax(most_t, load(zt, k, width, -INFINITY));
    }
    const float4 top = reduce(SPACE_ARG(float4)(largest(most_s), largest(most_t), 0.0f, 0.0f), 1);
    const float hot = temperature[0], cool = 1.0f / hot;
    for (int k = ME * VW; k < width; k += GROUP * VW) {
        /* The fill is finite so that 0 * (t - s) is 0 in the lanes that do not exist. */
        const vec s = (load(zs, k, width, top.x - 1e30f) - top.x) * cool;
        const vec t = (load(zt, k, width, top.y - 1e30f) - top.y) * cool, p = exp(t);
        sums_q += exp(s);
        sums_p += p;
        crosses += p * (t - s);
    }
    const float4 sum = reduce(SPACE_ARG(float4)(total(sums_q), total(sums_p), total(crosses), 0.0f), 0);
    const float gap = log(sum.x) - log(sum.y), kl = sum.z / sum.y + gap; /* ln p - ln q = t - s + gap */
    if (ME == 0)
        row_loss[row] = hot * hot * factor * kl;
    for (int k = ME * VW; k < width; k += GROUP * VW) {
        const vec s = (load(zs, k, width, top.x) - top.x) * cool, t = (load(zt, k, width, top.y) - top.y) * cool;
        const vec p = exp(t) / sum.y;
        store(hot * factor * (second ? p * (t - s + (gap - kl)) : exp(s) / sum.x - p), dz, k, width);
    }
}

#define TINY 1e-12f

/* With u = a / sqrt(a.a + TINY) and v likewise, 1 - u.v is |u - v|^2 / 2 + TINY / 2 (1 / (a.a + TINY) + 1 / (b.b + TINY)),
 * in which nothing cancels when a and b are nearly parallel. */
__kernel void cosine_loss(__global const float *a, __global const float *b, __global float *derivative,
                          __global float *row_loss, int rows, int width, float factor) {
    SPACE
    const int row = ROW;
#if GROUP == 1 /* else there are just as many groups, and barriers follow */
    if (row >= rows)
        return;
#endif
    __global const float *ra = a + (size_t)row * width, *rb = b + (size_t)row * width;
    vec squares_a = 0.0f, squares_b = 0.0f;
    for (int k = ME * VW; k < width; k += GROUP * VW) {
        const vec x = load(ra, k, width, 0.0f), y = load(rb, k, width, 0.0f);
        squares_a += x * x;
        squares_b += y * y;
    }
    const float4 sum = reduce(SPACE_ARG(float4)(total(squares_a), total(squares_b), 0.0f, 0.0f), 0);
    const float scale_a = 1.0f / sqrt(sum.x + TINY), scale_b = 1.0f / sqrt(sum.y + TINY);
    vec gaps = 0.0f;
    for (int k = ME * VW; k < width; k += GROUP * VW) {
        const vec gap = load(ra, k, width, 0.0f) * scale_a - load(rb, k, width, 0.0f) * scale_b;
        gaps += gap * gap;
    }
    const float gap = reduce(SPACE_ARG(float4)(total(gaps), 0.0f, 0.0f, 0.0f), 0).x;
    const float loss = 0.5f * (gap + TINY * (scale_a * scale_a + scale_b * scale_b));
    if (ME == 0)
        row_loss[row] = factor * loss;
    for (int k = ME * VW; k < width; k += GROUP * VW) {
        const vec u = load(ra, k, width, 0.0f) * scale_a, v = load(rb, k, width, 0.0f) * scale_b;
        store(factor * scale_a * (u - v - u * loss), derivative + (size_t)row * width, k, width);
    }
}

/* Losses that are a sum over elements of f(a, b) * factor, with df/da or df/db of every element in the same pass; the formulas
 * are in host/ops/elementwise_loss.c. Each work-group sums a block of `block` elements, a multiple of GROUP * VW, into
 * part[group]; loss_sum.cl adds those up.
 *
 *   losses(a[count], b[count], pos_weight[width], derivative[count], part, int count, block, width, has_pos_weight, second,
 *          float factor, beta)
 *   bce_with_logits alone reads pos_weight, if has_pos_weight, and second: df/db instead of df/da. The others are symmetric:
 *   swap a and b. smooth_l1 alone reads beta > 0.
 *
 * Global size: GROUP work-items per block; with GROUP 1 the local size is free.
 * Macros: LOSS 0 mse, 1 l1, 2 smooth_l1, 3 bce_with_logits. GROUP: work-items of a work-group, a power of two; VW 1 or 16:
 * floats per work-item at once. Class generic has 1, 1, class cpu 1, 16, class gpu several, 1. */
#ifndef LOSS
#define LOSS 3
#endif
#ifndef GROUP
#define GROUP 1
#endif
#ifndef VW
#define VW 1
#endif

#if VW == 16
typedef float16 vec;

static vec load(__global const float *p, int count) {
    if (count >= VW)
        return vload16(0, p);
    float lanes[VW];
    for (int l = 0; l < VW; l++)
        lanes[l] = l < count ? p[l] : 0.0f;
    return vload16(0, lanes);
}

static void store(vec v, __global float *p, int count) {
    if (count >= VW) {
        vstore16(v, 0, p);
        return;
    }
    float lanes[VW];
    vstore16(v, 0, lanes);
    for (int l = 0; l < count; l++)
        p[l] = lanes[l];
}

/* The sum of the first `count` lanes. */
static float total(vec v, int count) {
    float lanes[VW], sum = 0.0f;
    vstore16(v, 0, lanes);
    for (int l = 0; l < VW; l++)
        sum += l < count ? lanes[l] : 0.0f;
    return sum;
}

/* weight[(i + lane) % width] */
static vec gather(__global const float *weight, size_t i, int width) {
    float lanes[VW];
    for (int l = 0, at = (int)(i % (size_t)width); l < VW; l++, at = at + 1 < width ? at + 1 : 0)
        lanes[l] = weight[at];
    return vload16(0, lanes);
}
#else
typedef float vec;

static vec load(__global const float *p, int count) {
    return *p;
}

static void store(vec v, __global float *p, int count) {
    *p = v;
}

static float total(vec v, int count) {
    return v;
}

static vec gather(__global const float *weight, size_t i, int width) {
    return weight[i % (size_t)width];
}
#endif

/* f(a, b); *d becomes its derivative. */
static vec loss_of(vec a, vec b, vec pos_weight, int second, float beta, vec *d) {
#if LOSS == 0
    *d = 2.0f * (a - b);
    return (a - b) * (a - b);
#elif LOSS == 1
    *d = sign(a - b);
    return fabs(a - b);
#elif LOSS == 2
    const vec size = fabs(a - b), inner = fmin(size, (vec)(beta));
    *d = copysign(inner, a - b) / beta;
    return inner * (size - 0.5f * inner) / beta;
#else
    /* low = sigmoid(-a), soft = -ln(sigmoid(a)) */
    const vec e = exp(-fabs(a)), low = (a < 0.0f ? (vec)(1.0f) : e) / (1.0f + e),
              soft = log1p(e) + fmax(-a, (vec)(0.0f));
    const vec scale = 1.0f + (pos_weight - 1.0f) * b;
    *d = second ? (pos_weight - 1.0f) * soft - a : (1.0f - b) - scale * low;
    return (1.0f - b) * a + scale * soft;
#endif
}

__kernel void losses(__global const float *a, __global const float *b, __global const float *pos_weight,
                     __global float *derivative, __global float *part, int count, int block, int width,
                     int has_pos_weight, int second, float factor, float beta) {
    const int group = (int)get_global_id(0) / GROUP, me = (int)get_global_id(0) % GROUP;
    const size_t begin = (size_t)group * block, end = min(begin + block, (size_t)count);
    vec sums = 0.0f, one = 1.0f;
    float sum = 0.0f;
    for (size_t i = begin + me * VW; i < end; i += GROUP * VW) {
        const int valid = (int)min((size_t)VW, end - i);
        vec d;
        vec f = loss_of(load(a + i, valid), load(b + i, valid), has_pos_weight ? gather(pos_weight, i, width) : one,
                        second, beta, &d);
        store(d * factor, derivative + i, valid);
        if (valid == VW)
            sums += f;
        else
            sum += total(f, valid);
    }
    sum = (sum + total(sums, VW)) * factor;
#if GROUP > 1
    __local float space[GROUP];
    space[me] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int half_way = GROUP / 2; half_way > 0; half_way /= 2) {
        if (me < half_way)
            space[me] += space[me + half_way];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    sum = space[0];
#endif
    if (me == 0 && begin < (size_t)count)
        part[group] = sum;
}

/* One time step of an LSTM or GRU layer and of its derivative, for host/ops/lstm.c and gru.c, where the formulas are.
 *
 * GATES is 4 (i, f, g, o) or 3 (r, z, n). Sequences are [samples, steps, ...]; gates are [samples, steps, 4 * hidden]: what
 * comes from x when a step begins (GRU: the first three quarters), the activated gates behind it (GRU: r, z, n, and
 * q = W_hn h + b_hn). A step that lies behind its sample's length gives zeros.
 *
 * Mapping: work-item (unit, sample); local size (UNITS, SPLIT). SPLIT work-items share the sums of SPLIT samples: each
 * takes every SPLIT-th part of the terms for all of these samples, so that a weight is read once for all, and finishes
 * one sample. Class generic has SPLIT 1 and then needs no local memory; class gpu takes 8 x 32.
 *
 * Kernels
 *   forward_step(gates, y[samples, steps, hidden], cell, weight[hidden, GATES * hidden], bias_ih, bias_hh, lengths,
 *                int samples, steps, hidden, step, before, has_bias, has_lengths)
 *     cell is like y; GRU: it has none, any buffer
 *   transpose(out[columns, rows], in[rows, columns], int rows, columns): the weight of the next kernel; any local size
 *   backward_step(dgates[samples, steps, GATES * hidden], dhidden, carry[samples, hidden], dy, gates, state: cell or y,
 *                 weight[GATES * hidden, hidden], lengths,
 *                 int samples, steps, hidden, step, before, after, has_lengths)
 *     dgates is the derivative of what comes from x, before activation, dhidden that of what comes from h: LSTM: the same
 *     buffer. carry is what reaches step `before` past the gates.
 *   before, after: the sequence's neighbours of `step` in the order of the layer's direction, -1 for none. Buffers whose
 *   has_... is 0 are not read.
 *
 * Macros: GRU 0 or 1; SPLIT, UNITS: above; VEC 1 or 4: width of reads of h and dgates, 4 needs hidden % 4 == 0. */
#ifndef GRU
#define GRU 0
#endif
#ifndef SPLIT
#define SPLIT 1
#endif
#ifndef UNITS
#define UNITS 32
#endif
#ifndef VEC
#define VEC 1
#endif

#if GRU
#define GATES 3
#else
#define GATES 4
#endif
#if VEC == 4
typedef float4 fvec;
#else
typedef float fvec;
#endif
#if SPLIT > 1
#define SPACE_PARAM __local float *space,
#define SPACE_ARG space,
#define SPACE __local float space[SPLIT * SPLIT * UNITS];
#else
#define SPACE_PARAM
#define SPACE_ARG
#define SPACE
#endif

static float sigmoid(float x) {
    return 1.0f / (1.0f + exp(-x));
}

#if SPLIT > 1
/* acc[r] are this work-item's terms of the group's sample r; returns the whole sum of its own sample. */
static float reduce(__local float *space, const float *acc) {
    const int unit = (int)get_local_id(0), part = (int)get_local_id(1);
    float sum = 0.0f;
    for (int r = 0; r < SPLIT; r++)
        space[(r * SPLIT + part) * UNITS + unit] = acc[r];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int p = 0; p < SPLIT; p++)
        sum += space[(part * SPLIT + p) * UNITS + unit];
    barrier(CLK_LOCAL_MEM_FENCE);
    return sum;
}
#endif

/* sum[c] = sum over k < depth of x[sample * stride + k] * weight[k, c * hidden + unit] for this work-item's sample and unit.
 * Called by all work-items of a group or by none. */
static void product(float *sum, SPACE_PARAM __global const float *x, int stride, __global const float *weight,
                    const int columns, int depth, int samples, int hidden) {
    const int unit = min((int)get_global_id(0), hidden - 1), part = SPLIT > 1 ? (int)get_local_id(1) : 0;
    const int first = SPLIT > 1 ? (int)get_group_id(1) * SPLIT : (int)get_global_id(1);
    __global const float *row[SPLIT];
    float acc[GATES][SPLIT];
#pragma unroll
    for (int r = 0; r < SPLIT; r++) {
        row[r] = x + (size_t)min(first + r, samples - 1) * stride;
        for (int c = 0; c < columns; c++)
            acc[c][r] = 0.0f;
    }
    for (int k = part * VEC; k < depth; k += SPLIT * VEC) {
        fvec a[SPLIT];
#pragma unroll
        for (int r = 0; r < SPLIT; r++)
            a[r] = *(__global const fvec *)(row[r] + k);
#pragma unroll
        for (int i = 0; i < VEC; i++)
            for (int c = 0; c < columns; c++) {
                const float w = weight[(size_t)(k + i) * (columns * hidden) + c * hidden + unit];
#pragma unroll
                for (int r = 0; r < SPLIT; r++)
                    acc[c][r] = fma(((const float *)&a[r])[i], w, acc[c][r]);
            }
    }
    for (int c = 0; c < columns; c++)
#if SPLIT > 1
        sum[c] = reduce(space, acc[c]);
#else
        sum[c] = acc[c][0];
#endif
}

/* One sample's step for one unit. The pointers are at it, those to the state before it are NULL where there is none. */
static void forward_unit(__global float *gate, __global float *y, __global float *cell, __global const float *earlier,
                         const float *from_x, const float *from_h, int hidden) {
#if GRU
    const float r = sigmoid(from_x[0] + from_h[0]), z = sigmoid(from_x[1] + from_h[1]);
    const float n = tanh(from_x[2] + r * from_h[2]);
    gate[0] = r;
    gate[hidden] = z;
    gate[2 * hidden] = n;
    gate[3 * hidden] = from_h[2];
    y[0] = (1.0f - z) * n + (earlier ? z * earlier[0] : 0.0f);
#else
    const float i = sigmoid(from_x[0] + from_h[0]), f = sigmoid(from_x[1] + from_h[1]);
    const float g = tanh(from_x[2] + from_h[2]), o = sigmoid(from_x[3] + from_h[3]);
    const float c = (earlier ? f * earlier[0] : 0.0f) + i * g;
    gate[0] = i;
    gate[hidden] = f;
    gate[2 * hidden] = g;
    gate[3 * hidden] = o;
    cell[0] = c;
    y[0] = o * tanh(c);
#endif
}

/* Zeros to `parts` floats, `hidden` apart. */
static void clear(__global float *p, int parts, int hidden) {
    for (int i = 0; i < parts; i++)
        p[i * hidden] = 0.0f;
}

__kernel void forward_step(__global float *gates, __global float *y, __global float *cell, __global const float *weight,
                           __global const float *bias_ih, __global const float *bias_hh, __global const int *lengths,
                           int samples, int steps, int hidden, int step, int before, int has_bias, int has_lengths) {
    SPACE
    const int unit = (int)get_global_id(0), sample = (int)get_global_id(1);
    float from_x[GATES], from_h[GATES];
    for (int c = 0; c < GATES; c++)
        from_h[c] = 0.0f;
    if (before >= 0)
        product(from_h, SPACE_ARG y + (size_t)before * hidden, steps * hidden, weight, GATES, hidden, samples, hidden);
    if (unit >= hidden || sample >= samples)
        return;
    const size_t row = (size_t)sample * steps, at = (row + step) * hidden + unit;
    __global float *gate = gates + (row + step) * 4 * hidden + unit;
    if (has_lengths && step >= lengths[sample]) {
        clear(gate, 4, hidden);
        y[at] = cell[at] = 0.0f;
        return;
    }
    for (int c = 0; c < GATES; c++) {
        from_x[c] = gate[c * hidden];
        if (has_bias) {
            from_x[c] += bias_ih[c * hidden + unit];
            from_h[c] += bias_hh[c * hidden + unit];
        }
    }
    __global float *state = GRU ? y : cell;
    forward_unit(gate, y + at, cell + at, before >= 0 ? state + (row + before) * hidden + unit : 0, from_x, from_h,
                 hidden);
}

__kernel void transpose(__global float *out, __global const float *in, int rows, int columns) {
    const int at = (int)get_global_id(0);
    if (at < rows * columns)
        out[at] = in[(size_t)(at % rows) * columns + at / rows];
}

/* As forward_unit(); dout is the derivative of the state but for what is carried. Returns what is carried on. */
static float backward_unit(__global float *d, __global float *e, __global const float *gate, float state, float earlier,
                           float dout, float carried, int hidden) {
#if GRU
    const float r = gate[0], z = gate[hidden], n = gate[2 * hidden], q = gate[3 * hidden];
    const float dh = dout + carried, dn = dh * (1.0f - z) * (1.0f - n * n);
    d[0] = e[0] = dn * q * r * (1.0f - r);
    d[hidden] = e[hidden] = dh * (earlier - n) * z * (1.0f - z);
    d[2 * hidden] = dn;
    e[2 * hidden] = dn * r;
    return dh * z;
#else
    const float i = gate[0], f = gate[hidden], g = gate[2 * hidden], o = gate[3 * hidden], t = tanh(state);
    const float dc = dout * o * (1.0f - t * t) + carried;
    d[0] = dc * g * i * (1.0f - i);
    d[hidden] = dc * earlier * f * (1.0f - f);
    d[2 * hidden] = dc * i * (1.0f - g * g);
    d[3 * hidden] = dout * t * o * (1.0f - o);
    return dc * f;
#endif
}

__kernel void backward_step(__global float *dgates, __global float *dhidden, __global float *carry,
                            __global const float *dy, __global const float *gates, __global const float *state,
                            __global const float *weight, __global const int *lengths, int samples, int steps,
                            int hidden, int step, int before, int after, int has_lengths) {
    SPACE
    const int unit = (int)get_global_id(0), sample = (int)get_global_id(1), wide = GATES * hidden;
    float dout[1] = {0.0f};
    if (after >= 0)
        product(dout, SPACE_ARG dhidden + (size_t)after * wide, steps * wide, weight, 1, wide, samples, hidden);
    if (unit >= hidden || sample >= samples)
        return;
    const size_t row = (size_t)sample * steps, at = (row + step) * hidden + unit;
    __global float *d = dgates + (row + step) * wide + unit, *e = dhidden + (row + step) * wide + unit;
    const float carried = after >= 0 ? carry[sample * hidden + unit] : 0.0f;
    if (has_lengths && step >= lengths[sample]) {
        clear(d, GATES, hidden);
        clear(e, GATES, hidden);
        carry[sample * hidden + unit] = carried;
        return;
    }
    const bool begins = before < 0 || has_lengths && before >= lengths[sample];
    const float earlier = begins ? 0.0f : state[(row + before) * hidden + unit];
    carry[sample * hidden + unit] = backward_unit(d, e, gates + (row + step) * 4 * hidden + unit, state[at], earlier,
                                                  dy[at] + dout[0], carried, hidden);
}

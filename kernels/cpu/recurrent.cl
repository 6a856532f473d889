/* generic/recurrent.cl's LSTM and GRU, class cpu: one launch for the whole sequence. A work-item takes TM samples through all
 * steps, which need nothing of each other, and holds the sums of TM samples and VW units in registers. Gates, state, carry
 * and lengths are those of generic/recurrent.cl.
 *
 *   pack(panels, weight[hidden, GATES * hidden], int hidden, transposed)   global size (ceil(hidden / VW), GATES)
 *   forward(gates, y, cell, panels, bias_ih, bias_hh, lengths,
 *           int samples, steps, hidden, reverse, has_bias, has_lengths)    global size (ceil(samples / TM))
 *   backward(dgates, dhidden, carry, dy, gates, state, panels: transposed, lengths,
 *            int samples, steps, hidden, reverse, has_lengths)             global size (ceil(samples / TM))
 *   panels[ceil(hidden / VW)][hidden][GATES][VW]: in the order of use, so that they stream from the cache; zero beyond the
 *   last unit. Transposed, lane l of block j at k holds weight[j * VW + l][gate, k].
 * Local size 1, no barriers.
 *
 * Macros: GRU 0 or 1; VW 4, 8 or 16: floats per vector; TM: samples per tile, GATES * (TM + 1) vector registers are live. */
#ifndef GRU
#define GRU 0
#endif
#ifndef VW
#define VW 16
#endif
#ifndef TM
#define TM 6
#endif

#if GRU
#define GATES 3
#else
#define GATES 4
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

#define INLINE static inline __attribute__((always_inline))

/* `count` lanes of p; the others are 0, or are not stored. */
INLINE vec load(__global const float *p, int count) {
    if (count >= VW)
        return LOAD(p);
    float lanes[VW];
    for (int l = 0; l < VW; l++)
        lanes[l] = l < count ? p[l] : 0.0f;
    return LOAD(lanes);
}

INLINE void store(vec v, __global float *p, int count) {
    if (count >= VW) {
        STORE(v, p);
        return;
    }
    float lanes[VW];
    STORE(v, lanes);
    for (int l = 0; l < count; l++)
        p[l] = lanes[l];
}

INLINE vec sigmoid(vec x) {
    return 1.0f / (1.0f + exp(-x));
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
pack(__global float *restrict panels, __global const float *restrict weight, int hidden, int transposed) {
    const int first = (int)get_global_id(0) * VW, gate = (int)get_global_id(1), count = min(VW, hidden - first);
    const int ld = GATES * hidden;
    for (int k = 0; k < hidden; k++) {
        __global float *out = panels + (((size_t)get_global_id(0) * hidden + k) * GATES + gate) * VW;
        if (!transposed) {
            STORE(load(weight + (size_t)k * ld + gate * hidden + first, count), out);
            continue;
        }
        for (int l = 0; l < VW; l++)
            out[l] = l < count ? weight[(size_t)(first + l) * ld + gate * hidden + k] : 0.0f;
    }
}

/* sums[gate][sample][VW] = sum over k of x[sample][gate * spread + k] * panel[k][gate], x being rows `stride` apart; rows
 * behind the last repeat it. */
INLINE void product(float *sums, __global const float *x, size_t stride, const int spread, int rows,
                    __global const float *panel, int hidden) {
    __global const float *row[TM];
    vec acc[GATES * TM];
#pragma unroll
    for (int r = 0; r < TM; r++)
        row[r] = x + min(r, rows - 1) * stride;
#pragma unroll
    for (int i = 0; i < GATES * TM; i++)
        acc[i] = (vec)(0.0f);
    for (int k = 0; k < hidden; k++) {
        vec w[GATES];
#pragma unroll
        for (int g = 0; g < GATES; g++)
            w[g] = LOAD(panel + ((size_t)k * GATES + g) * VW);
#pragma unroll
        for (int r = 0; r < TM; r++) {
#pragma unroll
            for (int g = 0; g < GATES; g++)
                acc[g * TM + r] = fma((vec)(row[r][g * spread + k]), w[g], acc[g * TM + r]);
        }
    }
#pragma unroll
    for (int i = 0; i < GATES * TM; i++)
        STORE(acc[i], sums + i * VW);
}

/* Whether any of the samples is still within its length at this step. */
INLINE bool any_active(__global const int *lengths, int rows, int step, int has_lengths) {
    bool any = !has_lengths;
    for (int r = 0; has_lengths && r < rows; r++)
        any = any || step < lengths[r];
    return any;
}

/* Zeros to `parts` stretches of `count` floats, `hidden` apart. */
INLINE void clear(__global float *p, int parts, int hidden, int count) {
    for (int i = 0; i < parts; i++)
        store((vec)(0.0f), p + i * hidden, count);
}

/* One sample's step for `count` units. The pointers are at the first of them; state `past` floats on is that of the step
 * before, past 0: there is none. */
INLINE void forward_units(__global float *gate, __global float *y, __global float *cell, const float *sums,
                          __global const float *bias_ih, __global const float *bias_hh, int has_bias, int past,
                          int hidden, int count) {
    vec from_x[GATES], from_h[GATES];
#pragma unroll
    for (int g = 0; g < GATES; g++) {
        from_x[g] = load(gate + g * hidden, count);
        from_h[g] = LOAD(sums + g * TM * VW);
        if (has_bias) {
            from_x[g] += load(bias_ih + g * hidden, count);
            from_h[g] += load(bias_hh + g * hidden, count);
        }
    }
#if GRU
    const vec r = sigmoid(from_x[0] + from_h[0]), z = sigmoid(from_x[1] + from_h[1]);
    const vec n = tanh(from_x[2] + r * from_h[2]);
    const vec h = past ? load(y + past, count) : (vec)(0.0f);
    store(r, gate, count);
    store(z, gate + hidden, count);
    store(n, gate + 2 * hidden, count);
    store(from_h[2], gate + 3 * hidden, count);
    store((1.0f - z) * n + z * h, y, count);
#else
    const vec i = sigmoid(from_x[0] + from_h[0]), f = sigmoid(from_x[1] + from_h[1]);
    const vec g = tanh(from_x[2] + from_h[2]), o = sigmoid(from_x[3] + from_h[3]);
    const vec c = f * (past ? load(cell + past, count) : (vec)(0.0f)) + i * g;
    store(i, gate, count);
    store(f, gate + hidden, count);
    store(g, gate + 2 * hidden, count);
    store(o, gate + 3 * hidden, count);
    store(c, cell, count);
    store(o * tanh(c), y, count);
#endif
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
forward(__global float *gates, __global float *y, __global float *cell, __global const float *panels,
        __global const float *bias_ih, __global const float *bias_hh, __global const int *lengths, int samples,
        int steps, int hidden, int reverse, int has_bias, int has_lengths) {
    const int first = (int)get_global_id(0) * TM, rows = min(TM, samples - first);
    float sums[GATES * TM * VW];
    for (int i = 0; i < GATES * TM * VW; i++)
        sums[i] = 0.0f;
    for (int s = 0; s < steps; s++) {
        const int step = reverse ? steps - 1 - s : s, past = s == 0 ? 0 : reverse ? hidden : -hidden;
        const bool active = s > 0 && any_active(lengths + first, rows, step, has_lengths);
        __global const float *earlier = y + ((size_t)first * steps + step) * hidden + past;
        for (int j = 0; j < hidden; j += VW) {
            const int count = min(VW, hidden - j);
            if (active)
                product(sums, earlier, (size_t)steps * hidden, 0, rows, panels + (size_t)j * hidden * GATES, hidden);
            for (int r = 0; r < rows; r++) {
                const size_t row = (size_t)(first + r) * steps + step, at = row * hidden + j;
                __global float *gate = gates + row * 4 * hidden + j;
                if (!has_lengths || step < lengths[first + r]) {
                    forward_units(gate, y + at, cell + at, sums + r * VW, bias_ih + j, bias_hh + j, has_bias, past,
                                  hidden, count);
                } else {
                    clear(gate, 4, hidden, count);
                    clear(y + at, 1, hidden, count);
                    clear(cell + at, 1, hidden, count);
                }
            }
        }
    }
}

/* As forward_units(); `out` is dy of these units, `carried` what carry holds. */
INLINE void backward_units(__global float *d, __global float *e, __global float *carry, vec dout, vec carried,
                           __global const float *gate, __global const float *state, const float *sums, int past,
                           int hidden, int count) {
    const vec before = past ? load(state + past, count) : (vec)(0.0f);
#pragma unroll
    for (int g = 0; g < GATES; g++)
        dout += LOAD(sums + g * TM * VW);
#if GRU
    const vec r = load(gate, count), z = load(gate + hidden, count);
    const vec n = load(gate + 2 * hidden, count), q = load(gate + 3 * hidden, count);
    dout += carried;
    const vec dn = dout * (1.0f - z) * (1.0f - n * n), dr = dn * q * r * (1.0f - r);
    const vec dz = dout * (before - n) * z * (1.0f - z);
    store(dr, d, count);
    store(dr, e, count);
    store(dz, d + hidden, count);
    store(dz, e + hidden, count);
    store(dn, d + 2 * hidden, count);
    store(dn * r, e + 2 * hidden, count);
    store(dout * z, carry, count);
#else
    const vec i = load(gate, count), f = load(gate + hidden, count), g = load(gate + 2 * hidden, count);
    const vec o = load(gate + 3 * hidden, count), t = tanh(load(state, count));
    const vec dc = dout * o * (1.0f - t * t) + carried;
    store(dc * g * i * (1.0f - i), d, count);
    store(dc * before * f * (1.0f - f), d + hidden, count);
    store(dc * i * (1.0f - g * g), d + 2 * hidden, count);
    store(dout * t * o * (1.0f - o), d + 3 * hidden, count);
    store(dc * f, carry, count);
#endif
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
backward(__global float *dgates, __global float *dhidden, __global float *carry, __global const float *dy,
         __global const float *gates, __global const float *state, __global const float *panels,
         __global const int *lengths, int samples, int steps, int hidden, int reverse, int has_lengths) {
    const int first = (int)get_global_id(0) * TM, rows = min(TM, samples - first), wide = GATES * hidden;
    float sums[GATES * TM * VW];
    for (int i = 0; i < GATES * TM * VW; i++)
        sums[i] = 0.0f;
    for (int s = 0; s < steps; s++) {
        const int step = reverse ? s : steps - 1 - s, past = s == steps - 1 ? 0 : reverse ? hidden : -hidden;
        const int after = s == 0 ? step : reverse ? step - 1 : step + 1;
        const bool active = s > 0 && any_active(lengths + first, rows, step, has_lengths);
        __global const float *later = dhidden + ((size_t)first * steps + after) * wide;
        for (int j = 0; j < hidden; j += VW) {
            const int count = min(VW, hidden - j);
            if (active)
                product(sums, later, (size_t)steps * wide, hidden, rows, panels + (size_t)j * hidden * GATES, hidden);
            for (int r = 0; r < rows; r++) {
                const size_t row = (size_t)(first + r) * steps + step, at = row * hidden + j;
                __global float *d = dgates + row * wide + j, *e = dhidden + row * wide + j;
                __global float *skip = carry + (size_t)(first + r) * hidden + j;
                const vec carried = s > 0 ? load(skip, count) : (vec)(0.0f);
                if (!has_lengths || step < lengths[first + r]) {
                    const bool begins = has_lengths && reverse && step + 1 >= lengths[first + r];
                    backward_units(d, e, skip, load(dy + at, count), carried, gates + row * 4 * hidden + j, state + at,
                                   sums + r * VW, begins ? 0 : past, hidden, count);
                } else {
                    clear(d, GATES, hidden, count);
                    clear(e, GATES, hidden, count);
                    store(carried, skip, count);
                }
            }
        }
    }
}

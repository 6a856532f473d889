/* Multi-head scaled dot-product attention and its derivative, class cpu. Formulas and tensors: generic/attention.cl.
 *
 * The lanes of QV vectors are LANES rows of one head ("own" rows: queries, or keys in attention_backward_kv), so that
 * maxima, sums and exponentials need no work across lanes. Their features are kept transposed in private memory; the
 * other side's rows stay where they are and are read as scalars, each for QV multiply-adds. Scores of ROWS rows at a time pass
 * through private memory; they meet the online softmax of Dao et al. (FlashAttention, arXiv 2205.14135, algorithm 1) with the
 * division kept for the end (FlashAttention-2, arXiv 2307.08691, section 3.1).
 *
 * Local size (1,1), no barriers. Global size (n*heads, ceil(rows/LANES)), where rows is tq, or tk in attention_backward_kv.
 *
 * Macros
 *   VW   16   floats per vector: 4, 8 or 16
 *   ROWS 64   rows of the other side taken together: a multiple of 8
 * d is at most MAX_D. */
#ifndef VW
#define VW 16
#endif
#ifndef ROWS
#define ROWS 64
#endif

#define MAX_D 128
#define QV 2
#define LANES (QV * VW)
#define INLINE static inline __attribute__((always_inline))

/* TILE: rows, or features, whose sums are in registers together; TILE * QV + QV + 1 registers are live. */
#if VW == 16
#define TILE 8
typedef float16 vec;
typedef int16 ivec;
#define TO_INTS(x) convert_int16(x)
#define AS_FLOATS(x) as_float16(x)
#define LOAD(p) vload16(0, p)
#define STORE(v, p) vstore16(v, 0, p)
#elif VW == 8
#define TILE 4
typedef float8 vec;
typedef int8 ivec;
#define TO_INTS(x) convert_int8(x)
#define AS_FLOATS(x) as_float8(x)
#define LOAD(p) vload8(0, p)
#define STORE(v, p) vstore8(v, 0, p)
#else
#define TILE 4
typedef float4 vec;
typedef int4 ivec;
#define TO_INTS(x) convert_int4(x)
#define AS_FLOATS(x) as_float4(x)
#define LOAD(p) vload4(0, p)
#define STORE(v, p) vstore4(v, 0, p)
#endif

/* Where the first row of head h of sample n begins; `part`: 0, 1, 2 for q, k, v of a packed buffer. */
INLINE size_t head_at(int n, int h, int rows, int heads, int d, int packed, int part)
{
    return packed ? ((size_t)n * rows * 3 + part) * heads * d + h * d : ((size_t)n * rows * heads + h) * d;
}

#define EACH_VECTOR _Pragma("unroll") for (int w = 0; w < QV; ++w)

/* first, first + 1, ... */
INLINE ivec lanes_from(int first)
{
    int lanes[VW];
    for (int l = 0; l < VW; ++l) lanes[l] = first + l;
    return LOAD(lanes);
}

/* e^x as 2^n e^r, |r| <= ln(2)/2, by the Taylor polynomial of degree 7: within 2 units in the last place. Below the smallest
 * normal number 0. The built-in one is several times as slow on PoCL, and half of attention's time. */
INLINE vec exponential(vec x)
{
    const vec whole = rint(x * 1.44269504f);
    const vec r = fma(whole, (vec)(2.12194440e-4f), fma(whole, (vec)(-0.693359375f), x));
    vec y = fma(r, (vec)(1.0f / 5040), (vec)(1.0f / 720));
    y = fma(y, r, (vec)(1.0f / 120));
    y = fma(y, r, (vec)(1.0f / 24));
    y = fma(y, r, (vec)(1.0f / 6));
    y = fma(y, r, (vec)(0.5f));
    y = fma(y, r, (vec)(1.0f));
    y = fma(y, r, (vec)(1.0f));
    y *= AS_FLOATS((TO_INTS(whole) + 127) << 23);
    y = select(y, (vec)(0.0f), x < -87.3f);
    return select(y, (vec)(INFINITY), x > 88.3f);
}

/* own[d][LANES] = factor * rows[count][d] transposed; lanes from `count` on repeat the last row. */
INLINE void own_load(float *own, const __global float *rows, size_t step, int count, int d, float factor)
{
    for (int w = 0; w < QV; ++w) {
        const __global float *row[VW];
        #pragma unroll
        for (int l = 0; l < VW; ++l) row[l] = rows + min(w * VW + l, count - 1) * step;
        for (int f = 0; f < d; ++f) {
            float lanes[VW];
            #pragma unroll
            for (int l = 0; l < VW; ++l) lanes[l] = row[l][f];
            STORE(factor * LOAD(lanes), own + (f * QV + w) * VW);
        }
    }
}

INLINE void own_store(const float *own, __global float *rows, size_t step, int count, int d, float factor)
{
    for (int l = 0; l < count; ++l)
        for (int f = 0; f < d; ++f) rows[l * step + f] = factor * own[f * LANES + l];
}

/* The scalar product of two rows. */
INLINE float row_dot(const __global float *a, const __global float *b, int d)
{
    float lanes[VW], sum = 0.0f;
    vec acc = (vec)(0.0f);
    int f = 0;
    for (; f + VW <= d; f += VW) acc = fma(LOAD(a + f), LOAD(b + f), acc);
    STORE(acc, lanes);
    for (int l = 0; l < VW; ++l) sum += lanes[l];
    for (; f < d; ++f) sum = fma(a[f], b[f], sum);
    return sum;
}

INLINE void own_clear(float *own, int d)
{
    for (int f = 0; f < d * QV; ++f) STORE((vec)(0.0f), own + f * VW);
}

/* s[count][LANES] = rows[count][d] * own[d][LANES]. s has room for a multiple of TILE rows. */
INLINE void products(float *s, const __global float *rows, size_t step, int count, const float *own, int d)
{
    for (int j = 0; j < count; j += TILE) {
        const __global float *row[TILE];
        vec acc[TILE * QV];
        #pragma unroll
        for (int r = 0; r < TILE; ++r) {
            row[r] = rows + min(j + r, count - 1) * step;
            EACH_VECTOR acc[r * QV + w] = (vec)(0.0f);
        }
        for (int f = 0; f < d; ++f) {
            vec x[QV];
            EACH_VECTOR x[w] = LOAD(own + (f * QV + w) * VW);
            #pragma unroll
            for (int r = 0; r < TILE; ++r) {
                const vec other = (vec)(row[r][f]);
                EACH_VECTOR acc[r * QV + w] = fma(other, x[w], acc[r * QV + w]);
            }
        }
        #pragma unroll
        for (int i = 0; i < TILE * QV; ++i) STORE(acc[i], s + (j * QV + i) * VW);
    }
}

/* own[d][LANES] = own * keep + rows[count][d]^T * s[count][LANES], features f to f + width only. */
#define ACCUMULATE(width)                                                                                    \
    {                                                                                                        \
        vec acc[width * QV];                                                                                 \
        _Pragma("unroll") for (int u = 0; u < width; ++u)                                                    \
            EACH_VECTOR acc[u * QV + w] = keep[w] * LOAD(own + ((f + u) * QV + w) * VW);                     \
        for (int j = 0; j < count; ++j) {                                                                    \
            const __global float *row = rows + j * step + f;                                                 \
            vec x[QV];                                                                                       \
            EACH_VECTOR x[w] = LOAD(s + (j * QV + w) * VW);                                                  \
            _Pragma("unroll") for (int u = 0; u < width; ++u) {                                              \
                const vec other = (vec)(row[u]);                                                             \
                EACH_VECTOR acc[u * QV + w] = fma(other, x[w], acc[u * QV + w]);                             \
            }                                                                                                \
        }                                                                                                    \
        _Pragma("unroll") for (int i = 0; i < width * QV; ++i) STORE(acc[i], own + (f * QV + i) * VW);       \
    }

INLINE void accumulate(float *own, const vec *keep, const float *s, const __global float *rows, size_t step, int count,
                       int d)
{
    int f = 0;
    for (; f + TILE <= d; f += TILE) ACCUMULATE(TILE)
    for (; f < d; ++f) ACCUMULATE(1)
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
attention_forward(const __global float *q, const __global float *k, const __global float *v, const __global int *mask,
                  __global float *y, __global float *lse, int heads, int d, int tq, int tk, int packed, int causal,
                  int masked, float scale)
{
    const int at = get_global_id(0), n = at / heads, h = at % heads, first = get_global_id(1) * LANES;
    const int count = min(LANES, tq - first), seen = causal ? min(tk, first + count) : tk;
    const size_t width = (size_t)heads * d, step = packed ? 3 * width : width;
    float own[MAX_D * LANES], out[MAX_D * LANES], s[ROWS * LANES], lanes[LANES];
    vec top[QV], sum[QV];
    EACH_VECTOR {
        top[w] = (vec)(-INFINITY);
        sum[w] = (vec)(0.0f);
    }
    k += head_at(n, h, tk, heads, d, packed, 1);
    v += head_at(n, h, tk, heads, d, packed, 2);
    own_load(own, q + head_at(n, h, tq, heads, d, packed, 0) + first * step, step, count, d, scale);
    own_clear(out, d);

    for (int j0 = 0; j0 < seen; j0 += ROWS) {
        const int rows = min(ROWS, seen - j0);
        vec higher[QV], keep[QV], base[QV];
        products(s, k + j0 * step, step, rows, own, d);
        EACH_VECTOR higher[w] = top[w];
        for (int j = 0; j < rows; ++j) {
            const bool hidden = masked && mask[n * tk + j0 + j] == 0;
            EACH_VECTOR {
                vec x = LOAD(s + (j * QV + w) * VW);
                if (hidden) x = (vec)(-INFINITY);
                if (causal) x = select(x, (vec)(-INFINITY), (ivec)(j0 + j) > lanes_from(first + w * VW));
                higher[w] = fmax(higher[w], x);
                STORE(x, s + (j * QV + w) * VW);
            }
        }
        EACH_VECTOR {
            base[w] = select(higher[w], (vec)(0.0f), higher[w] == (vec)(-INFINITY)); /* no key seen yet */
            keep[w] = exponential(top[w] - base[w]);
            sum[w] *= keep[w];
            top[w] = higher[w];
        }
        for (int j = 0; j < rows; ++j) {
            EACH_VECTOR {
                const vec p = exponential(LOAD(s + (j * QV + w) * VW) - base[w]);
                sum[w] += p;
                STORE(p, s + (j * QV + w) * VW);
            }
        }
        accumulate(out, keep, s, v + j0 * step, step, rows, d);
    }

    EACH_VECTOR {
        const ivec empty = sum[w] == (vec)(0.0f);
        const vec inverse = select(1.0f / sum[w], (vec)(0.0f), empty);
        for (int f = 0; f < d; ++f) STORE(LOAD(out + (f * QV + w) * VW) * inverse, out + (f * QV + w) * VW);
        STORE(select(top[w] + log(sum[w]), (vec)(0.0f), empty), lanes + w * VW);
    }
    own_store(out, y + head_at(n, h, tq, heads, d, 0, 0) + first * width, width, count, d, 1.0f);
    for (int l = 0; l < count; ++l) lse[at * tq + first + l] = lanes[l];
}

/* Writes delta as well, which attention_backward_kv reads. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
attention_backward_q(const __global float *q, const __global float *k, const __global float *v,
                     const __global int *mask, const __global float *dy, const __global float *y,
                     const __global float *lse, __global float *delta, __global float *dq, int heads, int d, int tq,
                     int tk, int packed, int causal, int masked, float scale)
{
    const int at = get_global_id(0), n = at / heads, h = at % heads, first = get_global_id(1) * LANES;
    const int count = min(LANES, tq - first), seen = causal ? min(tk, first + count) : tk;
    const size_t width = (size_t)heads * d, step = packed ? 3 * width : width;
    const size_t query_at = head_at(n, h, tq, heads, d, packed, 0) + first * step;
    float own[MAX_D * LANES], own_dy[MAX_D * LANES], out[MAX_D * LANES], s[ROWS * LANES], ds[ROWS * LANES];
    float lse_lanes[LANES], delta_lanes[LANES];
    vec keep[QV];
    k += head_at(n, h, tk, heads, d, packed, 1);
    v += head_at(n, h, tk, heads, d, packed, 2);
    dy += head_at(n, h, tq, heads, d, 0, 0) + first * width;
    y += head_at(n, h, tq, heads, d, 0, 0) + first * width;
    own_load(own, q + query_at, step, count, d, scale);
    own_load(own_dy, dy, width, count, d, 1.0f);
    own_clear(out, d);
    EACH_VECTOR keep[w] = (vec)(1.0f);
    for (int l = 0; l < LANES; ++l) {
        const int row = min(l, count - 1);
        delta_lanes[l] = row_dot(dy + row * width, y + row * width, d);
        lse_lanes[l] = lse[at * tq + first + row];
        delta[at * tq + first + row] = delta_lanes[l];
    }

    for (int j0 = 0; j0 < seen; j0 += ROWS) {
        const int rows = min(ROWS, seen - j0);
        products(s, k + j0 * step, step, rows, own, d);
        products(ds, v + j0 * step, step, rows, own_dy, d);
        for (int j = 0; j < rows; ++j) {
            const bool hidden = masked && mask[n * tk + j0 + j] == 0;
            EACH_VECTOR {
                vec p = exponential(LOAD(s + (j * QV + w) * VW) - LOAD(lse_lanes + w * VW));
                if (hidden) p = (vec)(0.0f);
                if (causal) p = select(p, (vec)(0.0f), (ivec)(j0 + j) > lanes_from(first + w * VW));
                STORE(p * (LOAD(ds + (j * QV + w) * VW) - LOAD(delta_lanes + w * VW)), ds + (j * QV + w) * VW);
            }
        }
        accumulate(out, keep, ds, k + j0 * step, step, rows, d);
    }
    own_store(out, dq + query_at, step, count, d, scale);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
attention_backward_kv(const __global float *q, const __global float *k, const __global float *v,
                      const __global int *mask, const __global float *dy, const __global float *lse,
                      const __global float *delta, __global float *dk, __global float *dv, int heads, int d, int tq,
                      int tk, int packed, int causal, int masked, float scale)
{
    const int at = get_global_id(0), n = at / heads, h = at % heads, first = get_global_id(1) * LANES;
    const int count = min(LANES, tk - first), begin = causal ? first : 0; /* of the queries that see a key here */
    const size_t width = (size_t)heads * d, step = packed ? 3 * width : width;
    const size_t key_at = head_at(n, h, tk, heads, d, packed, 1) + first * step;
    const size_t value_at = head_at(n, h, tk, heads, d, packed, 2) + first * step;
    float own_k[MAX_D * LANES], own_v[MAX_D * LANES], out_k[MAX_D * LANES], out_v[MAX_D * LANES], s[ROWS * LANES], ds[ROWS * LANES];
    int allowed[LANES];
    vec keep[QV];
    q += head_at(n, h, tq, heads, d, packed, 0);
    dy += head_at(n, h, tq, heads, d, 0, 0);
    own_load(own_k, k + key_at, step, count, d, scale);
    own_load(own_v, v + value_at, step, count, d, 1.0f);
    own_clear(out_k, d);
    own_clear(out_v, d);
    for (int l = 0; l < LANES; ++l) allowed[l] = l < count && (!masked || mask[n * tk + first + l] != 0);
    EACH_VECTOR keep[w] = (vec)(1.0f);

    for (int i0 = begin; i0 < tq; i0 += ROWS) {
        const int rows = min(ROWS, tq - i0);
        products(s, q + i0 * step, step, rows, own_k, d);
        products(ds, dy + i0 * width, width, rows, own_v, d);
        for (int i = 0; i < rows; ++i) {
            EACH_VECTOR {
                vec p = exponential(LOAD(s + (i * QV + w) * VW) - lse[at * tq + i0 + i]);
                p = select(p, (vec)(0.0f), LOAD(allowed + w * VW) == (ivec)(0));
                if (causal) p = select(p, (vec)(0.0f), lanes_from(first + w * VW) > (ivec)(i0 + i));
                STORE(p, s + (i * QV + w) * VW);
                STORE(p * (LOAD(ds + (i * QV + w) * VW) - delta[at * tq + i0 + i]), ds + (i * QV + w) * VW);
            }
        }
        accumulate(out_v, keep, s, dy + i0 * width, width, rows, d);
        accumulate(out_k, keep, ds, q + i0 * step, step, rows, d);
    }
    own_store(out_k, dk + key_at, step, count, d, scale);
    own_store(out_v, dv + value_at, step, count, d, 1.0f);
}

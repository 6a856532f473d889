/* Multi-head scaled dot-product attention and its derivative, class cpu. Formulas and tensors: generic/attention.cl.
 *
 * The lanes of a vector are VW rows of one head ("own" rows: queries, or keys in attention_backward_kv), so that
 * maxima, sums and exponentials need no work across lanes. Their features are kept transposed in private memory; the
 * other side's rows stay where they are and are read as scalars. Scores of ROWS rows at a time pass through private
 * memory; they meet the online softmax of Dao et al. (FlashAttention, arXiv 2205.14135, algorithm 1) with the
 * division kept for the end (FlashAttention-2, arXiv 2307.08691, section 3.1).
 *
 * Local size (1,1), no barriers. Global size (n*heads, ceil(rows/VW)), where rows is tq, or tk in attention_backward_kv.
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
#define TILE 8 /* rows, or features, whose sums are in registers together */
#define INLINE static inline __attribute__((always_inline))

#if VW == 16
typedef float16 vec;
typedef int16 ivec;
#define LOAD(p) vload16(0, p)
#define STORE(v, p) vstore16(v, 0, p)
#elif VW == 8
typedef float8 vec;
typedef int8 ivec;
#define LOAD(p) vload8(0, p)
#define STORE(v, p) vstore8(v, 0, p)
#else
typedef float4 vec;
typedef int4 ivec;
#define LOAD(p) vload4(0, p)
#define STORE(v, p) vstore4(v, 0, p)
#endif

/* Where the first row of head h of sample n begins; `part`: 0, 1, 2 for q, k, v of a packed buffer. */
INLINE size_t head_at(int n, int h, int rows, int heads, int d, int packed, int part)
{
    return packed ? ((size_t)n * rows * 3 + part) * heads * d + h * d : ((size_t)n * rows * heads + h) * d;
}

/* first, first + 1, ... */
INLINE ivec lanes_from(int first)
{
    int lanes[VW];
    for (int l = 0; l < VW; ++l) lanes[l] = first + l;
    return LOAD(lanes);
}

/* own[d][VW] = factor * rows[count][d] transposed; lanes from `count` on are 0. */
INLINE void own_load(float *own, const __global float *rows, size_t step, int count, int d, float factor)
{
    for (int l = 0; l < VW; ++l)
        for (int f = 0; f < d; ++f) own[f * VW + l] = l < count ? factor * rows[l * step + f] : 0.0f;
}

INLINE void own_store(const float *own, __global float *rows, size_t step, int count, int d, float factor)
{
    for (int l = 0; l < count; ++l)
        for (int f = 0; f < d; ++f) rows[l * step + f] = factor * own[f * VW + l];
}

INLINE void own_clear(float *own, int d)
{
    for (int f = 0; f < d; ++f) STORE((vec)(0.0f), own + f * VW);
}

/* s[count][VW] = rows[count][d] * own[d][VW]. s has room for a multiple of TILE rows. */
INLINE void products(float *s, const __global float *rows, size_t step, int count, const float *own, int d)
{
    for (int j = 0; j < count; j += TILE) {
        const __global float *row[TILE];
        vec acc[TILE];
        #pragma unroll
        for (int r = 0; r < TILE; ++r) {
            row[r] = rows + min(j + r, count - 1) * step;
            acc[r] = (vec)(0.0f);
        }
        for (int f = 0; f < d; ++f) {
            const vec x = LOAD(own + f * VW);
            #pragma unroll
            for (int r = 0; r < TILE; ++r) acc[r] = fma((vec)(row[r][f]), x, acc[r]);
        }
        #pragma unroll
        for (int r = 0; r < TILE; ++r) STORE(acc[r], s + (j + r) * VW);
    }
}

/* own[d][VW] = own * keep + rows[count][d]^T * s[count][VW], features f to f + width only. */
#define ACCUMULATE(width)                                                                                   \
    {                                                                                                       \
        vec acc[width];                                                                                     \
        _Pragma("unroll") for (int u = 0; u < width; ++u) acc[u] = keep * LOAD(own + (f + u) * VW);         \
        for (int j = 0; j < count; ++j) {                                                                   \
            const vec x = LOAD(s + j * VW);                                                                 \
            const __global float *row = rows + j * step + f;                                                \
            _Pragma("unroll") for (int u = 0; u < width; ++u) acc[u] = fma((vec)(row[u]), x, acc[u]);       \
        }                                                                                                   \
        _Pragma("unroll") for (int u = 0; u < width; ++u) STORE(acc[u], own + (f + u) * VW);                \
    }

INLINE void accumulate(float *own, vec keep, const float *s, const __global float *rows, size_t step, int count, int d)
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
    const int at = get_global_id(0), n = at / heads, h = at % heads, first = get_global_id(1) * VW;
    const int count = min(VW, tq - first), seen = causal ? min(tk, first + count) : tk;
    const size_t width = (size_t)heads * d, step = packed ? 3 * width : width;
    const ivec query = lanes_from(first);
    float own[MAX_D * VW], out[MAX_D * VW], s[ROWS * VW];
    vec top = (vec)(-INFINITY), sum = (vec)(0.0f);
    k += head_at(n, h, tk, heads, d, packed, 1);
    v += head_at(n, h, tk, heads, d, packed, 2);
    own_load(own, q + head_at(n, h, tq, heads, d, packed, 0) + first * step, step, count, d, scale);
    own_clear(out, d);

    for (int j0 = 0; j0 < seen; j0 += ROWS) {
        const int rows = min(ROWS, seen - j0);
        vec higher = top;
        products(s, k + j0 * step, step, rows, own, d);
        for (int j = 0; j < rows; ++j) {
            vec x = LOAD(s + j * VW);
            if (masked && mask[n * tk + j0 + j] == 0) x = (vec)(-INFINITY);
            if (causal) x = select(x, (vec)(-INFINITY), (ivec)(j0 + j) > query);
            higher = fmax(higher, x);
            STORE(x, s + j * VW);
        }
        const vec base = select(higher, (vec)(0.0f), higher == (vec)(-INFINITY)); /* no key seen yet */
        const vec keep = exp(top - base);
        sum *= keep;
        for (int j = 0; j < rows; ++j) {
            const vec p = exp(LOAD(s + j * VW) - base);
            sum += p;
            STORE(p, s + j * VW);
        }
        accumulate(out, keep, s, v + j0 * step, step, rows, d);
        top = higher;
    }

    const ivec empty = sum == (vec)(0.0f);
    const vec inverse = select(1.0f / sum, (vec)(0.0f), empty);
    float lanes[VW];
    for (int f = 0; f < d; ++f) STORE(LOAD(out + f * VW) * inverse, out + f * VW);
    own_store(out, y + head_at(n, h, tq, heads, d, 0, 0) + first * width, width, count, d, 1.0f);
    STORE(select(top + log(sum), (vec)(0.0f), empty), lanes);
    for (int l = 0; l < count; ++l) lse[at * tq + first + l] = lanes[l];
}

/* Writes delta as well, which attention_backward_kv reads. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
attention_backward_q(const __global float *q, const __global float *k, const __global float *v,
                     const __global int *mask, const __global float *dy, const __global float *y,
                     const __global float *lse, __global float *delta, __global float *dq, int heads, int d, int tq,
                     int tk, int packed, int causal, int masked, float scale)
{
    const int at = get_global_id(0), n = at / heads, h = at % heads, first = get_global_id(1) * VW;
    const int count = min(VW, tq - first), seen = causal ? min(tk, first + count) : tk;
    const size_t width = (size_t)heads * d, step = packed ? 3 * width : width;
    const size_t query_at = head_at(n, h, tq, heads, d, packed, 0) + first * step;
    const ivec query = lanes_from(first);
    float own[MAX_D * VW], own_dy[MAX_D * VW], out[MAX_D * VW], s[ROWS * VW], ds[ROWS * VW];
    float lse_lanes[VW], delta_lanes[VW];
    k += head_at(n, h, tk, heads, d, packed, 1);
    v += head_at(n, h, tk, heads, d, packed, 2);
    dy += head_at(n, h, tq, heads, d, 0, 0) + first * width;
    y += head_at(n, h, tq, heads, d, 0, 0) + first * width;
    own_load(own, q + query_at, step, count, d, scale);
    own_load(own_dy, dy, width, count, d, 1.0f);
    own_clear(out, d);
    for (int l = 0; l < VW; ++l) {
        float sum = 0.0f;
        for (int f = 0; l < count && f < d; ++f) sum += dy[l * width + f] * y[l * width + f];
        delta_lanes[l] = sum;
        lse_lanes[l] = l < count ? lse[at * tq + first + l] : 0.0f;
        if (l < count) delta[at * tq + first + l] = sum;
    }
    const vec own_lse = LOAD(lse_lanes), own_delta = LOAD(delta_lanes);

    for (int j0 = 0; j0 < seen; j0 += ROWS) {
        const int rows = min(ROWS, seen - j0);
        products(s, k + j0 * step, step, rows, own, d);
        products(ds, v + j0 * step, step, rows, own_dy, d);
        for (int j = 0; j < rows; ++j) {
            vec p = exp(LOAD(s + j * VW) - own_lse);
            if (masked && mask[n * tk + j0 + j] == 0) p = (vec)(0.0f);
            if (causal) p = select(p, (vec)(0.0f), (ivec)(j0 + j) > query);
            STORE(p * (LOAD(ds + j * VW) - own_delta), ds + j * VW);
        }
        accumulate(out, (vec)(1.0f), ds, k + j0 * step, step, rows, d);
    }
    own_store(out, dq + query_at, step, count, d, scale);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
attention_backward_kv(const __global float *q, const __global float *k, const __global float *v,
                      const __global int *mask, const __global float *dy, const __global float *lse,
                      const __global float *delta, __global float *dk, __global float *dv, int heads, int d, int tq,
                      int tk, int packed, int causal, int masked, float scale)
{
    const int at = get_global_id(0), n = at / heads, h = at % heads, first = get_global_id(1) * VW;
    const int count = min(VW, tk - first), begin = causal ? first : 0; /* of the queries that see a key here */
    const size_t width = (size_t)heads * d, step = packed ? 3 * width : width;
    const size_t key_at = head_at(n, h, tk, heads, d, packed, 1) + first * step;
    const size_t value_at = head_at(n, h, tk, heads, d, packed, 2) + first * step;
    const ivec key = lanes_from(first);
    float own_k[MAX_D * VW], own_v[MAX_D * VW], out_k[MAX_D * VW], out_v[MAX_D * VW], s[ROWS * VW], ds[ROWS * VW];
    int allowed_lanes[VW];
    q += head_at(n, h, tq, heads, d, packed, 0);
    dy += head_at(n, h, tq, heads, d, 0, 0);
    own_load(own_k, k + key_at, step, count, d, scale);
    own_load(own_v, v + value_at, step, count, d, 1.0f);
    own_clear(out_k, d);
    own_clear(out_v, d);
    for (int l = 0; l < VW; ++l) allowed_lanes[l] = l < count && (!masked || mask[n * tk + first + l] != 0);
    const ivec hidden = LOAD(allowed_lanes) == (ivec)(0);

    for (int i0 = begin; i0 < tq; i0 += ROWS) {
        const int rows = min(ROWS, tq - i0);
        products(s, q + i0 * step, step, rows, own_k, d);
        products(ds, dy + i0 * width, width, rows, own_v, d);
        for (int i = 0; i < rows; ++i) {
            vec p = exp(LOAD(s + i * VW) - lse[at * tq + i0 + i]);
            p = select(p, (vec)(0.0f), hidden);
            if (causal) p = select(p, (vec)(0.0f), key > (ivec)(i0 + i));
            STORE(p, s + i * VW);
            STORE(p * (LOAD(ds + i * VW) - delta[at * tq + i0 + i]), ds + i * VW);
        }
        accumulate(out_v, (vec)(1.0f), s, dy + i0 * width, width, rows, d);
        accumulate(out_k, (vec)(1.0f), ds, q + i0 * step, step, rows, d);
    }
    own_store(out_k, dk + key_at, step, count, d, scale);
    own_store(out_v, dv + value_at, step, count, d, 1.0f);
}

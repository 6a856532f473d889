/* Multi-head scaled dot-product attention and its derivative, class gpu. Formulas and tensors: generic/attention.cl.
 *
 * A work-group owns TILE rows of one head (queries, or keys in attention_backward_kv) and goes over the other side's rows
 * TILE at a time, with the online softmax of Dao et al. (FlashAttention, arXiv 2205.14135, algorithm 1) and the division
 * kept for the end (FlashAttention-2, arXiv 2307.08691, section 3.1). Work-item (tm, tn) of 8 x 8 has scores of own rows
 * 4 tm to 4 tm + 3 with other rows tn, tn + 8, tn + 16, tn + 24, and of its own rows' sums features 4 tn to 4 tn + 3 of
 * every 32.
 *
 * Local memory: 4 * TILE * (2 * LD + ALL + PART) bytes.
 *
 * Local size 64; global size 64 * n * heads * ceil(rows/TILE), where rows is tq, or tk in attention_backward_kv.
 *
 * Macro: BLOCKS 4: d is at most 32 * BLOCKS. */
#ifndef BLOCKS
#define BLOCKS 4
#endif

#define TILE 32
#define WIDE 8                  /* work-items along each side of a tile */
#define WG (WIDE * WIDE)
#define LD (TILE + 4)           /* row of a tile in local memory: the 4 spreads rows over the banks */
#define ALL (BLOCKS * TILE + 4) /* row of a tile with all features */
#define PART (WIDE + 1)         /* row of the partial results of a reduction */

/* Where the first row of head h of sample n begins; `part`: 0, 1, 2 for q, k, v of a packed buffer. */
static size_t head_at(int n, int h, int rows, int heads, int d, int packed, int part)
{
    return packed ? ((size_t)n * rows * 3 + part) * heads * d + h * d : ((size_t)n * rows * heads + h) * d;
}

/* tile = features f to f + 32 * blocks - 1 of TILE rows, zeros outside, where the nearest number inside is read. */
static void load_tile(__local float4 *tile, int blocks, __global const float *rows, size_t step, int count, int f, int d)
{
    __local float *to = (__local float *)tile;
    for (int r = (int)get_local_id(0) / TILE; r < TILE; r += WG / TILE)
        for (int c = (int)get_local_id(0) % TILE; c < blocks * TILE; c += TILE) {
            const float x = rows[min(r, count - 1) * step + min(f + c, d - 1)];
            to[r * (blocks * TILE + 4) + c] = r < count && f + c < d ? x : 0.0f;
        }
}

/* s[4][4] = this work-item's dot products of own and other rows. Begins with a barrier, as a and b may be in use. */
static void products(float s[4][4], __local float4 *a, __local float4 *b, __global const float *own, size_t own_step,
                     int own_count, __global const float *other, size_t other_step, int other_count, int d)
{
    const int tm = (int)get_local_id(0) / WIDE, tn = (int)get_local_id(0) % WIDE;
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j)
            s[i][j] = 0.0f;
    for (int f = 0; f < d; f += TILE) {
        barrier(CLK_LOCAL_MEM_FENCE);
        load_tile(a, 1, own, own_step, own_count, f, d);
        load_tile(b, 1, other, other_step, other_count, f, d);
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int c = 0; c < TILE / 4; ++c) {
            float4 x[4], y[4];
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                x[i] = a[(4 * tm + i) * (LD / 4) + c];
                y[i] = b[(tn + WIDE * i) * (LD / 4) + c];
            }
#pragma unroll
            for (int i = 0; i < 4; ++i)
#pragma unroll
                for (int j = 0; j < 4; ++j) {
                    s[i][j] += x[i].x * y[j].x;
                    s[i][j] += x[i].y * y[j].y;
                    s[i][j] += x[i].z * y[j].z;
                    s[i][j] += x[i].w * y[j].w;
                }
        }
    }
}

/* p = s, as a tile of own rows by other rows. */
static void store_scores(__local float4 *p, float s[4][4])
{
    __local float *to = (__local float *)p;
    const int tm = (int)get_local_id(0) / WIDE, tn = (int)get_local_id(0) % WIDE;
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j)
            to[(4 * tm + i) * LD + tn + WIDE * j] = s[i][j];
}

/* sum[4][BLOCKS] += p * other rows, this work-item's part. Begins with a barrier, as p may just have been stored. */
static void accumulate(float4 sum[4][BLOCKS], __local const float4 *p, __local float4 *b, __global const float *other,
                       size_t step, int count, int d)
{
    const int tm = (int)get_local_id(0) / WIDE, tn = (int)get_local_id(0) % WIDE;
    barrier(CLK_LOCAL_MEM_FENCE);
    load_tile(b, BLOCKS, other, step, count, 0, d);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int j = 0; j < TILE / 4; ++j) {
        float4 x[4];
#pragma unroll
        for (int i = 0; i < 4; ++i)
            x[i] = p[(4 * tm + i) * (LD / 4) + j];
#pragma unroll
        for (int block = 0; block < BLOCKS; ++block) {
            __local const float4 *y = b + j * ALL + block * (TILE / 4) + tn;
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                sum[i][block] += x[i].x * y[0];
                sum[i][block] += x[i].y * y[ALL / 4];
                sum[i][block] += x[i].z * y[2 * ALL / 4];
                sum[i][block] += x[i].w * y[3 * ALL / 4];
            }
        }
    }
}

static void clear_sums(float4 sum[4][BLOCKS])
{
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int block = 0; block < BLOCKS; ++block)
            sum[i][block] = (float4)0.0f;
}

/* rows = factor[i] * sum[i], those below count, by way of `tile`, so that neighbours write to neighbours. */
static void store_sums(float4 sum[4][BLOCKS], const float factor[4], __local float4 *tile, __global float *rows,
                       size_t step, int count, int d)
{
    __local const float *from = (__local const float *)tile;
    const int tm = (int)get_local_id(0) / WIDE, tn = (int)get_local_id(0) % WIDE;
    barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int block = 0; block < BLOCKS; ++block)
            tile[(4 * tm + i) * (ALL / 4) + block * (TILE / 4) + tn] = factor[i] * sum[i][block];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int r = (int)get_local_id(0) / TILE; r < count; r += WG / TILE)
        for (int c = (int)get_local_id(0) % TILE; c < d; c += TILE)
            rows[r * step + c] = from[r * ALL + c];
}

/* x[i] of the eight work-items that share own row i, added up (or their maximum), to each of them. A barrier must lie
 * between two calls. */
static void reduce(__local float *part, float x[4], int maximum)
{
    const int tm = (int)get_local_id(0) / WIDE, tn = (int)get_local_id(0) % WIDE;
#pragma unroll
    for (int i = 0; i < 4; ++i)
        part[(4 * tm + i) * PART + tn] = x[i];
    barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        x[i] = part[(4 * tm + i) * PART];
        for (int t = 1; t < WIDE; ++t) {
            const float other = part[(4 * tm + i) * PART + t];
            x[i] = maximum ? fmax(x[i], other) : x[i] + other;
        }
    }
}

/* Whether query i of sample n sees key j. */
static int sees(__global const int *mask, int n, int i, int j, int tq, int tk, int causal, int masked)
{
    const int shown = mask[masked * (n * tk + min(j, tk - 1))]; /* masked 0: any number */
    return (i < tq) & (j < tk) & (!causal | (j <= i)) & (!masked | (shown != 0));
}

__kernel __attribute__((reqd_work_group_size(WG, 1, 1))) void
attention_forward(__global const float *q, __global const float *k, __global const float *v, __global const int *mask,
                  __global float *y, __global float *lse, int heads, int d, int tq, int tk, int packed, int causal,
                  int masked, float scale)
{
    __local float4 a[TILE * LD / 4], b[TILE * ALL / 4], p[TILE * LD / 4];
    __local float part[TILE * PART];
    const int tm = (int)get_local_id(0) / WIDE, tn = (int)get_local_id(0) % WIDE, tiles = (tq + TILE - 1) / TILE;
    const int at = (int)get_group_id(0) / tiles, n = at / heads, h = at % heads;
    const int first = (int)get_group_id(0) % tiles * TILE, count = min(TILE, tq - first);
    const int seen = causal ? min(tk, first + count) : tk;
    const size_t width = (size_t)heads * d, step = packed ? 3 * width : width;
    float4 sum[4][BLOCKS];
    float s[4][4], top[4], total[4];
    q += head_at(n, h, tq, heads, d, packed, 0) + first * step;
    k += head_at(n, h, tk, heads, d, packed, 1);
    v += head_at(n, h, tk, heads, d, packed, 2);
    clear_sums(sum);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        top[i] = -INFINITY;
        total[i] = 0.0f;
    }

    for (int j0 = 0; j0 < seen; j0 += TILE) {
        const int others = min(TILE, seen - j0);
        float higher[4];
        products(s, a, b, q, step, count, k + j0 * step, step, others, d);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            higher[i] = top[i];
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                const int key = j0 + tn + WIDE * j, query = first + 4 * tm + i;
                s[i][j] = sees(mask, n, query, key, tq, tk, causal, masked) ? scale * s[i][j] : -INFINITY;
                higher[i] = fmax(higher[i], s[i][j]);
            }
        }
        reduce(part, higher, 1);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const float base = higher[i] == -INFINITY ? 0.0f : higher[i]; /* no key seen yet */
            const float keep = exp(top[i] - base);
            top[i] = higher[i];
            total[i] *= keep;
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                s[i][j] = exp(s[i][j] - base);
                total[i] += s[i][j];
            }
#pragma unroll
            for (int block = 0; block < BLOCKS; ++block)
                sum[i][block] *= keep;
        }
        store_scores(p, s);
        accumulate(sum, p, b, v + j0 * step, step, others, d);
    }

    reduce(part, total, 0);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        const int query = first + 4 * tm + i;
        if (tn == 0 && query < tq)
            lse[at * tq + query] = total[i] > 0.0f ? top[i] + log(total[i]) : 0.0f;
        total[i] = total[i] > 0.0f ? 1.0f / total[i] : 0.0f;
    }
    store_sums(sum, total, b, y + head_at(n, h, tq, heads, d, 0, 0) + first * width, width, count, d);
}

/* Writes delta as well, which attention_backward_kv reads. */
__kernel __attribute__((reqd_work_group_size(WG, 1, 1))) void
attention_backward_q(__global const float *q, __global const float *k, __global const float *v,
                     __global const int *mask, __global const float *dy, __global const float *y,
                     __global const float *lse, __global float *delta, __global float *dq, int heads, int d, int tq,
                     int tk, int packed, int causal, int masked, float scale)
{
    __local float4 a[TILE * LD / 4], b[TILE * ALL / 4], p[TILE * LD / 4];
    __local float part[TILE * PART];
    const int tm = (int)get_local_id(0) / WIDE, tn = (int)get_local_id(0) % WIDE, tiles = (tq + TILE - 1) / TILE;
    const int at = (int)get_group_id(0) / tiles, n = at / heads, h = at % heads;
    const int first = (int)get_group_id(0) % tiles * TILE, count = min(TILE, tq - first);
    const int seen = causal ? min(tk, first + count) : tk;
    const size_t width = (size_t)heads * d, step = packed ? 3 * width : width;
    const size_t query_at = head_at(n, h, tq, heads, d, packed, 0) + first * step;
    float4 sum[4][BLOCKS];
    float s[4][4], ds[4][4], own_lse[4], own_delta[4];
    const float factor[4] = {scale, scale, scale, scale};
    q += query_at;
    k += head_at(n, h, tk, heads, d, packed, 1);
    v += head_at(n, h, tk, heads, d, packed, 2);
    dy += head_at(n, h, tq, heads, d, 0, 0) + first * width;
    y += head_at(n, h, tq, heads, d, 0, 0) + first * width;
    clear_sums(sum);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        const int r = 4 * tm + i;
        own_delta[i] = 0.0f;
        for (int f = tn; r < count && f < d; f += WIDE)
            own_delta[i] += dy[r * width + f] * y[r * width + f];
        own_lse[i] = r < count ? lse[at * tq + first + r] : 0.0f;
    }
    reduce(part, own_delta, 0);
#pragma unroll
    for (int i = 0; i < 4; ++i)
        if (tn == 0 && 4 * tm + i < count)
            delta[at * tq + first + 4 * tm + i] = own_delta[i];

    for (int j0 = 0; j0 < seen; j0 += TILE) {
        const int others = min(TILE, seen - j0);
        products(s, a, b, q, step, count, k + j0 * step, step, others, d);
        products(ds, a, b, dy, width, count, v + j0 * step, step, others, d);
#pragma unroll
        for (int i = 0; i < 4; ++i)
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                const int key = j0 + tn + WIDE * j, query = first + 4 * tm + i;
                const float x = exp(scale * s[i][j] - own_lse[i]) * (ds[i][j] - own_delta[i]);
                ds[i][j] = sees(mask, n, query, key, tq, tk, causal, masked) ? x : 0.0f;
            }
        store_scores(p, ds);
        accumulate(sum, p, b, k + j0 * step, step, others, d);
    }
    store_sums(sum, factor, b, dq + query_at, step, count, d);
}

__kernel __attribute__((reqd_work_group_size(WG, 1, 1))) void
attention_backward_kv(__global const float *q, __global const float *k, __global const float *v,
                      __global const int *mask, __global const float *dy, __global const float *lse,
                      __global const float *delta, __global float *dk, __global float *dv, int heads, int d, int tq,
                      int tk, int packed, int causal, int masked, float scale)
{
    __local float4 a[TILE * LD / 4], b[TILE * ALL / 4], p[TILE * LD / 4];
    const int tm = (int)get_local_id(0) / WIDE, tn = (int)get_local_id(0) % WIDE, tiles = (tk + TILE - 1) / TILE;
    const int at = (int)get_group_id(0) / tiles, n = at / heads, h = at % heads;
    const int first = (int)get_group_id(0) % tiles * TILE, count = min(TILE, tk - first);
    const int begin = causal ? first : 0; /* of the queries that see a key here */
    const size_t width = (size_t)heads * d, step = packed ? 3 * width : width;
    const size_t key_at = head_at(n, h, tk, heads, d, packed, 1) + first * step;
    const size_t value_at = head_at(n, h, tk, heads, d, packed, 2) + first * step;
    float4 sum_k[4][BLOCKS], sum_v[4][BLOCKS];
    float s[4][4], ds[4][4];
    const float factor_k[4] = {scale, scale, scale, scale}, factor_v[4] = {1.0f, 1.0f, 1.0f, 1.0f};
    q += head_at(n, h, tq, heads, d, packed, 0);
    dy += head_at(n, h, tq, heads, d, 0, 0);
    clear_sums(sum_k);
    clear_sums(sum_v);

    for (int i0 = begin; i0 < tq; i0 += TILE) {
        const int others = min(TILE, tq - i0);
        products(s, a, b, k + key_at, step, count, q + i0 * step, step, others, d);
        products(ds, a, b, v + value_at, step, count, dy + i0 * width, width, others, d);
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            const int query = i0 + tn + WIDE * j, stat = at * tq + min(query, tq - 1);
            const float other_lse = lse[stat], other_delta = delta[stat];
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                const int key = first + 4 * tm + i;
                const float x = exp(scale * s[i][j] - other_lse);
                s[i][j] = sees(mask, n, query, key, tq, tk, causal, masked) ? x : 0.0f;
                ds[i][j] = s[i][j] * (ds[i][j] - other_delta);
            }
        }
        store_scores(p, s);
        accumulate(sum_v, p, b, dy + i0 * width, width, others, d);
        barrier(CLK_LOCAL_MEM_FENCE);
        store_scores(p, ds);
        accumulate(sum_k, p, b, q + i0 * step, step, others, d);
    }
    store_sums(sum_k, factor_k, b, dk + key_at, step, count, d);
    store_sums(sum_v, factor_v, b, dv + value_at, step, count, d);
}

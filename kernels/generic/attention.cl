/* Multi-head scaled dot-product attention and its derivative, class generic. For each sample n and head h:
 *
 *   s[i,j] = scale * sum over f<d of q[i,f] k[j,f]     for every key j that query i sees
 *   lse[i] = log sum over j of exp(s[i,j]),   p[i,j] = exp(s[i,j] - lse[i]),   y[i,f] = sum over j of p[i,j] v[j,f]
 *   delta[i] = sum over f of dy[i,f] y[i,f],   ds[i,j] = p[i,j] (sum over f of dy[i,f] v[j,f] - delta[i])
 *   dq[i,f] = scale * sum over j of ds[i,j] k[j,f]
 *   dk[j,f] = scale * sum over i of ds[i,j] q[i,f],   dv[j,f] = sum over i of p[i,j] dy[i,f]
 *
 * Query i sees key j if mask[n,j] is not 0 and, with causal, j <= i. A query that sees no key has y = 0 and lse = 0.
 *
 *   q[n,tq,heads,d], k and v[n,tk,heads,d]; packed: all three are one buffer [n,t,3,heads,d]. So are dq, dk and dv.
 *   y, dy[n,tq,heads,d]; lse, delta[n,heads,tq]; mask[n,tk], not read (any buffer) when masked is 0
 *
 * Mapping: one work-item per row of one head, get_global_id(0) = (n*heads + h)*rows + row, of `count`. Sums over features
 * grow in the output. */

/* Where the first row of head h of sample n begins; `part`: 0, 1, 2 for q, k, v of a packed buffer. */
static size_t head_at(int n, int h, int rows, int heads, int d, int packed, int part) {
    return packed ? ((size_t)n * rows * 3 + part) * heads * d + h * d : ((size_t)n * rows * heads + h) * d;
}

static float dot_rows(__global const float *a, __global const float *b, int d) {
    float sum = 0.0f;
    for (int f = 0; f < d; f++)
        sum += a[f] * b[f];
    return sum;
}

static int sees(__global const int *mask, int n, int i, int j, int tk, int causal, int masked) {
    return (!causal || j <= i) && (!masked || mask[n * tk + j] != 0);
}

__kernel void attention_forward(__global const float *q, __global const float *k, __global const float *v,
                                __global const int *mask, __global float *y, __global float *lse, int heads, int d,
                                int tq, int tk, int packed, int causal, int masked, float scale, int count) {
    int at = (int)get_global_id(0), i = at % tq, h = at / tq % heads, n = at / tq / heads;
    size_t width = (size_t)heads * d, step = packed ? 3 * width : width;
    float top = -INFINITY, sum = 0.0f;
    if (at >= count)
        return;
    q += head_at(n, h, tq, heads, d, packed, 0) + i * step;
    k += head_at(n, h, tk, heads, d, packed, 1);
    v += head_at(n, h, tk, heads, d, packed, 2);
    y += head_at(n, h, tq, heads, d, 0, 0) + i * width;
    for (int j = 0; j < tk; j++)
        if (sees(mask, n, i, j, tk, causal, masked))
            top = fmax(top, scale * dot_rows(q, k + j * step, d));
    for (int f = 0; f < d; f++)
        y[f] = 0.0f;
    for (int j = 0; j < tk; j++)
        if (sees(mask, n, i, j, tk, causal, masked)) {
            float p = exp(scale * dot_rows(q, k + j * step, d) - top);
            sum += p;
            for (int f = 0; f < d; f++)
                y[f] += p * v[j * step + f];
        }
    for (int f = 0; f < d; f++)
        y[f] = sum > 0.0f ? y[f] / sum : 0.0f;
    lse[at] = sum > 0.0f ? top + log(sum) : 0.0f;
}

/* Writes delta as well, which attention_backward_kv reads. */
__kernel void attention_backward_q(__global const float *q, __global const float *k, __global const float *v,
                                   __global const int *mask, __global const float *dy, __global const float *y,
                                   __global const float *lse, __global float *delta, __global float *dq, int heads,
                                   int d, int tq, int tk, int packed, int causal, int masked, float scale, int count) {
    int at = (int)get_global_id(0), i = at % tq, h = at / tq % heads, n = at / tq / heads;
    size_t width = (size_t)heads * d, step = packed ? 3 * width : width;
    if (at >= count)
        return;
    size_t query = head_at(n, h, tq, heads, d, packed, 0) + i * step,
           row = head_at(n, h, tq, heads, d, 0, 0) + i * width;
    q += query;
    dq += query;
    dy += row;
    k += head_at(n, h, tk, heads, d, packed, 1);
    v += head_at(n, h, tk, heads, d, packed, 2);
    float own = dot_rows(dy, y + row, d);
    delta[at] = own;
    for (int f = 0; f < d; f++)
        dq[f] = 0.0f;
    for (int j = 0; j < tk; j++)
        if (sees(mask, n, i, j, tk, causal, masked)) {
            float p = exp(scale * dot_rows(q, k + j * step, d) - lse[at]);
            float ds = scale * p * (dot_rows(dy, v + j * step, d) - own);
            for (int f = 0; f < d; f++)
                dq[f] += ds * k[j * step + f];
        }
}

__kernel void attention_backward_kv(__global const float *q, __global const float *k, __global const float *v,
                                    __global const int *mask, __global const float *dy, __global const float *lse,
                                    __global const float *delta, __global float *dk, __global float *dv, int heads,
                                    int d, int tq, int tk, int packed, int causal, int masked, float scale, int count) {
    int at = (int)get_global_id(0), j = at % tk, h = at / tk % heads, n = at / tk / heads;
    size_t width = (size_t)heads * d, step = packed ? 3 * width : width;
    if (at >= count)
        return;
    size_t key = head_at(n, h, tk, heads, d, packed, 1) + j * step;
    size_t value = head_at(n, h, tk, heads, d, packed, 2) + j * step;
    k += key;
    dk += key;
    v += value;
    dv += value;
    q += head_at(n, h, tq, heads, d, packed, 0);
    dy += head_at(n, h, tq, heads, d, 0, 0);
    lse += (n * heads + h) * tq;
    delta += (n * heads + h) * tq;
    for (int f = 0; f < d; f++)
        dk[f] = dv[f] = 0.0f;
    for (int i = 0; i < tq; i++)
        if (sees(mask, n, i, j, tk, causal, masked)) {
            float p = exp(scale * dot_rows(q + i * step, k, d) - lse[i]);
            float ds = scale * p * (dot_rows(dy + i * width, v, d) - delta[i]);
            for (int f = 0; f < d; f++) {
                dv[f] += p * dy[i * width + f];
                dk[f] += ds * q[i * step + f];
            }
        }
}

/* Inverted dropout and stochastic depth. The mask is Philox 4x32-10 (Salmon et al. 2011) of (seed, purpose, step, node,
 * element or sample), so it is the same in the backward pass and on every device, and nothing is saved.
 *
 * dropout: one work-item draws one block of four numbers, for elements b, b + q, b + 2q, b + 3q with q = ceil(count / 4):
 * each of the four accesses is contiguous across work-items. stochastic_depth: one work-item scales every columns-th
 * element of a sample. */

#define PURPOSE_DROPOUT (4u << 24) /* lbk_rng_purpose, as lbk_rng_init() places it */

static uint4 philox(uint4 counter, uint2 key) {
    for (int round = 0; round < 10; round++) {
        uint high0 = mul_hi(0xD2511F53u, counter.x), low0 = 0xD2511F53u * counter.x;
        uint high1 = mul_hi(0xCD9E8D57u, counter.z), low1 = 0xCD9E8D57u * counter.z;
        counter = (uint4)(high1 ^ counter.y ^ key.x, low1, high0 ^ counter.w ^ key.y, low0);
        key += (uint2)(0x9E3779B9u, 0xBB67AE85u);
    }
    return counter;
}

/* An element is dropped when the upper 24 bits of its number are below `threshold` = p * 2^24; kept ones are scaled by
 * `scale` = 1 / (1 - p). y[count] may be x. */
__kernel void dropout(__global const float *x, __global const int *step, __global float *y, int count, int quarter,
                      int seed, int node, int threshold, float scale) {
    int b = (int)get_global_id(0);
    if (b >= quarter)
        return;
    uint4 bits = philox((uint4)((uint)b, (uint)step[0], (uint)node, PURPOSE_DROPOUT), (uint2)((uint)seed, 0u)) >> 8;
    int4 keep = bits >= (uint4)((uint)threshold);
    int i1 = b + quarter, i2 = b + 2 * quarter, i3 = b + 3 * quarter;
    y[b] = keep.x ? x[b] * scale : 0.0f;
    if (i1 < count)
        y[i1] = keep.y ? x[i1] * scale : 0.0f;
    if (i2 < count)
        y[i2] = keep.z ? x[i2] * scale : 0.0f;
    if (i3 < count)
        y[i3] = keep.w ? x[i3] * scale : 0.0f;
}

/* x[samples * size]; sample n is dropped by number n. Global size: columns x samples. y may be x. */
__kernel void stochastic_depth(__global const float *x, __global const int *step, __global float *y, int size,
                               int columns, int seed, int node, int threshold, float scale) {
    int j = (int)get_global_id(0), n = (int)get_global_id(1);
    if (j >= columns)
        return;
    uint4 bits = philox((uint4)((uint)n / 4, (uint)step[0], (uint)node, PURPOSE_DROPOUT), (uint2)((uint)seed, 0u)) >> 8;
    uint number = n % 4 == 0 ? bits.x : n % 4 == 1 ? bits.y : n % 4 == 2 ? bits.z : bits.w;
    float factor = number >= (uint)threshold ? scale : 0.0f;
    x += (size_t)n * (size_t)size;
    y += (size_t)n * (size_t)size;
    for (int i = j; i < size; i += columns)
        y[i] = factor == 0.0f ? 0.0f : x[i] * factor;
}

/* Sums over blocks of x seen as [supers, lanes], as in cpu/batch_norm.cl: whole vectors whatever the number of channels.
 * `partial` is [blocks * lanes + tail * channels]; generic/reduce_rows.cl finishes. One work-item per block. */

#define TILE 64 /* lanes handled at once, in four float16 */

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
blocks_sum(__global const float *restrict x, __global float *restrict partial, int channels, int lanes, int supers,
           int blocks, int full, int tail) {
    int block = (int)get_group_id(0), end = min((block + 1) * full, supers);
    for (int t = 0; t < lanes; t += TILE) {
        float16 s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;
        for (int i = block * full; i < end; i++) {
            __global const float *p = x + (size_t)i * lanes + t;
            s0 += vload16(0, p), s1 += vload16(1, p), s2 += vload16(2, p), s3 += vload16(3, p);
        }
        __global float *out = partial + (size_t)block * lanes + t;
        vstore16(s0, 0, out);
        vstore16(s1, 1, out);
        vstore16(s2, 2, out);
        vstore16(s3, 3, out);
    }
    for (int i = 0; block == blocks - 1 && i < tail * channels; i++)
        partial[(size_t)blocks * lanes + i] = x[(size_t)supers * lanes + i];
}

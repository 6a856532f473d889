/* Reductions of batch normalisation for GPUs; tables and apply are those of generic/batch_norm.cl, whose head defines
 * `partial` and `table`. Trees in local memory have a fixed order: results repeat bit for bit. */

#ifndef GROUP
#define GROUP 256 /* work-items of a work-group, a power of two */
#endif

/* Merges (nb, mb, qb) into (n, mean, q): counts, means, squared deviations (Chan et al. 1983). */
static void merge(float *n, float *mean, float *q, float nb, float mb, float qb) {
    float both = *n + nb;
    if (nb > 0.0f) {
        float d = mb - *mean;
        *q += qb + d * d * (*n * nb / both);
        *mean += d * (nb / both);
        *n = both;
    }
}

/* Work-group: local (channels, strands); strand s of a block sums its rows s, s + strands, ... Blocks have `full` rows, fewer the
 * last one of each `image` rows (group_norm.cl; here image = rows). */
__kernel void moments(__global const float *x, __global float *partial, int image, int rows, int channels, int full,
                      int blocks) {
    __local float count[GROUP], means[GROUP], squares[GROUP];
    int c = (int)get_global_id(0), block = (int)get_group_id(1);
    int width = (int)get_local_size(0), strands = (int)get_local_size(1), strand = (int)get_local_id(1);
    int me = strand * width + (int)get_local_id(0), parts = (image + full - 1) / full;
    int start = block / parts * image + block % parts * full, first = start + strand;
    int end = min(start + full, (block / parts + 1) * image);
    float n = 0.0f, mean = 0.0f, q = 0.0f;
    if (c < channels && first < end) {
        float shift = x[(size_t)first * channels + c], sum = 0.0f;
        n = 1.0f;
        for (int row = first + strands; row < end; row += strands) {
            float d = x[(size_t)row * channels + c] - shift;
            sum += d;
            q += d * d;
            n += 1.0f;
        }
        mean = shift + sum / n;
        q = fmax(q - sum * (sum / n), 0.0f);
    }
    for (int half_way = strands / 2; half_way > 0; half_way /= 2) {
        count[me] = n;
        means[me] = mean;
        squares[me] = q;
        barrier(CLK_LOCAL_MEM_FENCE);
        if (strand < half_way) {
            int other = me + half_way * width;
            merge(&n, &mean, &q, count[other], means[other], squares[other]);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (c < channels && strand == 0) {
        partial[(size_t)block * channels + c] = mean;
        partial[(size_t)(blocks + block) * channels + c] = q;
    }
}

/* Work-group of GROUP per channel. */
__kernel void finish(__global const float *partial, __global const float *weight, __global const float *bias,
                     __global float *running_mean, __global float *running_var, __global float *save_mean,
                     __global float *save_rstd, __global float *table, int rows, int channels, int blocks, int full,
                     int last, float eps, float momentum) {
    __local float count[GROUP], means[GROUP], squares[GROUP];
    int c = (int)get_group_id(0), me = (int)get_local_id(0), size = (int)get_local_size(0);
    float n = 0.0f, mean = 0.0f, q = 0.0f;
    for (int g = me; g < blocks; g += size)
        merge(&n, &mean, &q, (float)(g == blocks - 1 ? last : full), partial[(size_t)g * channels + c],
              partial[(size_t)(blocks + g) * channels + c]);
    for (int half_way = size / 2; half_way > 0; half_way /= 2) {
        count[me] = n;
        means[me] = mean;
        squares[me] = q;
        barrier(CLK_LOCAL_MEM_FENCE);
        if (me < half_way)
            merge(&n, &mean, &q, count[me + half_way], means[me + half_way], squares[me + half_way]);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (me == 0) {
        float rstd = 1.0f / sqrt(q / (float)rows + eps);
        save_mean[c] = mean;
        save_rstd[c] = rstd;
        running_mean[c] += momentum * (mean - running_mean[c]);
        running_var[c] += momentum * (q / (float)(rows - 1) - running_var[c]);
        table[c] = mean;
        table[channels + c] = weight[c] * rstd;
        table[2 * channels + c] = bias[c];
    }
}

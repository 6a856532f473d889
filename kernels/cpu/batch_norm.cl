/* Batch normalisation for CPUs: as generic/batch_norm.cl, in whole vectors whatever the number of channels.
 *
 * x[rows, channels] is read as a matrix [supers, lanes] with lanes = lcm(channels, 64): a lane always holds the same
 * channel, so blocks of super-rows are reduced per lane in registers without knowing the channels, and finish() merges
 * lanes of equal channel. `partial` is [2][blocks * lanes + tail * channels], where the last `tail` rows, too few for a
 * super-row, are groups of one row each. One work-item per work-group and block. */

#define TILE 64 /* lanes handled at once: four float16 and their accumulators stay in registers */

static float16 group_size(int group, int repeat, int blocks, int full, int last) {
    return (float16)(group < (blocks - 1) * repeat ? (float)full : group < blocks * repeat ? (float)last : 1.0f);
}

/* Mean and squared deviations of one lane vector from sums around `shift`. */
static void moments_store(float16 shift, float16 sum, float16 square, float inverse, __global float *mean,
                          __global float *deviation) {
    float16 part = sum * inverse;
    vstore16(shift + part, 0, mean);
    vstore16(fmax(square - sum * part, 0.0f), 0, deviation);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
moments(__global const float *restrict x, __global float *restrict partial, int channels, int lanes, int supers,
        int blocks, int full, int tail) {
    int block = (int)get_group_id(0);
    int first = block * full, end = min(first + full, supers);
    size_t plane = (size_t)blocks * lanes + (size_t)tail * channels;
    float inverse = 1.0f / (float)(end - first);
    for (int t = 0; t < lanes; t += TILE) {
        __global const float *p = x + (size_t)first * lanes + t;
        __global float *out = partial + (size_t)block * lanes + t;
        float16 k0 = vload16(0, p), k1 = vload16(1, p), k2 = vload16(2, p), k3 = vload16(3, p);
        float16 s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f, q0 = 0.0f, q1 = 0.0f, q2 = 0.0f, q3 = 0.0f;
        for (int i = first + 1; i < end; i++) {
            p += lanes;
            float16 d0 = vload16(0, p) - k0, d1 = vload16(1, p) - k1, d2 = vload16(2, p) - k2, d3 = vload16(3, p) - k3;
            s0 += d0, s1 += d1, s2 += d2, s3 += d3;
            q0 += d0 * d0, q1 += d1 * d1, q2 += d2 * d2, q3 += d3 * d3;
        }
        moments_store(k0, s0, q0, inverse, out, out + plane);
        moments_store(k1, s1, q1, inverse, out + 16, out + plane + 16);
        moments_store(k2, s2, q2, inverse, out + 32, out + plane + 32);
        moments_store(k3, s3, q3, inverse, out + 48, out + plane + 48);
    }
    if (block == blocks - 1)
        for (int i = 0; i < tail * channels; i++) {
            partial[(size_t)blocks * lanes + i] = x[(size_t)supers * lanes + i];
            partial[plane + (size_t)blocks * lanes + i] = 0.0f;
        }
}

/* Work-item per 16 channels; vectors beyond the last channel read scratch that is allocated and are dropped. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
finish(__global const float *partial, __global const float *weight, __global const float *bias,
       __global float *running_mean, __global float *running_var, __global float *save_mean, __global float *save_rstd,
       __global float *table, int rows, int channels, int groups, int repeat, int blocks, int full, int last, int lanes,
       float eps, float momentum) {
    int c0 = (int)get_group_id(0) * 16;
    __global const float *means = partial + c0, *squares = partial + (size_t)groups * channels + c0;
    float16 shift = vload16(0, means), mean = 0.0f, total = 0.0f;
    for (int start = 0; start < groups; start += 32) {
        float16 run = 0.0f;
        for (int g = start; g < min(start + 32, groups); g++)
            run += group_size(g, repeat, blocks, full, last) * (vload16(0, means + (size_t)g * channels) - shift);
        mean += run;
    }
    mean = shift + mean / (float)rows;
    for (int start = 0; start < groups; start += 32) {
        float16 run = 0.0f;
        for (int g = start; g < min(start + 32, groups); g++) {
            float16 d = vload16(0, means + (size_t)g * channels) - mean;
            run += vload16(0, squares + (size_t)g * channels) + group_size(g, repeat, blocks, full, last) * d * d;
        }
        total += run;
    }
    float mean_of[16], total_of[16];
    vstore16(mean, 0, mean_of);
    vstore16(total, 0, total_of);
    for (int c = c0; c < min(c0 + 16, channels); c++) {
        float m = mean_of[c - c0], rstd = 1.0f / sqrt(total_of[c - c0] / (float)rows + eps);
        save_mean[c] = m;
        save_rstd[c] = rstd;
        running_mean[c] += momentum * (m - running_mean[c]);
        running_var[c] += momentum * (total_of[c - c0] / (float)(rows - 1) - running_var[c]);
        for (int lane = c; lane < lanes; lane += channels) {
            table[lane] = m;
            table[lanes + lane] = weight[c] * rstd;
            table[2 * lanes + lane] = bias[c];
        }
    }
}

static float16 normalise(float16 x, __global const float *mean, int lanes) {
    return fma(x - vload16(0, mean), vload16(0, mean + lanes), vload16(0, mean + 2 * lanes));
}

/* Element i of the tail is channel i % channels, which is also lane i % lanes since both start at a row. */
static void apply_block(__global const float *x, __global const float *addend, __global const float *table,
                        __global float *y, int channels, int lanes, int supers, int blocks, int full, int tail, int add,
                        int relu) {
    int block = (int)get_group_id(0), end = min((block + 1) * full, supers);
    for (int i = block * full; i < end; i++)
        for (int t = 0; t < lanes; t += 16) {
            size_t at = (size_t)i * lanes + t;
            float16 v = normalise(vload16(0, x + at), table + t, lanes);
            if (add)
                v += vload16(0, addend + at);
            vstore16(relu ? select(v, (float16)(0.0f), v < 0.0f) : v, 0, y + at);
        }
    for (int i = 0; block == blocks - 1 && i < tail * channels; i++) {
        size_t at = (size_t)supers * lanes + i;
        float v = fma(x[at] - table[i], table[lanes + i], table[2 * lanes + i]);
        if (add)
            v += addend[at];
        y[at] = relu && v < 0.0f ? 0.0f : v;
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
apply(__global const float *x, __global const float *addend, __global const float *table, __global float *y,
      int channels, int lanes, int supers, int blocks, int full, int tail) {
    apply_block(x, addend, table, y, channels, lanes, supers, blocks, full, tail, 0, 0);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
apply_relu(__global const float *x, __global const float *addend, __global const float *table, __global float *y,
           int channels, int lanes, int supers, int blocks, int full, int tail) {
    apply_block(x, addend, table, y, channels, lanes, supers, blocks, full, tail, 0, 1);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
apply_add(__global const float *x, __global const float *addend, __global const float *table, __global float *y,
          int channels, int lanes, int supers, int blocks, int full, int tail) {
    apply_block(x, addend, table, y, channels, lanes, supers, blocks, full, tail, 1, 0);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
apply_add_relu(__global const float *x, __global const float *addend, __global const float *table, __global float *y,
               int channels, int lanes, int supers, int blocks, int full, int tail) {
    apply_block(x, addend, table, y, channels, lanes, supers, blocks, full, tail, 1, 1);
}

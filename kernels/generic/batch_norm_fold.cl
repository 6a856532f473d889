/* Batch normalisation with constant statistics as y = x * scale + shift; work-item per channel. */
__kernel void batch_norm_fold(__global const float *weight, __global const float *bias, __global const float *mean,
                              __global const float *var, __global float *scale, __global float *shift, int channels,
                              float eps) {
    int c = (int)get_global_id(0);
    if (c >= channels)
        return;
    float s = weight[c] / sqrt(var[c] + eps);
    scale[c] = s;
    shift[c] = bias[c] - mean[c] * s;
}

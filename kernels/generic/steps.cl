/* last_step: y[samples, channels] = the last step of x[samples, steps, channels] in the layer's direction, and its
 * derivative; shift_steps: every step gets the one before it. One work-item per element of the output. lengths is not read
 * when has_lengths is 0. */

/* -1 when the sample has no step. */
static int last_of(__global const int *lengths, int sample, int steps, int reverse, int has_lengths) {
    int count = has_lengths ? min(lengths[sample], steps) : steps;
    return count < 1 ? -1 : reverse ? 0 : count - 1;
}

__kernel void last_step(__global const float *x, __global const int *lengths, __global float *y, int samples, int steps,
                        int channels, int reverse, int has_lengths) {
    int i = (int)get_global_id(0);
    if (i >= samples * channels)
        return;
    int sample = i / channels, step = last_of(lengths, sample, steps, reverse, has_lengths);
    y[i] = step < 0 ? 0.0f : x[((size_t)sample * steps + step) * channels + i % channels];
}

__kernel void last_step_backward(__global const float *dy, __global const int *lengths, __global float *dx, int samples,
                                 int steps, int channels, int reverse, int has_lengths) {
    int i = (int)get_global_id(0);
    if (i >= samples * steps * channels)
        return;
    int row = i / channels, sample = row / steps;
    bool taken = row % steps == last_of(lengths, sample, steps, reverse, has_lengths);
    dx[i] = taken ? dy[sample * channels + i % channels] : 0.0f;
}

__kernel void shift_steps(__global const float *x, __global float *y, int samples, int steps, int channels,
                          int reverse) {
    int i = (int)get_global_id(0);
    if (i >= samples * steps * channels)
        return;
    int step = i / channels % steps + (reverse ? 1 : -1);
    y[i] = step < 0 || step >= steps ? 0.0f : x[i + (reverse ? channels : -channels)];
}

/* state = y = decay state + (1 - decay) x. Work-item per element; x may be y. */
__kernel void ema_update(__global float *state, __global const float *x, __global const float *decay, __global float *y,
                         int count) {
    int i = (int)get_global_id(0);
    if (i < count)
        y[i] = state[i] = decay[0] * state[i] + (1.0f - decay[0]) * x[i];
}

/* Stochastic gradient descent with momentum, as torch.optim.SGD (dampening 0) computes it:
 *   d = grad + weight_decay * param;  momentum_buffer = momentum * momentum_buffer + d;
 *   d = nesterov ? d + momentum * momentum_buffer : momentum_buffer;  param -= lr * d.
 * A buffer of zeros gives PyTorch's first step (buffer = d). One work-item per parameter; lr is read at run time, and so is guard:
 * [0] the factor of gradients, [1] 0 where the step is left out (host/optim/loss_scale.h). */
__kernel void sgd(__global float *restrict param, __global const float *restrict grad,
                  __global float *restrict momentum_buffer, __global const float *restrict lr,
                  __global const float *restrict guard, float momentum, float weight_decay, int nesterov, int n) {
    int i = (int)get_global_id(0);
    if (i >= n || guard[1] == 0.0f)
        return;
    float p = param[i], g = guard[0] * grad[i], d = g + weight_decay * p;
    float buffer = momentum * momentum_buffer[i] + d;
    momentum_buffer[i] = buffer;
    param[i] = p - lr[0] * (nesterov ? d + momentum * buffer : buffer);
}

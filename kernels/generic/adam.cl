/* Adam (Kingma and Ba 2015, algorithm 1) and AdamW (Loshchilov and Hutter 2019, algorithm 2; decoupled != 0), as
 * torch.optim computes them:
 *   decoupled: param *= 1 - lr * weight_decay;  else: grad += weight_decay * param
 *   m += (1 - beta1) (grad - m);  v += (1 - beta2) (grad^2 - v)
 *   param -= lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + eps)
 * The betas come as rest = 1 - beta: in float, 1 - 0.999f is off by 5e-5, which the first steps would show, while
 * 1 - beta^t = -expm1(t log1p(-rest)) is not. lr and the number of the step (1 for the first) are read at run time, and so is guard:
 * [0] the factor of gradients, [1] 0 where the step is left out, [2] how many were (host/optim/loss_scale.h): t does not count
 * them. */
__kernel void adam(__global float *restrict param, __global const float *restrict grad, __global float *restrict m,
                   __global float *restrict v, __global const float *restrict lr, __global const int *restrict step,
                   __global const float *restrict guard, float rest1, float rest2, float eps, float weight_decay,
                   int decoupled, int n) {
    int i = (int)get_global_id(0);
    if (i >= n || guard[1] == 0.0f)
        return;
    float t = (float)step[0] - guard[2], rate = lr[0], p = param[i], g = guard[0] * grad[i];
    float correction1 = -expm1(t * log1p(-rest1)), correction2 = -expm1(t * log1p(-rest2));
    if (decoupled)
        p -= rate * weight_decay * p;
    else
        g += weight_decay * p;
    float first = m[i] + rest1 * (g - m[i]), second = v[i] + rest2 * (g * g - v[i]);
    m[i] = first;
    v[i] = second;
    param[i] = p - rate / correction1 * first / (sqrt(second / correction2) + eps);
}

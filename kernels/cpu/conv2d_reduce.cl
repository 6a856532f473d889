/* The sum of the parts in which class cpu's convolutions compute the gradient of their weights, in one program with each of them.
 *
 *   conv2d_backward_weights_reduce(dw[count], scratch[S,count], int count, S)
 *     work-item -> one element; local size (any), global size (count rounded up)
 */
__kernel void conv2d_backward_weights_reduce(__global float *restrict dw, const __global float *restrict scratch,
                                             int count, int S)
{
    const int at = get_global_id(0);
    if (at >= count) return;
    float sum = 0.0f;
    for (int s = 0; s < S; ++s) sum += scratch[(size_t)s * count + at];
    dw[at] = sum;
}

/* Strided copy between two tensors: y[y_start + sum of k_d * to_d] = x[x_start + sum of k_d * from_d], 0 <= k_d < n_d, axis 0
 * innermost; axes from `rank` on have one index. Work-item: WIDTH numbers next to each other in both, in which all sizes,
 * strides and starts are then counted; global size (count). Macro: WIDTH 1, or 4 for buffers that start on 16 bytes. */
#ifndef WIDTH
#define WIDTH 1
#endif

#if WIDTH == 4
typedef float4 item;
#else
typedef float item;
#endif

#define AXIS(d)                                                                                                        \
    if (rank > d) {                                                                                                    \
        int k = i % n##d;                                                                                              \
        i /= n##d;                                                                                                     \
        from += k * from##d;                                                                                           \
        to += k * to##d;                                                                                               \
    }

__kernel void copy(__global const item *x, __global item *y, int x_start, int y_start, int rank, int count, int n0,
                   int from0, int to0, int n1, int from1, int to1, int n2, int from2, int to2, int n3, int from3,
                   int to3, int n4, int from4, int to4, int n5, int from5, int to5) {
    int i = (int)get_global_id(0), from = x_start, to = y_start;
    if (i >= count)
        return;
    AXIS(0)
    AXIS(1)
    AXIS(2)
    AXIS(3)
    AXIS(4)
    AXIS(5)
    y[to] = x[from];
}

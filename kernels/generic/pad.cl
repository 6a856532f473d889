/* y is `value` but for y[first_d + k_d * step_d] = x[k_d], 0 <= k_d < small_d, in up to six dimensions, 0 innermost; those
 * from `rank` on have one index. Work-item: WIDTH numbers of y next to each other, in which the sizes and the start of dimension
 * 0 are then counted; global size (count). Macro: WIDTH 1, or 4 for buffers that start on 16 bytes. */
#ifndef WIDTH
#define WIDTH 1
#endif

#if WIDTH == 4
typedef float4 item;
#else
typedef float item;
#endif

#define DIMENSION(d)                                                                                                   \
    if (rank > d) {                                                                                                    \
        int k = i % large##d - first##d;                                                                               \
        i /= large##d;                                                                                                 \
        inside = inside && k >= 0 && k % step##d == 0 && k / step##d < small##d;                                       \
        from += k / step##d * stride;                                                                                  \
        stride *= small##d;                                                                                            \
    }

__kernel void pad(__global const item *x, __global item *y, float value, int count, int rank, int small0, int large0,
                  int first0, int step0, int small1, int large1, int first1, int step1, int small2, int large2,
                  int first2, int step2, int small3, int large3, int first3, int step3, int small4, int large4,
                  int first4, int step4, int small5, int large5, int first5, int step5) {
    int at = (int)get_global_id(0), i = at, from = 0, stride = 1;
    bool inside = true;
    if (at >= count)
        return;
    DIMENSION(0)
    DIMENSION(1)
    DIMENSION(2)
    DIMENSION(3)
    DIMENSION(4)
    DIMENSION(5)
    item v = value;
    if (inside)
        v = x[from];
    y[at] = v;
}

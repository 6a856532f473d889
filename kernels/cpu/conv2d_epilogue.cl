/* The epilogue of class cpu's convolutions, behind vector.cl in one program with each of them. No kernels.
 *
 *   r = sum, then in this order: + bias[k]; * scale[k] + shift[k]; + addend[n,oh,ow,k]; negative -> 0 (NaN is kept)
 *
 * What there is of it is the kernels' argument `epilogue`, a sum of the bits below. A buffer that is not there is not read. */
#define BIAS 1
#define SCALE 2 /* and shift */
#define ADDEND 4
#define RELU 8

/* The epilogue of VW channels, less the addend: v * factor + offset, where that is below `least`, `least`. */
typedef struct {
    vec factor, offset, least;
} affine;

/* Of the channels from k on, of which n exist. */
INLINE affine affine_of(const __global float *bias, const __global float *scale, const __global float *shift, int epilogue,
                        int k, int n)
{
    affine a = {(vec)(1.0f), (vec)(0.0f), (vec)(epilogue & RELU ? 0.0f : -INFINITY)};
    if (epilogue & SCALE) {
        a.factor = load_lanes(scale + k, n);
        a.offset = load_lanes(shift + k, n);
    }
    if (epilogue & BIAS) a.offset = fma(load_lanes(bias + k, n), a.factor, a.offset);
    return a;
}

/* The sums v of a pixel with its epilogue, of which `addend` is its part of the addend. */
INLINE vec finish(vec v, const affine a, const __global float *addend, int epilogue, int n)
{
    if (!epilogue) return v;
    v = fma(v, a.factor, a.offset);
    if (epilogue & ADDEND) v += load_lanes(addend, n);
    return v < a.least ? a.least : v;
}

/* Inverted dropout and stochastic depth. The mask is Philox 4x32-10 (Salmon et al. 2011) of (seed, purpose, step, node,
 * element or sample), so it is the same in the backward pass and on every device, and nothing is saved.
 *
 * dropout: one work-item draws WIDTH blocks of four numbers, block b for elements b, b + q, b + 2q, b + 3q with
 * q = ceil(count / 4): each of the four accesses is contiguous, within vectors and across work-items. stochastic_depth: one
 * work-item scales every columns-th element of a sample. */

#ifndef WIDTH
#define WIDTH 1 /* 1, 4, 8 or 16 */
#endif

#define PURPOSE_DROPOUT (4u << 24) /* lbk_rng_purpose, as lbk_rng_init() places it */

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#if WIDTH == 1
typedef uint word;
typedef float real;
#define LANE 0u
#define LOAD(p) (*(p))
#define STORE(v, p) (*(p) = (v))
#define MUL_HI(a, b) mul_hi(a, b)
#else
typedef JOIN(uint, WIDTH) word;
typedef JOIN(float, WIDTH) real;
#if WIDTH == 16
#define LANE (uint16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#elif WIDTH == 8
#define LANE (uint8)(0, 1, 2, 3, 4, 5, 6, 7)
#else
#define LANE (uint4)(0, 1, 2, 3)
#endif
#define LOAD(p) JOIN(vload, WIDTH)(0, p)
#define STORE(v, p) JOIN(vstore, WIDTH)(v, 0, p)
/* mul_hi() of vectors goes element by element on PoCL. */
#define LONG(v) JOIN(convert_ulong, WIDTH)(v)
#define MUL_HI(a, b) JOIN(convert_uint, WIDTH)((LONG(a) * (ulong)(b)) >> 32)
#endif

/* The four numbers of WIDTH blocks. */
typedef struct {
    word x, y, z, w;
} numbers;

static numbers philox(word block, uint step, uint node, uint seed) {
    numbers c = {block, (word)(step), (word)(node), (word)(PURPOSE_DROPOUT)};
    uint2 key = (uint2)(seed, 0u);
    for (int round = 0; round < 10; round++) {
        word high0 = MUL_HI(c.x, 0xD2511F53u), low0 = c.x * 0xD2511F53u;
        word high1 = MUL_HI(c.z, 0xCD9E8D57u), low1 = c.z * 0xCD9E8D57u;
        c.x = high1 ^ c.y ^ key.x;
        c.y = low1;
        c.z = high0 ^ c.w ^ key.y;
        c.w = low0;
        key += (uint2)(0x9E3779B9u, 0xBB67AE85u);
    }
    return c;
}

/* Elements i... of x, of which `number` decides; `n` of them exist. */
static void drop(word number, __global const float *x, __global float *y, int i, int n, uint threshold, float scale) {
    if (n >= WIDTH) {
        STORE(number >> 8 >= threshold ? LOAD(x + i) * scale : (real)(0.0f), y + i);
        return;
    }
    uint each[WIDTH];
    STORE(number, each);
    for (int l = 0; l < n; l++)
        y[i + l] = each[l] >> 8 >= threshold ? x[i + l] * scale : 0.0f;
}

/* An element is dropped when the upper 24 bits of its number are below `threshold` = p * 2^24; kept ones are scaled by
 * `scale` = 1 / (1 - p). y[count] may be x. */
__kernel void dropout(__global const float *x, __global const int *step, __global float *y, int count, int quarter,
                      int seed, int node, int threshold, float scale) {
    int b = (int)get_global_id(0) * WIDTH;
    if (b >= quarter)
        return;
    numbers drawn = philox((word)((uint)b) + LANE, (uint)step[0], (uint)node, (uint)seed);
    word number[4] = {drawn.x, drawn.y, drawn.z, drawn.w};
    for (int j = 0; j < 4; j++) {
        int i = b + j * quarter;
        drop(number[j], x, y, i, min(quarter - b, count - i), (uint)threshold, scale);
    }
}

/* x[samples * size]; sample n is dropped by number n. Global size: columns x samples. y may be x. */
__kernel void stochastic_depth(__global const float *x, __global const int *step, __global float *y, int size,
                               int columns, int seed, int node, int threshold, float scale) {
    int j = (int)get_global_id(0), n = (int)get_global_id(1);
    if (j >= columns)
        return;
    numbers drawn = philox((word)((uint)n / 4), (uint)step[0], (uint)node, (uint)seed);
    word number[4] = {drawn.x, drawn.y, drawn.z, drawn.w};
    uint first[WIDTH];
    STORE(number[n % 4], first);
    float factor = first[0] >> 8 >= (uint)threshold ? scale : 0.0f;
    x += (size_t)n * (size_t)size;
    y += (size_t)n * (size_t)size;
    for (int i = j; i < size; i += columns)
        y[i] = factor == 0.0f ? 0.0f : x[i] * factor;
}

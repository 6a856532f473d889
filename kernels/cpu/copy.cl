/* Strided copies, see generic/copy.cl, class cpu: one work-item per work-group, no division per number. Local size (1,1,1).
 * Macro: VW 16, floats per vector: 4, 8 or 16. */
#ifndef VW
#define VW 16
#endif

#if VW == 16
typedef float16 vec;
#define LOAD(p) vload16(0, p)
#define STORE(v, p) vstore16(v, 0, p)
#elif VW == 8
typedef float8 vec;
#define LOAD(p) vload8(0, p)
#define STORE(v, p) vstore8(v, 0, p)
#else
typedef float4 vec;
#define LOAD(p) vload4(0, p)
#define STORE(v, p) vstore4(v, 0, p)
#endif

/* Axes from the inside: run, row, a, b. Global size (run / piece, row / each, a * b), rounded up. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
copy_rows(__global const float *restrict x, __global float *restrict y, int x_start, int y_start, int run, int from,
          int to, int rows, int row_from, int row_to, int a_size, int a_from, int a_to, int b_from, int b_to, int piece,
          int each) {
    int start = (int)get_global_id(0) * piece, length = min(piece, run - start);
    int first = (int)get_global_id(1) * each, last = min(first + each, rows);
    int a = (int)get_global_id(2) % a_size, b = (int)get_global_id(2) / a_size;
    x += x_start + a * a_from + b * b_from + start * from;
    y += y_start + a * a_to + b * b_to + start * to;
    for (int row = first; row < last; row++) {
        __global const float *restrict source = x + row * row_from;
        __global float *restrict target = y + row * row_to;
        int k = 0;
        for (; from == 1 && to == 1 && k + VW <= length; k += VW)
            STORE(LOAD(source + k), target + k);
        for (; k < length; k++)
            target[k * to] = source[k * from];
    }
}

#define BLOCK 16 /* numbers of y next to each other: a cache line */

/* Four numbers of y along `across` from each of four places along `down`. */
static void turn(__global const float *restrict x, __global float *restrict y, int across_from, int down_to) {
    float4 a = vload4(0, x), b = vload4(0, x + across_from), c = vload4(0, x + 2 * across_from),
           d = vload4(0, x + 3 * across_from);
    vstore4((float4)(a.x, b.x, c.x, d.x), 0, y);
    vstore4((float4)(a.y, b.y, c.y, d.y), 0, y + down_to);
    vstore4((float4)(a.z, b.z, c.z, d.z), 0, y + 2 * down_to);
    vstore4((float4)(a.w, b.w, c.w, d.w), 0, y + 3 * down_to);
}

/* A transposition: `down` is contiguous in x, `across` in y. Global size (across / each, a * b), rounded up. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
copy_tiles(__global const float *restrict x, __global float *restrict y, int x_start, int y_start, int down,
           int down_to, int across, int across_from, int a_size, int a_from, int a_to, int b_from, int b_to, int each) {
    int first = (int)get_global_id(0) * each, last = min(first + each, across);
    int a = (int)get_global_id(1) % a_size, b = (int)get_global_id(1) / a_size;
    x += x_start + a * a_from + b * b_from;
    y += y_start + a * a_to + b * b_to;
    for (int block = first; block < last; block += BLOCK) {
        int end = min(block + BLOCK, last), whole = block + (end - block) / 4 * 4, k = 0;
        for (; k + 4 <= down; k += 4) {
            for (int i = block; i < whole; i += 4)
                turn(x + i * across_from + k, y + k * down_to + i, across_from, down_to);
            for (int i = whole; i < end; i++)
                for (int j = k; j < k + 4; j++)
                    y[j * down_to + i] = x[i * across_from + j];
        }
        for (; k < down; k++)
            for (int i = block; i < end; i++)
                y[k * down_to + i] = x[i * across_from + k];
    }
}

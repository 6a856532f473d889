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

/* Row by row of a VW x VW block: element j of the first, then of the second, j running. */
#if VW == 16
#define FIRST_HALVES(a, b) shuffle2(a, b, (uint16)(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23))
#define LAST_HALVES(a, b) shuffle2(a, b, (uint16)(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31))
#elif VW == 8
#define FIRST_HALVES(a, b) shuffle2(a, b, (uint8)(0, 8, 1, 9, 2, 10, 3, 11))
#define LAST_HALVES(a, b) shuffle2(a, b, (uint8)(4, 12, 5, 13, 6, 14, 7, 15))
#else
#define FIRST_HALVES(a, b) shuffle2(a, b, (uint4)(0, 4, 1, 5))
#define LAST_HALVES(a, b) shuffle2(a, b, (uint4)(2, 6, 3, 7))
#endif

/* One block, in registers, so that each line of x and y is touched once, however far apart the rows are: interleaving row i with row
 * i + VW / 2, log2(VW) times, transposes. */
static void turn(__global const float *restrict x, __global float *restrict y, int across_from, int down_to) {
    vec rows[VW], mixed[VW];
    #pragma unroll
    for (int i = 0; i < VW; i++)
        rows[i] = LOAD(x + i * across_from);
    #pragma unroll
    for (int step = 1; step < VW; step *= 2) {
        #pragma unroll
        for (int i = 0; i < VW / 2; i++) {
            mixed[2 * i] = FIRST_HALVES(rows[i], rows[i + VW / 2]);
            mixed[2 * i + 1] = LAST_HALVES(rows[i], rows[i + VW / 2]);
        }
        #pragma unroll
        for (int i = 0; i < VW; i++)
            rows[i] = mixed[i];
    }
    #pragma unroll
    for (int i = 0; i < VW; i++)
        STORE(rows[i], y + i * down_to);
}

/* A transposition: `down` is contiguous in x, `across` in y. Global size (across / each, a * b), rounded up. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
copy_tiles(__global const float *restrict x, __global float *restrict y, int x_start, int y_start, int down,
           int down_to, int across, int across_from, int a_size, int a_from, int a_to, int b_from, int b_to, int each) {
    int first = (int)get_global_id(0) * each, last = min(first + each, across), whole = last - (last - first) % VW, k = 0;
    int a = (int)get_global_id(1) % a_size, b = (int)get_global_id(1) / a_size;
    x += x_start + a * a_from + b * b_from;
    y += y_start + a * a_to + b * b_to;
    for (; k + VW <= down; k += VW) {
        for (int i = first; i < whole; i += VW)
            turn(x + i * across_from + k, y + k * down_to + i, across_from, down_to);
        for (int i = whole; i < last; i++)
            for (int j = k; j < k + VW; j++)
                y[j * down_to + i] = x[i * across_from + j];
    }
    for (; k < down; k++)
        for (int i = first; i < last; i++)
            y[k * down_to + i] = x[i * across_from + k];
}

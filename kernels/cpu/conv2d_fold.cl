/* The last step of backward data on few channels, class cpu: kernels/cpu/conv2d.cl has computed, as KW * C channels, what each
 * column of a kernel adds to x; here these are summed where they belong.
 *
 *   x[r,v,c] = sum over j < KW of sums[r, (v + PW - j*DW) / SW, j, c], where that is whole and in [0, OW)
 *
 * sums[rows,OW,KW,C], x[rows,W,C]. Local size (1). Global size: rows, all images' together. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
conv2d_fold(__global float *restrict x, const __global float *restrict sums, int rows, int W, int OW, int C, int KW,
            int SW, int PW, int DW)
{
    if ((int)get_global_id(0) >= rows) return;
    x += get_global_id(0) * W * C;
    sums += get_global_id(0) * OW * KW * C;
    for (int i = 0; i < W * C; ++i) x[i] = 0.0f;
    for (int j = 0; j < KW; ++j) {
        const int shift = j * DW - PW; /* of x's column against the first of sums */
        const int first = shift >= 0 ? 0 : (-shift + SW - 1) / SW, end = min(OW, (W - shift + SW - 1) / SW);
        for (int v = first; v < end; ++v)
            for (int c = 0; c < C; ++c) x[(v * SW + shift) * C + c] += sums[(v * KW + j) * C + c];
    }
}

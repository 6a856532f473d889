/* Strided copy that transposes, see generic/copy.cl: axis `down` is contiguous in x, `across` in y, two outer axes (a inside b)
 * repeat the plane. A work-group of 256 takes a tile of 32 x 32 through local memory, so that both tensors are read and
 * written along their rows. Work-groups: (across_tiles * down_tiles * size of a * size of b). */

#define TILE 32
#define ROWS 8 /* of the tile that are under way at once */

__kernel __attribute__((reqd_work_group_size(TILE * ROWS, 1, 1))) void
copy_tiles(__global const float *x, __global float *y, int x_start, int y_start, int down, int down_to, int across,
           int across_from, int a_size, int a_from, int a_to, int b_from, int b_to, int across_tiles, int down_tiles) {
    __local float tile[TILE][TILE + 1]; /* the odd stride keeps a column in different banks */
    int group = (int)get_group_id(0), lane = (int)get_local_id(0) % TILE, row = (int)get_local_id(0) / TILE;
    int at_across = group % across_tiles * TILE, at_down = group / across_tiles % down_tiles * TILE;
    int plane = group / across_tiles / down_tiles, a = plane % a_size, b = plane / a_size;
    x += x_start + a * a_from + b * b_from;
    y += y_start + a * a_to + b * b_to;
    for (int r = row; r < TILE; r += ROWS)
        if (at_across + r < across && at_down + lane < down)
            tile[r][lane] = x[(at_across + r) * across_from + at_down + lane];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int r = row; r < TILE; r += ROWS)
        if (at_down + r < down && at_across + lane < across)
            y[(at_down + r) * down_to + at_across + lane] = tile[lane][r];
}

/* Which kernels a matrix product takes, and how it is cut into work-groups. */
#include "ops/gemm.h"

#include "ops/tile.h"

static int64_t div_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

lbk_gemm lbk_gemm_of(int64_t m, int64_t n, int64_t k, bool trans_a, bool trans_b, lbk_arg c, lbk_arg a, lbk_arg b) {
    return (lbk_gemm){.m = m,
                      .n = n,
                      .k = k,
                      .lda = trans_a ? m : k,
                      .ldb = trans_b ? k : n,
                      .ldc = n,
                      .batch = 1,
                      .step_a = m * k,
                      .step_b = k * n,
                      .step_c = m * n,
                      .trans_a = trans_a,
                      .trans_b = trans_b,
                      .alpha = 1,
                      .c = c,
                      .a = a,
                      .b = b};
}

static void call_buffer(lbk_call *call, lbk_arg buffer) {
    if (buffer.kind == LBK_ARG_INPUT)
        lbk_call_input(call, buffer.index);
    else if (buffer.kind == LBK_ARG_OUTPUT)
        lbk_call_output(call, buffer.index);
    else
        lbk_call_scratch(call, buffer.index);
}

static lbk_status begin(lbk_emit *e, const lbk_gemm *g, const char *file, const char *name, lbk_call **call) {
    LBK_TRY(lbk_emit_kernel(e, file, name, call));
    return lbk_call_option(*call, "-DTA=%d -DTB=%d", g->trans_a, g->trans_b);
}

/* The bits are those of the kernels. They do not read a bias that is not there, so B stands in for it. */
static void call_bias(lbk_call *call, const lbk_gemm *g) {
    enum { BIAS = 1, RELU = 2 };
    call_buffer(call, g->has_bias ? g->bias : g->b);
    lbk_call_int(call, (g->has_bias ? BIAS : 0) | (g->relu ? RELU : 0));
}

static void call_factors(lbk_call *call, const lbk_gemm *g) {
    lbk_call_float(call, g->alpha);
    lbk_call_float(call, g->beta);
}

static void call_ints(lbk_call *call, const int64_t *values, int count) {
    for (int i = 0; i < count; i++)
        lbk_call_int(call, values[i]);
}

/* The arguments of a kernel that reads A and B in place and writes C: class generic's and gemm_direct. */
static void call_whole(lbk_call *call, const lbk_gemm *g) {
    call_buffer(call, g->c);
    call_buffer(call, g->a);
    call_buffer(call, g->b);
    call_bias(call, g);
    call_factors(call, g);
    call_ints(call, (int64_t[]){g->m, g->n, g->k, g->lda, g->ldb, g->ldc, g->step_a, g->step_b, g->step_c}, 9);
}

/* `batch` work-groups deep. */
static void call_range(lbk_call *call, const lbk_gemm *g, size_t items0, size_t items1, size_t local0) {
    lbk_call_range_3d(call, (size_t[]){items0, items1, (size_t)g->batch}, (size_t[]){local0, 1, 1});
}

static lbk_status emit_generic(lbk_emit *e, const lbk_gemm *g) {
    lbk_call *call;
    LBK_TRY(begin(e, g, "generic/gemm", "gemm", &call));
    call_whole(call, g);
    call_range(call, g, (size_t)(g->m * g->n), 1, lbk_emit_local(e));
    return LBK_OK;
}

/* Rows of the highest tile. gemm_packed reads as many of A, so that products of fewer rows are not for it. */
enum { CPU_ROWS = 12 };

/* Register tile of kernels/cpu/gemm.cl and the k between which it waits in C. Sixteen vector registers hold half of what
 * thirty-two do. Four vectors load less for each multiplication than two: 3 to 9 % faster for large products, which are worth
 * a program of their own. */
typedef struct cpu_tile {
    int width, rows, columns, depth; /* VW, TM, TQ*VW, kblock */
} cpu_tile;

static cpu_tile cpu_tile_of(const lbk_emit *e, const lbk_gemm *g) {
    int width = lbk_emit_vector_width(e);
    bool large = (double)g->m * (double)g->n * (double)g->k >= 1e8;
    if (width == 16 && large && div_up(g->n, width) % 4 == 0)
        return (cpu_tile){width, CPU_ROWS / 2, 4 * width, 512};
    return (cpu_tile){width, width == 16 ? CPU_ROWS : CPU_ROWS / 2, 2 * width, 256};
}

static lbk_status begin_cpu(lbk_emit *e, const lbk_gemm *g, const char *name, lbk_call **call) {
    cpu_tile tile = cpu_tile_of(e, g);
    LBK_TRY(begin(e, g, "cpu/gemm", name, call));
    return lbk_call_option(*call, "-DVW=%d -DTQ=%d -DTM=%d", tile.width, tile.columns / tile.width, tile.rows);
}

/* Packing pays from about a million multiply-adds on, measured; never for results narrower than one vector or a few rows
 * high, whose operands are read about once anyway. Reading both transposed in place is slow at any size. */
static bool direct_is_better(const lbk_emit *e, const lbk_gemm *g) {
    double work = (double)g->m * (double)g->n * (double)g->k;
    if (g->trans_a && g->trans_b)
        return work < 3e4;
    return work < 1e6 || (!g->trans_b && g->n <= lbk_emit_vector_width(e)) || (!g->trans_a && g->m < CPU_ROWS);
}

static lbk_status emit_cpu_direct(lbk_emit *e, const lbk_gemm *g) {
    enum { ROWS = 8 }; /* TD of the kernel */
    lbk_call *call;
    LBK_TRY(begin_cpu(e, g, "gemm_direct", &call));
    call_whole(call, g);
    call_range(call, g, (size_t)div_up(g->m, ROWS), (size_t)div_up(g->n, cpu_tile_of(e, g).width), 1);
    return LBK_OK;
}

enum { CPU_DEPTH = 32 }; /* KP of the kernel */

/* A panel holds columns of a transposed A; otherwise A is read in place. */
static lbk_status emit_cpu_pack_a(lbk_emit *e, const lbk_gemm *g, int64_t panels, lbk_arg *a) {
    int64_t rows = cpu_tile_of(e, g).rows;
    lbk_call *call;
    *a = lbk_gemm_scratch(lbk_emit_scratch(e, (size_t)(g->batch * panels * rows * g->k) * sizeof(float)));
    LBK_TRY(begin_cpu(e, g, "gemm_pack_a", &call));
    call_buffer(call, *a);
    call_buffer(call, g->a);
    call_ints(call, (int64_t[]){g->m, g->k, g->lda, g->step_a}, 4);
    call_range(call, g, (size_t)panels, (size_t)div_up(g->k, CPU_DEPTH), 1);
    return LBK_OK;
}

static lbk_status emit_cpu_pack_b(lbk_emit *e, const lbk_gemm *g, int64_t panels, lbk_arg *b) {
    int64_t columns = cpu_tile_of(e, g).columns;
    lbk_call *call;
    *b = lbk_gemm_scratch(lbk_emit_scratch(e, (size_t)(g->batch * panels * columns * g->k) * sizeof(float)));
    LBK_TRY(begin_cpu(e, g, "gemm_pack_b", &call));
    call_buffer(call, *b);
    call_buffer(call, g->b);
    call_ints(call, (int64_t[]){g->n, g->k, g->ldb, g->step_b}, 4);
    call_range(call, g, (size_t)panels, (size_t)div_up(g->k, CPU_DEPTH), 1);
    return LBK_OK;
}

static lbk_status emit_cpu_packed(lbk_emit *e, const lbk_gemm *g) {
    cpu_tile tile = cpu_tile_of(e, g);
    int64_t rows = div_up(g->m, tile.rows), columns = div_up(g->n, tile.columns); /* panels */
    int64_t high = 144 / tile.rows, wide = 128 / tile.columns,
            wanted = 4 * (int64_t)e->caps->compute_units; /* panels per work-group */
    while ((wide > 1 || high > 1) && g->batch * div_up(rows, high) * div_up(columns, wide) < wanted) {
        if (wide > 1)
            wide /= 2;
        else
            high /= 2;
    }
    lbk_arg a = g->a, b;
    if (g->trans_a)
        LBK_TRY(emit_cpu_pack_a(e, g, rows, &a));
    LBK_TRY(emit_cpu_pack_b(e, g, columns, &b));
    lbk_call *call;
    LBK_TRY(begin_cpu(e, g, "gemm_packed", &call));
    call_buffer(call, g->c);
    call_buffer(call, a);
    call_buffer(call, b);
    call_bias(call, g);
    call_factors(call, g);
    call_ints(call, (int64_t[]){g->m, g->n, g->k, g->lda, g->ldc, g->step_a, g->step_c, high, wide, tile.depth}, 10);
    call_range(call, g, (size_t)div_up(rows, high), (size_t)div_up(columns, wide), 1);
    return LBK_OK;
}

/* Whether kernels/gpu/gemm.cl may use four-wide accesses. */
static int gpu_vec(const lbk_gemm *g) {
    int64_t all = g->lda | g->ldb | g->ldc | g->n;
    all |= g->batch == 1 ? 0 : g->step_a | g->step_b | g->step_c;
    all |= g->trans_a && !g->trans_b ? 0 : g->k;
    all |= g->trans_a ? g->m : 0;
    return all % 4 == 0 ? 4 : 1;
}

static lbk_status emit_gpu_reduce(lbk_emit *e, const lbk_gemm *g, const lbk_tile *tile, int scratch, int64_t parts) {
    lbk_call *call;
    LBK_TRY(begin(e, g, LBK_TILE_FILE(tile, "gemm"), "gemm_reduce", &call));
    LBK_TRY(lbk_tile_options(call, tile));
    call_buffer(call, g->c);
    call_bias(call, g);
    lbk_call_scratch(call, scratch);
    call_factors(call, g);
    call_ints(call, (int64_t[]){g->m, g->n, g->ldc, g->step_c, parts}, 5);
    call_range(call, g, (size_t)(g->m * g->n), 1, lbk_emit_local(e));
    return LBK_OK;
}

/* For few tiles and a long k the sum is cut into parts: about two work-groups per unit, eight steps of a tile each. */
static lbk_status emit_gpu(lbk_emit *e, const lbk_gemm *g, lbk_arithmetic arithmetic) {
    lbk_tile tile;
    lbk_call *call;
    if (!lbk_tile_find(e, arithmetic, g->m, g->n, g->k, 1, &tile))
        return lbk_emit_decline(e);
    tile.vec = gpu_vec(g);
    int64_t tiles = (int64_t)lbk_tile_count(&tile, g->m, g->n);
    int64_t parts = 2 * (int64_t)e->caps->compute_units / (tiles * g->batch), most = g->k / (8 * tile.bk);
    parts = parts > most ? most : parts;
    parts = parts < 1 ? 1 : parts;
    int scratch = lbk_emit_scratch(e, (parts > 1 ? (size_t)(g->batch * parts * g->m * g->n) : 1) * sizeof(float));
    LBK_TRY(begin(e, g, LBK_TILE_FILE(&tile, "gemm"), "gemm", &call));
    LBK_TRY(lbk_tile_options(call, &tile));
    call_buffer(call, g->c);
    call_buffer(call, g->a);
    call_buffer(call, g->b);
    call_bias(call, g);
    lbk_call_scratch(call, scratch);
    call_factors(call, g);
    call_ints(call, (int64_t[]){g->m, g->n, g->k, g->lda, g->ldb, g->ldc, g->step_a, g->step_b, g->step_c, parts}, 10);
    call_range(call, g, tile.group * (size_t)tiles, (size_t)parts, tile.group);
    return parts > 1 ? emit_gpu_reduce(e, g, &tile, scratch, parts) : LBK_OK;
}

/* The library has no epilogue, and its batched product allocates memory with each call. */
static lbk_status emit_clblast(lbk_emit *e, const lbk_gemm *g) {
    lbk_call *call;
    if (g->has_bias || g->relu || g->batch > 1)
        return lbk_emit_decline(e);
    LBK_TRY(lbk_emit_kernel(e, "clblast", "Sgemm", &call));
    call->kind = LBK_CALL_CLBLAST_GEMM;
    call_buffer(call, g->c);
    call_buffer(call, g->a);
    call_buffer(call, g->b);
    call->m = (int)g->m;
    call->n = (int)g->n;
    call->k = (int)g->k;
    call->lda = (int)g->lda;
    call->ldb = (int)g->ldb;
    call->ldc = (int)g->ldc;
    call->trans_a = g->trans_a;
    call->trans_b = g->trans_b;
    call->alpha = (float)g->alpha;
    call->beta = (float)g->beta;
    return LBK_OK;
}

static lbk_status emit_cpu(lbk_emit *e, lbk_gemm_way way, const lbk_gemm *g) {
    bool direct = direct_is_better(e, g);
    if (way == (direct ? LBK_GEMM_CPU_DIRECT : LBK_GEMM_CPU_PACKED))
        return lbk_emit_decline(e); /* LBK_GEMM_CPU does the same */
    if (way == LBK_GEMM_CPU_PACKED && !g->trans_a && g->m < CPU_ROWS)
        return lbk_emit_decline(e);
    direct = direct ? way == LBK_GEMM_CPU : way == LBK_GEMM_CPU_DIRECT;
    return direct ? emit_cpu_direct(e, g) : emit_cpu_packed(e, g);
}

lbk_status lbk_gemm_emit(lbk_emit *e, lbk_gemm_way way, const lbk_gemm *g) {
    switch (way) {
    case LBK_GEMM_CPU:
    case LBK_GEMM_CPU_DIRECT:
    case LBK_GEMM_CPU_PACKED:
        return emit_cpu(e, way, g);
    case LBK_GEMM_GPU_UNITS:
        return e->arithmetic == LBK_ARITHMETIC_FLOAT32 ? lbk_emit_decline(e) : emit_gpu(e, g, e->arithmetic);
    case LBK_GEMM_GPU:
        return emit_gpu(e, g, LBK_ARITHMETIC_FLOAT32);
    case LBK_GEMM_CLBLAST:
        return emit_clblast(e, g);
    default:
        return emit_generic(e, g);
    }
}

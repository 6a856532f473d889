#include "ops/copy.h"

enum {
    TILE = 32,        /* gpu/copy.cl: numbers along each side of a tile */
    TILE_GROUP = 256, /* and its work-group */
    NARROW = 16,      /* sides below this leave a tile mostly empty */
    RUN = 64,     /* cpu/copy.cl: numbers of y that copy_tiles writes next to each other, a multiple of its vectors */
    CHUNK = 16384 /* numbers a work-item of class cpu moves, about: a few microseconds */
};

void lbk_copy_add(lbk_copy *copy, int64_t size, int64_t from, int64_t to) {
    lbk_copy_axis *outer = copy->rank > 0 ? &copy->axis[copy->rank - 1] : NULL;
    if (size == 1)
        return;
    if (outer && outer->from == from * size && outer->to == to * size)
        *outer = (lbk_copy_axis){outer->size * size, from, to};
    else
        copy->axis[copy->rank++] = (lbk_copy_axis){size, from, to};
}

void lbk_copy_strides(const lbk_shape *shape, int64_t *stride) {
    for (int d = shape->rank - 1; d >= 0; d--)
        stride[d] = d + 1 < shape->rank ? stride[d + 1] * shape->dim[d + 1] : 1;
}

bool lbk_copy_is_still(const lbk_copy *copy) {
    bool one_run = copy->rank == 0 || (copy->rank == 1 && copy->axis[0].from == copy->axis[0].to);
    return one_run && copy->x_start == copy->y_start;
}

static int64_t elements(const lbk_copy *copy) {
    int64_t count = 1;
    for (int d = 0; d < copy->rank; d++)
        count *= copy->axis[d].size;
    return count;
}

/* Axis d from the inside; those that a copy lacks have one index. */
static lbk_copy_axis inner(const lbk_copy *copy, int d) {
    return d < copy->rank ? copy->axis[copy->rank - 1 - d] : (lbk_copy_axis){1, 0, 0};
}

/* Which tensors of the node. */
typedef struct ends {
    int input, output;
} ends;

static void call_axis(lbk_call *call, lbk_copy_axis axis) {
    lbk_call_int(call, axis.size);
    lbk_call_int(call, axis.from);
    lbk_call_int(call, axis.to);
}

static lbk_status begin(lbk_emit *e, const char *file, const char *name, const ends *io, const lbk_copy *copy,
                        lbk_call **call) {
    LBK_TRY(lbk_emit_kernel(e, file, name, call));
    lbk_call_input(*call, io->input);
    lbk_call_output(*call, io->output);
    lbk_call_int(*call, copy->x_start);
    lbk_call_int(*call, copy->y_start);
    return LBK_OK;
}

/* Whether the copy moves whole, aligned groups of four numbers. */
static bool is_fours(const lbk_copy *copy) {
    lbk_copy_axis run = inner(copy, 0);
    int64_t all = run.size | copy->x_start | copy->y_start;
    for (int d = 1; d < copy->rank; d++)
        all |= inner(copy, d).from | inner(copy, d).to;
    return run.from == 1 && run.to == 1 && all % 4 == 0;
}

/* A work-item per number or, with width 4, per four. */
static lbk_status emit_elements(lbk_emit *e, const ends *io, const lbk_copy *original, int width) {
    lbk_copy copy = *original;
    lbk_call *call;
    if (width > 1) {
        copy.x_start /= width, copy.y_start /= width;
        copy.axis[copy.rank - 1].size /= width;
        for (int d = 0; d + 1 < copy.rank; d++)
            copy.axis[d].from /= width, copy.axis[d].to /= width;
    }
    LBK_TRY(begin(e, "generic/copy", "copy", io, &copy, &call));
    if (width > 1)
        LBK_TRY(lbk_call_option(call, "-DWIDTH=%d", width));
    lbk_call_int(call, copy.rank);
    lbk_call_int(call, elements(&copy));
    for (int d = 0; d < LBK_MAX_RANK; d++)
        call_axis(call, inner(&copy, d));
    lbk_call_range_1d(call, (size_t)elements(&copy), lbk_emit_local(e));
    return LBK_OK;
}

/* A copy as a transposition: `down` is contiguous in x, `across` in y, the rest is repeated. */
typedef struct plane {
    lbk_copy_axis down, across, rest[2]; /* rest[0] is the inner one */
} plane;

/* False when the copy is none, or has more than two axes besides. */
static bool plane_find(const lbk_copy *copy, plane *p) {
    int down = -1, rest = 0;
    for (int d = 1; d < copy->rank; d++)
        down = inner(copy, d).from == 1 ? d : down;
    if (down < 0 || copy->rank > 4 || inner(copy, 0).to != 1)
        return false;
    *p = (plane){inner(copy, down), inner(copy, 0), {{1, 0, 0}, {1, 0, 0}}};
    for (int d = 1; d < copy->rank; d++)
        if (d != down)
            p->rest[rest++] = inner(copy, d);
    return true;
}

static void call_plane(lbk_call *call, const plane *p) {
    lbk_call_int(call, p->down.size);
    lbk_call_int(call, p->down.to);
    lbk_call_int(call, p->across.size);
    lbk_call_int(call, p->across.from);
    call_axis(call, p->rest[0]);
    lbk_call_int(call, p->rest[1].from);
    lbk_call_int(call, p->rest[1].to);
}

static int64_t div_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

static lbk_status emit_gpu(lbk_emit *e, const ends *io, const lbk_copy *copy) {
    plane p;
    lbk_call *call;
    bool tiles = plane_find(copy, &p) && p.down.size >= NARROW && p.across.size >= NARROW;
    if (!tiles || e->caps->max_group < TILE_GROUP || e->caps->max_item[0] < TILE_GROUP)
        return emit_elements(e, io, copy, is_fours(copy) && e->caps->align_bytes % 16 == 0 ? 4 : 1);
    int64_t across = div_up(p.across.size, TILE), down = div_up(p.down.size, TILE);
    LBK_TRY(begin(e, "gpu/copy", "copy_tiles", io, copy, &call));
    call_plane(call, &p);
    lbk_call_int(call, across);
    lbk_call_int(call, down);
    lbk_call_range_1d(call, (size_t)(across * down * p.rest[0].size * p.rest[1].size * TILE_GROUP), TILE_GROUP);
    return LBK_OK;
}

/* Work-item: `each` numbers across by all of `down`. */
static lbk_status emit_cpu_tiles(lbk_emit *e, const ends *io, const lbk_copy *copy, const plane *p) {
    int64_t each = div_up(CHUNK, p->down.size * RUN) * RUN;
    lbk_call *call;
    LBK_TRY(begin(e, "cpu/copy", "copy_tiles", io, copy, &call));
    LBK_TRY(lbk_call_option(call, "-DVW=%d", lbk_emit_vector_width(e)));
    call_plane(call, p);
    lbk_call_int(call, each);
    lbk_call_range_2d(call, (size_t)div_up(p->across.size, each), (size_t)(p->rest[0].size * p->rest[1].size), 1, 1);
    return LBK_OK;
}

/* Work-item: `each` rows, of each at most CHUNK numbers. */
static lbk_status emit_cpu_rows(lbk_emit *e, const ends *io, const lbk_copy *copy) {
    lbk_copy_axis run = inner(copy, 0), rows = inner(copy, 1);
    int64_t piece = run.size < CHUNK ? run.size : CHUNK, each = div_up(CHUNK, piece);
    lbk_call *call;
    LBK_TRY(begin(e, "cpu/copy", "copy_rows", io, copy, &call));
    LBK_TRY(lbk_call_option(call, "-DVW=%d", lbk_emit_vector_width(e)));
    for (int d = 0; d < 3; d++)
        call_axis(call, inner(copy, d));
    lbk_call_int(call, inner(copy, 3).from);
    lbk_call_int(call, inner(copy, 3).to);
    lbk_call_int(call, piece);
    lbk_call_int(call, each);
    lbk_call_range_3d(call,
                      (size_t[3]){(size_t)div_up(run.size, piece), (size_t)div_up(rows.size, each),
                                  (size_t)(inner(copy, 2).size * inner(copy, 3).size)},
                      (size_t[3]){1, 1, 1});
    return LBK_OK;
}

/* Narrow transpositions loop along their longer side. */
static lbk_status emit_cpu(lbk_emit *e, const ends *io, const lbk_copy *copy) {
    plane p;
    if (copy->rank > 4)
        return emit_elements(e, io, copy, 1);
    if (inner(copy, 0).from == 1 || !plane_find(copy, &p))
        return emit_cpu_rows(e, io, copy);
    if (p.down.size >= lbk_emit_vector_width(e) && p.across.size >= lbk_emit_vector_width(e))
        return emit_cpu_tiles(e, io, copy, &p);
    bool longer = p.down.size > p.across.size;
    lbk_copy turned = {.rank = 4, .x_start = copy->x_start, .y_start = copy->y_start};
    turned.axis[0] = p.rest[1];
    turned.axis[1] = p.rest[0];
    turned.axis[2] = longer ? p.across : p.down;
    turned.axis[3] = longer ? p.down : p.across;
    return emit_cpu_rows(e, io, &turned);
}

lbk_status lbk_copy_emit(lbk_emit *e, lbk_class cls, int input, int output, const lbk_copy *copy) {
    const ends io = {input, output};
    if (cls == LBK_CLASS_CPU)
        return emit_cpu(e, &io, copy);
    return cls == LBK_CLASS_GPU ? emit_gpu(e, &io, copy) : emit_elements(e, &io, copy, 1);
}

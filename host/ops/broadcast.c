#include "ops/broadcast.h"

#define CPU_CHUNK 256    /* vectors of one work-item */
#define MAX_GROUPS 65535 /* in the second and third dimension: a limit of some GPUs */
#define MAX_GEOMETRY 6   /* dimensions that the kernels have */

_Static_assert(LBK_MAX_RANK <= MAX_GEOMETRY, "a shape may have more dimensions than the kernels of binary.cl");

/* Dimension `d` of `out` in `shape`; 1 where it repeats. */
static int64_t size_at(const lbk_shape *shape, const lbk_shape *out, int d) {
    int at = d - (out->rank - shape->rank);
    return at < 0 ? 1 : shape->dim[at];
}

bool lbk_broadcast_fits(const lbk_shape *shape, const lbk_shape *out) {
    bool fits = shape->rank <= out->rank;
    for (int d = 0; fits && d < out->rank; d++)
        fits = size_at(shape, out, d) == 1 || size_at(shape, out, d) == out->dim[d];
    return fits;
}

lbk_status lbk_broadcast_shape(const lbk_shape *a, const lbk_shape *b, lbk_shape *out) {
    char text_a[LBK_SHAPE_TEXT], text_b[LBK_SHAPE_TEXT];
    lbk_shape both = a->rank >= b->rank ? *a : *b;
    for (int d = 0; d < both.rank; d++) {
        int64_t size_a = size_at(a, &both, d), size_b = size_at(b, &both, d);
        if (size_a != size_b && size_a != 1 && size_b != 1)
            return lbk_fail(LBK_ERR_INPUT,
                            "shapes %s and %s do not go together: aligned at the right, dimensions must be equal or 1",
                            lbk_shape_print(a, text_a), lbk_shape_print(b, text_b));
        both.dim[d] = size_a == 1 ? size_b : size_a;
    }
    *out = both;
    return LBK_OK;
}

int64_t lbk_broadcast_index(const lbk_shape *shape, const lbk_shape *out, int64_t i) {
    int64_t index = 0, stride = 1;
    for (int d = out->rank - 1; d >= 0; d--) {
        int64_t size = size_at(shape, out, d);
        index += size == 1 ? 0 : i % out->dim[d] * stride;
        stride *= size;
        i /= out->dim[d];
    }
    return index;
}

/* The output as few dimensions as possible, innermost first, with the operands' strides along them (0: repeats). */
typedef struct geometry {
    int rank;
    int64_t size[MAX_GEOMETRY], stride[MAX_GEOMETRY][2];
} geometry;

static void geometry_init(geometry *g, const lbk_shape *const operand[2], const lbk_shape *out) {
    int64_t stride[2] = {1, 1};
    *g = (geometry){.rank = 0};
    for (int d = 0; d < MAX_GEOMETRY; d++)
        g->size[d] = 1;
    for (int d = out->rank - 1; d >= 0; d--) {
        int64_t step[2];
        bool joins = g->rank > 0;
        for (int k = 0; k < 2; k++) {
            int64_t size = size_at(operand[k], out, d);
            step[k] = size == 1 ? 0 : stride[k];
            stride[k] *= size;
            joins = joins && g->stride[g->rank - 1][k] * g->size[g->rank - 1] == step[k];
        }
        if (out->dim[d] == 1)
            continue;
        if (joins) {
            g->size[g->rank - 1] *= out->dim[d];
            continue;
        }
        g->size[g->rank] = out->dim[d];
        g->stride[g->rank][0] = step[0];
        g->stride[g->rank++][1] = step[1];
    }
}

/* Floats of a vector. On GPUs rows must begin at a multiple of it. On CPUs what is left of a row goes one by one: a width for
 * each length of rows would be a program of each function. */
static int choose_width(const lbk_emit *e, lbk_class cls, int64_t length) {
    if (cls == LBK_CLASS_CPU)
        return lbk_emit_vector_width(e);
    return cls == LBK_CLASS_GPU && length % 4 == 0 ? 4 : 1;
}

/* Work-items: (vectors of a row, rows, the rest). */
static void set_range(lbk_call *call, const lbk_emit *e, const geometry *g, lbk_class cls, int width) {
    int64_t length = g->size[0], rows = g->size[1], outer = g->size[2] * g->size[3] * g->size[4] * g->size[5], block;
    size_t local[3] = {1, 1, 1}, limit = cls == LBK_CLASS_CPU ? 1 : lbk_emit_local(e);
    int64_t vectors = (length + width - 1) / width;
    while (local[0] < limit && (int64_t)local[0] < vectors)
        local[0] *= 2;
    while (local[0] * local[1] < limit && (int64_t)local[1] < rows && local[1] < e->caps->max_item[1])
        local[1] *= 2;
    if (cls == LBK_CLASS_CPU) {
        int64_t chunk = (int64_t)CPU_CHUNK * width, per_row = length < chunk ? length : chunk;
        block = chunk / per_row < rows ? chunk / per_row : rows;
        vectors = (vectors + CPU_CHUNK - 1) / CPU_CHUNK;
        outer = (outer - 1) / (chunk / (per_row * block)) + 1;
    } else {
        block = (rows - 1) / ((int64_t)local[1] * MAX_GROUPS) + 1;
        outer = outer < MAX_GROUPS ? outer : MAX_GROUPS;
    }
    lbk_call_int(call, block);
    const size_t items[] = {(size_t)vectors, (size_t)((rows + block - 1) / block), (size_t)outer};
    lbk_call_range_3d(call, items, local);
}

lbk_status lbk_broadcast_emit(lbk_emit *e, lbk_class cls, const char *kernel, const char *options) {
    int first = e->input_count > 2 ? 1 : 0, second = e->input_count - 1;
    const lbk_shape *const operand[] = {&e->input[first].shape, &e->input[second].shape};
    geometry g;
    lbk_call *call;
    geometry_init(&g, operand, &e->output[0].shape);
    int width = choose_width(e, cls, g.size[0]);
    LBK_TRY(lbk_emit_kernel(e, "generic/binary", kernel, &call));
    LBK_TRY(lbk_call_option(call, "%s -DWIDTH=%d", options, width));
    if (cls == LBK_CLASS_CPU)
        LBK_TRY(lbk_call_option(call, "-DCHUNK=%d", CPU_CHUNK));
    if (cls == LBK_CLASS_GPU && width > 1)
        LBK_TRY(lbk_call_option(call, "-DALIGNED"));
    if (first > 0)
        lbk_call_input(call, 0);
    lbk_call_input(call, first);
    lbk_call_input(call, second);
    lbk_call_output(call, 0);
    for (int d = 0; d < MAX_GEOMETRY; d++)
        lbk_call_int(call, g.size[d]);
    for (int k = 0; k < 2; k++)
        for (int d = 0; d < MAX_GEOMETRY; d++)
            lbk_call_int(call, g.stride[d][k]);
    set_range(call, e, &g, cls, width);
    return LBK_OK;
}

void lbk_broadcast_last_run(const lbk_shape *from, const lbk_shape *to, lbk_slices *slices, lbk_shape *next) {
    int d = from->rank - 1;
    *slices = (lbk_slices){1, 1, 1};
    *next = *from;
    /* A dimension of 1 belongs to any run. */
    for (; d >= 0 && (from->dim[d] == 1 || size_at(to, from, d) > 1); d--)
        slices->inner *= from->dim[d];
    for (; d >= 0 && size_at(to, from, d) == 1; d--) {
        slices->length *= from->dim[d];
        next->dim[d] = 1;
    }
    for (; d >= 0; d--)
        slices->outer *= from->dim[d];
    if (lbk_shape_count(next) == lbk_shape_count(to))
        *next = *to;
}

lbk_status lbk_broadcast_sum(lbk_gradient *g, lbk_value gradient, int input, lbk_value *out) {
    const lbk_shape *shape = &g->input_desc[input].shape;
    lbk_shape now = g->output_desc[0].shape, next;
    lbk_slices slices;
    *out = gradient;
    while (!lbk_shape_equal(&now, shape)) {
        const lbk_value from = *out;
        lbk_broadcast_last_run(&now, shape, &slices, &next);
        const lbk_shape_params params = {lbk_ints_of_shape(&next)};
        LBK_TRY(lbk_gradient_emit(g, "sum_to", &params, 1, &from, out));
        now = next;
    }
    return LBK_OK;
}

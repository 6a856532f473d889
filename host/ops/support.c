#include "ops/support.h"

int64_t lbk_ops_rows(const lbk_shape *shape) {
    int64_t rows = 1;
    for (int i = 0; i + 1 < shape->rank; i++)
        rows *= shape->dim[i];
    return rows;
}

int64_t lbk_ops_count(const lbk_tensor_desc *desc) {
    return lbk_shape_count(&desc->shape);
}

void lbk_ops_coordinates(const lbk_shape *shape, int64_t i, int64_t *at) {
    for (int d = shape->rank - 1; d >= 0; d--) {
        at[d] = i % shape->dim[d];
        i /= shape->dim[d];
    }
}

int64_t lbk_ops_place(const lbk_shape *shape, const int64_t *at) {
    int64_t place = 0;
    for (int d = 0; d < shape->rank; d++)
        place = place * shape->dim[d] + at[d];
    return place;
}

int64_t lbk_ops_run(const lbk_shape *shape, int axis) {
    int64_t run = 1;
    for (int d = lbk_ops_axis(axis, shape->rank); d < shape->rank; d++)
        run *= shape->dim[d];
    return run;
}

lbk_status lbk_ops_axis_find(const lbk_shape *shape, const char *name, int axis, int *out) {
    char text[LBK_SHAPE_TEXT];
    *out = lbk_ops_axis(axis, shape->rank);
    if (*out >= 0 && *out < shape->rank)
        return LBK_OK;
    return lbk_fail(LBK_ERR_INPUT, "%s (%s) has no axis %d, expected %d to %d", name, lbk_shape_print(shape, text),
                    axis, -shape->rank, shape->rank - 1);
}

lbk_ints lbk_ints_of_shape(const lbk_shape *shape) {
    lbk_ints ints = {.count = shape->rank};
    for (int i = 0; i < shape->rank; i++)
        ints.items[i] = (int)shape->dim[i];
    return ints;
}

lbk_status lbk_shape_of_ints(const lbk_ints *ints, lbk_shape *shape) {
    if (ints->count < 1 || ints->count > LBK_MAX_RANK)
        return lbk_fail(LBK_ERR_INPUT, "shape has %d dimensions, expected 1 to %d", ints->count, LBK_MAX_RANK);
    *shape = (lbk_shape){.rank = ints->count};
    for (int i = 0; i < ints->count; i++)
        shape->dim[i] = ints->items[i];
    return LBK_OK;
}

void lbk_infer_output(lbk_infer *infer, lbk_dtype dtype, lbk_shape shape) {
    infer->output[infer->output_count++] = (lbk_tensor_desc){dtype, shape};
}

lbk_status lbk_infer_rank(const lbk_infer *infer, int input, const char *name, int rank) {
    const lbk_shape *shape = &infer->input[input].shape;
    if (shape->rank == rank)
        return LBK_OK;
    char text[LBK_SHAPE_TEXT];
    return lbk_fail(LBK_ERR_INPUT, "%s has %d dimensions (%s), expected %d", name, shape->rank,
                    lbk_shape_print(shape, text), rank);
}

lbk_status lbk_infer_shape(const lbk_infer *infer, int input, const char *name, lbk_shape shape) {
    const lbk_shape *found = &infer->input[input].shape;
    if (lbk_shape_equal(found, &shape))
        return LBK_OK;
    char text[LBK_SHAPE_TEXT], wanted[LBK_SHAPE_TEXT];
    return lbk_fail(LBK_ERR_INPUT, "%s has shape %s, expected %s", name, lbk_shape_print(found, text),
                    lbk_shape_print(&shape, wanted));
}

lbk_status lbk_op_infer(const lbk_op *op, lbk_infer *infer) {
    for (int i = 0; i < infer->input_count; i++) {
        char text[LBK_SHAPE_TEXT];
        if (lbk_infer_has(infer, i) && lbk_ops_count(&infer->input[i]) < 1)
            return lbk_fail(LBK_ERR_INPUT, "input %d has no elements (%s)", i,
                            lbk_shape_print(&infer->input[i].shape, text));
    }
    infer->op = op;
    return op->infer(infer);
}

void lbk_cost_elementwise(const lbk_infer *shapes, double flops_per_element, lbk_cost *cost) {
    cost->flops = flops_per_element * (double)lbk_ops_count(&shapes->input[0]);
    cost->bytes = 0;
    for (int i = 0; i < shapes->input_count; i++)
        if (lbk_infer_has(shapes, i))
            cost->bytes += (double)lbk_tensor_bytes(&shapes->input[i]);
    for (int i = 0; i < shapes->output_count; i++)
        cost->bytes += (double)lbk_tensor_bytes(&shapes->output[i]);
}

lbk_status lbk_emit_elementwise(lbk_emit *e, const char *file, const char *name, int64_t count, lbk_call **call) {
    LBK_TRY(lbk_emit_kernel(e, file, name, call));
    for (int i = 0; i < e->input_count; i++)
        if (lbk_emit_has(e, i))
            lbk_call_input(*call, i);
    lbk_call_output(*call, 0);
    lbk_call_int(*call, count);
    lbk_call_range_1d(*call, (size_t)count, lbk_emit_local(e));
    return LBK_OK;
}

size_t lbk_emit_group(const lbk_emit *e, int64_t length) {
    size_t limit = lbk_emit_local(e), size = 32;
    while (size < limit && (int64_t)size < length)
        size *= 2;
    return size < limit ? size : limit;
}

static int64_t rows_each(const lbk_emit *e, int64_t rows, int64_t length) {
    int64_t units = e->caps->compute_units > 0 ? 4 * (int64_t)e->caps->compute_units : 4;
    int64_t each = 4096 / length, share = lbk_ceil_div(rows, units);
    each = each < share ? each : share;
    return each > 1 ? each : 1;
}

lbk_status lbk_rows_call(lbk_call *call, const lbk_emit *e, lbk_class cls, int64_t rows, int64_t length) {
    size_t group = cls == LBK_CLASS_GPU ? lbk_emit_group(e, length) : lbk_emit_local(e);
    lbk_call_int(call, rows);
    lbk_call_int(call, length);
    if (cls == LBK_CLASS_CPU) {
        int64_t each = rows_each(e, rows, length);
        lbk_call_int(call, each);
        lbk_call_range_1d(call, (size_t)lbk_ceil_div(rows, each), 1);
        return lbk_call_option(call, "-DVW=%d", lbk_emit_vector_width(e));
    }
    lbk_call_range_1d(call, (size_t)rows * (cls == LBK_CLASS_GPU ? group : 1), group);
    return cls == LBK_CLASS_GPU ? lbk_call_option(call, "-DGROUP=%zu", group) : LBK_OK;
}

int lbk_emit_vector_width(const lbk_emit *e) {
    return e->caps->vector_width >= 16 ? 16 : e->caps->vector_width >= 8 ? 8 : 4;
}

/* slice: part of a tensor along some axes: channels, a time step, a window of pixels. To take one row and drop its axis,
 * reshape behind it. Where all parts are needed, split has the cheaper derivative. */
#include "ops/slice.h"

static const lbk_param slice_table[] = {
    LBK_PARAM_INTS(lbk_slice_params, axis, NULL, -LBK_MAX_RANK, LBK_MAX_RANK - 1, NULL,
                   "dimensions that are cut; negative: counted from the end", NULL),
    LBK_PARAM_INTS(lbk_slice_params, start, "", -(1 << 30), 1 << 30, "elements",
                   "first element along each axis, by default 0; negative: counted from the end", NULL),
    LBK_PARAM_INTS(lbk_slice_params, count, "", 0, 1 << 30, "elements",
                   "how many along each axis; by default, and for 0, as many as there are", NULL),
    LBK_PARAM_INTS(lbk_slice_params, step, "", 1, 1 << 30, "elements",
                   "from one element to the next along each axis, by default 1", NULL),
    LBK_PARAM_END};

lbk_status lbk_placement_read(const lbk_ints *axis, const char *name, const lbk_ints *list, const lbk_shape *x,
                              int64_t *value) {
    unsigned seen = 0;
    if (list->count != 0 && list->count != axis->count)
        return lbk_fail(LBK_ERR_INPUT, "%s has %d items for %d axes", name, list->count, axis->count);
    for (int k = 0; k < axis->count; k++) {
        int d;
        LBK_TRY(lbk_ops_axis_find(x, "x", axis->items[k], &d));
        if (seen >> d & 1u)
            return lbk_fail(LBK_ERR_INPUT, "axis names dimension %d twice", d);
        seen |= 1u << d;
        if (list->count > 0)
            value[d] = list->items[k];
    }
    return LBK_OK;
}

lbk_status lbk_slice_place(const lbk_slice_params *p, const lbk_shape *x, lbk_placement *place) {
    int64_t start[LBK_MAX_RANK] = {0}, count[LBK_MAX_RANK] = {0}, step[LBK_MAX_RANK] = {1, 1, 1, 1, 1, 1};
    LBK_TRY(lbk_placement_read(&p->axis, "start", &p->start, x, start));
    LBK_TRY(lbk_placement_read(&p->axis, "count", &p->count, x, count));
    LBK_TRY(lbk_placement_read(&p->axis, "step", &p->step, x, step));
    for (int d = 0; d < x->rank; d++) {
        char text[LBK_SHAPE_TEXT];
        int64_t first = start[d] < 0 ? start[d] + x->dim[d] : start[d];
        int64_t most = first < 0 || first >= x->dim[d] ? 0 : (x->dim[d] - first - 1) / step[d] + 1;
        if (most == 0)
            return lbk_fail(LBK_ERR_INPUT, "start=%lld lies outside of dimension %d of x (%s)", (long long)start[d], d,
                            lbk_shape_print(x, text));
        if (count[d] > most)
            return lbk_fail(LBK_ERR_INPUT, "count=%lld from %lld reaches out of dimension %d of x (%s): %lld fit",
                            (long long)count[d], (long long)first, d, lbk_shape_print(x, text), (long long)most);
        place[d] = (lbk_placement){count[d] > 0 ? count[d] : most, x->dim[d], first, step[d]};
    }
    return LBK_OK;
}

lbk_slice_params lbk_placement_slice(const lbk_placement *place, int rank) {
    lbk_slice_params p = {.axis = {.count = rank}, {.count = rank}, {.count = rank}, {.count = rank}};
    for (int d = 0; d < rank; d++) {
        p.axis.items[d] = d;
        p.start.items[d] = (int)place[d].first;
        p.count.items[d] = (int)place[d].small;
        p.step.items[d] = (int)place[d].step;
    }
    return p;
}

int64_t lbk_placement_of(const lbk_placement *place, const lbk_shape *small, const lbk_shape *large, int64_t i) {
    int64_t at[LBK_MAX_RANK];
    lbk_ops_coordinates(small, i, at);
    for (int d = 0; d < small->rank; d++)
        at[d] = place[d].first + at[d] * place[d].step;
    return lbk_ops_place(large, at);
}

static lbk_status slice_infer(lbk_infer *infer) {
    const lbk_shape *x = &infer->input[0].shape;
    lbk_placement place[LBK_MAX_RANK];
    lbk_shape y = {.rank = x->rank};
    LBK_TRY(lbk_slice_place(infer->params, x, place));
    for (int d = 0; d < x->rank; d++)
        y.dim[d] = place[d].small;
    lbk_infer_output(infer, LBK_F32, y);
    return LBK_OK;
}

/* Of x only what is taken is read. */
static void slice_cost(const lbk_infer *shapes, lbk_cost *cost) {
    *cost = (lbk_cost){0, 2.0 * (double)lbk_tensor_bytes(&shapes->output[0])};
}

static void slice_reference(const lbk_reference *r) {
    lbk_placement place[LBK_MAX_RANK];
    if (lbk_slice_place(r->params, &r->input[0].shape, place) != LBK_OK)
        return;
    for (int64_t i = 0; i < lbk_ops_count(&r->output[0]); i++)
        r->out[0][i] = r->in[0][lbk_placement_of(place, &r->output[0].shape, &r->input[0].shape, i)];
}

static lbk_status slice_differentiate(lbk_gradient *g) {
    const lbk_shape *x = &g->input_desc[0].shape;
    lbk_placement place[LBK_MAX_RANK];
    LBK_TRY(lbk_slice_place(g->params, x, place));
    lbk_pad_params params = lbk_placement_pad(place, x->rank);
    return lbk_gradient_emit(g, "pad", &params, 1, &g->output_grad[0], &g->input_grad[0]);
}

static lbk_status slice_emit(lbk_emit *e, lbk_class cls) {
    const lbk_shape *x = &e->input[0].shape;
    lbk_placement place[LBK_MAX_RANK];
    int64_t from[LBK_MAX_RANK], to[LBK_MAX_RANK];
    lbk_copy copy = {.rank = 0};
    if (lbk_shape_equal(x, &e->output[0].shape))
        return LBK_OK; /* all of x: an alias */
    LBK_TRY(lbk_slice_place(e->params, x, place));
    lbk_copy_strides(x, from);
    lbk_copy_strides(&e->output[0].shape, to);
    for (int d = 0; d < x->rank; d++) {
        copy.x_start += place[d].first * from[d];
        lbk_copy_add(&copy, place[d].small, place[d].step * from[d], to[d]);
    }
    return lbk_copy_emit(e, cls, 0, 0, &copy);
}

LBK_COPY_VARIANTS(slice)

static const lbk_op_example slice_examples[] = {
    {.params = "axis=-1 start=16", .input = {{4, {2, 9, 7, 96}}}, .input_count = 1},
    {.params = "axis=1 count=1", .input = {{3, {3, 5, 65}}}, .input_count = 1},
    {.params = "axis=1,2 start=1,-3 count=0,2 step=2,1", .input = {{4, {2, 8, 5, 13}}}, .input_count = 1},
    {.params = "axis=-1,0 start=1,2 step=3,1", .input = {{2, {13, 1021}}}, .input_count = 1},
    {.params = "axis=0,1,2,3,4,5 step=1,2,1,2,1,2", .input = {{6, {2, 3, 2, 4, 3, 5}}}, .input_count = 1},
    {.params = "axis=0", .input = {{1, {1}}}, .input_count = 1},
};

static const lbk_op slice_op = {
    .name = "slice",
    .summary = "part of a tensor along some axes",
    .formula = "y[i_0, i_1, ...] = x[start_0 + i_0 * step_0, start_1 + i_1 * step_1, ...]",
    .inputs = "x[...]",
    .outputs = "y[...]",
    .params = slice_table,
    .params_size = sizeof(lbk_slice_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .alias = 1,
    .layer = true,
    .infer = slice_infer,
    .cost = slice_cost,
    .differentiate = slice_differentiate,
    .reference = slice_reference,
    .variants = slice_variants,
    .examples = slice_examples,
    .example_count = sizeof slice_examples / sizeof *slice_examples,
};

const lbk_op *const lbk_ops_slice[] = {&slice_op, NULL};

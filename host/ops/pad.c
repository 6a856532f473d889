/* pad: x inside a larger tensor of one value; the derivative of slice, and a layer. The elements of x may also be set apart
 * (`step`; XLA calls that interior padding), which slices with a step need. pad2d repeats the image instead. */
#include "ops/slice.h"

static const lbk_param pad_table[] = {
    LBK_PARAM_INTS(lbk_pad_params, axis, NULL, -LBK_MAX_RANK, LBK_MAX_RANK - 1, NULL,
                   "dimensions that grow; negative: counted from the end", NULL),
    LBK_PARAM_INTS(lbk_pad_params, before, "", 0, 1 << 30, "elements",
                   "new elements before the first along each axis, by default 0", NULL),
    LBK_PARAM_INTS(lbk_pad_params, after, "", 0, 1 << 30, "elements",
                   "new elements behind the last along each axis, by default 0", NULL),
    LBK_PARAM_INTS(lbk_pad_params, step, "", 1, 1 << 30, "elements",
                   "from one element of x to the next along each axis, by default 1", NULL),
    LBK_PARAM_FLOAT(lbk_pad_params, value, "0", -1e30, 1e30, NULL, "of the new elements", NULL),
    LBK_PARAM_END};

lbk_status lbk_pad_place(const lbk_pad_params *p, const lbk_shape *x, lbk_placement *place) {
    int64_t before[LBK_MAX_RANK] = {0}, after[LBK_MAX_RANK] = {0}, step[LBK_MAX_RANK] = {1, 1, 1, 1, 1, 1};
    LBK_TRY(lbk_placement_read(&p->axis, "before", &p->before, x, before));
    LBK_TRY(lbk_placement_read(&p->axis, "after", &p->after, x, after));
    LBK_TRY(lbk_placement_read(&p->axis, "step", &p->step, x, step));
    for (int d = 0; d < x->rank; d++)
        place[d] = (lbk_placement){x->dim[d], before[d] + (x->dim[d] - 1) * step[d] + 1 + after[d], before[d], step[d]};
    return LBK_OK;
}

lbk_pad_params lbk_placement_pad(const lbk_placement *place, int rank) {
    lbk_pad_params p = {.axis = {.count = rank}, {.count = rank}, {.count = rank}, {.count = rank}};
    for (int d = 0; d < rank; d++) {
        p.axis.items[d] = d;
        p.before.items[d] = (int)place[d].first;
        p.after.items[d] = (int)(place[d].large - place[d].first - (place[d].small - 1) * place[d].step - 1);
        p.step.items[d] = (int)place[d].step;
    }
    return p;
}

static lbk_status pad_infer(lbk_infer *infer) {
    const lbk_shape *x = &infer->input[0].shape;
    lbk_placement place[LBK_MAX_RANK];
    lbk_shape y = {.rank = x->rank};
    LBK_TRY(lbk_pad_place(infer->params, x, place));
    for (int d = 0; d < x->rank; d++)
        y.dim[d] = place[d].large;
    lbk_infer_output(infer, LBK_F32, y);
    return LBK_OK;
}

static void pad_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 0, cost);
}

static void pad_reference(const lbk_reference *r) {
    const lbk_pad_params *p = r->params;
    lbk_placement place[LBK_MAX_RANK];
    if (lbk_pad_place(p, &r->input[0].shape, place) != LBK_OK)
        return;
    for (int64_t i = 0; i < lbk_ops_count(&r->output[0]); i++)
        r->out[0][i] = p->value;
    for (int64_t i = 0; i < lbk_ops_count(&r->input[0]); i++)
        r->out[0][lbk_placement_of(place, &r->input[0].shape, &r->output[0].shape, i)] = r->in[0][i];
}

static lbk_status pad_differentiate(lbk_gradient *g) {
    const lbk_shape *x = &g->input_desc[0].shape;
    lbk_placement place[LBK_MAX_RANK];
    LBK_TRY(lbk_pad_place(g->params, x, place));
    lbk_slice_params params = lbk_placement_slice(place, x->rank);
    return lbk_gradient_emit(g, "slice", &params, 1, &g->output_grad[0], &g->input_grad[0]);
}

/* The placement with as few dimensions as possible, the innermost first: one that stays whole runs on in the one outside of
 * it. */
static int placement_merge(const lbk_placement *place, int rank, lbk_placement *merged) {
    int count = 0;
    for (int d = rank - 1; d >= 0; d--) {
        lbk_placement *inside = count > 0 ? &merged[count - 1] : NULL;
        int64_t run = inside && inside->small == inside->large && place[d].step == 1 ? inside->large : 0;
        if (run > 0)
            *inside = (lbk_placement){place[d].small * run, place[d].large * run, place[d].first * run, 1};
        else
            merged[count++] = place[d];
    }
    return count;
}

static void call_placement(lbk_call *call, const lbk_placement *place, int count) {
    for (int d = 0; d < LBK_MAX_RANK; d++) {
        const lbk_placement *p = d < count ? &place[d] : &(lbk_placement){1, 1, 0, 1};
        lbk_call_int(call, p->small);
        lbk_call_int(call, p->large);
        lbk_call_int(call, p->first);
        lbk_call_int(call, p->step);
    }
}

/* Nothing is added: y is an alias of x. */
static bool is_still(const lbk_emit *e) {
    return lbk_shape_equal(&e->input[0].shape, &e->output[0].shape);
}

static bool divides(const lbk_placement *run, int width) {
    return run->step == 1 && (run->small | run->large | run->first) % width == 0;
}

static lbk_status begin(lbk_emit *e, const char *file, lbk_placement *merged, int *count, lbk_call **call) {
    lbk_placement place[LBK_MAX_RANK];
    const lbk_pad_params *p = e->params;
    LBK_TRY(lbk_pad_place(p, &e->input[0].shape, place));
    *count = placement_merge(place, e->input[0].shape.rank, merged);
    LBK_TRY(lbk_emit_kernel(e, file, "pad", call));
    lbk_call_input(*call, 0);
    lbk_call_output(*call, 0);
    lbk_call_float(*call, p->value);
    return LBK_OK;
}

/* A work-item per number or, on a GPU where the sizes allow it, per four. */
static lbk_status pad_emit_elements(lbk_emit *e, bool fours) {
    lbk_placement merged[LBK_MAX_RANK];
    lbk_call *call;
    int count, width = 1;
    if (is_still(e))
        return LBK_OK;
    LBK_TRY(begin(e, "generic/pad", merged, &count, &call));
    if (fours && count > 0 && divides(&merged[0], 4)) {
        width = 4;
        merged[0].small /= width, merged[0].large /= width, merged[0].first /= width;
        LBK_TRY(lbk_call_option(call, "-DWIDTH=%d", width));
    }
    int64_t items = lbk_ops_count(&e->output[0]) / width;
    lbk_call_int(call, items);
    lbk_call_int(call, count);
    call_placement(call, merged, count);
    lbk_call_range_1d(call, (size_t)items, lbk_emit_local(e));
    return LBK_OK;
}

enum { CHUNK = 16384 }; /* numbers a work-item of class cpu writes, about: a few microseconds */

/* Work-item: `each` rows, of each at most CHUNK numbers. */
static lbk_status pad_emit_cpu(lbk_emit *e) {
    lbk_placement merged[LBK_MAX_RANK];
    lbk_call *call;
    int count;
    if (is_still(e))
        return LBK_OK;
    LBK_TRY(begin(e, "cpu/pad", merged, &count, &call));
    LBK_TRY(lbk_call_option(call, "-DVW=%d", lbk_emit_vector_width(e)));
    int64_t run = count > 0 ? merged[0].large : 1, rows = lbk_ops_count(&e->output[0]) / run;
    int64_t piece = run < CHUNK ? run : CHUNK, each = (CHUNK + piece - 1) / piece;
    lbk_call_int(call, rows);
    lbk_call_int(call, piece);
    lbk_call_int(call, each);
    call_placement(call, merged, count);
    lbk_call_range_2d(call, (size_t)((run + piece - 1) / piece), (size_t)((rows + each - 1) / each), 1, 1);
    return LBK_OK;
}

static lbk_status pad_emit_gpu(lbk_emit *e) {
    return pad_emit_elements(e, e->caps->align_bytes % 16 == 0);
}

static lbk_status pad_emit_generic(lbk_emit *e) {
    return pad_emit_elements(e, false);
}

static const lbk_variant pad_variants[] = {{LBK_CLASS_CPU, "rows", pad_emit_cpu},
                                           {LBK_CLASS_GPU, "vectors", pad_emit_gpu},
                                           {LBK_CLASS_GENERIC, "elements", pad_emit_generic},
                                           {.emit = NULL}};

static const lbk_op_example pad_examples[] = {
    {.params = "axis=1,2 before=1,0 after=1,2", .input = {{4, {2, 9, 7, 36}}}, .input_count = 1},
    {.params = "axis=-1 before=3 after=31 value=-1.5", .input = {{3, {3, 5, 65}}}, .input_count = 1},
    {.params = "axis=0 after=2", .input = {{2, {13, 1021}}}, .input_count = 1},
    {.params = "axis=2,1 before=1,2 step=2,3", .input = {{4, {2, 4, 5, 3}}}, .input_count = 1},
    {.params = "axis=0,1,2,3,4,5 before=1,1,1,0,2,1 after=0,1,0,1,0,1 step=1,2,1,1,1,3",
     .input = {{6, {2, 3, 1, 2, 3, 2}}},
     .input_count = 1},
    {.params = "axis=0 before=1", .input = {{1, {1}}}, .input_count = 1},
};

static const lbk_op pad_op = {
    .name = "pad",
    .summary = "a tensor inside a larger one of a constant",
    .formula = "y[before_0 + i_0 * step_0, before_1 + i_1 * step_1, ...] = x[i_0, i_1, ...], elsewhere value",
    .inputs = "x[...]",
    .outputs = "y[...]",
    .params = pad_table,
    .params_size = sizeof(lbk_pad_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .alias = 1,
    .layer = true,
    .infer = pad_infer,
    .cost = pad_cost,
    .differentiate = pad_differentiate,
    .reference = pad_reference,
    .variants = pad_variants,
    .examples = pad_examples,
    .example_count = sizeof pad_examples / sizeof *pad_examples,
};

const lbk_op *const lbk_ops_pad[] = {&pad_op, NULL};

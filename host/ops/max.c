/* Where the largest elements are: max and argmax along an axis, top_k along the last one, and the one derivative of max and
 * top_k. NaN counts as larger than any number, and of equals the first counts, as in PyTorch's max(dim). */
#include "ops/gather.h"

#include <math.h>

typedef struct max_params {
    int axis;
    bool keepdims;
} max_params;

typedef struct top_k_params {
    int k;
} top_k_params;

typedef lbk_selection_params backward_params;

static const lbk_param max_table[] = {
    LBK_PARAM_INT(max_params, axis, "-1", -LBK_MAX_RANK, LBK_MAX_RANK - 1, NULL, "axis, negative from the end", NULL),
    LBK_PARAM_BOOL(max_params, keepdims, "no", "keep the axis with size 1", NULL), LBK_PARAM_END};

static const lbk_param top_k_table[] = {
    LBK_PARAM_INT(top_k_params, k, NULL, 1, 1 << 24, "elements", "how many of each row", NULL), LBK_PARAM_END};

static const lbk_param backward_table[] = {
    LBK_PARAM_INT(backward_params, axis, "-1", -LBK_MAX_RANK, LBK_MAX_RANK - 1, NULL, "axis of x", NULL),
    LBK_PARAM_BOOL(backward_params, keepdims, "yes", "dy has the axis, of any size", NULL),
    LBK_SHAPE_ROW(backward_params), LBK_PARAM_END};

static lbk_status max_slices(const void *params, const lbk_shape *x, lbk_slices *slices, lbk_shape *y) {
    const max_params *p = params;
    return lbk_slices_init_axis(slices, x, p->axis, p->keepdims, y);
}

static lbk_status max_infer(lbk_infer *infer) {
    lbk_slices slices;
    lbk_shape y;
    LBK_TRY(max_slices(infer->params, &infer->input[0].shape, &slices, &y));
    lbk_infer_output(infer, LBK_F32, y);
    lbk_infer_output(infer, LBK_I32, y);
    return LBK_OK;
}

static lbk_status argmax_infer(lbk_infer *infer) {
    lbk_slices slices;
    lbk_shape y;
    LBK_TRY(max_slices(infer->params, &infer->input[0].shape, &slices, &y));
    lbk_infer_output(infer, LBK_I32, y);
    return LBK_OK;
}

static lbk_status top_k_infer(lbk_infer *infer) {
    const top_k_params *p = infer->params;
    lbk_shape y = infer->input[0].shape;
    if (p->k > lbk_shape_last(&y))
        return lbk_fail(LBK_ERR_INPUT, "rows have %lld elements, fewer than k=%d", (long long)lbk_shape_last(&y), p->k);
    y.dim[y.rank - 1] = p->k;
    lbk_infer_output(infer, LBK_F32, y);
    lbk_infer_output(infer, LBK_I32, y);
    return LBK_OK;
}

/* x as slices, what shape dy has to have, and how many elements of each slice that is. */
static lbk_status backward_slices(const void *params, const lbk_shape *dy, lbk_slices *slices, lbk_shape *x,
                                  lbk_shape *wanted, int64_t *taken) {
    const backward_params *p = params;
    int axis = 0;
    LBK_TRY(lbk_shape_of_ints(&p->shape, x));
    LBK_TRY(lbk_ops_axis_find(x, "x", p->axis, &axis));
    LBK_TRY(lbk_slices_init_axis(slices, x, axis, p->keepdims, wanted));
    *taken = p->keepdims && dy->rank == x->rank ? dy->dim[axis] : 1;
    if (p->keepdims)
        wanted->dim[axis] = *taken;
    return LBK_OK;
}

static lbk_status backward_infer(lbk_infer *infer) {
    lbk_slices slices;
    lbk_shape x, dy;
    int64_t taken;
    LBK_TRY(backward_slices(infer->params, &infer->input[0].shape, &slices, &x, &dy, &taken));
    LBK_TRY(lbk_infer_shape(infer, 0, "dy", dy));
    LBK_TRY(lbk_infer_shape(infer, 1, "where", dy));
    lbk_infer_output(infer, LBK_F32, x);
    return LBK_OK;
}

static void max_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 1, cost);
}

static bool beats(double a, double b) {
    return a > b || (isnan(a) && !isnan(b));
}

/* The best element of a slice behind element `last` in the order of top_k; last -1: of all. */
static int64_t best_of(const double *x, const lbk_slices *slices, int64_t s, int64_t last) {
    int64_t best = -1;
    for (int64_t k = 0; k < slices->length; k++) {
        double v = x[lbk_slices_at(slices, s, k)], bound = last < 0 ? 0 : x[lbk_slices_at(slices, s, last)];
        if (last >= 0 && (beats(v, bound) || (!beats(bound, v) && k <= last)))
            continue;
        if (best < 0 || beats(v, x[lbk_slices_at(slices, s, best)]))
            best = k;
    }
    return best;
}

static void max_reference(const lbk_reference *r) {
    lbk_slices slices;
    lbk_shape y;
    if (max_slices(r->params, &r->input[0].shape, &slices, &y) != LBK_OK)
        return;
    for (int64_t s = 0; s < slices.outer * slices.inner; s++) {
        int64_t best = best_of(r->in[0], &slices, s, -1);
        if (r->output_count > 1)
            r->out[0][s] = r->in[0][lbk_slices_at(&slices, s, best)];
        r->out[r->output_count - 1][s] = (double)best;
    }
}

static void top_k_reference(const lbk_reference *r) {
    int64_t k = ((const top_k_params *)r->params)->k, last = -1;
    const lbk_slices slices = {lbk_ops_rows(&r->input[0].shape), lbk_shape_last(&r->input[0].shape), 1};
    for (int64_t i = 0; i < slices.outer * k; i++) {
        last = best_of(r->in[0], &slices, i / k, i % k == 0 ? -1 : last);
        r->out[0][i] = r->in[0][i / k * slices.length + last];
        r->out[1][i] = (double)last;
    }
}

static void backward_reference(const lbk_reference *r) {
    lbk_slices slices;
    lbk_shape x, dy;
    int64_t taken;
    if (backward_slices(r->params, &r->input[0].shape, &slices, &x, &dy, &taken) != LBK_OK)
        return;
    for (int64_t i = 0; i < slices.outer * taken * slices.inner; i++) {
        int64_t slice = i / slices.inner / taken * slices.inner + i % slices.inner, k = (int64_t)r->in[1][i];
        if (k >= 0 && k < slices.length)
            r->out[0][lbk_slices_at(&slices, slice, k)] += r->in[0][i];
    }
}

static lbk_status emit_backward(lbk_gradient *g, int axis, bool keepdims) {
    const backward_params params = {
        .axis = axis, .keepdims = keepdims, .shape = lbk_ints_of_shape(&g->input_desc[0].shape)};
    const lbk_value inputs[] = {g->output_grad[0], g->output[1]};
    if (g->output_grad[1] != LBK_NONE)
        return lbk_fail(LBK_ERR_UNSUPPORTED, "output where has no derivative");
    return lbk_gradient_emit(g, "selection_backward", &params, 2, inputs, &g->input_grad[0]);
}

static lbk_status max_differentiate(lbk_gradient *g) {
    const max_params *p = g->params;
    return emit_backward(g, p->axis, p->keepdims);
}

static lbk_status top_k_differentiate(lbk_gradient *g) {
    return emit_backward(g, -1, true);
}

static lbk_status backward_differentiate(lbk_gradient *g) {
    const backward_params *p = g->params;
    const lbk_gather_axis_params params = {.axis = p->axis, .keepdims = p->keepdims};
    const lbk_value inputs[] = {g->output_grad[0], g->input[1]};
    return lbk_gradient_emit(g, "gather", &params, 2, inputs, &g->input_grad[0]);
}

static const char *const files[] = {"generic/max", "cpu/max", "gpu/max"};

/* A tensor is an output of the node (>= 0) or scratch memory (~index). */
static void call_tensor(lbk_call *call, int tensor) {
    if (tensor >= 0)
        lbk_call_output(call, tensor);
    else
        lbk_call_scratch(call, ~tensor);
}

static int scratch_tensor(lbk_emit *e, int64_t elements) {
    return ~lbk_emit_scratch(e, (size_t)elements * sizeof(float));
}

static lbk_status emit_merge(lbk_emit *e, const lbk_slices *slices, int64_t parts, int from, int from_where, int y,
                             int where) {
    int64_t count = slices->outer * slices->inner;
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, "generic/max", "merge", &call));
    call_tensor(call, from);
    call_tensor(call, from_where);
    call_tensor(call, y);
    call_tensor(call, where);
    lbk_call_int(call, parts);
    lbk_call_int(call, slices->inner);
    lbk_call_int(call, count);
    lbk_call_range_1d(call, (size_t)count, lbk_emit_local(e));
    return LBK_OK;
}

/* argmax, which has one output, leaves the values in scratch memory. */
static lbk_status max_emit(lbk_emit *e, lbk_class cls) {
    lbk_slices slices;
    lbk_slice_split split;
    lbk_shape shape;
    lbk_call *call;
    LBK_TRY(max_slices(e->params, &e->input[0].shape, &slices, &shape));
    lbk_slices_split(&split, e, cls, &slices);
    int64_t results = slices.outer * slices.inner;
    int where = e->output_count - 1, y = where == 0 ? scratch_tensor(e, results) : 0, part = y, part_where = where;
    if (split.parts > 1) {
        part = scratch_tensor(e, results * split.parts);
        part_where = scratch_tensor(e, results * split.parts);
    }
    LBK_TRY(lbk_emit_kernel(e, files[cls], "largest", &call));
    lbk_call_input(call, 0);
    call_tensor(call, part);
    call_tensor(call, part_where);
    LBK_TRY(lbk_slices_call(call, e, cls, &slices, &split));
    return split.parts > 1 ? emit_merge(e, &slices, split.parts, part, part_where, y, where) : LBK_OK;
}

static lbk_status top_k_emit(lbk_emit *e, lbk_class cls) {
    const lbk_shape *x = &e->input[0].shape;
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, files[cls], "top_k", &call));
    lbk_call_input(call, 0);
    lbk_call_output(call, 0);
    lbk_call_output(call, 1);
    lbk_call_int(call, ((const top_k_params *)e->params)->k);
    return lbk_rows_call(call, e, cls, lbk_ops_rows(x), lbk_shape_last(x));
}

/* Class cpu scatters, a work-item per piece of `outer`; generic gathers, a work-item per element of dx. */
static lbk_status backward_emit(lbk_emit *e, lbk_class cls) {
    lbk_slices slices;
    lbk_shape x, dy;
    int64_t taken;
    lbk_call *call;
    LBK_TRY(backward_slices(e->params, &e->input[0].shape, &slices, &x, &dy, &taken));
    int64_t items = slices.outer * (cls == LBK_CLASS_CPU ? 1 : slices.length * slices.inner);
    LBK_TRY(lbk_emit_kernel(e, files[cls], "selection_backward", &call));
    lbk_call_input(call, 0);
    lbk_call_input(call, 1);
    lbk_call_output(call, 0);
    lbk_call_int(call, slices.length);
    lbk_call_int(call, slices.inner);
    lbk_call_int(call, taken);
    if (cls != LBK_CLASS_CPU)
        lbk_call_int(call, items);
    lbk_call_range_1d(call, (size_t)items, cls == LBK_CLASS_CPU ? 1 : lbk_emit_local(e));
    return cls == LBK_CLASS_CPU ? lbk_call_option(call, "-DVW=%d", lbk_emit_vector_width(e)) : LBK_OK;
}

LBK_VARIANTS_BY_CLASS(max, "vector", "tree", "columns")
LBK_VARIANTS_BY_CLASS(top_k, "vector", "tree", "row")
LBK_VARIANTS_CPU_GENERIC(backward, "scatter", "gather")

static const lbk_op_example max_examples[] = {
    {.params = "", .input = {{2, {37, 10}}}, .input_count = 1},
    {.params = "", .input = {{1, {1}}}, .input_count = 1},
    {.params = "axis=1 keepdims=yes", .input = {{4, {2, 11, 3, 67}}}, .input_count = 1},
    {.params = "axis=0", .input = {{2, {3001, 31}}}, .input_count = 1},
};

static const lbk_op_example top_k_examples[] = {
    {.params = "k=5", .input = {{2, {37, 10}}}, .input_count = 1},
    {.params = "k=1", .input = {{1, {1}}}, .input_count = 1},
    {.params = "k=40", .input = {{3, {2, 3, 1021}}}, .input_count = 1},
};

#define TWICE(...)                                                                                                     \
    { __VA_ARGS__, __VA_ARGS__ }
static const lbk_op_example backward_examples[] = {
    {.params = "keepdims=no shape=37,10", .input = TWICE({1, {37}}), .input_count = 2, .integer_below = 10},
    {.params = "shape=1", .input = TWICE({1, {1}}), .input_count = 2, .integer_below = 1},
    {.params = "shape=3,5,307", .input = TWICE({3, {3, 5, 4}}), .input_count = 2, .integer_below = 307},
    {.params = "axis=1 shape=5,13,67", .input = TWICE({3, {5, 2, 67}}), .input_count = 2, .integer_below = 13},
};

static const lbk_op max_op = {
    .name = "max",
    .summary = "maximum along an axis, and where it is",
    .formula = "y[o,i] = max_k x[o,k,i], where[o,i] = the first such k",
    .inputs = "x[...]",
    .outputs = "y[...] where[...]:i32",
    .params = max_table,
    .params_size = sizeof(max_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .layer = true,
    .infer = max_infer,
    .cost = max_cost,
    .differentiate = max_differentiate,
    .reference = max_reference,
    .variants = max_variants,
    .examples = max_examples,
    .example_count = sizeof max_examples / sizeof *max_examples,
};

static const lbk_op argmax_op = {
    .name = "argmax",
    .summary = "where the maximum along an axis is",
    .formula = "where[o,i] = the first k with x[o,k,i] = max_j x[o,j,i]",
    .inputs = "x[...]",
    .outputs = "where[...]:i32",
    .params = max_table,
    .params_size = sizeof(max_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = argmax_infer,
    .cost = max_cost,
    .reference = max_reference,
    .variants = max_variants,
    .examples = max_examples,
    .example_count = sizeof max_examples / sizeof *max_examples,
};

static const lbk_op top_k_op = {
    .name = "top_k",
    .summary = "the k largest elements of each row, largest first, and where they are",
    .formula = "y[r,j] = x[r,where[r,j]], the j-th in the order (larger first, then smaller index)",
    .inputs = "x[...,L]",
    .outputs = "y[...,k] where[...,k]:i32",
    .params = top_k_table,
    .params_size = sizeof(top_k_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .layer = true,
    .infer = top_k_infer,
    .cost = max_cost,
    .differentiate = top_k_differentiate,
    .reference = top_k_reference,
    .variants = top_k_variants,
    .examples = top_k_examples,
    .example_count = sizeof top_k_examples / sizeof *top_k_examples,
};

static const lbk_op backward_op = {
    .name = "selection_backward",
    .summary = "derivative of max and top_k: dy goes to where the elements came from, 0 elsewhere",
    .formula = "dx[o,l,i] = sum of dy[o,j,i] over j with where[o,j,i] = l",
    .inputs = "dy[...] where[...]:i32",
    .outputs = "dx[...]",
    .params = backward_table,
    .params_size = sizeof(backward_params),
    .min_inputs = 2,
    .max_inputs = 2,
    .integers = 1u << 1,
    .infer = backward_infer,
    .cost = max_cost,
    .differentiate = backward_differentiate,
    .reference = backward_reference,
    .variants = backward_variants,
    .examples = backward_examples,
    .example_count = sizeof backward_examples / sizeof *backward_examples,
};

const lbk_op *const lbk_ops_max[] = {&max_op, &argmax_op, &top_k_op, &backward_op, NULL};

/* layer_norm_backward: the derivative of layer_norm. With g = dy * weight and x^ = (x - mean) * rstd, in each row
 * dx = rstd (g - mean(g) - x^ mean(g x^)); over the rows dweight = sum dy x^, dbias = sum dy. */
#include "ops/layer_norm.h"

#define MOST_BLOCKS 256 /* of rows, whose sums the last launch adds */
#define MOST_ROWS 1024  /* of a block, as long as that does not make too many: rounding errors grow with them */

typedef lbk_layer_norm_backward_params backward_params;

static const lbk_param backward_table[] = {
    LBK_PARAM_INT(backward_params, dims, "1", 1, LBK_MAX_RANK, NULL, "how many of the last dimensions form a row",
                  NULL),
    LBK_PARAM_BOOL(backward_params, bias, "yes", "with a weight: dbias too", NULL), LBK_PARAM_END};

enum { DY, X, MEAN, RSTD, WEIGHT }; /* inputs */

static lbk_status backward_infer(lbk_infer *infer) {
    const backward_params *p = infer->params;
    const lbk_shape *x = &infer->input[X].shape;
    lbk_layer_norm norm;
    LBK_TRY(lbk_layer_norm_rows(x, p->dims, &norm));
    LBK_TRY(lbk_infer_shape(infer, DY, "dy", *x));
    LBK_TRY(lbk_infer_shape(infer, MEAN, "mean", norm.saved));
    LBK_TRY(lbk_infer_shape(infer, RSTD, "rstd", norm.saved));
    lbk_infer_output(infer, LBK_F32, *x);
    if (!lbk_infer_has(infer, WEIGHT))
        return LBK_OK;
    LBK_TRY(lbk_infer_shape(infer, WEIGHT, "weight", norm.row));
    lbk_infer_output(infer, LBK_F32, norm.row);
    if (p->bias)
        lbk_infer_output(infer, LBK_F32, norm.row);
    return LBK_OK;
}

static void backward_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 12, cost);
}

static void backward_reference(const lbk_reference *r) {
    int64_t rows = lbk_ops_count(&r->input[MEAN]), length = lbk_ops_count(&r->input[X]) / rows;
    const double *weight = r->input_count > WEIGHT ? r->in[WEIGHT] : NULL;
    for (int64_t row = 0; row < rows; row++) {
        const double *dy = r->in[DY] + row * length, *x = r->in[X] + row * length;
        double sum = 0, dot = 0, mean = r->in[MEAN][row], rstd = r->in[RSTD][row];
        for (int64_t k = 0; k < length; k++) {
            double g = dy[k] * (weight ? weight[k] : 1);
            sum += g;
            dot += g * (x[k] - mean) * rstd;
        }
        for (int64_t k = 0; k < length; k++) {
            double g = dy[k] * (weight ? weight[k] : 1), x_hat = (x[k] - mean) * rstd;
            r->out[0][row * length + k] = rstd * (g - (sum + x_hat * dot) / (double)length);
            if (r->output_count > 1)
                r->out[1][k] += dy[k] * x_hat;
            if (r->output_count > 2)
                r->out[2][k] += dy[k];
        }
    }
}

/* Blocks of rows whose sums lie in scratch memory [2][blocks][length]. */
typedef struct row_blocks {
    int64_t full, blocks;
    int partial;
} row_blocks;

/* `wanted` blocks, or fewer that have at least `least` rows. */
static row_blocks blocks_make(lbk_emit *e, const lbk_layer_norm *norm, int64_t wanted, int64_t least) {
    int64_t most = lbk_ceil_div(norm->rows, least), steady = lbk_ceil_div(norm->rows, MOST_ROWS);
    wanted = wanted > steady ? wanted : steady;
    wanted = wanted < MOST_BLOCKS ? wanted : MOST_BLOCKS;
    row_blocks b = {.full = lbk_ceil_div(norm->rows, wanted < most ? wanted : most)};
    b.blocks = lbk_ceil_div(norm->rows, b.full);
    b.partial = lbk_emit_scratch(e, (size_t)(2 * b.blocks * norm->length) * sizeof(float));
    return b;
}

static int64_t compute_units(const lbk_emit *e) {
    return e->caps->compute_units > 0 ? e->caps->compute_units : 1;
}

static void call_inputs(lbk_call *call, const lbk_emit *e) {
    for (int i = DY; i <= RSTD; i++)
        lbk_call_input(call, i);
    lbk_call_input(call, lbk_emit_has(e, WEIGHT) ? WEIGHT : X); /* X: not read */
}

/* dx alone; dy may be overwritten. */
static lbk_status emit_rows(lbk_emit *e, lbk_class cls, const lbk_layer_norm *norm) {
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, lbk_layer_norm_files[cls], "backward_rows", &call));
    call_inputs(call, e);
    lbk_call_output(call, 0);
    lbk_call_int(call, lbk_emit_has(e, WEIGHT));
    return lbk_rows_call(call, e, cls, norm->rows, norm->length);
}

/* The two sums over each block of rows: a work-item per (column, block), on GPUs a work-group of `width` columns. */
static lbk_status emit_columns(lbk_emit *e, lbk_class cls, const lbk_layer_norm *norm, const row_blocks *b) {
    size_t local = lbk_emit_local(e), width = local < 32 ? local : 32;
    int64_t tiles = lbk_ceil_div(norm->length, (int64_t)width);
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, lbk_layer_norm_files[cls], "backward_columns", &call));
    for (int i = DY; i <= RSTD; i++)
        lbk_call_input(call, i);
    lbk_call_scratch(call, b->partial);
    lbk_call_int(call, norm->rows);
    lbk_call_int(call, norm->length);
    lbk_call_int(call, b->full);
    lbk_call_int(call, b->blocks);
    if (cls == LBK_CLASS_GENERIC) {
        lbk_call_range_1d(call, (size_t)(norm->length * b->blocks), local);
        return LBK_OK;
    }
    lbk_call_int(call, (int64_t)width);
    lbk_call_range_1d(call, (size_t)(tiles * b->blocks) * local, local);
    return lbk_call_option(call, "-DGROUP=%zu", local);
}

/* Class cpu: rows and columns in one pass, a work-item per block. */
static lbk_status emit_blocks(lbk_emit *e, const lbk_layer_norm *norm, const row_blocks *b) {
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, lbk_layer_norm_files[LBK_CLASS_CPU], "backward_blocks", &call));
    LBK_TRY(lbk_call_option(call, "-DVW=%d", lbk_emit_vector_width(e)));
    call_inputs(call, e);
    lbk_call_output(call, 0);
    lbk_call_scratch(call, b->partial);
    lbk_call_int(call, norm->rows);
    lbk_call_int(call, norm->length);
    lbk_call_int(call, b->full);
    lbk_call_int(call, b->blocks);
    lbk_call_range_1d(call, (size_t)b->blocks, 1);
    return LBK_OK;
}

static lbk_status emit_finish(lbk_emit *e, const lbk_layer_norm *norm, const row_blocks *b) {
    bool bias = e->output_count > 2;
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, "generic/layer_norm", "finish", &call));
    lbk_call_scratch(call, b->partial);
    lbk_call_output(call, 1);
    lbk_call_output(call, bias ? 2 : 1); /* 1: not written a second time */
    lbk_call_int(call, bias);
    lbk_call_int(call, norm->length);
    lbk_call_int(call, b->blocks);
    lbk_call_range_1d(call, (size_t)norm->length, lbk_emit_local(e));
    return LBK_OK;
}

static lbk_status backward_emit(lbk_emit *e, lbk_class cls) {
    const backward_params *p = e->params;
    lbk_layer_norm norm;
    row_blocks b;
    LBK_TRY(lbk_layer_norm_rows(&e->input[X].shape, p->dims, &norm));
    if (!lbk_emit_has(e, WEIGHT))
        return emit_rows(e, cls, &norm);
    if (cls == LBK_CLASS_CPU) {
        b = blocks_make(e, &norm, 4 * compute_units(e), 8);
        LBK_TRY(emit_blocks(e, &norm, &b));
    } else {
        int64_t tiles = lbk_ceil_div(norm.length, 32);
        b = blocks_make(e, &norm, cls == LBK_CLASS_GPU ? lbk_ceil_div(8 * compute_units(e), tiles) : 32, 32);
        LBK_TRY(emit_columns(e, cls, &norm, &b));
        LBK_TRY(emit_rows(e, cls, &norm));
    }
    return emit_finish(e, &norm, &b);
}

LBK_VARIANTS_BY_CLASS(backward, "blocks", "group", "row")

#define EXAMPLE(text, shape, saved, row)                                                                               \
    { .params = text, .input = {shape, shape, saved, saved, row}, .input_count = 5, .low = 0.05, .high = 2 }
#define SHAPE(...)                                                                                                     \
    { __VA_ARGS__ }
static const lbk_op_example backward_examples[] = {
    EXAMPLE("", SHAPE(3, {2, 7, 48}), SHAPE(2, {2, 7}), SHAPE(1, {48})),
    EXAMPLE("", SHAPE(1, {1}), SHAPE(1, {1}), SHAPE(1, {1})),
    EXAMPLE("dims=2 bias=no", SHAPE(3, {37, 5, 67}), SHAPE(1, {37}), SHAPE(2, {5, 67})),
    EXAMPLE("", SHAPE(2, {517, 61}), SHAPE(1, {517}), SHAPE(1, {61})),
    {.params = "", .input = {{2, {13, 31}}, {2, {13, 31}}, {1, {13}}, {1, {13}}}, .input_count = 4},
};

static const lbk_op backward_op = {
    .name = "layer_norm_backward",
    .summary = "derivative of layer_norm",
    .formula = "dx = rstd (g - mean(g) - x^ mean(g x^)), g = dy * weight, x^ = (x - mean) rstd; dweight = sum dy x^, "
               "dbias = sum dy",
    .inputs = "dy[...,L] x[...,L] mean[...] rstd[...] weight[L]?",
    .outputs = "dx[...,L] dweight[L] dbias[L] (the last two only with a weight)",
    .params = backward_table,
    .params_size = sizeof(backward_params),
    .min_inputs = 4,
    .max_inputs = 5,
    .inplace = 1 + DY,
    .infer = backward_infer,
    .cost = backward_cost,
    .differentiate = lbk_layer_norm_backward_differentiate,
    .reference = backward_reference,
    .variants = backward_variants,
    .examples = backward_examples,
    .example_count = sizeof backward_examples / sizeof *backward_examples,
};

const lbk_op *const lbk_ops_layer_norm_backward[] = {&backward_op, NULL};

/* batch_norm_backward: the derivative of batch_norm. With g the gradient behind the optional relu, x^ = (x - mean) * rstd
 * and M rows:  dbias = sum g,  dweight = sum g x^,  dx = weight rstd (g - dbias / M - x^ dweight / M)  (Ioffe and Szegedy
 * 2015, section 3, simplified); with constant statistics (training=no) dx = weight rstd g. */
#include "ops/batch_norm.h"

#include <math.h>

typedef lbk_norm_backward_params backward_params;

static const lbk_param backward_table[] = {
    LBK_PARAM_FLOAT(backward_params, eps, "1e-5", 0, 1, NULL, "added to the variance (training=no)", NULL),
    LBK_PARAM_BOOL(backward_params, training, "yes", "mean and spread depend on x; spread is 1/sqrt(var+eps), else var",
                   NULL),
    LBK_PARAM_BOOL(backward_params, relu, "no", "a relu followed; its sign comes from y, without y from x", NULL),
    LBK_PARAM_BOOL(backward_params, addend, "yes", "with y: what was added before the relu gets its gradient", NULL),
    LBK_PARAM_END};

enum { DY, X, WEIGHT, BIAS, MEAN, SPREAD, Y }; /* inputs */

static bool has_y(int input_count, const lbk_tensor_desc *input) {
    return input_count > Y && lbk_ops_present(&input[Y]);
}

static lbk_status backward_infer(lbk_infer *infer) {
    const backward_params *p = infer->params;
    const lbk_shape *x = &infer->input[X].shape;
    static const char *const names[] = {"dy", "x", "weight", "bias", "mean", "spread", "y"};
    lbk_shape vector = lbk_shape_1(lbk_shape_last(x));
    if (x->rank < 2)
        return lbk_fail(LBK_ERR_INPUT, "x has %d dimensions, expected at least 2", x->rank);
    LBK_TRY(lbk_infer_shape(infer, DY, names[DY], *x));
    for (int i = WEIGHT; i <= SPREAD; i++)
        LBK_TRY(lbk_infer_shape(infer, i, names[i], vector));
    if (has_y(infer->input_count, infer->input)) {
        LBK_TRY(lbk_infer_shape(infer, Y, names[Y], *x));
        if (!p->relu)
            return lbk_fail(LBK_ERR_INPUT, "y is only of use with relu=yes");
    }
    lbk_infer_output(infer, LBK_F32, *x);
    lbk_infer_output(infer, LBK_F32, vector);
    lbk_infer_output(infer, LBK_F32, vector);
    if (has_y(infer->input_count, infer->input) && p->addend)
        lbk_infer_output(infer, LBK_F32, *x);
    return LBK_OK;
}

/* dy (or daddend) and x are read twice. */
static void backward_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 10, cost);
    cost->bytes += 2 * (double)lbk_tensor_bytes(&shapes->input[X]);
}

static double reference_gradient(const lbk_reference *r, int64_t i, int64_t c, double rstd) {
    const backward_params *p = r->params;
    if (!p->relu)
        return r->in[DY][i];
    double y = has_y(r->input_count, r->input)
                   ? r->in[Y][i]
                   : (r->in[X][i] - r->in[MEAN][c]) * rstd * r->in[WEIGHT][c] + r->in[BIAS][c];
    return y > 0 ? r->in[DY][i] : 0;
}

static void backward_reference(const lbk_reference *r) {
    const backward_params *p = r->params;
    int64_t channels = lbk_shape_last(&r->input[X].shape), rows = lbk_ops_rows(&r->input[X].shape);
    for (int64_t c = 0; c < channels; c++) {
        double rstd = p->training ? r->in[SPREAD][c] : 1 / sqrt(r->in[SPREAD][c] + p->eps);
        double dweight = 0, dbias = 0;
        for (int64_t i = c; i < rows * channels; i += channels) {
            double g = reference_gradient(r, i, c, rstd);
            dbias += g;
            dweight += g * (r->in[X][i] - r->in[MEAN][c]) * rstd;
        }
        for (int64_t i = c; i < rows * channels; i += channels) {
            double g = reference_gradient(r, i, c, rstd), x_hat = (r->in[X][i] - r->in[MEAN][c]) * rstd;
            double through = p->training ? (dbias + x_hat * dweight) / (double)rows : 0;
            r->out[0][i] = r->in[WEIGHT][c] * rstd * (g - through);
            if (r->output_count > 3)
                r->out[3][i] = g;
        }
        r->out[1][c] = dweight;
        r->out[2][c] = dbias;
    }
}

/* The kernels' modes: no relu, one with the sign from x, from y with an addend's gradient, from y. */
enum { PLAIN, RELU, ADD_RELU, Y_RELU };

static int backward_mode(const lbk_emit *e) {
    const backward_params *p = e->params;
    if (lbk_emit_has(e, Y))
        return p->addend ? ADD_RELU : Y_RELU;
    return p->relu ? RELU : PLAIN;
}

static lbk_status emit_sums(lbk_emit *e, const lbk_norm_split *s, lbk_class cls, int partial, int table) {
    static const char *const files[] = {"generic/batch_norm_backward", "cpu/batch_norm_backward",
                                        "gpu/batch_norm_backward"};
    static const char *const names[] = {"sums", "sums_relu", "sums_add_relu", "sums_y_relu"};
    int mode = backward_mode(e);
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, files[cls], cls == LBK_CLASS_GPU ? "sums" : names[mode], &call));
    if (cls == LBK_CLASS_GPU)
        LBK_TRY(lbk_norm_option_group(call, s));
    lbk_call_input(call, DY);
    lbk_call_input(call, X);
    lbk_call_input(call, mode >= ADD_RELU ? Y : X); /* X: not read */
    lbk_call_scratch(call, table);
    lbk_call_output(call, mode == ADD_RELU ? 3 : 0); /* 0: not written here */
    lbk_call_scratch(call, partial);
    lbk_norm_call_pass(call, s, cls, true);
    if (cls == LBK_CLASS_GPU)
        lbk_call_int(call, mode);
    return LBK_OK;
}

static lbk_status emit_finish(lbk_emit *e, const lbk_norm_split *s, lbk_class cls, int partial, int table) {
    static const char *const files[] = {"generic/batch_norm_backward", "cpu/batch_norm_backward",
                                        "gpu/batch_norm_backward"};
    const backward_params *p = e->params;
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, files[cls], "finish", &call));
    if (cls == LBK_CLASS_GPU)
        LBK_TRY(lbk_norm_option_group(call, s));
    lbk_call_scratch(call, partial);
    lbk_call_input(call, SPREAD);
    lbk_call_output(call, 1);
    lbk_call_output(call, 2);
    lbk_call_scratch(call, table);
    lbk_call_int(call, s->rows);
    lbk_call_int(call, s->channels);
    lbk_call_int(call, s->groups);
    if (cls != LBK_CLASS_GPU)
        lbk_call_int(call, s->lanes);
    lbk_call_int(call, p->training);
    lbk_call_int(call, !p->training);
    lbk_call_float(call, p->eps);
    lbk_norm_call_finish(call, e, s, cls);
    return LBK_OK;
}

/* Where the sums have written g it is read in place of dy and y. */
static lbk_status emit_apply(lbk_emit *e, const lbk_norm_split *s, lbk_class cls, int table) {
    static const char *const names[] = {"apply", "apply_relu", "apply", "apply_y_relu"};
    int mode = backward_mode(e);
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, cls == LBK_CLASS_CPU ? "cpu/batch_norm_backward" : "generic/batch_norm_backward",
                            names[mode], &call));
    if (mode == ADD_RELU)
        lbk_call_output(call, 3);
    else
        lbk_call_input(call, DY);
    lbk_call_input(call, X);
    if (mode == Y_RELU)
        lbk_call_input(call, Y);
    lbk_call_scratch(call, table);
    lbk_call_output(call, 0);
    lbk_norm_call_pass(call, s, cls, false);
    return LBK_OK;
}

static lbk_status backward_emit(lbk_emit *e, lbk_class cls) {
    const backward_params *p = e->params;
    const int inputs[] = {MEAN, SPREAD, WEIGHT, BIAS};
    lbk_norm_split split;
    bool fits;
    lbk_norm_split_init(&split, e, cls, &e->input[X].shape, &fits);
    if (!fits)
        return lbk_emit_decline(e);
    int table = lbk_norm_table(e, &split, 5), partial = lbk_norm_partial(e, &split);
    LBK_TRY(lbk_norm_emit_tables(e, &split, inputs, table, !p->training, p->eps));
    LBK_TRY(emit_sums(e, &split, cls, partial, table));
    LBK_TRY(emit_finish(e, &split, cls, partial, table));
    return emit_apply(e, &split, cls, table);
}

static lbk_status backward_emit_generic(lbk_emit *e) {
    return backward_emit(e, LBK_CLASS_GENERIC);
}

static lbk_status backward_emit_cpu(lbk_emit *e) {
    return backward_emit(e, LBK_CLASS_CPU);
}

static lbk_status backward_emit_gpu(lbk_emit *e) {
    return backward_emit(e, LBK_CLASS_GPU);
}

static const lbk_variant backward_variants[] = {{LBK_CLASS_CPU, "lanes", backward_emit_cpu},
                                                {LBK_CLASS_GPU, "tree", backward_emit_gpu},
                                                {LBK_CLASS_GENERIC, "columns", backward_emit_generic},
                                                {.emit = NULL}};

/* One line each: parameters, shape of x as {rank, {dims}}, channels. */
#define EXAMPLE(text, c, ...)                                                                                          \
    {                                                                                                                  \
        .params = text, .input = {__VA_ARGS__, __VA_ARGS__, {1, {c}}, {1, {c}}, {1, {c}}, {1, {c}}}, .input_count = 6, \
        .low = 0.05, .high = 2                                                                                         \
    }
#define EXAMPLE_Y(text, c, ...)                                                                                        \
    {                                                                                                                  \
        .params = text, .input = {__VA_ARGS__, __VA_ARGS__, {1, {c}}, {1, {c}}, {1, {c}}, {1, {c}}, __VA_ARGS__},      \
        .input_count = 7, .low = -1, .high = 1                                                                         \
    }
static const lbk_op_example backward_examples[] = {
    EXAMPLE("", 16, {4, {4, 9, 7, 16}}),
    EXAMPLE("relu=yes", 5, {4, {3, 13, 11, 5}}),
    EXAMPLE("", 1, {4, {2, 1, 1, 1}}),
    EXAMPLE("relu=yes", 32, {4, {8, 16, 16, 32}}),
    EXAMPLE("training=no relu=yes", 67, {2, {1201, 67}}),
    EXAMPLE_Y("relu=yes", 64, {4, {5, 6, 7, 64}}),
    EXAMPLE_Y("relu=yes", 3, {4, {3, 5, 7, 3}}),
    EXAMPLE_Y("relu=yes addend=no", 24, {4, {5, 6, 7, 24}}),
    EXAMPLE_Y("relu=yes addend=no", 3, {4, {3, 5, 7, 3}}),
};

static const lbk_op backward_op = {
    .name = "batch_norm_backward",
    .summary = "derivative of batch_norm",
    .formula = "dx = weight*rstd*(g - mean(g) - x^*mean(g*x^)), dweight = sum(g*x^), dbias = sum(g), daddend = g",
    .inputs = "dy[...,C] x[...,C] weight[C] bias[C] mean[C] spread[C] y[...,C]?",
    .outputs = "dx[...,C] dweight[C] dbias[C] daddend[...,C] (the last only with y and addend)",
    .params = backward_table,
    .params_size = sizeof(backward_params),
    .min_inputs = 6,
    .max_inputs = 7,
    .inplace = 1 + DY,
    .infer = backward_infer,
    .cost = backward_cost,
    .differentiate = lbk_norm_backward_differentiate,
    .reference = backward_reference,
    .variants = backward_variants,
    .examples = backward_examples,
    .example_count = sizeof backward_examples / sizeof *backward_examples,
};

const lbk_op *const lbk_ops_batch_norm_backward[] = {&backward_op, NULL};

/* cross_entropy: softmax and negative log-likelihood of the labels in one op, averaged over the labelled rows. The derivative comes
 * out of the same pass as the second output. */
#include "ops/support.h"

#include <math.h>

typedef struct cross_entropy_params {
    double smoothing;
} cross_entropy_params;

static const lbk_param cross_entropy_table[] = {
    LBK_PARAM_FLOAT(cross_entropy_params, smoothing, "0", 0, 1, NULL, "weight of the uniform target",
                    "Szegedy et al., \"Rethinking the Inception architecture\", 2016, section 7"),
    LBK_PARAM_END};

static lbk_status cross_entropy_infer(lbk_infer *infer) {
    LBK_TRY(lbk_infer_rank(infer, 0, "logits", 2));
    LBK_TRY(lbk_infer_shape(infer, 1, "labels", lbk_shape_1(infer->input[0].shape.dim[0])));
    lbk_infer_output(infer, LBK_F32, lbk_shape_1(1));
    lbk_infer_output(infer, LBK_F32, infer->input[0].shape);
    return LBK_OK;
}

/* An exponential counts as 10 operations. */
static void cross_entropy_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 26, cost);
}

static void reference_row(const lbk_reference *r, int64_t row, int64_t label, double labelled) {
    const cross_entropy_params *p = r->params;
    int64_t classes = r->input[0].shape.dim[1];
    const double *z = r->in[0] + row * classes;
    double top = z[0], sum = 0;
    for (int64_t k = 1; k < classes; k++)
        top = fmax(top, z[k]);
    for (int64_t k = 0; k < classes; k++)
        sum += exp(z[k] - top);
    for (int64_t k = 0; k < classes; k++) {
        double target = (k == label ? 1 - p->smoothing : 0) + p->smoothing / (double)classes;
        r->out[0][0] -= target * (z[k] - top - log(sum)) / labelled;
        r->out[1][row * classes + k] = (exp(z[k] - top) / sum - target) / labelled;
    }
}

static void cross_entropy_reference(const lbk_reference *r) {
    double labelled = 0;
    for (int64_t row = 0; row < r->input[0].shape.dim[0]; row++)
        labelled += r->in[1][row] >= 0;
    for (int64_t row = 0; row < r->input[0].shape.dim[0]; row++)
        if (r->in[1][row] >= 0)
            reference_row(r, row, (int64_t)r->in[1][row], labelled);
}

static lbk_status cross_entropy_differentiate(lbk_gradient *g) {
    if (g->output_grad[1] != LBK_NONE)
        return lbk_fail(LBK_ERR_UNSUPPORTED, "output dlogits has no derivative");
    if (!g->wanted[0] || g->output_grad[0] == LBK_NONE)
        return LBK_OK;
    if (g->output_grad[0] == LBK_ONE) {
        g->input_grad[0] = g->output[1];
        return LBK_OK;
    }
    const lbk_value inputs[] = {g->output[1], g->output_grad[0]};
    return lbk_gradient_emit(g, "scale_by", NULL, 2, inputs, &g->input_grad[0]);
}

static lbk_status emit_rows(lbk_emit *e, const char *file, int row_loss, size_t group, bool per_group) {
    const cross_entropy_params *p = e->params;
    const lbk_shape *logits = &e->input[0].shape;
    size_t batch = (size_t)logits->dim[0];
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, file, "rows", &call));
    if (per_group && group > 1)
        LBK_TRY(lbk_call_option(call, "-DGROUP=%zu", group));
    lbk_call_input(call, 0);
    lbk_call_input(call, 1);
    lbk_call_scratch(call, row_loss);
    lbk_call_output(call, 1);
    lbk_call_int(call, logits->dim[0]);
    lbk_call_int(call, logits->dim[1]);
    lbk_call_float(call, p->smoothing);
    lbk_call_range_1d(call, per_group ? batch * group : batch, group);
    return LBK_OK;
}

static lbk_status emit_finish(lbk_emit *e, const char *file, int row_loss, size_t group) {
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, file, "finish", &call));
    if (group > 1)
        LBK_TRY(lbk_call_option(call, "-DGROUP=%zu", group));
    lbk_call_scratch(call, row_loss);
    lbk_call_output(call, 0);
    lbk_call_int(call, e->input[0].shape.dim[0]);
    lbk_call_range_1d(call, group, group);
    return LBK_OK;
}

static int row_scratch(lbk_emit *e) {
    return lbk_emit_scratch(e, (size_t)e->input[0].shape.dim[0] * sizeof(float));
}

static lbk_status cross_entropy_emit_generic(lbk_emit *e) {
    int row_loss = row_scratch(e);
    LBK_TRY(emit_rows(e, "generic/cross_entropy", row_loss, lbk_emit_local(e), false));
    return emit_finish(e, "generic/cross_entropy", row_loss, 1);
}

static lbk_status cross_entropy_emit_cpu(lbk_emit *e) {
    int row_loss = row_scratch(e);
    LBK_TRY(emit_rows(e, "cpu/cross_entropy", row_loss, 1, true));
    return emit_finish(e, "generic/cross_entropy", row_loss, 1);
}

static lbk_status cross_entropy_emit_gpu(lbk_emit *e) {
    int row_loss = row_scratch(e);
    size_t group = lbk_emit_group(e, e->input[0].shape.dim[1]);
    LBK_TRY(emit_rows(e, "gpu/cross_entropy", row_loss, group, true));
    return emit_finish(e, "gpu/cross_entropy", row_loss, group);
}

static const lbk_variant cross_entropy_variants[] = {{LBK_CLASS_CPU, "vector", cross_entropy_emit_cpu},
                                                     {LBK_CLASS_GPU, "group", cross_entropy_emit_gpu},
                                                     {LBK_CLASS_GENERIC, "row", cross_entropy_emit_generic},
                                                     {.emit = NULL}};

static const lbk_op_example cross_entropy_examples[] = {
    {.params = "", .input = {{2, {7, 10}}, {1, {7}}}, .input_count = 2, .low = -5, .high = 5, .integer_below = 10},
    {.params = "smoothing=0.1",
     .input = {{2, {128, 100}}, {1, {128}}},
     .input_count = 2,
     .low = -20,
     .high = 20,
     .integer_below = 100},
    {.params = "", .input = {{2, {1, 1}}, {1, {1}}}, .input_count = 2, .integer_below = 1},
    {.params = "smoothing=0.3",
     .input = {{2, {3, 1009}}, {1, {3}}},
     .input_count = 2,
     .low = 60,
     .high = 110,
     .integer_below = 1009},
};

static const lbk_op cross_entropy_op = {
    .name = "cross_entropy",
    .summary = "cross-entropy of logits against class labels, averaged over the batch",
    .formula = "loss = -1/labelled sum_i [label_i >= 0] sum_k t_ik ln softmax(z_i)_k, t = (1-s) onehot + s/K; dlogits "
               "= dloss/dz",
    .inputs = "logits[B,K] labels[B]:i32",
    .outputs = "loss[1] dlogits[B,K]",
    .params = cross_entropy_table,
    .params_size = sizeof(cross_entropy_params),
    .min_inputs = 2,
    .max_inputs = 2,
    .integers = 1u << 1,
    .infer = cross_entropy_infer,
    .cost = cross_entropy_cost,
    .differentiate = cross_entropy_differentiate,
    .reference = cross_entropy_reference,
    .variants = cross_entropy_variants,
    .examples = cross_entropy_examples,
    .example_count = 4,
};

const lbk_op *const lbk_ops_cross_entropy[] = {&cross_entropy_op, NULL};

/* classify_stats: what an evaluation counts, per row of logits: the predicted class and the cross-entropy. */
#include "ops/support.h"

#include <math.h>

static lbk_status stats_infer(lbk_infer *infer) {
    lbk_shape rows = lbk_shape_1(infer->input[0].shape.dim[0]);
    LBK_TRY(lbk_infer_rank(infer, 0, "logits", 2));
    LBK_TRY(lbk_infer_shape(infer, 1, "labels", rows));
    lbk_infer_output(infer, LBK_I32, rows);
    lbk_infer_output(infer, LBK_F32, rows);
    return LBK_OK;
}

static void stats_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 13, cost);
}

static void stats_reference(const lbk_reference *r) {
    int64_t batch = r->input[0].shape.dim[0], classes = r->input[0].shape.dim[1];
    for (int64_t row = 0; row < batch; row++) {
        const double *z = r->in[0] + row * classes;
        int64_t best = 0, label = (int64_t)r->in[1][row];
        double sum = 0;
        for (int64_t k = 1; k < classes; k++)
            best = z[k] > z[best] ? k : best;
        for (int64_t k = 0; k < classes; k++)
            sum += exp(z[k] - z[best]);
        r->out[0][row] = (double)best;
        r->out[1][row] = label < 0 ? 0 : log(sum) - (z[label] - z[best]);
    }
}

static lbk_status stats_emit(lbk_emit *e) {
    const lbk_shape *logits = &e->input[0].shape;
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, "generic/classify_stats", "classify_stats", &call));
    lbk_call_input(call, 0);
    lbk_call_input(call, 1);
    lbk_call_output(call, 0);
    lbk_call_output(call, 1);
    lbk_call_int(call, logits->dim[0]);
    lbk_call_int(call, logits->dim[1]);
    lbk_call_range_1d(call, (size_t)logits->dim[0], lbk_emit_local(e));
    return LBK_OK;
}

static const lbk_variant stats_variants[] = {{LBK_CLASS_GENERIC, "row", stats_emit}, {.emit = NULL}};

#define EXAMPLE(b, k)                                                                                                  \
    { .params = "", .input = {{2, {b, k}}, {1, {b}}}, .input_count = 2, .low = -7, .high = 7, .integer_below = k }
static const lbk_op_example stats_examples[] = {EXAMPLE(7, 10), EXAMPLE(1, 1), EXAMPLE(257, 101)};

static const lbk_op stats_op = {
    .name = "classify_stats",
    .summary = "predicted class and cross-entropy of each row of logits",
    .formula = "predicted = argmax_k z_k (the first of equals), loss = -ln softmax(z)_label; 0 for a label < 0",
    .inputs = "logits[B,K] labels[B]:i32",
    .outputs = "predicted[B]:i32 loss[B]",
    .min_inputs = 2,
    .max_inputs = 2,
    .integers = 1u << 1,
    .infer = stats_infer,
    .cost = stats_cost,
    .reference = stats_reference,
    .variants = stats_variants,
    .examples = stats_examples,
    .example_count = 3,
};

const lbk_op *const lbk_ops_classify_stats[] = {&stats_op, NULL};

/* distill_loss: the loss of Hinton, Vinyals, Dean, "Distilling the knowledge in a neural network" (2015), with its derivative,
 * in one pass over the logits. Weights and temperature are read when the kernel runs, so schedules need no new plan. */
#include "ops/loss.h"

#include <math.h>

enum { STUDENT, TEACHER, LABELS, HARD_WEIGHT, SOFT_WEIGHT, TEMPERATURE }; /* inputs */
enum { TOTAL, HARD, SOFT, DSTUDENT };                                     /* outputs */

static lbk_status distill_infer(lbk_infer *infer) {
    const lbk_shape *student = &infer->input[STUDENT].shape;
    LBK_TRY(lbk_infer_rank(infer, STUDENT, "student", 2));
    LBK_TRY(lbk_infer_shape(infer, TEACHER, "teacher", *student));
    LBK_TRY(lbk_infer_shape(infer, LABELS, "labels", lbk_shape_1(student->dim[0])));
    LBK_TRY(lbk_infer_shape(infer, HARD_WEIGHT, "hard_weight", lbk_shape_1(1)));
    LBK_TRY(lbk_infer_shape(infer, SOFT_WEIGHT, "soft_weight", lbk_shape_1(1)));
    LBK_TRY(lbk_infer_shape(infer, TEMPERATURE, "temperature", lbk_shape_1(1)));
    for (int i = TOTAL; i <= SOFT; i++)
        lbk_infer_output(infer, LBK_F32, lbk_shape_1(1));
    lbk_infer_output(infer, LBK_F32, *student);
    return LBK_OK;
}

/* An exponential counts as 10 operations. */
static void distill_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 80, cost);
}

/* out[k] = ln softmax(z / temperature)[k] */
static double reference_log_softmax(const double *z, int64_t classes, double temperature, int64_t k) {
    double top = z[0], sum = 0;
    for (int64_t i = 1; i < classes; i++)
        top = fmax(top, z[i]);
    for (int64_t i = 0; i < classes; i++)
        sum += exp((z[i] - top) / temperature);
    return (z[k] - top) / temperature - log(sum);
}

static void distill_reference(const lbk_reference *r) {
    int64_t batch = r->input[STUDENT].shape.dim[0], classes = r->input[STUDENT].shape.dim[1];
    double labelled = 0;
    for (int64_t row = 0; row < batch; row++)
        labelled += r->in[LABELS][row] >= 0;
    double t = r->in[TEMPERATURE][0], hard = r->in[HARD_WEIGHT][0], soft = r->in[SOFT_WEIGHT][0];
    for (int64_t row = 0; row < batch; row++) {
        const double *s = r->in[STUDENT] + row * classes, *z = r->in[TEACHER] + row * classes;
        int64_t label = (int64_t)r->in[LABELS][row];
        for (int64_t k = 0; k < classes; k++) {
            double ln_p = reference_log_softmax(z, classes, t, k), ln_q = reference_log_softmax(s, classes, t, k);
            double ln_r = reference_log_softmax(s, classes, 1, k), *d = &r->out[DSTUDENT][row * classes + k];
            r->out[SOFT][0] += t * t * exp(ln_p) * (ln_p - ln_q) / (double)batch;
            *d = soft * t * (exp(ln_q) - exp(ln_p)) / (double)batch;
            if (label >= 0)
                *d += hard * (exp(ln_r) - (k == label)) / labelled;
            if (k == label)
                r->out[HARD][0] -= ln_r / labelled;
        }
    }
    r->out[TOTAL][0] = hard * r->out[HARD][0] + soft * r->out[SOFT][0];
}

static lbk_status distill_differentiate(lbk_gradient *g) {
    static const char *const outputs[] = {"total", "hard", "soft", "dstudent"};
    static const char *const inputs[] = {"student", "teacher", "labels", "hard_weight", "soft_weight", "temperature"};
    for (int i = HARD; i <= DSTUDENT; i++)
        if (g->output_grad[i] != LBK_NONE)
            return lbk_fail(LBK_ERR_UNSUPPORTED, "output %s has no derivative", outputs[i]);
    for (int i = TEACHER; i <= TEMPERATURE; i++)
        if (g->wanted[i])
            return lbk_fail(LBK_ERR_UNSUPPORTED, "no derivative with respect to %s", inputs[i]);
    if (!g->wanted[STUDENT] || g->output_grad[TOTAL] == LBK_NONE)
        return LBK_OK;
    return lbk_loss_scale(g, g->output[DSTUDENT], &g->input_grad[STUDENT]);
}

static lbk_status emit_rows(lbk_emit *e, const char *file, int row_loss, size_t group, bool per_group) {
    const lbk_shape *student = &e->input[STUDENT].shape;
    size_t batch = (size_t)student->dim[0];
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, file, "rows", &call));
    if (per_group && group > 1)
        LBK_TRY(lbk_call_option(call, "-DGROUP=%zu", group));
    for (int i = STUDENT; i <= TEMPERATURE; i++)
        lbk_call_input(call, i);
    lbk_call_scratch(call, row_loss);
    lbk_call_output(call, DSTUDENT);
    lbk_call_int(call, student->dim[0]);
    lbk_call_int(call, student->dim[1]);
    lbk_call_range_1d(call, per_group ? batch * group : batch, group);
    return LBK_OK;
}

static lbk_status emit_finish(lbk_emit *e, const char *file, int row_loss, size_t group) {
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, file, "finish", &call));
    if (group > 1)
        LBK_TRY(lbk_call_option(call, "-DGROUP=%zu", group));
    lbk_call_scratch(call, row_loss);
    for (int i = HARD_WEIGHT; i <= TEMPERATURE; i++)
        lbk_call_input(call, i);
    for (int i = TOTAL; i <= SOFT; i++)
        lbk_call_output(call, i);
    lbk_call_int(call, e->input[STUDENT].shape.dim[0]);
    lbk_call_range_1d(call, group, group);
    return LBK_OK;
}

/* [2][batch]: cross-entropy and KL of each row. */
static int row_scratch(lbk_emit *e) {
    return lbk_emit_scratch(e, 2 * (size_t)e->input[STUDENT].shape.dim[0] * sizeof(float));
}

static lbk_status distill_emit_generic(lbk_emit *e) {
    int row_loss = row_scratch(e);
    LBK_TRY(emit_rows(e, "generic/distill_loss", row_loss, lbk_emit_local(e), false));
    return emit_finish(e, "generic/distill_loss", row_loss, 1);
}

static lbk_status distill_emit_cpu(lbk_emit *e) {
    int row_loss = row_scratch(e);
    LBK_TRY(emit_rows(e, "cpu/distill_loss", row_loss, 1, true));
    return emit_finish(e, "generic/distill_loss", row_loss, 1);
}

static lbk_status distill_emit_gpu(lbk_emit *e) {
    int row_loss = row_scratch(e);
    size_t group = lbk_emit_group(e, e->input[STUDENT].shape.dim[1]);
    LBK_TRY(emit_rows(e, "gpu/distill_loss", row_loss, group, true));
    return emit_finish(e, "gpu/distill_loss", row_loss, group);
}

static const lbk_variant distill_variants[] = {{LBK_CLASS_CPU, "vector", distill_emit_cpu},
                                               {LBK_CLASS_GPU, "group", distill_emit_gpu},
                                               {LBK_CLASS_GENERIC, "row", distill_emit_generic},
                                               {.emit = NULL}};

#define EXAMPLE(b, k, from, to)                                                                                        \
    {                                                                                                                  \
        .params = "", .input = {{2, {b, k}}, {2, {b, k}}, {1, {b}}, {1, {1}}, {1, {1}}, {1, {1}}}, .input_count = 6,   \
        .low = from, .high = to, .integer_below = k                                                                    \
    }
static const lbk_op_example distill_examples[] = {EXAMPLE(7, 10, 0.5, 4), EXAMPLE(128, 100, 1, 8),
                                                  EXAMPLE(1, 1, 0.5, 2), EXAMPLE(3, 1009, 0.3, 6)};

static const lbk_op distill_op = {
    .name = "distill_loss",
    .summary = "weighted sum of cross-entropy and softened KL divergence to a teacher (Hinton et al. 2015)",
    .formula =
        "total = hard_weight * hard + soft_weight * soft, hard = -mean over labelled rows of ln softmax(s)_label, "
        "soft = T^2/B sum p (ln p - ln q), p = softmax(t/T), q = softmax(s/T); dstudent = dtotal/ds",
    .inputs = "student[B,K] teacher[B,K] labels[B]:i32 hard_weight[1] soft_weight[1] temperature[1]",
    .outputs = "total[1] hard[1] soft[1] dstudent[B,K]",
    .min_inputs = 6,
    .max_inputs = 6,
    .integers = 1u << LABELS,
    .scalars = 1u << HARD_WEIGHT | 1u << SOFT_WEIGHT | 1u << TEMPERATURE,
    .infer = distill_infer,
    .cost = distill_cost,
    .differentiate = distill_differentiate,
    .reference = distill_reference,
    .variants = distill_variants,
    .examples = distill_examples,
    .example_count = 4,
};

const lbk_op *const lbk_ops_distill_loss[] = {&distill_op, NULL};

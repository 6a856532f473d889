/* kl_rows: the divergence of a student's softened prediction from a teacher's, per row, for reports. */
#include "ops/support.h"

#include <math.h>

static lbk_status kl_infer(lbk_infer *infer) {
    const lbk_shape *student = &infer->input[0].shape;
    LBK_TRY(lbk_infer_rank(infer, 0, "student", 2));
    LBK_TRY(lbk_infer_shape(infer, 1, "teacher", *student));
    LBK_TRY(lbk_infer_shape(infer, 2, "temperature", lbk_shape_1(1)));
    lbk_infer_output(infer, LBK_F32, lbk_shape_1(student->dim[0]));
    return LBK_OK;
}

static void kl_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 30, cost);
}

/* sum_k exp(z_k / temperature), relative to z_0. */
static double reference_partition(const double *z, int64_t classes, double temperature) {
    double sum = 0;
    for (int64_t k = 0; k < classes; k++)
        sum += exp((z[k] - z[0]) / temperature);
    return sum;
}

static void kl_reference(const lbk_reference *r) {
    int64_t batch = r->input[0].shape.dim[0], classes = r->input[0].shape.dim[1];
    double t = r->in[2][0];
    for (int64_t row = 0; row < batch; row++) {
        const double *zs = r->in[0] + row * classes, *zt = r->in[1] + row * classes;
        double sum_q = reference_partition(zs, classes, t), sum_p = reference_partition(zt, classes, t);
        for (int64_t k = 0; k < classes; k++) {
            double p = exp((zt[k] - zt[0]) / t) / sum_p, q = exp((zs[k] - zs[0]) / t) / sum_q;
            r->out[0][row] += p > 0 ? p * log(p / q) : 0;
        }
    }
}

static lbk_status kl_emit(lbk_emit *e) {
    const lbk_shape *student = &e->input[0].shape;
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, "generic/kl_rows", "kl_rows", &call));
    for (int i = 0; i < 3; i++)
        lbk_call_input(call, i);
    lbk_call_output(call, 0);
    lbk_call_int(call, student->dim[0]);
    lbk_call_int(call, student->dim[1]);
    lbk_call_range_1d(call, (size_t)student->dim[0], lbk_emit_local(e));
    return LBK_OK;
}

static const lbk_variant kl_variants[] = {{LBK_CLASS_GENERIC, "row", kl_emit}, {.emit = NULL}};

#define EXAMPLE(b, k, from, to)                                                                                        \
    { .params = "", .input = {{2, {b, k}}, {2, {b, k}}, {1, {1}}}, .input_count = 3, .low = from, .high = to }
static const lbk_op_example kl_examples[] = {EXAMPLE(7, 10, 0.5, 4), EXAMPLE(1, 1, 0.5, 2), EXAMPLE(129, 101, 1, 8)};

static const lbk_op kl_op = {
    .name = "kl_rows",
    .summary = "KL divergence from teacher to student of each row of logits",
    .formula = "kl = sum_k p_k (ln p_k - ln q_k), p = softmax(teacher/T), q = softmax(student/T)",
    .inputs = "student[B,K] teacher[B,K] temperature[1]",
    .outputs = "kl[B]",
    .min_inputs = 3,
    .max_inputs = 3,
    .scalars = 1u << 2,
    .infer = kl_infer,
    .cost = kl_cost,
    .reference = kl_reference,
    .variants = kl_variants,
    .examples = kl_examples,
    .example_count = 3,
};

const lbk_op *const lbk_ops_kl_rows[] = {&kl_op, NULL};

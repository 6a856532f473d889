/* bank_update: a memory bank of unit vectors, one per training sample, moves towards the vectors of a batch (Wu et al., "Unsupervised
 * feature learning via non-parametric instance discrimination", 2018; Tian et al., "Contrastive representation distillation",
 * 2020). Of a sample that is in the batch more than once the last vector counts. */
#include "ops/support.h"

#include <math.h>

typedef struct bank_params {
    double momentum;
} bank_params;

static const lbk_param bank_table[] = {
    LBK_PARAM_FLOAT(bank_params, momentum, "0.5", 0, 1, NULL, "share of the row as it was", "Tian et al. 2020"),
    LBK_PARAM_END};

enum { BANK, SAMPLES, V }; /* inputs */

#define SMALLEST 1e-12 /* norm that is divided by, as in l2_normalize */

static lbk_status bank_infer(lbk_infer *infer) {
    LBK_TRY(lbk_infer_rank(infer, BANK, "bank", 2));
    LBK_TRY(lbk_infer_rank(infer, SAMPLES, "samples", 1));
    lbk_shape v = lbk_shape_2(infer->input[SAMPLES].shape.dim[0], infer->input[BANK].shape.dim[1]);
    LBK_TRY(lbk_infer_shape(infer, V, "v", v));
    lbk_infer_output(infer, LBK_F32, v);
    return LBK_OK;
}

/* Of the bank only the rows named are read, and written. */
static void bank_cost(const lbk_infer *shapes, lbk_cost *cost) {
    double elements = (double)lbk_ops_count(&shapes->input[V]);
    cost->flops = 6 * elements;
    cost->bytes = 4 * 4 * elements + (double)lbk_tensor_bytes(&shapes->input[SAMPLES]);
}

/* All rows are made of the bank as it was; then they are stored in the batch's order. */
static void bank_reference(const lbk_reference *r) {
    double momentum = ((const bank_params *)r->params)->momentum;
    int64_t rows = r->input[BANK].shape.dim[0], width = r->input[BANK].shape.dim[1];
    int64_t batch = r->input[SAMPLES].shape.dim[0];
    for (int64_t b = 0; b < batch; b++) {
        double sample = r->in[SAMPLES][b], square = 0, *y = r->out[0] + b * width;
        int64_t last = b;
        for (int64_t k = b; k < batch; k++)
            last = r->in[SAMPLES][k] == sample ? k : last;
        for (int64_t d = 0; d < width; d++) {
            double old = sample >= 0 && sample < (double)rows ? r->in[BANK][(int64_t)sample * width + d] : (double)NAN;
            y[d] = momentum * old + (1 - momentum) * r->in[V][last * width + d];
            square += y[d] * y[d];
        }
        for (int64_t d = 0; d < width; d++)
            y[d] /= sqrt(square) < SMALLEST ? SMALLEST : sqrt(square);
    }
    for (int64_t b = 0; b < batch; b++)
        for (int64_t d = 0; d < width && r->in[SAMPLES][b] >= 0 && r->in[SAMPLES][b] < (double)rows; d++)
            r->in[BANK][(int64_t)r->in[SAMPLES][b] * width + d] = r->out[0][b * width + d];
}

static lbk_status emit_rows(lbk_emit *e, lbk_class cls, const char *kernel, bool store) {
    lbk_call *call;
    LBK_TRY(lbk_emit_kernel(e, "generic/bank_update", kernel, &call));
    lbk_call_input(call, BANK);
    lbk_call_input(call, SAMPLES);
    if (!store)
        lbk_call_input(call, V);
    lbk_call_output(call, 0);
    lbk_call_int(call, e->input[BANK].shape.dim[0]);
    if (!store)
        lbk_call_float(call, ((const bank_params *)e->params)->momentum);
    return lbk_rows_call(call, e, cls, e->input[V].shape.dim[0], e->input[V].shape.dim[1]);
}

static lbk_status emit_generic(lbk_emit *e) {
    LBK_TRY(emit_rows(e, LBK_CLASS_GENERIC, "bank_rows", false));
    return emit_rows(e, LBK_CLASS_GENERIC, "bank_store", true);
}

static lbk_status emit_gpu(lbk_emit *e) {
    LBK_TRY(emit_rows(e, LBK_CLASS_GPU, "bank_rows", false));
    return emit_rows(e, LBK_CLASS_GPU, "bank_store", true);
}

static const lbk_variant bank_variants[] = {
    {LBK_CLASS_GPU, "group", emit_gpu}, {LBK_CLASS_GENERIC, "row", emit_generic}, {.emit = NULL}};

static const lbk_op_example bank_examples[] = {
    {.params = "", .input = {{2, {13, 10}}, {1, {7}}, {2, {7, 10}}}, .input_count = 3, .integer_below = 13},
    {.params = "momentum=0", .input = {{2, {1, 1}}, {1, {1}}, {2, {1, 1}}}, .input_count = 3, .integer_below = 1},
    {.params = "momentum=0.9",
     .input = {{2, {301, 67}}, {1, {150}}, {2, {150, 67}}},
     .input_count = 3,
     .integer_below = 100},
};

static const lbk_op bank_op = {
    .name = "bank_update",
    .summary = "rows of a memory bank moved towards new vectors and scaled to norm 1; of a repeated sample the last "
               "vector counts",
    .formula = "y[b] = u / |u|, u = momentum * bank[samples[b]] + (1 - momentum) * v[b]; bank[samples[b]] = y[b]; NaN, "
               "and nothing "
               "stored, for a sample that the bank does not have",
    .inputs = "bank[N,D] samples[B]:i32 v[B,D]",
    .outputs = "y[B,D]",
    .params = bank_table,
    .params_size = sizeof(bank_params),
    .min_inputs = 3,
    .max_inputs = 3,
    .updates = 1u << BANK,
    .integers = 1u << SAMPLES,
    .detached = 1u << BANK | 1u << V,
    .infer = bank_infer,
    .cost = bank_cost,
    .reference = bank_reference,
    .variants = bank_variants,
    .examples = bank_examples,
    .example_count = sizeof bank_examples / sizeof *bank_examples,
};

const lbk_op *const lbk_ops_bank_update[] = {&bank_op, NULL};

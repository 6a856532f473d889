/* round: every number to the nearest of a narrower type, kept as float32. graph/arithmetic.c places it before products. */
#include "ops/round.h"

#include "device/matrix_units.h"
#include "ops/support.h"
#include "tensor/half.h"

#include <math.h>
#include <string.h>

#define CPU_CHUNK 256 /* vectors a work-item takes on a CPU */

static const lbk_param round_table[] = {
    LBK_PARAM_CHOICE(lbk_round_params, type, NULL, lbk_arithmetic_names,
                     "what is rounded to; tf32 is float32 with 10 bits of fraction", NULL),
    LBK_PARAM_END,
};

/* 13 bits less; a carry into the exponent is right. */
static float to_tf32(float number) {
    uint32_t bits;
    if (isnan(number))
        return number;
    memcpy(&bits, &number, sizeof bits);
    bits = (bits + 0xfffu + (bits >> 13 & 1u)) & ~0x1fffu;
    memcpy(&number, &bits, sizeof bits);
    return number;
}

float lbk_round_number(lbk_arithmetic type, float number) {
    lbk_dtype half = type == LBK_ARITHMETIC_FLOAT16 ? LBK_F16 : LBK_BF16;
    if (type == LBK_ARITHMETIC_FLOAT32)
        return number;
    if (type == LBK_ARITHMETIC_TF32)
        return to_tf32(number);
    return lbk_half_to_float(half, lbk_half_from_float(half, number));
}

static lbk_status round_infer(lbk_infer *infer) {
    lbk_infer_output(infer, LBK_F32, infer->input[0].shape);
    return LBK_OK;
}

static void round_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 0, cost);
}

static void round_reference(const lbk_reference *r) {
    const lbk_round_params *p = r->params;
    for (int64_t i = 0; i < lbk_ops_count(&r->input[0]); i++)
        r->out[0][i] = (double)lbk_round_number((lbk_arithmetic)p->type, (float)r->in[0][i]);
}

static lbk_status round_emit(lbk_emit *e, lbk_class cls) {
    const lbk_round_params *p = e->params;
    int width = cls == LBK_CLASS_CPU ? lbk_emit_vector_width(e) : cls == LBK_CLASS_GPU ? 4 : 1;
    int chunk = cls == LBK_CLASS_CPU ? CPU_CHUNK : 1;
    int64_t count = lbk_ops_count(&e->input[0]);
    lbk_call *call;
    LBK_TRY(lbk_emit_elementwise(e, "generic/round", "round_to", count, &call));
    LBK_TRY(lbk_call_option(call, "-DTYPE=%d -DWIDTH=%d -DCHUNK=%d", p->type, width, chunk));
    /* Whoever has room for one vector more than are whole takes what is left behind them. */
    lbk_call_range_1d(call, (size_t)(count / width / chunk + 1), cls == LBK_CLASS_CPU ? 1 : lbk_emit_local(e));
    return LBK_OK;
}

LBK_VARIANTS_BY_CLASS(round, "vector", "vector4", "element")

static const lbk_op_example round_examples[] = {
    {.params = "type=float32", .input = {{1, {1}}}, .input_count = 1},
    {.params = "type=tf32", .input = {{4, {2, 5, 7, 3}}}, .input_count = 1},
    {.params = "type=float16", .input = {{2, {13, 1021}}}, .input_count = 1, .low = -70000, .high = 70000},
    {.params = "type=float16", .input = {{3, {1, 3, 67}}}, .input_count = 1, .low = -1e-4, .high = 1e-4},
    {.params = "type=bfloat16", .input = {{2, {3, 5}}}, .input_count = 1},
};

static const lbk_op round_to = {
    .name = "round",
    .summary = "numbers rounded to a narrower type, as operands of products are",
    .formula = "y = x to the nearest of the type, ties to even",
    .inputs = "x[...]",
    .outputs = "y[...]",
    .params = round_table,
    .params_size = sizeof(lbk_round_params),
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = round_infer,
    .cost = round_cost,
    .reference = round_reference,
    .variants = round_variants,
    .examples = round_examples,
    .example_count = 5,
};

const lbk_op *const lbk_ops_round[] = {&round_to, NULL};

/* pack_float16, pack_bfloat16: a tensor rounded to 16 bits a number, to keep it in half the memory. unpack_float16, unpack_bfloat16:
 * the way back, exact. graph/storage.c places them; nothing is computed in between. */
#include "ops/support.h"
#include "tensor/half.h"

#define CPU_CHUNK 256 /* vectors a work-item takes on a CPU */

static lbk_dtype half_of(const lbk_op *op) {
    return *(const lbk_dtype *)op->family;
}

static lbk_status pack_infer(lbk_infer *infer) {
    lbk_infer_output(infer, half_of(infer->op), infer->input[0].shape);
    return LBK_OK;
}

static lbk_status unpack_infer(lbk_infer *infer) {
    lbk_infer_output(infer, LBK_F32, infer->input[0].shape);
    return LBK_OK;
}

static void pack_cost(const lbk_infer *shapes, lbk_cost *cost) {
    lbk_cost_elementwise(shapes, 0, cost);
}

static void pack_reference(const lbk_reference *r) {
    lbk_dtype type = half_of(r->op);
    for (int64_t i = 0; i < lbk_ops_count(&r->input[0]); i++)
        r->out[0][i] = lbk_half_to_float(type, lbk_half_from_float(type, (float)r->in[0][i]));
}

static void unpack_reference(const lbk_reference *r) {
    for (int64_t i = 0; i < lbk_ops_count(&r->input[0]); i++)
        r->out[0][i] = r->in[0][i];
}

static lbk_status pack_emit(lbk_emit *e, lbk_class cls) {
    int width = cls == LBK_CLASS_CPU ? lbk_emit_vector_width(e) : cls == LBK_CLASS_GPU ? 4 : 1;
    int chunk = cls == LBK_CLASS_CPU ? CPU_CHUNK : 1;
    int64_t count = lbk_ops_count(&e->input[0]);
    lbk_call *call;
    LBK_TRY(lbk_emit_elementwise(e, "generic/pack", e->op->name, count, &call));
    LBK_TRY(lbk_call_option(call, "-DWIDTH=%d -DCHUNK=%d", width, chunk));
    /* Whoever has room for one vector more than are whole takes what is left behind them. */
    lbk_call_range_1d(call, (size_t)(count / width / chunk + 1), cls == LBK_CLASS_CPU ? 1 : lbk_emit_local(e));
    return LBK_OK;
}

LBK_VARIANTS_BY_CLASS(pack, "vector", "vector4", "element")

static const lbk_op_example pack_examples[] = {
    {.params = "", .input = {{4, {2, 5, 7, 3}}}, .input_count = 1},
    {.params = "", .input = {{1, {1}}}, .input_count = 1},
    {.params = "", .input = {{2, {13, 1021}}}, .input_count = 1, .low = -70000, .high = 70000},
};

#define PACK(type, dtype, text)                                                                                        \
    static const lbk_dtype half_##type = dtype;                                                                        \
    static const lbk_op pack_##type = {                                                                                \
        .name = "pack_" #type,                                                                                         \
        .summary = "numbers rounded to " text " to be kept",                                                           \
        .formula = "y = x to the nearest " #type ", ties to even",                                                     \
        .inputs = "x[...]",                                                                                            \
        .outputs = "y[...]:" #type,                                                                                    \
        .min_inputs = 1,                                                                                               \
        .max_inputs = 1,                                                                                               \
        .infer = pack_infer,                                                                                           \
        .cost = pack_cost,                                                                                             \
        .reference = pack_reference,                                                                                   \
        .variants = pack_variants,                                                                                     \
        .examples = pack_examples,                                                                                     \
        .example_count = 3,                                                                                            \
        .family = &half_##type,                                                                                        \
    };                                                                                                                 \
    static const lbk_op unpack_##type = {                                                                              \
        .name = "unpack_" #type,                                                                                       \
        .summary = "numbers kept as " text ", to compute with",                                                        \
        .formula = "y = x",                                                                                            \
        .inputs = "x[...]:" #type,                                                                                     \
        .outputs = "y[...]",                                                                                           \
        .min_inputs = 1,                                                                                               \
        .max_inputs = 1,                                                                                               \
        .floats = dtype,                                                                                               \
        .infer = unpack_infer,                                                                                         \
        .cost = pack_cost,                                                                                             \
        .reference = unpack_reference,                                                                                 \
        .variants = pack_variants,                                                                                     \
        .examples = pack_examples,                                                                                     \
        .example_count = 3,                                                                                            \
        .family = &half_##type,                                                                                        \
    };

PACK(float16, LBK_F16, "IEEE 754 binary16")
PACK(bfloat16, LBK_BF16, "bfloat16")

const lbk_op *const lbk_ops_pack[] = {&pack_float16, &pack_bfloat16, &unpack_float16, &unpack_bfloat16, NULL};
